"""What each of many settings makes of SMGCNN in a short training: all of them trained at once, on the CPU.

Every candidate starts from the same weights and sees the same clips in the same order and the same random numbers of
dropout, so that losses differ by the settings alone. A candidate that diverges ends as NaN and disturbs no other.

Letters in shape comments: P candidates, B clips, K classes, M maps of N x D, S weights of one network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator, Tensor, nn
from torch.func import vmap
from torch.nn import functional as F

from omsn.config import TrainingConfig
from omsn.errors import InputError
from omsn.models.losses import LOSSES, Loss
from omsn.models.smgcnn import SMGCNN
from omsn.training.loop import learning_rate, smooth, steps_per_epoch
from omsn.tuning.stacked import StackedSMGCNN, stem_patches

CLIPS_AT_ONCE = 400
"""Clips of all candidates trained together: enough to share the cost of each call into PyTorch, few enough to keep
what backward needs in tens of megabytes."""
EVALUATION_BATCH = 16
CLIP_EPSILON = 1e-6
RETAINED_BYTES = 31 * 2**20

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FusedMaps:
    """What MPDRF-Net hands to SMGCNN, cached.

    Attributes:
        maps: (n, M, N, D), floating point, finite.
        targets: (n,) int64 class numbers.

    Raises:
        InputError: a shape, type or value is none of these; all are listed.
    """

    maps: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        maps, targets = self.maps, self.targets
        rules = {
            f"maps: got shape {tuple(maps.shape)}, expected (clips, maps, rows, columns), none of them 0": (
                maps.ndim == 4 and maps.numel() > 0
            ),
            f"maps: got {maps.dtype}, expected floating point": maps.is_floating_point(),
            "maps: got NaN or infinite values, expected finite ones": bool(torch.isfinite(maps).all()),
            f"targets: got shape {tuple(targets.shape)}, expected {tuple(maps.shape[:1])}": (
                targets.shape == maps.shape[:1]
            ),
            f"targets: got {targets.dtype}, expected torch.int64": targets.dtype == torch.int64,
            "targets: got negative class numbers, expected 0 and up": not bool((targets < 0).any()),
        }
        problems = [rule for rule, holds in rules.items() if not holds]
        if problems:
            raise InputError("FusedMaps." + "; FusedMaps.".join(problems))

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Settings to try, one of each a candidate.

    Attributes:
        learning_rates: (P,) highest learning rate of AdamW, 0 or more.
        weight_decays: (P,) decoupled weight decay, 0 or more.
        dropouts: (P,) dropout inside the blocks and before the fully connected layer, 0 to below 1.

    Raises:
        InputError: the lengths differ or a value is out of range; all are listed.
    """

    learning_rates: Reals
    weight_decays: Reals
    dropouts: Reals

    def __post_init__(self) -> None:
        shape, highest = (np.size(self.learning_rates),), {"dropouts": 1.0}
        problems = []
        for name in (spec.name for spec in fields(self)):
            values, high = getattr(self, name), highest.get(name, np.inf)
            if values.shape != shape:
                problems.append(f"Candidates.{name}: got shape {values.shape}, expected {shape}, one a candidate")
            elif not ((values >= 0) & (values < high)).all():
                wrong = values[~((values >= 0) & (values < high))]
                problems.append(f"Candidates.{name}: got {wrong[0]}, expected at least 0 and below {high}")
        if problems:
            raise InputError("; ".join(problems))

    @classmethod
    def of(cls, learning_rates: ArrayLike, weight_decays: ArrayLike, dropouts: ArrayLike) -> Candidates:
        """From numbers, one for all candidates, or sequences, one each."""
        given = [np.asarray(values, dtype=np.float64) for values in (learning_rates, weight_decays, dropouts)]
        n_candidates = max((values.size for values in given if values.ndim), default=1)
        return cls(*(np.full(n_candidates, values) if values.ndim == 0 else values for values in given))

    def __len__(self) -> int:
        return len(self.learning_rates)

    def __getitem__(self, rows: slice) -> Candidates:
        return Candidates(self.learning_rates[rows], self.weight_decays[rows], self.dropouts[rows])


