"""Whose features: what is known of the people in a file, and how each one's windows are standardised by it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from omsn.config import AnswerConfig
from omsn.errors import OmsnError
from omsn.features.clip_statistics import clip_statistics
from omsn.features.neutral import RestingFace
from omsn.features.normalise import SampleStatistics, SampleSums
from omsn.models.lame import affinities, lame
from omsn.types import Floats, Modality, Sample
from omsn.windows import WHOLE_S, View

ENROL_S = 60.0
"""The windows that end within this time are answered together: the first few seconds tell little of a person."""
MAX_VIEWS, MAX_VIEWS_A_FILE = 300, 60
"""Windows of the enrolment that answers take account of at most, the first ones: of all its files, and of each."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What is known of one person before files are read.

    Attributes:
        sums: of the frames of all windows of the person's files.
        checkpoint: digest of the checkpoint whose features, and answers, it holds.
        files: their resolved paths.
        resting: the person's neutral face; None where no clip tells it.
        views: windows of these files that nobody has answered yet, with the file of each; none of them overlap.
        neighbours: windows of these files with what is said of them; None where answers take no account of them.
    """

    sums: SampleSums
    checkpoint: str
    files: frozenset[Path] = frozenset()
    resting: RestingFace | None = None
    views: tuple[tuple[Path, Sample], ...] = ()
    neighbours: Neighbours | None = None

    def plus(self, path: Path, windows: Iterable[tuple[View, ...]]) -> Enrolment:
        """With the main face, and the sound, of one more file; one that is there already counts once."""
        if path.resolve() in self.files:
            return self
        sums, until_s = self.sums, 0.0
        kept: list[tuple[Path, Sample]] = []
        for view in (view for views in windows for view in views if view.track == 0):
            sums = sums.plus(view.sample)
            if view.start_s >= until_s and (view.sample.audio.present or view.sample.video.present):
                kept.append((path.resolve(), view.sample))
                until_s = view.end_s
        views = (*self.views, *kept[:MAX_VIEWS_A_FILE])[:MAX_VIEWS]
        return replace(self, sums=sums, files=self.files | {path.resolve()}, views=views)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What is said of the windows of a person's enrolment, each by itself; answers to other windows take account of it.

    Attributes:
        files: (n) the file of each window.
        described: (n, S) its statistics, standardised by the enrolment.
        probabilities: (n, K).
        answer: how many neighbours, and their weight.
        modality: what of a window is looked at.
        wccn: (S, D) tells which windows are alike.
    """

    files: tuple[Path, ...]
    described: Floats
    probabilities: NDArray[np.floating]
    answer: AnswerConfig
    modality: Modality
    wccn: Floats

    def adjust(self, path: Path, sample: Sample, probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        """The answer (K,) to one more window of the person, which is in a file, beside those of all other files."""
        own = path.resolve()
        others = [row for row, file in enumerate(self.files) if file != own]
        described = np.concatenate([self.described[others], describe([sample], self.modality)])
        said = np.concatenate([self.probabilities[others], probabilities[None]])
        weights = self.answer.neighbour_weight * affinities(described, self.answer.neighbours, self.wccn)
        answer: NDArray[np.float64] = lame(said, weights)[-1]
        return answer


def describe(samples: Sequence[Sample], modality: Modality) -> Floats:
    """What tells how alike windows are (n, S); NaN for the sound or the face that a window does not have."""
    return clip_statistics(samples, modality, absent=np.nan)


def standardised(windows: Iterable[tuple[View, ...]], statistics: SampleStatistics) -> Iterator[tuple[View, ...]]:
    """All windows alike, by the statistics of the training part."""
    return (tuple(_scaled(view, statistics) for view in views) for views in windows)


def enrolled(windows: Iterable[tuple[View, ...]], path: Path, known: Enrolment) -> Iterator[tuple[View, ...]]:
    """Each person by the person's own windows so far, and the one of track 0 by the enrolment too.

    The windows of the first ``ENROL_S`` wait for each other, so that a file up to that length is standardised as a
    whole. Where the file breaks off, they are answered before the error comes. A file that is in the enrolment counts
    once.

    Args:
        windows: of the file.
        path: the file.
        known: of the person of track 0.
    """
    nothing = SampleSums.none(len(known.sums.audio.total), len(known.sums.video.total), len(known.sums.copies))
    people, in_enrolment = {0: known.sums}, path.resolve() in known.files
    waiting: list[tuple[View, ...]] = []
    end_s = 0.0
    try:
        for views in windows:
            for view in views:
                if not (in_enrolment and view.track == 0):
                    people[view.track] = people.get(view.track, nothing).plus(view.sample)
            waiting.append(views)
            end_s = views[0].end_s
            if end_s >= ENROL_S:
                yield from _each_by_its_person(waiting, people)
                waiting = []
    except OmsnError:  # the file breaks off here
        yield from _each_by_its_person(waiting, people)
        raise
    yield from _each_by_its_person(waiting, people)
    if end_s <= WHOLE_S and not known.files - {path.resolve()}:
        logger.warning(
            "%s: enrolled normalisation from this file alone (%.1f s) takes out much of what tells the emotion; "
            "name more files of this person with enrolment= or --enrol",
            path,
            end_s,
        )


def _each_by_its_person(
    windows: Iterable[tuple[View, ...]], people: Mapping[int, SampleSums]
) -> Iterator[tuple[View, ...]]:
    statistics = {track: sums.statistics() for track, sums in people.items()}
    return (tuple(_scaled(view, statistics[view.track]) for view in views) for views in windows)


def _scaled(view: View, statistics: SampleStatistics) -> View:
    return replace(view, sample=statistics.standardise(view.sample))
