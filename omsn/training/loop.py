"""The one training loop: AdamW, schedule, clipping, validation, resumable bit for bit on one thread of a CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from omsn.config import TrainingConfig
from omsn.data.augment import augment
from omsn.data.padded import PaddedSet
from omsn.errors import TrainingError
from omsn.models.answers import answer_of, mean_of_each, mean_over_speeds
from omsn.models.losses import LOSSES, total_loss
from omsn.models.network import Network
from omsn.training.known_speakers import standardised_by_speaker
from omsn.training.state import Epoch, TrainingState, load_state, save_state
from omsn.training.statistics import fit_statistics

WARM_UP_SHARE = 0.25
START_DIVISOR = 25.0
END_DIVISOR = 1e4
SHOWN_CLIPS = 8

OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True)
class Fitted:
    """What training gave besides the network's weights.

    Attributes:
        history: every epoch, in order.
        best_epoch: number of the epoch whose weights the network has now, from 1.
    """

    history: tuple[Epoch, ...]
    best_epoch: int


def fit(
    network: Network,
    train: PaddedSet,
    validation: PaddedSet | None,
    config: TrainingConfig,
    *,
    seed: int,
    state_path: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> Fitted:
    """Train a network in place.

    Args:
        network: freshly built.
        train: what it learns from.
        validation: chooses the epoch kept (``keep = "best"``) and when to stop; None with ``keep = "last"``.
        config: the loop's settings.
        seed: order, augmentation and dropout.
        state_path: where the whole state is saved after each epoch; training goes on from it where it exists.
        on_epoch: called after each epoch.

    Raises:
        TrainingError: a loss or gradient is not finite; the message names the clips.
        CheckpointError: the state at ``state_path`` is damaged or of another run.
    """
    with torch.random.fork_rng(devices=[]), _without_statistics(network):
        torch.manual_seed(seed)
        train = standardised_by_speaker(network, train)
        state = TrainingState.start(network, config, seed)
        if state_path is not None and state_path.exists():
            load_state(state_path, state)
        while len(state.history) < config.epochs and not _exhausted(state, config):
            _epoch(state, train, validation, config)
            if state_path is not None:
                save_state(state_path, state)
            if on_epoch is not None:
                on_epoch(state.history[-1])
        best = config.keep == "best" and validation is not None
        network.load_state_dict(state.best_weights if best else state.kept_weights())
    fit_statistics(network, train)
    return Fitted(tuple(state.history), state.best_epoch if best else len(state.history))


@contextmanager
def _without_statistics(network: Network) -> Iterator[None]:
    """What is fitted to whole clips learns nothing by gradient: it is neither averaged nor saved after each epoch."""
    statistics, network.statistics = network.statistics, None
    try:
        yield
    finally:
        network.statistics = statistics


def _epoch(state: TrainingState, train: PaddedSet, validation: PaddedSet | None, config: TrainingConfig) -> None:
    """One pass over the training part, then validation of the weights that would be kept."""
    network, loss = state.network, LOSSES[config.loss]
    network.train()
    n_steps = steps_per_epoch(len(train), config.batch_size)
    loss_sum = n_right = n_seen = 0.0
    for rows in _batches(len(train), n_steps, state.generator):
        for group in state.optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(state.step, n_steps * config.epochs, config)
        targets = smooth(train.targets[rows], network.sizes.n_classes, config.label_smoothing)
        speakers = None if train.speakers is None else train.speakers.at(rows)
        batch, targets = augment(
            train.batch(rows), targets, config.augment, state.generator, mirror=train.mirror, speakers=speakers
        )
        logits = network.logits(batch)
        value = total_loss(logits, targets, loss, config.auxiliary, config.joint)
        names = [train.names[row] for row in rows.tolist()]
        _check_finite("loss", value, len(state.history) + 1, names)
        state.optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm or math.inf)
        _check_finite("gradient", norm, len(state.history) + 1, names)
        state.optimizer.step()
        state.advance(config.average)
        loss_sum += float(loss(logits.fused.detach(), targets)) * len(rows)
        n_right += float((logits.fused.argmax(dim=1) == targets.argmax(dim=1)).sum())
        n_seen += len(rows)
    with state.evaluating():
        scores = None if validation is None else evaluate(network, validation, config)
    state.record(Epoch(len(state.history) + 1, loss_sum / n_seen, n_right / n_seen, scores))


def _check_finite(what: str, value: Tensor, epoch: int, names: Sequence[str]) -> None:
    if not torch.isfinite(value):
        raise TrainingError(
            f"the {what} is {value.item()} in epoch {epoch}, batch of {', '.join(names[:SHOWN_CLIPS])} ...; "
            "lower training.learning_rate"
        )


def evaluate(network: Network, part: PaddedSet, config: TrainingConfig) -> tuple[float, float]:
    """Mean loss of the fused logits, without smoothing, and WAR; of a clip at several speeds, of its mean logits."""
    logits = torch.cat([network(part.batch(rows)) for rows in part.in_turn()])
    logits = mean_of_each(logits, part.originals)
    targets = part.targets[: len(logits)]
    value = LOSSES[config.loss](logits, F.one_hot(targets, logits.shape[1]).to(logits.dtype))
    return float(value), float((logits.argmax(dim=1) == targets).float().mean())


def predict_probabilities(networks: Sequence[Network], part: PaddedSet, config: TrainingConfig) -> Tensor:
    """What networks say together of each clip of a part, (n, K) in label order; they are left in evaluation mode.

    A clip that is there at several speeds has the geometric mean of what is said of it at each.
    """
    for network in networks:
        network.eval()
    with torch.no_grad():
        said = torch.cat([answer_of(networks, part.batch(rows), config.loss) for rows in part.in_turn()])
    return mean_over_speeds(said, part.originals)


def learning_rate(step: int, n_steps: int, config: TrainingConfig) -> float:
    """One cycle (Smith & Topin 2019): cosine up from 1/25 over a quarter of the steps, cosine down to 1/10,000."""
    if config.schedule == "constant":
        return config.learning_rate
    warm_up = WARM_UP_SHARE * n_steps
    if step < warm_up:
        low, share = config.learning_rate / START_DIVISOR, 1 - step / warm_up
    else:
        low, share = config.learning_rate / END_DIVISOR, (step - warm_up) / max(1.0, n_steps - warm_up)
    return low + (config.learning_rate - low) * (1 + math.cos(math.pi * min(1.0, share))) / 2


def smooth(targets: Tensor, n_classes: int, smoothing: float) -> Tensor:
    """One-hot targets with a share spread evenly over all classes. (B,) to (B, K)."""
    return F.one_hot(targets, n_classes).float() * (1 - smoothing) + smoothing / n_classes


def steps_per_epoch(n_clips: int, batch_size: int) -> int:
    """Batches an epoch; clips are spread evenly over them, so that the last is not a small one."""
    return max(1, round(n_clips / batch_size))


def _batches(n_clips: int, n_batches: int, generator: Generator) -> Iterator[Tensor]:
    return iter(torch.tensor_split(torch.randperm(n_clips, generator=generator), n_batches))


def _exhausted(state: TrainingState, config: TrainingConfig) -> bool:
    """True when validation has not improved for ``patience`` epochs."""
    return 0 < config.patience <= len(state.history) - state.best_epoch and state.history[-1].validation is not None
