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
from omsn.data.padded import PaddedSet
from omsn.models.network import Network
from omsn.models.statistics import (
    StatisticsClassifier,
    WhitenedStatistics,
    anova_kernel,
    clip_statistics,
    gaussian_kernel,
)
from omsn.models.wccn import rows_of, within_class_whitening
from omsn.training.calibration import fit_temperature

MAX_CLIPS = 3000
"""Clips learnt from at most, evenly spaced: time grows with the cube of their number, mirrored faces counted too."""
MIN_STD = 1e-4
"""Statistics that vary less than this over the training part tell nothing."""
SHARPNESS = 10.0
"""Scores are multiplied by this before a temperature is looked for."""
CHUNK = 128

logger = logging.getLogger(__name__)


def fit_statistics(network: Network, train: PaddedSet) -> None:
    """Fit the kernel machine of a network in place, where it has one.

    Faces are learnt from as they are and mirrored. Each modality is whitened with a class for each emotion of each
    speaker, or each emotion where speakers are unknown. The temperature of the scores is the one under which clips are
    likeliest by what is learnt from the other speakers, or from the other clips where there is no second speaker or
    where the network answers for speakers that it knows.

    Args:
        network: trained.
        train: what it learnt from, as it learnt from it.
    """
    if network.statistics is None:
        return
    rows = torch.linspace(0, len(train) - 1, min(len(train), MAX_CLIPS)).round().long()
    targets, speakers = train.targets[rows], None if train.speakers is None else train.speakers.own[rows]
    classes = targets if speakers is None else targets + network.sizes.n_classes * speakers
    sizes, config, whole = network.sizes, network.config.statistics, train.whole
    fitted = StatisticsClassifier(
        sizes.audio_features, sizes.video_features, sizes.n_classes, len(rows), config.components
    )
    audio = _fit_modality(fitted.audio, [whole.audio[rows]], whole.audio_mask[rows], classes, config)
    faces = whole.video[rows]
    views = [faces] if train.mirror is None else [faces, mirrored(faces, train.mirror)]
    video = _fit_modality(fitted.video, views, whole.video_mask[rows], classes, config)
    if not (audio or video):
        logger.warning("statistics of %d clips tell nothing: the encoders answer alone", len(rows))
        return
    unheard_of = speakers if network.speakers is None else None
    _fit_regression(fitted, targets, _left_out_together(unheard_of, len(rows)), config.ridge)
    network.statistics = fitted.eval()


def _fit_modality(
    module: WhitenedStatistics, views: Sequence[Tensor], mask: Tensor, classes: Tensor, config: StatisticsConfig
) -> bool:
    """Whitening and known clips of one modality, each in some views; False where it cannot be, or nobody has it."""
    present = mask.any(dim=1)
    if not present.any():
        return False
    described = [_described(frames, mask) for frames in views]  # (n, S) each
    deviation = described[0][present].std(dim=0, correction=0)
    module.mean.copy_(described[0][present].mean(dim=0))
    module.scale.copy_(torch.where(deviation > MIN_STD, 1 / deviation, 0))
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


def _fit_regression(
    fitted: StatisticsClassifier, targets: Tensor, together: Sequence[NDArray[np.intp]], ridge: float
) -> None:
    """Coefficients of the ridge regression, divided by the temperature of its scores.

    What it says of clips that it does not learn from follows from the whole fit: with G the inverse of K + ridge I,
    that is y_S - (G_SS)^-1 (G y)_S for the rows S that are left out.
    """
    audio, video = fitted.audio.known.double().repeat(2, 1), fitted.video.known.double()
    alike = anova_kernel(gaussian_kernel(audio, audio), gaussian_kernel(video, video)).numpy()
    wanted = F.one_hot(targets.repeat(2), len(fitted.offset)).double().numpy()
    usual = wanted.mean(axis=0)
    inverse = np.linalg.inv(alike + ridge * np.eye(len(alike)))
    coefficients = inverse @ (wanted - usual)
    unheard = np.zeros_like(wanted)
    for rows in together:
        unheard[rows] = wanted[rows] - np.linalg.solve(inverse[np.ix_(rows, rows)], coefficients[rows])
    probabilities = torch.softmax(SHARPNESS * torch.from_numpy(unheard[: len(targets)]), dim=1).numpy()
    sharpness = SHARPNESS / fit_temperature(probabilities, targets.numpy())
    fitted.coefficients.copy_(torch.from_numpy(sharpness * coefficients))
    fitted.offset.copy_(torch.from_numpy(sharpness * usual))


def _left_out_together(speakers: Tensor | None, n_clips: int) -> list[NDArray[np.intp]]:
    """Rows of the regression for each speaker, or for each clip, mirrored or not."""
    keys = list(range(n_clips)) if speakers is None else speakers.tolist()
    return list(rows_of(2 * (keys if len(set(keys)) > 1 else list(range(n_clips)))))
