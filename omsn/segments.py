"""Windows joined into segments: in each track one answer at a time, in whole milliseconds.

Windows overlap, so that every moment is seen with what comes before and after it. That is right for reading the
numbers, and the table, JSON and CSV list the windows as they are. A player shows one answer at a time, ELAN refuses
annotations that overlap within a tier, and a reader wants to know when an emotion begins and ends: for those, each
stretch between two edges of windows gets the mean of the windows that cover it, and neighbours of one emotion become
one segment, unless the face begins or ends to speak between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol


class Answer(Protocol):
    """What segments are made of: a window of ``omsn.types``, which this module stands below."""

    @property
    def start_s(self) -> float:
        """Start in seconds."""

    @property
    def end_s(self) -> float:
        """End in seconds, not before the start."""

    @property
    def probabilities(self) -> tuple[float, ...]:
        """One for each label, in label order."""

    @property
    def track(self) -> int:
        """Number of the face."""

    @property
    def speaking(self) -> bool:
        """This is the face that speaks; only where there are several."""


@dataclass(frozen=True)
class Stretch:
    """What the windows say together between two of their edges: from ``start_ms`` until before ``end_ms``.

    Attributes:
        start_ms: start in milliseconds, 0 or later.
        end_ms: end in milliseconds, later than the start.
        probabilities: means over the windows that cover it, in label order.
        speaking: share, 0 to 1, of the windows that cover it in which the face is the one that speaks.
    """

    start_ms: int
    end_ms: int
    probabilities: tuple[float, ...]
    speaking: float = 0.0

    @property
    def length_ms(self) -> int:
        """Milliseconds from start to end."""
        return self.end_ms - self.start_ms

    @property
    def best(self) -> int:
        """Place of the most probable label."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)

    @property
    def speaks(self) -> bool:
        """Most of its windows say that the face is the one that speaks."""
        return self.speaking > 0.5

    @property
    def says(self) -> tuple[int, bool]:
        """What neighbours must have alike to be one segment."""
        return self.best, self.speaks


@dataclass(frozen=True)
class Segment:
    """The answer from ``start_ms`` until before ``end_ms``.

    Attributes:
        start_ms: start in milliseconds, 0 or later.
        end_ms: end in milliseconds, later than the start.
        track: number of the face.
        emotion: the most probable label throughout.
        probability: its mean probability, 0 to 1.
        speaking: by most windows over each moment of it, this face is the one that speaks; never where it is alone.
    """

    start_ms: int
    end_ms: int
    track: int
    emotion: str
    probability: float
    speaking: bool = False

    @property
    def start_s(self) -> float:
        """Start in seconds."""
        return self.start_ms / 1000

    @property
    def end_s(self) -> float:
        """End in seconds."""
        return self.end_ms / 1000


def segments(windows: Sequence[Answer], names: Sequence[str]) -> tuple[Segment, ...]:
    """All segments, by start and track.

    Those of one track neither overlap nor are empty, and neighbours that touch differ in their emotion or in whether
    the face speaks. Together they cover what the track's windows cover from time 0 on; a window of less than a
    millisecond gets one.

    Args:
        windows: of one file, in any order.
        names: of the labels, in the order of the windows' probabilities.
    """
    found = [segment for track in _tracks(windows) for segment in _segments_of_track(windows, track, names)]
    return tuple(sorted(found, key=lambda segment: (segment.start_ms, segment.track)))


def stretches(windows: Sequence[Answer], track: int) -> Iterator[Stretch]:
    """What the windows of one track say together, stretch by stretch, in order of time."""
    spans = [(*_span_ms(window), window) for window in windows if window.track == track]
    begins = sorted(spans, key=lambda span: span[0])
    edges = sorted({edge for start_ms, end_ms, _ in spans for edge in (start_ms, end_ms)})
    covering: list[tuple[int, int, Answer]] = []
    next_one = 0
    for start_ms, end_ms in pairwise(edges):
        while next_one < len(begins) and begins[next_one][0] <= start_ms:
            covering.append(begins[next_one])
            next_one += 1
        covering = [span for span in covering if span[1] > start_ms]
        if covering:
            yield _together(start_ms, end_ms, [window for _, _, window in covering])


def overall(windows: Sequence[Answer]) -> tuple[float, ...]:
    """Mean probabilities over the time of the track that is there for longest, of equals the one with the lower number.

    The windows must not be none.
    """
    by_track = [list(stretches(windows, track)) for track in _tracks(windows)]
    longest = max(by_track, key=lambda found: sum(stretch.length_ms for stretch in found))
    weights_ms = [stretch.length_ms for stretch in longest]
    columns = zip(*(stretch.probabilities for stretch in longest), strict=True)
    return tuple(_mean(column, weights_ms) for column in columns)


def _tracks(windows: Sequence[Answer]) -> list[int]:
    return sorted({window.track for window in windows})


def _together(start_ms: int, end_ms: int, covering: Sequence[Answer]) -> Stretch:
    columns = zip(*(window.probabilities for window in covering), strict=True)
    probabilities = tuple(sum(column) / len(covering) for column in columns)
    return Stretch(start_ms, end_ms, probabilities, sum(window.speaking for window in covering) / len(covering))


def _segments_of_track(windows: Sequence[Answer], track: int, names: Sequence[str]) -> Iterator[Segment]:
    run: list[Stretch] = []
    for stretch in stretches(windows, track):
        if run and not (run[-1].end_ms == stretch.start_ms and run[-1].says == stretch.says):
            yield _joined(run, track, names)
            run = []
        run.append(stretch)
    if run:
        yield _joined(run, track, names)


def _joined(run: Sequence[Stretch], track: int, names: Sequence[str]) -> Segment:
    """Neighbours that say the same; the mean is over time."""
    best, weights_ms = run[0].best, [stretch.length_ms for stretch in run]
    probability = _mean([stretch.probabilities[best] for stretch in run], weights_ms)
    return Segment(run[0].start_ms, run[-1].end_ms, track, names[best], probability, run[0].speaks)


def _mean(values: Sequence[float], weights_ms: Sequence[int]) -> float:
    return sum(value * weight_ms for value, weight_ms in zip(values, weights_ms, strict=True)) / sum(weights_ms)


def _span_ms(window: Answer) -> tuple[int, int]:
    start_ms = max(0, round(1000 * window.start_s))
    return start_ms, max(start_ms + 1, round(1000 * window.end_s))
