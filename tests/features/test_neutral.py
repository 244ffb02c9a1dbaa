from __future__ import annotations

import numpy as np
import pytest

from omsn.config import VideoFeatures
from omsn.features.geometry import CHANGES, geometry_columns, geometry_stream
from omsn.features.neutral import RestingFace
from omsn.types import LandmarkTrack, Stream

CONFIG = VideoFeatures()


def face(seed: int, n_frames: int = 40, moved: float = 3.0) -> Stream:
    """Geometry of a face that begins still and then moves."""
    rng = np.random.default_rng(seed)
    points = np.repeat(rng.uniform(0, 200, (1, 68, 2)), n_frames, axis=0)
    points[:, 36:42], points[:, 42:48] = (60, 80), (140, 80)
    points[20:] += rng.normal(0, moved, (n_frames - 20, 68, 2))
    mask = np.ones(n_frames, np.bool_)
    return geometry_stream(LandmarkTrack(points.astype(np.float32), mask, np.arange(n_frames) / 30), CONFIG)


def test_nothing_to_rest() -> None:
    assert RestingFace.throughout([]) is None
    assert RestingFace.throughout([Stream.absent(geometry_columns())]) is None
    assert RestingFace.throughout([Stream.absent(("hog",))]) is None


def test_a_stream_without_geometry_stays_as_it_is() -> None:
    hog = Stream.absent(("hog",))
    assert RestingFace(np.zeros(len(CHANGES), np.float32)).as_zero(hog) is hog


def test_a_clips_own_start_as_zero_changes_nothing() -> None:
    stream = face(0)
    start = RestingFace.throughout([stream.take(slice(0, 6))])
    assert start is not None
    np.testing.assert_allclose(start.as_zero(stream).values, stream.values, atol=1e-5)


def test_changes_are_measured_from_the_neutral_clip_and_nothing_else_moves() -> None:
    stream, neutral = face(0), RestingFace.throughout([face(1, moved=0.0)])
    assert neutral is not None
    there = neutral.as_zero(stream)
    place = {name: number for number, name in enumerate(stream.columns)}
    changes = [place[name] for name in CHANGES.values()]
    measures = [place[name] for name in CHANGES]
    np.testing.assert_allclose(there.values[:, changes], stream.values[:, measures] - neutral.values, atol=1e-6)
    others = [number for number in range(len(stream.columns)) if number not in changes]
    np.testing.assert_array_equal(there.values[:, others], stream.values[:, others])
    assert not np.allclose(there.values, stream.values)


def test_masked_frames_stay_0() -> None:
    whole = face(0)
    mask = np.arange(len(whole)) < 5
    half = Stream(whole.values * mask[:, None], mask, whole.times_s, whole.columns)
    assert not RestingFace(np.ones(len(CHANGES), np.float32)).as_zero(half).values[5:].any()


def test_the_middle_of_several() -> None:
    faces = [RestingFace(np.full(len(CHANGES), level, np.float32)) for level in (0, 1, 9)]
    assert RestingFace.mostly(faces).values == pytest.approx(1)
