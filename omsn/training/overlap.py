"""Who of a corpus may have trained a checkpoint: what its scores on them would be worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omsn.data.dataset import FeatureSet
from omsn.features.normalise import SampleStatistics
from omsn.models.checkpoint import Checkpoint
from omsn.types import Sample

_SAME = 1e-3
"""Standard deviations by which the means of the same recordings may differ, for their order and for rounding."""


@dataclass(frozen=True)
class Overlap:
    """Speakers of a corpus that may have trained a checkpoint, by name.

    Attributes:
        shared: those that did: of the same corpus, or of the same recordings under another name.
        namesakes: those of other corpora that are called as one that did, and may be that person or another.
        renamed: some are shared though the corpus has another name.
    """

    shared: tuple[str, ...]
    namesakes: tuple[str, ...]
    renamed: bool

    @staticmethod
    def of(trained: Checkpoint, features: FeatureSet) -> Overlap:
        """A checkpoint knows its speakers by name and corpus.

        Where a corpus has the same names under another name of its own, the statistics of their features tell whether
        these are all the very recordings that trained it.
        """
        corpora = set(trained.facts.get("corpus", ()))
        alike = [one for one in features.samples if one.clip.speaker in trained.speakers]
        known = {one.clip.speaker for one in alike if one.clip.corpus in corpora}
        elsewhere = {one.clip.speaker for one in alike if one.clip.corpus not in corpora}
        renamed = bool(elsewhere) and _is_training_part(trained, [one.sample for one in alike])
        if renamed:
            known |= elsewhere
        return Overlap(tuple(sorted(known)), tuple(sorted(elsewhere - known - {""})), renamed)

    @property
    def copies(self) -> str:
        """Words for a message where recordings go by another name; else empty."""
        return " (the same recordings under another name of the corpus)" if self.renamed else ""


def _is_training_part(trained: Checkpoint, samples: Sequence[Sample]) -> bool:
    """True where the features have mean and deviation of the training part in every column: they are that part."""
    theirs, ours = SampleStatistics.from_arrays(trained.statistics), SampleStatistics.of(samples)
    return all(
        np.allclose((one.mean - other.mean) / other.std, 0, atol=_SAME)
        and np.allclose(one.std / other.std, 1, atol=_SAME)
        for one, other in ((ours.audio, theirs.audio), (ours.video, theirs.video))
    )
