from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.errors import InputError
from omsn.preprocess.keyframes import select_keyframes
from omsn.types import Stream


def _stream(rows: list[list[float]], mask: list[bool] | None = None) -> Stream:
    values = np.array(rows, np.float32)
    real = np.ones(len(values), np.bool_) if mask is None else np.array(mask, np.bool_)
    columns = tuple(f"c{number}" for number in range(values.shape[1]))
    return Stream(values * real[:, None], real, np.arange(len(values)) / 15, columns)


def _times(stream: Stream) -> list[int]:
    return [round(time_s * 15) for time_s in stream.times_s]


def test_absent_and_masked_streams_stay() -> None:
    absent = Stream.absent(("a", "b"))
    nobody = _stream([[1.0], [2.0], [3.0]], [False] * 3)
    assert select_keyframes(absent, 5) is absent
    assert select_keyframes(nobody, 2) is nobody


def test_negative_count() -> None:
    with pytest.raises(InputError, match=r"keyframes: got -1, expected 0 \(all\) or more"):
        select_keyframes(_stream([[1.0]]), -1)


@pytest.mark.parametrize("count", [0, 4, 9])
def test_all_frames(count: int) -> None:
    stream = _stream([[1.0], [2.0], [3.0], [4.0]])
    assert select_keyframes(stream, count) is stream


def test_picks_by_hand() -> None:
    """From 0: farthest is 10 (frame 3); then 4 (frame 2), which is 4 from one and 6 from the other."""
    stream = _stream([[0.0], [1.0], [4.0], [10.0], [9.0]])
    assert _times(select_keyframes(stream, 1)) == [0]
    assert _times(select_keyframes(stream, 2)) == [0, 3]
    assert _times(select_keyframes(stream, 3)) == [0, 2, 3]


def test_columns_count_alike_whatever_their_unit() -> None:
    """The second column varies a thousand times less, but has the one frame that stands out."""
    rows = [[0.0, 0.0], [1000.0, 0.0], [0.0, 0.0], [1000.0, 0.0], [0.0, 1.0], [1000.0, 0.0]]
    assert _times(select_keyframes(_stream(rows), 2)) == [0, 4]


def test_only_real_frames_are_picked() -> None:
    stream = _stream([[99.0], [1.0], [2.0], [-99.0], [3.0]], [False, True, True, False, True])
    assert _times(select_keyframes(stream, 2)) == [1, 4]
    kept = select_keyframes(stream, 4)
    assert _times(kept) == [1, 2, 4]
    assert kept.mask.all()


def test_frames_that_are_all_alike() -> None:
    assert _times(select_keyframes(_stream([[5.0, 0.1]] * 6), 3)) == [0, 1, 2]


@given(values=st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=12), count=st.integers(1, 12))
def test_count_order_and_cover(values: list[float], count: int) -> None:
    """As many as asked for, in order, and within twice the best covering radius (Gonzalez 1985)."""
    stream = _stream([[value] for value in values])
    kept = select_keyframes(stream, count)
    assert len(kept) == min(count, len(values))
    assert (np.diff(kept.times_s) > 0).all()
    if 1 <= count < min(len(values), 4):
        points = stream.values[:, 0].astype(float)
        radius = max(np.abs(points[:, None] - kept.values[None, :, 0]).min(axis=1))
        best = min(
            np.abs(points[:, None] - points[list(chosen)]).min(axis=1).max()
            for chosen in combinations(range(len(points)), count)
        )
        assert radius <= 2 * best + 1e-4
