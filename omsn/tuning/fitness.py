"""The fitness that a search minimises: SMGCNN's loss on speakers it has not learnt from (paper 2.5.2).

The encoders and MPDRF-Net are trained once and then left as they are. What they make of every clip is kept, so that a
candidate costs a short training of SMGCNN alone, from weights that are the same for all candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from omsn.config import Config
from omsn.data.dataset import FeatureSet
from omsn.data.padded import PaddedSet
from omsn.data.splits import Fold
from omsn.errors import ConfigError, InputError
from omsn.files import replace_file
from omsn.models.network import Network
from omsn.models.smgcnn import SMGCNN
from omsn.training.loop import OnEpoch, fit
from omsn.training.parts import make_parts
from omsn.training.rounds import build_network
from omsn.tuning.population import Candidates, FusedMaps, train_population
from omsn.tuning.space import Dimension
from omsn.tuning.study import Reals

LEARNING_RATE = "training.classifier_learning_rate"
WEIGHT_DECAY = "training.weight_decay"
DROPOUT = "network.classifier.dropout"
SEARCHABLE = (LEARNING_RATE, WEIGHT_DECAY, DROPOUT)
"""What a short training of SMGCNN alone can tell apart: the settings with a ``tunable`` range in ``omsn/config/``."""


@dataclass(frozen=True, eq=False)
class Fused:
    """What SMGCNN is given for every clip of the training part and of the validation speakers."""

    train: FusedMaps
    validation: FusedMaps


@dataclass(frozen=True, eq=False)
class Fitness:
    """Losses of candidates, each a position on every axis; a function for ``Study.run``.

    Attributes:
        start: the weights that every candidate begins with.
        fused: what it learns from, and what its loss is measured on.
        axes: what the columns of the candidates are, all of ``SEARCHABLE``.
        config: the settings that no axis varies.
        steps: of each short training.
        seed: order of the clips and dropout, the same for every candidate.
        jobs: processes; they change the time it takes and nothing else.
    """

    start: SMGCNN
    fused: Fused
    axes: tuple[Dimension, ...]
    config: Config
    steps: int
    seed: int
    jobs: int = 1

    def __call__(self, points: Reals) -> Reals:
        """(P, D) to (P,): loss on the validation speakers, NaN or infinite where training diverged."""
        shares = np.array_split(np.arange(len(points)), min(self.jobs, len(points)))
        losses = Parallel(n_jobs=self.jobs)(delayed(self._losses)(points[rows]) for rows in shares)
        return np.concatenate(losses)

    def candidates(self, points: Reals) -> Candidates:
        """What the rows stand for; settings that no axis varies are those of ``config``."""
        values: dict[str, Any] = dict(usual_settings(self.config))
        for axis, column in zip(self.axes, points.T, strict=True):
            values[axis.setting] = [axis.value(position) for position in column.tolist()]
        return Candidates.of(*(np.full(len(points), values[name]) for name in SEARCHABLE))

    def _losses(self, points: Reals) -> Reals:
        torch.set_num_threads(1)
        return train_population(
            self.start,
            self.fused.train,
            self.fused.validation,
            self.candidates(points),
            self.config.training,
            steps=self.steps,
            seed=self.seed,
        )


def usual_settings(config: Config) -> dict[str, float]:
    """What ``SEARCHABLE`` come to where no axis varies them; SMGCNN without a rate of its own has that of all."""
    training = config.training
    return {
        LEARNING_RATE: training.classifier_learning_rate or training.learning_rate,
        WEIGHT_DECAY: training.weight_decay,
        DROPOUT: config.network.classifier.dropout,
    }


def fused_maps(features: FeatureSet, fold: Fold, config: Config, seed: int, on_epoch: OnEpoch | None = None) -> Fused:
    """Train on the training part of a fold, then encode and fuse its clips and those of its test part.

    Raises:
        InputError: the fold has no test part, whose speakers are to validate.
        TrainingError: a loss is not finite.
    """
    parts = make_parts(features, fold, config.training)
    if parts.test is None:
        raise InputError(f"{fold.name}: no speakers kept out to validate candidates on")
    network = build_network(config, features, seed)
    fit(network, parts.train, None, replace(config.training, keep="last"), seed=seed, on_epoch=on_epoch)
    network.eval()
    return Fused(*(FusedMaps(_encode(network, part), part.targets) for part in (parts.train, parts.test)))


@torch.no_grad()
def _encode(network: Network, part: PaddedSet) -> Tensor:
    """(n, C, N, W) maps of every clip, unmixed and undisturbed."""
    batches = (network.standardised(part.batch(rows)) for rows in part.in_turn())
    return torch.cat([network.fuse(*network.encode(batch)) for batch in batches]).contiguous()


def fresh_classifier(features: FeatureSet, config: Config, seed: int) -> SMGCNN:
    """The common start of all candidates: SMGCNN untrained.

    Raises:
        ConfigError: the settings build a network without SMGCNN.
    """
    classifier = build_network(config, features, seed).classifier
    if classifier is None:
        raise ConfigError(
            f"network.fusion.kind: got {config.network.fusion.kind}, which has no SMGCNN to search settings for; "
            "choose another fusion"
        )
    return classifier


def save_fused(path: Path, fused: Fused) -> None:
    """Write what ``load_fused`` reads; the file appears whole or not at all."""
    parts = {"train": fused.train, "validation": fused.validation}
    tensors = {f"{name}.maps": part.maps for name, part in parts.items()}
    replace_file(path, save(tensors | {f"{name}.targets": part.targets for name, part in parts.items()}))


def load_fused(path: Path) -> Fused:
    """Read what ``save_fused`` wrote.

    Raises:
        InputError: the file is missing, damaged, or not of this kind.
    """
    try:
        tensors = load_file(path)
        parts = (FusedMaps(tensors[f"{name}.maps"], tensors[f"{name}.targets"]) for name in ("train", "validation"))
        return Fused(*parts)
    except (OSError, SafetensorError, KeyError, InputError) as error:
        raise InputError(f"{path}: damaged ({error}); delete it, and it is made again") from error
