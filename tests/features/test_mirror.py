from __future__ import annotations

import numpy as np
import pytest

from omsn.config import VideoFeatures
from omsn.errors import InputError
from omsn.features.geometry import geometry_columns, geometry_stream
from omsn.features.hog import hog_columns, hog_frame
from omsn.features.mirror import Mirror
from omsn.types import Floats, LandmarkTrack

WIDTH = 640.0


def moving_face(seed: int = 0) -> Floats:
    """(T, 68, 2) of a face without any symmetry, in pixels, its right eye on the picture's left."""
    generator = np.random.default_rng(seed)
    points = generator.uniform(200, 400, (1, 68, 2)) + generator.normal(0, 3, (20, 68, 2)).cumsum(axis=0)
    points[:, 36:42] += np.array([-80.0, 0.0])
    points[:, 42:48] += np.array([80.0, 0.0])
    face: Floats = points.astype(np.float32)
    return face


def mirrored_points(points: Floats) -> Floats:
    """The same points in a mirrored picture, renamed by where they stand in the iBUG-68 scheme."""
    renamed = [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *(27, 28, 29, 30),
        *(35, 34, 33, 32, 31),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
        *(64, 63, 62, 61, 60, 67, 66, 65),
    ]
    flipped: Floats = points[:, renamed].copy()
    flipped[..., 0] = WIDTH - flipped[..., 0]
    return flipped


def geometry(points: Floats) -> Floats:
    times_s = np.arange(len(points)) / 30
    return geometry_stream(LandmarkTrack(points, np.ones(len(points), np.bool_), times_s), VideoFeatures()).values


def test_no_columns() -> None:
    assert len(Mirror.of(()).order) == 0


def test_geometry_of_a_mirrored_face_is_mirrored_geometry() -> None:
    face, mirror = moving_face(), Mirror.of(geometry_columns())
    there, here = geometry(mirrored_points(face)), geometry(face)
    np.testing.assert_allclose(there, here[:, mirror.order] * mirror.sign, atol=2e-3)
    assert np.abs(there - here).max() > 0.1


def test_hog_of_a_mirrored_crop_is_mirrored_hog() -> None:
    row, column = np.mgrid[:64, :64]
    crop = (127 + 120 * np.sin(0.4 * column + 0.2 * row * (1 + column / 64))).astype(np.uint8)
    mirror = Mirror.of(hog_columns())
    there, here = hog_frame(np.ascontiguousarray(crop[:, ::-1])), hog_frame(crop)
    np.testing.assert_allclose(there, here[mirror.order] * mirror.sign, atol=0.03)
    assert np.abs(there - here).max() > 0.1


def test_mirrored_twice_is_as_before() -> None:
    mirror = Mirror.of((*geometry_columns(), *hog_columns()))
    np.testing.assert_array_equal(mirror.order[mirror.order], np.arange(len(mirror.order)))
    np.testing.assert_array_equal(mirror.sign[mirror.order] * mirror.sign, 1)


def test_other_columns_stay() -> None:
    mirror = Mirror.of(("smile", "frown"))
    np.testing.assert_array_equal(mirror.order, [0, 1])
    np.testing.assert_array_equal(mirror.sign, [1, 1])


def test_half_a_face_is_refused() -> None:
    with pytest.raises(InputError, match="no column left_brow_bend among 1"):
        Mirror.of(("right_brow_bend",))
