from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.features.mirror import mirrored_point
from omsn.preprocess.ibug68 import (
    LIDS,
    NEAREST_MESH_POINT,
    SECOND_MESH_POINT,
    TABLE_NAME,
    Correction,
    between_mesh_points,
    corrected,
    from_eye_frame,
    lid_shares,
    read_correction,
    to_eye_frame,
    to_table,
)
from omsn.types import N_LANDMARKS, Floats

CORRECTION = read_correction()
MIRRORED = [mirrored_point(point) for point in range(N_LANDMARKS)]
LEVEL_EYES = {36: (100, 50), 37: (110, 45), 38: (120, 45), 39: (130, 50), 40: (120, 55), 41: (110, 55)}
"""A right eye thirty pixels wide; the left one is its mirror image."""

seeds = st.integers(0, 10_000)


def face(seed: int = 0) -> Floats:
    """Points (68, 2) anywhere in a picture, but for two level eyes a hundred pixels apart, at x 115 and 215."""
    points = np.random.default_rng(seed).uniform(50, 250, (N_LANDMARKS, 2)).astype(np.float32)
    for point, (x, y) in LEVEL_EYES.items():
        points[point], points[MIRRORED[point]] = (x, y), (330 - x, y)
    return points


def no_move(*moves: tuple[int, float, float]) -> Correction:
    """A correction that moves these points only, and leaves the lids of ``face`` where they are."""
    offsets = np.zeros((N_LANDMARKS, 2))
    for point, x, y in moves:
        offsets[point] = x, y
    return Correction(offsets, np.array([1, 2, 2, 1] * 2) / 3)


def mirror_image(points: Floats) -> Floats:
    return points[MIRRORED] * np.array([-1, 1], np.float32)


def test_points_that_fall_together_stay_together() -> None:
    np.testing.assert_array_equal(corrected(np.zeros((N_LANDMARKS, 2), np.float32), CORRECTION), 0)


def test_no_frames() -> None:
    assert corrected(np.zeros((0, N_LANDMARKS, 2), np.float32), CORRECTION).shape == (0, N_LANDMARKS, 2)


def test_table_of_mesh_points_is_complete_and_mirrored() -> None:
    """Every point has a mesh point, and a pair of points to be averaged has its mirror image."""
    assert len(NEAREST_MESH_POINT) == N_LANDMARKS
    assert len(set(NEAREST_MESH_POINT)) == N_LANDMARKS
    assert max(NEAREST_MESH_POINT) < 468
    assert {MIRRORED[point] for point in SECOND_MESH_POINT} == set(SECOND_MESH_POINT)


def test_points_between_two_mesh_points() -> None:
    mesh = np.zeros((468, 2), np.float32)
    mesh[5], mesh[195] = (10, 20), (30, 60)
    np.testing.assert_allclose(between_mesh_points(mesh)[29], [20, 40])


def test_a_point_moves_by_a_share_of_the_eyes_distance() -> None:
    """The eyes are 100 pixels apart; on the face lying on its side, what was across is down."""
    moved = corrected(face(), no_move((30, 0.1, 0.2))) - face()
    np.testing.assert_allclose(moved[30], [10, 20], atol=1e-4)
    np.testing.assert_allclose(np.delete(moved, 30, axis=0), 0, atol=1e-4)
    lying = np.stack([-face()[:, 1], face()[:, 0]], axis=1)
    np.testing.assert_allclose((corrected(lying, no_move((30, 0.1, 0.2))) - lying)[30], [-20, 10], atol=1e-4)


def test_lids_go_to_their_share_of_the_eyes_width_at_their_height() -> None:
    correction = Correction(np.zeros((N_LANDMARKS, 2)), np.array([0.1, 0.5, 0.9, 0.2] * 2))
    points = corrected(face(), correction)
    np.testing.assert_allclose(points[[37, 38, 40, 41]], [(103, 45), (115, 45), (127, 55), (106, 55)], atol=1e-4)
    np.testing.assert_allclose(points[[44, 43, 47, 46]], [(227, 45), (215, 45), (203, 55), (224, 55)], atol=1e-4)
    np.testing.assert_allclose(lid_shares(points.astype(np.float64)), correction.shares, atol=1e-5)


@given(seed=seeds, angle=st.floats(-3, 3), scale=st.floats(0.1, 10), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_the_correction_turns_grows_and_moves_with_the_face(
    seed: int, angle: float, scale: float, x: float, y: float
) -> None:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)

    def moved(points: Floats) -> Floats:
        return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]) + [x, y], np.float32)

    np.testing.assert_allclose(
        corrected(moved(face(seed)), CORRECTION), moved(corrected(face(seed), CORRECTION)), atol=1e-3 * max(1, scale)
    )


@given(seed=seeds)
def test_a_mirrored_face_has_mirrored_points(seed: int) -> None:
    np.testing.assert_allclose(
        corrected(mirror_image(face(seed)), CORRECTION), mirror_image(corrected(face(seed), CORRECTION)), atol=1e-3
    )


@given(seed=seeds)
def test_frames_are_corrected_one_by_one(seed: int) -> None:
    faces = np.stack([face(seed), 2 * face(seed + 1)])
    expected = [corrected(one, CORRECTION) for one in faces]
    np.testing.assert_allclose(corrected(faces, CORRECTION), expected, atol=1e-4)


def test_points_keep_their_type() -> None:
    assert corrected(face(), CORRECTION).dtype == np.float32


@given(seed=seeds)
def test_eye_frame_and_back(seed: int) -> None:
    offsets = np.random.default_rng(seed).normal(size=(3, N_LANDMARKS, 2))
    faces = np.stack([face(seed), face(seed + 1) * 3, face()[:, ::-1]])
    np.testing.assert_allclose(to_eye_frame(from_eye_frame(offsets, faces), faces), offsets, atol=1e-9)


def test_the_table_reads_as_it_was_written() -> None:
    text = resources.files("omsn.preprocess").joinpath(TABLE_NAME).read_text(encoding="utf-8")
    assert to_table(read_correction()) == text


def test_the_shipped_correction_is_small_and_the_same_on_both_sides() -> None:
    np.testing.assert_allclose(CORRECTION.offsets[MIRRORED] * [-1, 1], CORRECTION.offsets, atol=1e-9)
    assert 0 < np.linalg.norm(CORRECTION.offsets, axis=1).max() < 0.07
    right, left = CORRECTION.shares.reshape(2, 4)
    assert right.tolist() == left.tolist()
    assert 0 < max(right[[0, 3]]) < min(right[[1, 2]]) < 1  # outer lids, inner lids
    assert [mirrored_point(lid) for lid in LIDS[:4]] == list(LIDS[4:])


def test_heights_of_the_brows_are_left_alone() -> None:
    """They differ from speaker to speaker; see docs/decisions.md."""
    assert CORRECTION.offsets[17:27, 1] == pytest.approx(np.zeros(10))
