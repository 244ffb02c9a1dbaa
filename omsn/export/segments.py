"""Windows joined into segments: in each track one answer at a time, in whole milliseconds.

Windows overlap, so that every moment is seen with what comes before and after it. That is right for reading the
numbers, and the table, JSON and CSV list the windows as they are. A player shows one answer at a time, ELAN refuses
annotations that overlap within a tier, and a reader wants to know when an emotion begins and ends: for those, each
stretch between two edges of windows gets the mean of the windows that cover it, and neighbours of one emotion become
one segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from omsn.types import Prediction, Window


@dataclass(frozen=True)
class Stretch:
    """What the windows say together between two of their edges: from ``start_ms`` until before ``end_ms``.

    Attributes:
        start_ms: start in milliseconds, 0 or later.
        end_ms: end in milliseconds, later than the start.
        probabilities: means over the windows that cover it, in label order.
    """

    start_ms: int
    end_ms: int
    probabilities: tuple[float, ...]

    @property
    def best(self) -> int:
        """Place of the most probable label."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)


@dataclass(frozen=True)
class Segment:
    """The answer from ``start_ms`` until before ``end_ms``.

    Attributes:
        start_ms: start in milliseconds, 0 or later.
        end_ms: end in milliseconds, later than the start.
        track: number of the face.
        emotion: the most probable label throughout.
        probability: its mean probability, 0 to 1.
    """

    start_ms: int
    end_ms: int
    track: int
    emotion: str
    probability: float


def segments(prediction: Prediction) -> tuple[Segment, ...]:
    """All segments, by start and track.

    Those of one track neither overlap nor are empty, and neighbours that touch differ in their emotion. Together they
    cover what the track's windows cover from time 0 on; a window of less than a millisecond gets one.
    """
    tracks = sorted({window.track for window in prediction.windows})
    found = [segment for track in tracks for segment in _segments_of_track(prediction, track)]
    return tuple(sorted(found, key=lambda segment: (segment.start_ms, segment.track)))


def stretches(prediction: Prediction, track: int) -> Iterator[Stretch]:
    """What the windows of one track say together, stretch by stretch, in order of time."""
    spans = [(*_span_ms(window), window) for window in prediction.windows if window.track == track]
    begins = sorted(spans, key=lambda span: span[0])
    edges = sorted({edge for start_ms, end_ms, _ in spans for edge in (start_ms, end_ms)})
    covering: list[tuple[int, int, Window]] = []
    next_one = 0
    for start_ms, end_ms in pairwise(edges):
        while next_one < len(begins) and begins[next_one][0] <= start_ms:
            covering.append(begins[next_one])
            next_one += 1
        covering = [span for span in covering if span[1] > start_ms]
        if covering:
            columns = zip(*(window.probabilities for _, _, window in covering), strict=True)
            yield Stretch(start_ms, end_ms, tuple(sum(column) / len(covering) for column in columns))


def _segments_of_track(prediction: Prediction, track: int) -> Iterator[Segment]:
    run: list[Stretch] = []
    for stretch in stretches(prediction, track):
        if run and (run[-1].end_ms != stretch.start_ms or run[-1].best != stretch.best):
            yield _joined(run, prediction, track)
            run = []
        run.append(stretch)
    if run:
        yield _joined(run, prediction, track)


def _joined(run: list[Stretch], prediction: Prediction, track: int) -> Segment:
    """Neighbours of one emotion; the mean is over time."""
    start_ms, end_ms, best = run[0].start_ms, run[-1].end_ms, run[0].best
    weighted = sum((stretch.end_ms - stretch.start_ms) * stretch.probabilities[best] for stretch in run)
    return Segment(start_ms, end_ms, track, prediction.labels.names[best], weighted / (end_ms - start_ms))


def _span_ms(window: Window) -> tuple[int, int]:
    start_ms = max(0, round(1000 * window.start_s))
    return start_ms, max(start_ms + 1, round(1000 * window.end_s))
