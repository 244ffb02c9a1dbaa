"""What ``omsn/models/statistics.py`` knows, fitted in closed form on a training part."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from omsn.config import StatisticsConfig
from omsn.data.padded import PaddedSet
from omsn.models.network import Network
from omsn.models.statistics import KnownClips, StatisticsClassifier, anova_kernel, gaussian_kernel
from omsn.models.wccn import rows_of
from omsn.training.calibration import fit_temperature
from omsn.training.views import described, fit_fisher, fit_known

MAX_CLIPS = 4000
"""Clips learnt from at most, evenly spaced, copies among them: time grows with the cube of their number."""
SHARPNESS = 10.0
"""Scores are multiplied by this before a temperature is looked for."""
PARTS = 5
"""Parts that clips are cut into, for none is to be asked of what it helped to learn."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What n clips are like in each view of a modality, each (n, S), and which have it, (n,)."""

    views: tuple[Tensor, ...]
    present: Tensor

    def at(self, rows: Tensor) -> _Seen:
        """Some of the clips."""
        return _Seen(tuple(view[rows] for view in self.views), self.present[rows])


@dataclass(frozen=True, eq=False)
class _Clips:
    """n clips as they are learnt from: both modalities, emotions, and what WCCN takes to be alike."""

    audio: _Seen
    video: _Seen
    targets: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def at(self, rows: Tensor) -> _Clips:
        """Some of the clips."""
        return _Clips(self.audio.at(rows), self.video.at(rows), self.targets[rows], self.classes[rows])


def fit_statistics(network: Network, train: PaddedSet) -> None:
    """Fit the kernel machine of a network in place, where it has one.

    Each view is whitened with a class for each emotion of each speaker, or each emotion where speakers are unknown. The
    temperature of the scores is the one under which clips are likeliest by machines that learnt from others: from other
    speakers, or, where there is no second one or the network answers for speakers that it knows, from other clips. All
    share the Gaussian mixtures, which know no emotions. Copies at other speeds are learnt from too, where there is room
    beside all clips; each is left out with its clip.

    Args:
        network: trained.
        train: what it learnt from, as it learnt from it.
    """
    if network.statistics is None:
        return
    originals = train.originals
    rows = _learnt_from(originals, copies=network.config.statistics.modality != "video")
    clip_ids, clip_of_row = originals[rows].unique(return_inverse=True)  # type: ignore[no-untyped-call]
    machine = _unfitted(network, len(rows))
    clips = _seen_by(machine, train, rows)
    if not _fit(machine, clips, network.config.statistics):
        logger.warning("statistics of %d clips tell nothing: the encoders answer alone", len(clip_ids))
        return
    own = None if train.speakers is None or network.speakers is not None else train.speakers.own[clip_ids]
    unheard = _unheard(network, clips, _parts(train.targets[clip_ids], own)[clip_of_row])
    probabilities = torch.softmax(SHARPNESS * unheard.double(), dim=1).numpy()
    sharpness = SHARPNESS / fit_temperature(probabilities, clips.targets.numpy())
    machine.coefficients.mul_(sharpness)
    machine.offset.mul_(sharpness)
    network.statistics = machine.eval()


def _learnt_from(originals: Tensor, *, copies: bool) -> Tensor:
    """Rows of clips, thinned out where they are too many; then of their copies, as far as there is room."""
    rows = torch.arange(len(originals))
    clips = _evenly(rows[originals == rows], MAX_CLIPS)
    return torch.cat([clips, _evenly(rows[originals != rows], MAX_CLIPS - len(clips) if copies else 0)])


def _evenly(rows: Tensor, most: int) -> Tensor:
    """So many of the rows at most, evenly spaced."""
    return rows[torch.linspace(0, len(rows) - 1, min(len(rows), most)).round().long()]


def _unfitted(network: Network, n_clips: int) -> StatisticsClassifier:
    """A machine that is to learn from so many clips."""
    sizes, config = network.sizes, network.config.statistics
    return StatisticsClassifier(sizes.audio_kinds, sizes.video_kinds, sizes.n_classes, n_clips, config)


def _seen_by(machine: StatisticsClassifier, train: PaddedSet, rows: Tensor) -> _Clips:
    """Clips in the views of a machine, whose Gaussian mixtures are fitted on them."""
    targets, speakers, whole = train.targets[rows], train.speakers, train.whole
    classes = targets if speakers is None else targets + len(machine.offset) * speakers.own[rows]
    audio = _seen(machine.audio, whole.audio[rows], whole.audio_mask[rows])
    return _Clips(audio, _seen(machine.video, whole.video[rows], whole.video_mask[rows]), targets, classes)


def _seen(module: KnownClips, frames: Tensor, mask: Tensor) -> _Seen:
    fit_fisher(module, frames, mask)
    return _Seen(described(module, frames, mask), mask.any(dim=1))


def _fit(machine: StatisticsClassifier, clips: _Clips, config: StatisticsConfig) -> bool:
    """Views, and kernel ridge regression of what is one-hot less what is usual; scores stay as they come.

    Returns:
        False where these clips tell nothing.
    """
    told = [
        fit_known(module, seen.views, seen.present, clips.classes, config)
        for module, seen in ((machine.audio, clips.audio), (machine.video, clips.video))
    ]
    if not any(told):
        return False
    audio, video = machine.audio.known.double(), machine.video.known.double()
    alike = anova_kernel(gaussian_kernel(audio, audio), gaussian_kernel(video, video)).numpy()
    wanted = F.one_hot(clips.targets, len(machine.offset)).double().numpy()
    usual = wanted.mean(axis=0)
    coefficients = np.linalg.solve(alike + config.ridge * np.eye(len(alike)), wanted - usual)
    machine.coefficients.copy_(torch.from_numpy(coefficients))
    machine.offset.copy_(torch.from_numpy(usual))
    return True


def _parts(targets: Tensor, speakers: Tensor | None) -> Tensor:
    """The part (n,) of each clip that is left out together: whole speakers, else some clips of every emotion."""
    if speakers is not None and len(found := speakers.unique()) > 1:  # type: ignore[no-untyped-call]
        return torch.searchsorted(found, speakers) % PARTS
    parts = torch.zeros_like(targets)
    for rows in rows_of(targets.tolist()):
        parts[rows] = torch.arange(len(rows)) % PARTS
    return parts


def _unheard(network: Network, clips: _Clips, parts: Tensor) -> Tensor:
    """Scores (n, K) of each part of the clips by a machine that learns from the others; else what is usual."""
    usual = F.one_hot(clips.targets, network.sizes.n_classes).float().mean(dim=0)
    unheard = usual.repeat(len(clips), 1)
    for part in range(PARTS):
        out = parts == part
        if not out.any() or out.all():
            continue
        others, asked = clips.at(~out), clips.at(out)
        machine = _unfitted(network, len(others))
        if _fit(machine, others, network.config.statistics):
            unheard[out] = machine.answer(
                machine.audio.embed(asked.audio.views, asked.audio.present),
                machine.video.embed(asked.video.views, asked.video.present),
            )
    return unheard
