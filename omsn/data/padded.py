"""Samples -> padded tensors, whole parts at once, so that a batch is a slice and not a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from omsn.data.speakers import Speakers
from omsn.errors import InputError
from omsn.features.mirror import Mirror
from omsn.models.batch import Batch
from omsn.types import Modality, Sample, Stream

CHUNK = 128
"""Clips that are looked at together where all are gone through."""


@dataclass(frozen=True, eq=False)
class PaddedSet:
    """A part of a corpus ready for a network.

    Attributes:
        whole: all n clips as one batch.
        targets: (n,) class numbers.
        names: n clip names, for messages.
        mirror: what the face's columns become when the face is mirrored; None where that is not known.
        speakers: who speaks in each clip; None where that is not known of all.
        originals: (n,) the row of the clip that each is, or is a copy of at another speed.
    """

    whole: Batch
    targets: Tensor
    names: tuple[str, ...]
    mirror: Mirror | None
    speakers: Speakers | None
    originals: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def in_turn(self) -> tuple[Tensor, ...]:
        """Rows of all clips in order, ``CHUNK`` at a time."""
        return torch.arange(len(self)).tensor_split(tuple(range(CHUNK, len(self), CHUNK)))

    def batch(self, rows: Tensor) -> Batch:
        """The clips at these rows (B,), cut to the longest of them."""
        audio_mask, video_mask = self.whole.audio_mask[rows], self.whole.video_mask[rows]
        audio_frames, video_frames = longest(audio_mask), longest(video_mask)
        return Batch(
            self.whole.audio[rows, :audio_frames],
            audio_mask[:, :audio_frames],
            self.whole.video[rows, :video_frames],
            video_mask[:, :video_frames],
        )


def pad(
    samples: Sequence[Sample],
    targets: Sequence[int],
    modality: Modality = "both",
    people: Sequence[object] | None = None,
) -> PaddedSet:
    """Stack standardised samples; a modality that is not wanted is masked out. ``people`` tells who speaks in each.

    Behind the samples stand their copies at other speeds, as of further people: whose sound is slower or faster is
    somebody else (Yamamoto et al. 2019).

    Raises:
        InputError: no samples, or samples with different feature columns.
    """
    heard = _at_all_speeds(samples, modality)
    rows = [one.row for one in heard]
    batch, speakers = _stack_both(heard, modality), None
    if people is not None:
        speakers = Speakers.of(batch, [(people[one.row], one.speed) for one in heard])
    names = tuple(samples[row].clip for row in rows)
    mirror = Mirror.of(samples[0].video.columns)
    return PaddedSet(batch, torch.tensor(targets)[rows], names, mirror, speakers, torch.tensor(rows))


def pad_batch(samples: Sequence[Sample], modality: Modality = "both") -> tuple[Batch, Tensor]:
    """Samples, then their copies at other speeds, as one batch; and the sample that each of its rows is of, (B,).

    Raises:
        InputError: no samples, or samples with different feature columns.
    """
    heard = _at_all_speeds(samples, modality)
    return _stack_both(heard, modality), torch.tensor([one.row for one in heard])


class _Heard(NamedTuple):
    """A sample, or its copy at another speed: its row, the number of the speed (0 is its own), and itself."""

    row: int
    speed: int
    sample: Sample


def _at_all_speeds(samples: Sequence[Sample], modality: Modality) -> list[_Heard]:
    """All samples, then all copies, one speed after the other; the face alone has none."""
    if not samples:
        raise InputError("no clips to make a batch of; got 0, expected at least 1")
    own = [_Heard(row, 0, sample) for row, sample in enumerate(samples)]
    if modality == "video":
        return own
    copies = (_Heard(one.row, number + 1, copy) for one in own for number, copy in one.sample.at_other_speeds())
    return own + sorted(copies, key=attrgetter("speed"))


def _stack_both(heard: Sequence[_Heard], modality: Modality) -> Batch:
    audio, audio_mask = _stack([one.sample.audio for one in heard], wanted=modality != "video")
    video, video_mask = _stack([one.sample.video for one in heard], wanted=modality != "audio")
    return Batch(audio, audio_mask, video, video_mask)


def _stack(streams: Sequence[Stream], *, wanted: bool) -> tuple[Tensor, Tensor]:
    """(n, T, F) and its mask (n, T)."""
    columns = streams[0].columns
    if any(stream.columns != columns for stream in streams):
        raise InputError(
            "clips with different feature columns cannot be one batch; prepare them with the same settings"
        )
    length = max(len(stream) for stream in streams) if wanted else 1
    values = np.zeros((len(streams), length, len(columns)), np.float32)
    mask = np.zeros((len(streams), length), np.bool_)
    for row, stream in enumerate(streams if wanted else ()):
        values[row, : len(stream)], mask[row, : len(stream)] = stream.values, stream.mask
    return torch.from_numpy(values), torch.from_numpy(mask)


def longest(mask: Tensor) -> int:
    """Frames up to the last real one of any clip, at least 1."""
    real = torch.nonzero(mask.any(dim=0))
    return int(real[-1]) + 1 if len(real) else 1