def train_population(
    start: SMGCNN,
    train: FusedMaps,
    validation: FusedMaps,
    candidates: Candidates,
    training: TrainingConfig,
    *,
    steps: int,
    seed: int,
    chunk: int | None = None,
) -> Reals:
    """The validation loss that each candidate's settings lead to in a short training.

    Args:
        start: the weights that every candidate begins with; left as they are. Its precision is computed in.
        train: what they learn from.
        validation: what their loss is measured on, without dropout or label smoothing.
        candidates: the settings that differ.
        training: the settings they share: batch size, schedule (over ``steps``), loss, label smoothing, clipping.
        steps: of AdamW.
        seed: of the order of the clips and of dropout.
        chunk: candidates trained together, None for as many as is fast; changes time and memory and nothing else.

    Returns:
        (P,) mean loss over the validation clips; NaN or infinite where the training diverged.

    Raises:
        InputError: ``steps`` or ``chunk`` is below 1, or the maps do not fit the network.
    """
    chunk = max(1, CLIPS_AT_ONCE // training.batch_size) if chunk is None else chunk
    _check_counts(steps=steps, chunk=chunk)
    for name, part in (("train", train), ("validation", validation)):
        _check_fit(name, part, start)
    _retain_memory()
    losses = []
    for first in range(0, len(candidates), chunk):
        some = candidates[first : first + chunk]
        stack = StackedSMGCNN(start, len(some))
        fit_stack(stack, train, some, training, steps=steps, seed=seed)
        losses.append(evaluate_stack(stack, validation, LOSSES[training.loss]))
    return np.concatenate(losses) if losses else np.empty(0)


def fit_stack(
    stack: StackedSMGCNN, train: FusedMaps, candidates: Candidates, training: TrainingConfig, *, steps: int, seed: int
) -> None:
    """Train the networks of a stack in place, each by its own candidate; see ``train_population``."""
    generator = Generator().manual_seed(seed)
    optimizer = _optimizer(stack, candidates)
    rates = torch.from_numpy(candidates.dropouts).to(stack.weights.dtype)
    loss = _each(LOSSES[training.loss])
    batches = _batches(len(train), training.batch_size, generator)
    for step in range(steps):
        rows = next(batches)
        patches = stem_patches(train.maps[rows].to(stack.weights.dtype))  # (B, H, W, 9 M)
        masks = stack.dropout_masks(len(rows), rates, generator)
        logits = stack.logits(patches, masks)  # (P, B, K)
        targets = smooth(train.targets[rows], logits.shape[2], training.label_smoothing).to(logits.dtype)
        gradient = stack.gradients(loss(logits, targets).sum())
        _clip_rows(gradient, training.clip_norm or math.inf)
        share = learning_rate(step, steps, training) / training.learning_rate
        for group, highest in zip(optimizer.param_groups, candidates.learning_rates, strict=True):
            group["lr"] = share * float(highest)
        optimizer.step()


@torch.no_grad()
def evaluate_stack(stack: StackedSMGCNN, part: FusedMaps, loss: Loss) -> Reals:
    """Mean loss of each network over all clips, without dropout: (P,)."""
    total = torch.zeros(len(stack.weights), dtype=torch.float64)
    for rows in torch.split(torch.arange(len(part)), EVALUATION_BATCH):
        logits = stack.logits(stem_patches(part.maps[rows].to(stack.weights.dtype)))  # (P, B, K)
        targets = F.one_hot(part.targets[rows], logits.shape[2]).to(logits.dtype)
        total += _each(loss)(logits, targets) * len(rows)
    return (total / len(part)).numpy()


def _optimizer(stack: StackedSMGCNN, candidates: Candidates) -> torch.optim.AdamW:
    """PyTorch's AdamW with a group a candidate: a row of weights and a row of the gradient, both shared in memory."""
    groups = []
    settings = zip(candidates.learning_rates, candidates.weight_decays, strict=True)
    for weights, gradient, (rate, decay) in zip(stack.weights, stack.gradient, settings, strict=True):
        row = nn.Parameter(weights)
        row.grad = gradient
        groups.append({"params": [row], "lr": float(rate), "weight_decay": float(decay)})
    return torch.optim.AdamW(groups, fused=True)


def _clip_rows(gradient: Tensor, clip_norm: float) -> None:
    """Scale each row down to the norm, in place, as ``torch.nn.utils.clip_grad_norm_`` does. (P, S)."""
    norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
    gradient.mul_((clip_norm / (norms + CLIP_EPSILON)).clamp(max=1.0))


def _each(loss: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of each network: (P, B, K) and targets (B, K) to (P,)."""
    return vmap(loss, in_dims=(0, None))


def _batches(n_clips: int, batch_size: int, generator: Generator) -> Iterator[Tensor]:
    """Rows of the clips of each step, without end: every clip once an epoch, in a new order each."""
    while True:
        yield from torch.randperm(n_clips, generator=generator).tensor_split(steps_per_epoch(n_clips, batch_size))


def _retain_memory() -> None:
    """Let glibc keep what is freed: a block that is given back raises the size above which it returns memory at once.

    Without it every step maps its activations anew, which costs a tenth of the time in page faults.
    """
    torch.empty(RETAINED_BYTES, dtype=torch.uint8)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name}: got {count}, expected at least 1")


def _check_fit(name: str, part: FusedMaps, start: SMGCNN) -> None:
    n_maps, width, n_classes = start.stem.in_channels, start.stem.out_channels, start.classify.out_features
    columns = start.classify.in_features // width
    if part.maps.shape[1] != n_maps or -(-part.maps.shape[3] // 2) != columns:
        raise InputError(
            f"{name} maps: got shape {tuple(part.maps.shape)}, expected {n_maps} maps of {2 * columns - 1} or "
            f"{2 * columns} columns, which this network takes"
        )
    if int(part.targets.max()) >= n_classes:
        raise InputError(f"{name} targets: got class {int(part.targets.max())}, expected 0 to {n_classes - 1}")
