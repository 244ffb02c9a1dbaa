from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.labels import LabelSet
from omsn.segments import Segment, overall, stretches
from omsn.types import Prediction, Window

LABELS = LabelSet(("calm", "happy"))


def predicted(*windows: tuple[float, float, float], track: int = 0) -> Prediction:
    """Windows from their start, end and how calm they are."""
    made = (Window(start, end, (calm, 1 - calm), (), track) for start, end, calm in windows)
    return Prediction("a.mp4", LABELS, tuple(made))


def parts(prediction: Prediction) -> list[tuple[int, int, str, float]]:
    return [(one.start_ms, one.end_ms, one.emotion, round(one.probability, 6)) for one in prediction.segments()]


def test_no_windows() -> None:
    assert predicted().segments() == ()
    assert list(stretches((), 0)) == []


def test_one_window_is_one_segment() -> None:
    (found,) = predicted((0.0, 3.5, 0.25), track=2).segments()
    assert found == Segment(0, 3500, 2, "happy", 0.75)
    assert (found.start_s, found.end_s) == (0.0, 3.5)


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
    found = Prediction("a.mp4", LABELS, tuple(windows)).segments()
    assert [(one.start_ms, one.end_ms, one.track) for one in found] == [(0, 6000, 0), (0, 6000, 1)]


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        pytest.param([False, False], [(0, 6, False)], id="never"),
        pytest.param([True, True], [(0, 6, True)], id="throughout"),
        pytest.param([True, False], [(0, 2, True), (2, 6, False)], id="half of the windows is not most of them"),
        pytest.param([False, True, True], [(0, 4, False), (4, 8, True)], id="from some time on"),
        pytest.param([True, False, True], [(0, 2, True), (2, 6, False), (6, 8, True)], id="in turns"),
    ],
)
def test_a_segment_ends_where_the_face_begins_or_ends_to_speak(
    spoken: list[bool], expected: list[tuple[int, int, bool]]
) -> None:
    windows = tuple(Window(2.0 * k, 2.0 * k + 4.0, (0.1, 0.9), (), 0, speaks) for k, speaks in enumerate(spoken))
    found = Prediction("a.mp4", LABELS, windows).segments()
    assert [(one.start_s, one.end_s, one.speaking) for one in found] == expected


def test_the_share_of_windows_that_speak_in_each_stretch() -> None:
    windows = (Window(0.0, 4.0, (0.1, 0.9), (), 0, True), Window(2.0, 6.0, (0.1, 0.9), ()))
    assert [one.speaking for one in stretches(windows, 0)] == [1.0, 0.5, 0.0]


def test_the_mean_over_time_counts_each_moment_once() -> None:
    windows = predicted(
        (0, 4, 0.9), (2, 6, 0.5), (6, 16, 0.1)
    ).windows  # 2 s of 0.9, 2 s of 0.7, 2 s of 0.5, 10 s of 0.1
    assert overall(windows) == pytest.approx((5.2 / 16, 10.8 / 16))


def test_the_mean_is_that_of_the_face_that_is_there_for_longest() -> None:
    first, second = predicted((0, 2, 0.9)).windows, predicted((1, 4, 0.2), track=1).windows
    assert overall(first + second) == pytest.approx((0.2, 0.8))
    assert overall(predicted((1, 3, 0.2), track=1).windows + first) == pytest.approx((0.9, 0.1))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=8))
def test_the_mean_over_time_is_that_of_its_milliseconds(spans: list[tuple[int, int, float]]) -> None:
    windows = predicted(*((start / 1000, (start + length) / 1000, calm) for start, length, calm in spans)).windows
    sums, counts = np.zeros(100), np.zeros(100)
    for start, length, calm in spans:
        sums[start : start + length] += calm
        counts[start : start + length] += 1
    there = counts > 0
    assert overall(windows)[0] == pytest.approx((sums[there] / counts[there]).mean())


times_s = st.floats(-1.0, 500.0)


@given(st.lists(st.tuples(times_s, times_s, st.floats(0, 1), st.integers(0, 2), st.booleans()), max_size=30))
def test_segments_cover_what_windows_cover_and_neither_overlap_nor_vanish(
    windows: list[tuple[float, float, float, int, bool]],
) -> None:
    made = tuple(Window(min(a, b), max(a, b), (calm, 1 - calm), (), face, says) for a, b, calm, face, says in windows)
    found = Prediction("a.mp4", LABELS, made).segments()
    assert all(0 <= one.start_ms < one.end_ms for one in found)
    assert all(0.5 <= one.probability <= 1 for one in found)
    assert all(before.start_ms <= after.start_ms for before, after in pairwise(found))
    for track in range(3):
        mine = [one for one in found if one.track == track]
        spans = [(max(0, round(1000 * one.start_s)), round(1000 * one.end_s)) for one in made if one.track == track]
        covered = {time for start, end in spans for time in (start, max(start, end - 1))}
        assert all(any(one.start_ms <= time < one.end_ms for one in mine) for time in covered)
        assert all(before.end_ms <= after.start_ms for before, after in pairwise(mine))
        touching = [(a, b) for a, b in pairwise(mine) if a.end_ms == b.start_ms]
        assert all((a.emotion, a.speaking) != (b.emotion, b.speaking) for a, b in touching)
