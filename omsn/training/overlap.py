"""Who of a corpus may have trained a checkpoint: what its scores on them would be worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omsn.data.dataset import FeatureSet
from omsn.features.normalise import SampleStatistics, Statistics
from omsn.models.checkpoint import Checkpoint
from omsn.types import Sample

_NAMED = 8
"""Speakers that a message names."""
_SAME = 1e-3
"""Standard deviations by which the means of the same recordings may differ, for their order and for rounding."""


@dataclass(frozen=True)
class Overlap:
    """Speakers of a corpus that may have trained a checkpoint, by name.

    Attributes:
        shared: those that did: of the same corpus, or of the same recordings under another name.
        namesakes: those of other corpora that are called as one that did, and may be that person or another.
        copied: some are shared though the corpus has another name, or they have none.
    """

    shared: tuple[str, ...]
    namesakes: tuple[str, ...]
    copied: bool

    @staticmethod
    def of(trained: Checkpoint, features: FeatureSet) -> Overlap:
        """A checkpoint knows its speakers by name and corpus.

        Where a corpus has the same names under another name of its own, or nobody's name, the statistics of their
        features tell whether these are all the very recordings that trained it.
        """
        corpora = set(trained.facts.get("corpus", ()))
        alike = [one for one in features.samples if one.clip.speaker in trained.speakers]
        known = {one.clip.speaker for one in alike if one.clip.speaker and one.clip.corpus in corpora}
        unsure = {one.clip.speaker for one in alike if not (one.clip.speaker and one.clip.corpus in corpora)}
        copied = bool(unsure) and _is_training_part(trained, [one.sample for one in alike])
        if copied:
            known |= unsure
        return Overlap(tuple(sorted(known)), tuple(sorted(unsure - known - {""})), copied)

    def told(self, speakers: Sequence[str] | None = None) -> str:
        """The first of the shared speakers, or of some of them, in words for a message."""
        names = [name or "somebody unknown" for name in (self.shared if speakers is None else speakers)]
        return ", ".join(names[:_NAMED]) + (" (the same recordings, under other names)" if self.copied else "")


def _is_training_part(trained: Checkpoint, samples: Sequence[Sample]) -> bool:
    """True where the features have mean and deviation of the training part in every column that both have."""
    theirs, ours = SampleStatistics.from_arrays(trained.statistics), SampleStatistics.of(samples)
    return _alike(ours.audio, samples[0].audio.columns, theirs.audio, trained.audio_columns) and _alike(
        ours.video, samples[0].video.columns, theirs.video, trained.video_columns
    )


def _alike(ours: Statistics, columns: Sequence[str], theirs: Statistics, trained_columns: Sequence[str]) -> bool:
    at = {name: number for number, name in enumerate(columns)}
    shared = [(at[name], number) for number, name in enumerate(trained_columns) if name in at]
    own, other = (list(numbers) for numbers in zip(*shared, strict=True)) if shared else ([], [])
    std = theirs.std[other]
    means_alike = np.allclose((ours.mean[own] - theirs.mean[other]) / std, 0, atol=_SAME)
    return means_alike and np.allclose(ours.std[own] / std, 1, atol=_SAME)
