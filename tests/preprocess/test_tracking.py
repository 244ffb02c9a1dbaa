from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.preprocess.tracking import boxes_of, main_track, match_boxes, overlaps
from omsn.types import Floats, LandmarkTrack

BOXES = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4
)


def _boxes(corners_and_sizes: list[tuple[int, int, int, int]]) -> Floats:
    return np.array([(x, y, x + width, y + height) for x, y, width, height in corners_and_sizes], np.float32)


def test_no_boxes() -> None:
    none, one = np.zeros((0, 4), np.float32), np.array([[0, 0, 1, 1]], np.float32)
    assert overlaps(none, one).shape == (0, 1)
    assert match_boxes(none, none, 0.1) == []
    assert match_boxes(one, none, 0.1) == []


def test_overlaps_by_hand() -> None:
    first = np.array([[0, 0, 10, 10]], np.float32)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 10, 20, 20], [3, 3, 3, 3]], np.float32)
    np.testing.assert_allclose(overlaps(first, second), [[1, 1 / 3, 0, 0]], rtol=1e-6)
    assert overlaps(second[3:], second[3:])[0, 0] == 0  # both empty


@given(first=BOXES, second=BOXES)
def test_match_is_the_best_of_all(
    first: list[tuple[int, int, int, int]], second: list[tuple[int, int, int, int]]
) -> None:
    """Against every possible assignment."""
    a, b = sorted((_boxes(first), _boxes(second)), key=len)
    iou = overlaps(a, b)
    best = max(sum(iou[i, j] for i, j in enumerate(chosen)) for chosen in permutations(range(len(b)), len(a)))
    pairs = match_boxes(a, b, 0.0)
    assert sum(iou[i, j] for i, j in pairs) == pytest.approx(best, abs=1e-5)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(iou[i, j] >= 0.2 for i, j in match_boxes(a, b, 0.2))


def _track(n_frames: int, size: float, n_total: int = 20) -> LandmarkTrack:
    points = np.zeros((n_total, 68, 2), np.float32)
    points[:n_frames] = np.linspace(0, size, 68, dtype=np.float32)[None, :, None] + 1
    return LandmarkTrack(points, np.arange(n_total) < n_frames, np.arange(n_total) / 10)


def test_main_face_is_long_and_large() -> None:
    assert main_track([_track(20, 50), _track(5, 50)]) == 0
    assert main_track([_track(20, 30), _track(20, 80)]) == 1
    assert main_track([_track(20, 50), _track(2, 80)]) == 0
    assert main_track([_track(20, 50), _track(20, 50)]) == 0
    assert main_track([_track(0, 50), _track(1, 5)]) == 1


def test_boxes_of_points() -> None:
    points = np.array([[[1, 5], [3, 2], [2, 9]]], np.float32)
    np.testing.assert_array_equal(boxes_of(points), [[1, 2, 3, 9]])
