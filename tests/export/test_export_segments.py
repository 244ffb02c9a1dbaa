from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.export.segments import Segment, segments, stretches
from omsn.labels import LabelSet
from omsn.types import Prediction, Window

LABELS = LabelSet(("calm", "happy"))


def predicted(*windows: tuple[float, float, float], track: int = 0) -> Prediction:
    """Windows from their start, end and how calm they are."""
    made = (Window(start, end, (calm, 1 - calm), (), track) for start, end, calm in windows)
    return Prediction("a.mp4", LABELS, tuple(made))


def parts(prediction: Prediction) -> list[tuple[int, int, str, float]]:
    return [(one.start_ms, one.end_ms, one.emotion, round(one.probability, 6)) for one in segments(prediction)]


def test_no_windows() -> None:
    assert segments(predicted()) == ()
    assert list(stretches(predicted(), 0)) == []


def test_one_window_is_one_segment() -> None:
    assert segments(predicted((0.0, 3.5, 0.25), track=2)) == (Segment(0, 3500, 2, "happy", 0.75),)


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        pytest.param(
            [(0, 2, 0.9), (2, 4, 0.2)], [(0, 2000, "calm", 0.9), (2000, 4000, "happy", 0.8)], id="side by side"
        ),
        pytest.param(
            [(0, 2, 0.9), (2, 6, 0.6)], [(0, 6000, "calm", 0.7)], id="equal neighbours; the mean is over time"
        ),
        pytest.param([(0, 2, 0.9), (3, 4, 0.9)], [(0, 2000, "calm", 0.9), (3000, 4000, "calm", 0.9)], id="a gap stays"),
        pytest.param(
            [(0, 4, 0.9), (2, 6, 0.5), (4, 8, 0.1)],  # means 0.9, 0.7, 0.3, 0.1
            [(0, 4000, "calm", 0.8), (4000, 8000, "happy", 0.8)],
            id="half overlaps are averaged",
        ),
        pytest.param([(2, 6, 0.2), (0, 4, 0.2)], [(0, 6000, "happy", 0.8)], id="out of order"),
        pytest.param(
            [(0, 10, 0.4), (2, 4, 1.0)],
            [(0, 2000, "happy", 0.6), (2000, 4000, "calm", 0.7), (4000, 10000, "happy", 0.6)],
            id="one within another",
        ),
        pytest.param([(1, 2, 1.0), (1, 2, 0.2)], [(1000, 2000, "calm", 0.6)], id="two of the same time"),
        pytest.param([(1, 1, 0.9)], [(1000, 1001, "calm", 0.9)], id="an empty window gets a millisecond"),
        pytest.param([(-2, 1, 0.9)], [(0, 1000, "calm", 0.9)], id="before the clip's clock"),
    ],
)
def test_windows_are_averaged_where_they_overlap_and_joined_where_they_agree(
    windows: list[tuple[float, float, float]], expected: list[tuple[int, int, str, float]]
) -> None:
    assert parts(predicted(*windows)) == expected


def test_tracks_do_not_cut_each_other_and_segments_come_in_order_of_time() -> None:
    windows = [Window(start, start + 4.0, (track, 1 - track), (), track) for track in (1, 0) for start in (2.0, 0.0)]
    found = segments(Prediction("a.mp4", LABELS, tuple(windows)))
    assert [(one.start_ms, one.end_ms, one.track) for one in found] == [(0, 6000, 0), (0, 6000, 1)]


times_s = st.floats(-1.0, 500.0)


@given(st.lists(st.tuples(times_s, times_s, st.floats(0, 1), st.integers(0, 2)), max_size=30))
def test_segments_cover_what_windows_cover_and_neither_overlap_nor_vanish(
    windows: list[tuple[float, float, float, int]],
) -> None:
    made = tuple(Window(min(a, b), max(a, b), (calm, 1 - calm), (), track) for a, b, calm, track in windows)
    found = segments(Prediction("a.mp4", LABELS, made))
    assert all(0 <= one.start_ms < one.end_ms for one in found)
    assert all(0.5 <= one.probability <= 1 for one in found)
    assert all(before.start_ms <= after.start_ms for before, after in pairwise(found))
    for track in range(3):
        mine = [one for one in found if one.track == track]
        spans = [(max(0, round(1000 * one.start_s)), round(1000 * one.end_s)) for one in made if one.track == track]
        covered = {time for start, end in spans for time in (start, max(start, end - 1))}
        assert all(any(one.start_ms <= time < one.end_ms for one in mine) for time in covered)
        assert all(before.end_ms <= after.start_ms for before, after in pairwise(mine))
        assert all(a.emotion != b.emotion for a, b in pairwise(mine) if a.end_ms == b.start_ms)
