"""What is each training speaker's own in a part's features, and clips as another speaker might have made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from omsn.models.batch import Batch

MIN_STD = 0.05
"""A speaker whose column varies less than this, in standard deviations of the training part, counts as this."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Mean and standard deviation of every column of one modality over each speaker's real frames.

    Attributes:
        mean: (S, F).
        std: (S, F), at least ``MIN_STD``.
        known: (S,) True for a speaker with a real frame.
    """

    mean: Tensor
    std: Tensor
    known: Tensor

    @staticmethod
    def of(frames: Tensor, mask: Tensor, own: Tensor, n_speakers: int) -> Columns:
        """From clips (n, T, F), their masks (n, T) and speakers (n,); 0 and ``MIN_STD`` for one without a frame."""
        speaker = own[:, None].expand_as(mask)[mask]  # (frames,)
        real = frames[mask].double()
        frames_of = torch.bincount(speaker, minlength=n_speakers)
        count = frames_of.clamp(min=1)[:, None]
        sums = real.new_zeros(n_speakers, frames.shape[2])
        mean = sums.index_add(0, speaker, real) / count
        variance = sums.index_add(0, speaker, real**2) / count - mean**2
        std = variance.clamp(min=0).sqrt().clamp(min=MIN_STD)
        return Columns(mean.to(frames.dtype), std.to(frames.dtype), frames_of > 0)

    def moved(self, frames: Tensor, mask: Tensor, own: Tensor, to: Tensor) -> Tensor:
        """Clips (B, T, F) of speakers ``own`` (B,) with the means and deviations of speakers ``to``; 0 where masked.

        Clips that would go to a speaker without a frame of this modality stay as they are.
        """
        to = torch.where(self.known[to], to, own)
        scale = self.std[to] / self.std[own]  # (B, F)
        offset = self.mean[to] - self.mean[own] * scale
        return (frames * scale[:, None] + offset[:, None]) * mask.unsqueeze(2)


@dataclass(frozen=True, eq=False)
class Speakers:
    """Who speaks in each clip of a part, and what is each one's own.

    Attributes:
        own: (n,) number of each clip's speaker.
        audio: of the sound's columns.
        video: of the face's columns.
    """

    own: Tensor
    audio: Columns
    video: Columns

    @staticmethod
    def of(batch: Batch, people: Sequence[object]) -> Speakers:
        """From standardised clips and who speaks in each."""
        numbers = {person: number for number, person in enumerate(dict.fromkeys(people))}
        own = torch.tensor([numbers[person] for person in people])
        return Speakers(
            own,
            Columns.of(batch.audio, batch.audio_mask, own, len(numbers)),
            Columns.of(batch.video, batch.video_mask, own, len(numbers)),
        )

    def at(self, rows: Tensor) -> Speakers:
        """The same for the clips at these rows (B,)."""
        return replace(self, own=self.own[rows])

    def swap(self, batch: Batch, share: float, generator: Generator) -> Batch:
        """Give a share of the clips the means and deviations of a random speaker, the same one for sound and face.

        Ours, after the way statistics of features are exchanged between pictures for style (MixStyle, Zhou et al.
        2021, eq. 4-5): what a column's mean and deviation over a speaker's clips tell is mostly who it is.
        """
        other = torch.randint(len(self.audio.mean), self.own.shape, generator=generator)
        to = torch.where(torch.rand(self.own.shape, generator=generator) < share, other, self.own)
        audio = self.audio.moved(batch.audio, batch.audio_mask, self.own, to)
        video = self.video.moved(batch.video, batch.video_mask, self.own, to)
        return Batch(audio, batch.audio_mask, video, batch.video_mask)
