"""Standardisation of feature columns: by a training part (inductive) or by one speaker's own clips (enrolled)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.types import Floats, Sample, Stream

LIMIT = 6.0
"""Standardised values are cut at this many standard deviations."""
MIN_STD = 1e-4
"""A column that varies less than this is centred and not scaled."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and standard deviation of each feature column over real frames.

    Attributes:
        mean: (F,) in the column's own unit.
        std: (F,) positive.
    """

    mean: Floats
    std: Floats

    @staticmethod
    def of(streams: Sequence[Stream], n_columns: int) -> Statistics:
        """Statistics over all real frames of these streams; mean 0 and deviation 1 where there is none.

        Raises:
            InputError: a stream has another number of columns.
        """
        sums = Sums.none(n_columns)
        for stream in streams:
            sums = sums.plus(stream)
        return sums.statistics()


@dataclass(frozen=True, eq=False)
class Sums:
    """What statistics are made of, for frames that come little by little.

    Attributes:
        count: real frames.
        total: (F,) sum of each column.
        squares: (F,) sum of each column's squares.
    """

    count: int
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @staticmethod
    def none(n_columns: int) -> Sums:
        """Of no frames."""
        return Sums(0, np.zeros(n_columns), np.zeros(n_columns))

    def plus(self, stream: Stream) -> Sums:
        """With the real frames of a stream.

        Raises:
            InputError: it has another number of columns.
        """
        if len(stream.columns) != len(self.total):
            raise InputError(f"statistics: got a stream of {len(stream.columns)} columns, expected {len(self.total)}")
        real = stream.values[stream.mask].astype(np.float64)
        squares = self.squares + (real**2).sum(axis=0)
        return Sums(self.count + len(real), self.total + real.sum(axis=0), squares)

    def statistics(self) -> Statistics:
        """Mean and deviation; 0 and 1 where there is no frame."""
        n_columns = len(self.total)
        if self.count == 0:
            return Statistics(np.zeros(n_columns, np.float32), np.ones(n_columns, np.float32))
        mean = self.total / self.count
        std = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        return Statistics(mean.astype(np.float32), np.where(std > MIN_STD, std, 1).astype(np.float32))


def standardise(stream: Stream, statistics: Statistics) -> Stream:
    """The stream in standard deviations from the mean, cut at ``LIMIT``; masked frames stay 0."""
    scaled = np.clip((stream.values - statistics.mean) / statistics.std, -LIMIT, LIMIT)
    return Stream((scaled * stream.mask[:, None]).astype(np.float32), stream.mask, stream.times_s, stream.columns)


def leave_out(sample: Sample, beginnings: tuple[str, ...]) -> Sample:
    """The sample with 0, the mean, in every column whose name begins so."""
    audio, video = _without(sample.audio, beginnings), _without(sample.video, beginnings)
    return Sample(sample.clip, audio, video, tuple(_without(copy, beginnings) for copy in sample.copies))


def _without(stream: Stream, beginnings: tuple[str, ...]) -> Stream:
    kept = np.array([not name.startswith(beginnings) for name in stream.columns], np.bool_)
    return Stream(stream.values * kept, stream.mask, stream.times_s, stream.columns)


@dataclass(frozen=True, eq=False)
class SampleStatistics:
    """Statistics of both modalities.

    Attributes:
        audio: of the sound.
        video: of the face.
        copies: of the sound at each other speed; none where copies are to be standardised as the sound itself is.
    """

    audio: Statistics
    video: Statistics
    copies: tuple[Statistics, ...] = ()

    @staticmethod
    def of(samples: Sequence[Sample]) -> SampleStatistics:
        """Statistics over all real frames of these samples.

        Raises:
            InputError: no samples, or samples with different feature columns.
        """
        if not samples:
            raise InputError("statistics: got no samples, expected at least 1")
        first = samples[0]
        sums = SampleSums.none(len(first.audio.columns), len(first.video.columns), len(first.copies))
        for sample in samples:
            sums = sums.plus(sample)
        return sums.statistics()

    @staticmethod
    def from_arrays(arrays: Mapping[str, Floats]) -> SampleStatistics:
        """What ``to_arrays`` gave.

        Raises:
            KeyError: an array is missing.
        """
        return SampleStatistics(
            Statistics(arrays["audio.mean"], arrays["audio.std"]), Statistics(arrays["video.mean"], arrays["video.std"])
        )

    def to_arrays(self) -> dict[str, Floats]:
        """The numbers under names, for a checkpoint."""
        return {
            "audio.mean": self.audio.mean,
            "audio.std": self.audio.std,
            "video.mean": self.video.mean,
            "video.std": self.video.std,
        }

    def standardise(self, sample: Sample) -> Sample:
        """Each stream in standard deviations from the mean."""
        audio, video = standardise(sample.audio, self.audio), standardise(sample.video, self.video)
        by = self.copies or (self.audio,) * len(sample.copies)
        copies = tuple(standardise(copy, own) for copy, own in zip(sample.copies, by, strict=True))
        return Sample(sample.clip, audio, video, copies)

    def of_any_speed(self) -> SampleStatistics:
        """The same, by which a sound is standardised alike at whatever speed."""
        return replace(self, copies=())


@dataclass(frozen=True, eq=False)
class SampleSums:
    """Sums of both modalities, and of the sound at each other speed."""

    audio: Sums
    video: Sums
    copies: tuple[Sums, ...] = ()

    @staticmethod
    def none(n_audio: int, n_video: int, n_copies: int = 0) -> SampleSums:
        """Of no sample, for streams of so many columns and sound at so many other speeds."""
        return SampleSums(Sums.none(n_audio), Sums.none(n_video), (Sums.none(n_audio),) * n_copies)

    def plus(self, sample: Sample) -> SampleSums:
        """With the real frames of a sample.

        Raises:
            InputError: it has other feature columns.
        """
        copies = tuple(sums.plus(copy) for sums, copy in zip(self.copies, sample.copies, strict=True))
        return SampleSums(self.audio.plus(sample.audio), self.video.plus(sample.video), copies)

    def statistics(self) -> SampleStatistics:
        """Statistics of both modalities."""
        copies = tuple(sums.statistics() for sums in self.copies)
        return SampleStatistics(self.audio.statistics(), self.video.statistics(), copies)
