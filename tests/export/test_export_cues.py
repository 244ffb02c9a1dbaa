from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.export.cues import Cue, cues
from omsn.labels import LabelSet
from omsn.types import Prediction, Window

LABELS = LabelSet(("calm", "happy"))


def predicted(*spans_s: tuple[float, float], track: int = 0) -> Prediction:
    return Prediction("a.mp4", LABELS, tuple(Window(start, end, (0.25, 0.75), (), track) for start, end in spans_s))


def spans_ms(prediction: Prediction) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in cues(prediction)]


def test_no_windows() -> None:
    assert cues(predicted()) == ()


def test_one_window_is_shown_whole() -> None:
    assert cues(predicted((0.0, 3.5), track=2)) == (Cue(0, 3500, 2, "happy", 0.75),)


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        pytest.param([(0, 2), (2, 4)], [(0, 2000), (2000, 4000)], id="side by side"),
        pytest.param([(0, 2), (3, 4)], [(0, 2000), (3000, 4000)], id="a gap stays"),
        pytest.param([(0, 4), (2, 6), (4, 8)], [(0, 3000), (3000, 5000), (5000, 8000)], id="half overlaps"),
        pytest.param([(0, 4), (1, 5), (2, 6)], [(0, 2500), (2500, 3500), (3500, 6000)], id="more than half overlaps"),
        pytest.param([(0, 4), (2, 5), (4, 5)], [(0, 2750), (2750, 4000), (4000, 5000)], id="a short last window"),
        pytest.param([(2, 6), (0, 4)], [(0, 3000), (3000, 6000)], id="out of order"),
        pytest.param([(0, 10), (2, 4)], [(2000, 4000), (4000, 10000)], id="one within another"),
        pytest.param([(1, 2), (1, 2)], [(1000, 1500), (1500, 2000)], id="twice the same"),
        pytest.param([(1, 1), (1, 1)], [(1000, 1001), (1001, 1002)], id="empty windows"),
        pytest.param([(-1, 1), (-2, -1)], [(0, 1), (1, 1000)], id="before the clip's clock"),
    ],
)
def test_each_moment_goes_to_the_window_with_the_nearest_middle(
    windows: list[tuple[float, float]], expected: list[tuple[int, int]]
) -> None:
    assert spans_ms(predicted(*windows)) == expected


def test_tracks_do_not_cut_each_other_and_cues_come_in_order_of_time() -> None:
    windows = [Window(start, start + 4.0, (0.5, 0.5), (), track) for track in (1, 0) for start in (0.0, 2.0)]
    found = cues(Prediction("a.mp4", LABELS, tuple(windows)))
    assert [(cue.start_ms, cue.end_ms, cue.track) for cue in found] == [
        (0, 3000, 0),
        (0, 3000, 1),
        (3000, 6000, 0),
        (3000, 6000, 1),
    ]


times_s = st.floats(-1.0, 5000.0)


@given(st.lists(st.tuples(times_s, times_s, st.integers(0, 2)), max_size=30))
def test_cues_neither_overlap_nor_vanish_whatever_the_windows(spans: list[tuple[float, float, int]]) -> None:
    windows = tuple(Window(min(span), max(span), (1.0, 0.0), (), track) for *span, track in spans)
    found = cues(Prediction("a.mp4", LABELS, windows))
    assert len(found) == len(windows)
    assert all(0 <= cue.start_ms < cue.end_ms for cue in found)
    assert all(before.start_ms <= after.start_ms for before, after in pairwise(found))
    for track in range(3):
        mine = [cue for cue in found if cue.track == track]
        assert all(before.end_ms <= after.start_ms for before, after in pairwise(mine))


@given(st.floats(0.0, 5000.0), st.floats(0.01, 12.0), st.floats(0.01, 12.0), st.integers(1, 30))
def test_regular_windows_keep_their_time_and_lose_none(start_s: float, length_s: float, hop_s: float, n: int) -> None:
    spans = [(start_s + hop_s * number, start_s + hop_s * number + length_s) for number in range(n)]
    found = spans_ms(predicted(*spans))
    for (cue_start, cue_end), (window_start, window_end) in zip(found, spans, strict=True):
        assert cue_start >= 1000 * window_start - 0.501
        assert cue_end <= 1000 * window_end + 0.501
    if hop_s < length_s:
        assert all(before[1] == after[0] for before, after in pairwise(found))
    assert (found[0][0], found[-1][1]) == (round(1000 * spans[0][0]), round(1000 * spans[-1][1]))
