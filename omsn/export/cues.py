"""Windows cut into cues: in each track at most one answer at a time, in whole milliseconds.

Windows overlap in time, but a player should show one answer at a time and ELAN refuses annotations that overlap
within a tier. Hence an overlap of two neighbouring windows is shared out: each moment goes to the window whose
middle is nearest, as that window has seen as much of what comes before as of what comes after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from omsn.types import Prediction, Window


@dataclass(frozen=True)
class Cue:
    """The answer that is shown from ``start_ms`` until before ``end_ms``.

    Attributes:
        start_ms: start in milliseconds, 0 or later.
        end_ms: end in milliseconds, later than the start.
        track: number of the face.
        emotion: the most probable label.
        probability: its probability, 0 to 1.
    """

    start_ms: int
    end_ms: int
    track: int
    emotion: str
    probability: float


def cues(prediction: Prediction) -> tuple[Cue, ...]:
    """One cue for each window, by start.

    Cues of one track never overlap and are never empty. Together they cover what its windows cover, and each stays
    within its window to half a millisecond, where starts and ends rise from window to window by 1 ms or more. Anything
    less (times before 0, repeated windows, empty windows) is put right by moving cues to later, 1 ms each at least.
    """
    tracks = sorted({window.track for window in prediction.windows})
    found = [cue for track in tracks for cue in _cues_of_track(prediction, track)]
    return tuple(sorted(found, key=lambda cue: (cue.start_ms, cue.track)))


def _cues_of_track(prediction: Prediction, track: int) -> Iterator[Cue]:
    windows = prediction.windows
    numbers = [number for number, window in enumerate(windows) if window.track == track]
    numbers.sort(key=lambda number: _middle_s(windows[number]))
    cuts_s = [_cut_s(windows[before], windows[after]) for before, after in pairwise(numbers)]
    end_ms = 0
    for number, from_s, until_s in zip(numbers, [-inf, *cuts_s], [*cuts_s, inf], strict=True):
        window = windows[number]
        start_ms = max(end_ms, round(1000 * max(window.start_s, from_s)))
        end_ms = max(start_ms + 1, round(1000 * min(window.end_s, until_s)))
        yield Cue(start_ms, end_ms, track, prediction.emotion(number), max(window.probabilities))


def _middle_s(window: Window) -> float:
    return (window.start_s + window.end_s) / 2


def _cut_s(before: Window, after: Window) -> float:
    """Half-way between the middles of two neighbours, kept within their overlap, or within the gap between them."""
    halfway_s = (_middle_s(before) + _middle_s(after)) / 2
    return sorted((after.start_s, halfway_s, before.end_s))[1]
