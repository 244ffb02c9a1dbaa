"""What ``omsn/models/statistics.py`` knows, fitted in closed form on a training part."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from omsn.config import StatisticsConfig
from omsn.data.augment import mirrored
from omsn.data.padded import CHUNK, PaddedSet
from omsn.models.network import Network
from omsn.models.statistics import (
    StatisticsClassifier,
    WhitenedStatistics,
    anova_kernel,
    clip_statistics,
    gaussian_kernel,
    scale_of,
)
from omsn.models.wccn import rows_of, within_class_whitening
from omsn.training.calibration import fit_temperature

MAX_CLIPS = 3000
"""Clips learnt from at most, evenly spaced: time grows with the cube of their number, mirrored faces counted too."""
SHARPNESS = 10.0
"""Scores are multiplied by this before a temperature is looked for."""
PARTS = 5
"""Parts that clips are cut into where none is to be asked of what it helped to learn."""

Doubles = NDArray[np.float64]

logger = logging.getLogger(__name__)


def fit_statistics(network: Network, train: PaddedSet) -> None:
    """Fit the kernel machine of a network in place, where it has one.

    Faces are learnt from as they are and mirrored. Each modality is whitened with a class for each emotion of each
    speaker, or each emotion where speakers are unknown. The temperature of the scores is the one under which clips are
    likeliest by what is learnt from others: other speakers, but for the whitening; or, where there is no second speaker
    or the network answers for speakers that it knows, the clips of four fifths, each fifth in turn.

    Args:
        network: trained.
        train: what it learnt from, as it learnt from it.
    """
    if network.statistics is None:
        return
    rows = torch.linspace(0, len(train) - 1, min(len(train), MAX_CLIPS)).round().long()
    fitted = _fitted(network, train, rows)
    if fitted is None:
        logger.warning("statistics of %d clips tell nothing: the encoders answer alone", len(rows))
        return
    machine, inverse = fitted
    targets = train.targets[rows]
    several = train.speakers is not None and len(set(train.speakers.own[rows].tolist())) > 1
    if train.speakers is not None and several and network.speakers is None:
        unheard = _of_other_speakers(machine, targets, inverse, train.speakers.own[rows])
    else:
        unheard = _of_other_clips(network, train, rows, machine)
    probabilities = torch.softmax(SHARPNESS * unheard.double(), dim=1).numpy()
    sharpness = SHARPNESS / fit_temperature(probabilities, targets.numpy())
    machine.coefficients.mul_(sharpness)
    machine.offset.mul_(sharpness)
    network.statistics = machine.eval()


def _fitted(network: Network, train: PaddedSet, rows: Tensor) -> tuple[StatisticsClassifier, Doubles] | None:
    """The machine that learns from some clips, its scores as they come, and the inverse of K + ridge I, (2 n, 2 n).

    None where these clips tell nothing.
    """
    targets, speakers = train.targets[rows], None if train.speakers is None else train.speakers.own[rows]
    sizes, config, whole = network.sizes, network.config.statistics, train.whole
    classes = targets if speakers is None else targets + sizes.n_classes * speakers
    machine = StatisticsClassifier(
        sizes.audio_features, sizes.video_features, sizes.n_classes, len(rows), config.components
    )
    audio = _fit_modality(machine.audio, [whole.audio[rows]], whole.audio_mask[rows], classes, config)
    faces = whole.video[rows]
    views = [faces] if train.mirror is None else [faces, mirrored(faces, train.mirror)]
    video = _fit_modality(machine.video, views, whole.video_mask[rows], classes, config)
    return (machine, _fit_regression(machine, targets, config.ridge)) if audio or video else None


def _fit_modality(
    module: WhitenedStatistics, views: Sequence[Tensor], mask: Tensor, classes: Tensor, config: StatisticsConfig
) -> bool:
    """Whitening and known clips of one modality, each in some views; False where it cannot be, or nobody has it."""
    present = mask.any(dim=1)
    if not present.any():
        return False
    described = [_described(frames, mask) for frames in views]  # (n, S) each
    module.mean.copy_(described[0][present].mean(dim=0))
    module.scale.copy_(scale_of(described[0][present]))
    scaled = torch.cat([module.scaled(each[present]) for each in described])
    every = classes[present].tolist() * len(views)
    whitening = within_class_whitening(scaled.double().numpy(), every, config.components, config.shrinkage)
    if whitening is None:
        return False
    module.whitening[:, : whitening.shape[1]] = torch.from_numpy(whitening)
    module.centre.copy_((scaled[: int(present.sum())] @ module.whitening).mean(dim=0))
    known = torch.cat([module.embed(each, present) for each in described])
    module.known.copy_(known.repeat(len(module.known) // len(known), 1))
    return True


def _described(frames: Tensor, mask: Tensor) -> Tensor:
    """Statistics (n, S) of clips, some at a time: they are sorted."""
    starts = range(0, len(frames), CHUNK)
    return torch.cat([clip_statistics(frames[at : at + CHUNK], mask[at : at + CHUNK]) for at in starts])


def _fit_regression(machine: StatisticsClassifier, targets: Tensor, ridge: float) -> Doubles:
    """Kernel ridge regression of what is one-hot less what is usual; returns the inverse of K + ridge I."""
    audio, video = machine.audio.known.double().repeat(2, 1), machine.video.known.double()
    alike = anova_kernel(gaussian_kernel(audio, audio), gaussian_kernel(video, video)).numpy()
    wanted = F.one_hot(targets.repeat(2), len(machine.offset)).double().numpy()
    usual = wanted.mean(axis=0)
    inverse: Doubles = np.asarray(np.linalg.inv(alike + ridge * np.eye(len(alike))))
    machine.coefficients.copy_(torch.from_numpy(inverse @ (wanted - usual)))
    machine.offset.copy_(torch.from_numpy(usual))
    return inverse


def _of_other_speakers(machine: StatisticsClassifier, targets: Tensor, inverse: Doubles, speakers: Tensor) -> Tensor:
    """Scores (n, K) of each speaker's clips by a regression that leaves that speaker out.

    It follows from the whole: with G the inverse of K + ridge I, it is y_S - (G_SS)^-1 (G y)_S for the rows S.
    """
    wanted = F.one_hot(targets.repeat(2), len(machine.offset)).double().numpy()
    coefficients, unheard = machine.coefficients.double().numpy(), np.zeros_like(wanted)
    for rows in rows_of(2 * speakers.tolist()):
        unheard[rows] = wanted[rows] - np.linalg.solve(inverse[np.ix_(rows, rows)], coefficients[rows])
    return torch.from_numpy(unheard[: len(targets)])


def _of_other_clips(network: Network, train: PaddedSet, rows: Tensor, machine: StatisticsClassifier) -> Tensor:
    """Scores (n, K) of each fifth of the clips by a machine that learns from the others; else what is usual."""
    unheard = machine.offset.repeat(len(rows), 1)
    for first in range(PARTS):
        out = torch.arange(len(rows)) % PARTS == first
        fitted = _fitted(network, train, rows[~out]) if out.any() and not out.all() else None
        if fitted is not None:
            batch = train.batch(rows[out])
            unheard[out] = fitted[0](batch.audio, batch.audio_mask, batch.video, batch.video_mask)
    return unheard
