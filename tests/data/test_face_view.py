from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.data.face_view import EYES_APART, EYES_Y, cut_square, move_points, square_around, to_square
from omsn.media.video import Image
from omsn.preprocess.landmarks import FaceSquare
from omsn.types import Floats, LandmarkTrack

SIZE = 100
GREY = 100


def eyes_at(right: tuple[float, float], left: tuple[float, float]) -> Floats:
    """Landmarks with the person's right eye (on the left of the picture) and left eye here."""
    points = np.zeros((68, 2), np.float32)
    points[36:42], points[42:48] = right, left
    return points


def track_of(*faces: Floats | None) -> LandmarkTrack:
    mask = np.array([face is not None for face in faces], np.bool_)
    points = [np.zeros((68, 2), np.float32) if face is None else face for face in faces]
    return LandmarkTrack(np.array(points, np.float32).reshape(-1, 68, 2), mask, np.arange(len(faces)) / 10)


def square_of(*faces: Floats | None) -> FaceSquare:
    square = square_around(track_of(*faces))
    assert square is not None
    return square


def spot(x: float, y: float, height: int = 360, width: int = 480, radius: float = 6) -> Image:
    """A grey picture with a white spot."""
    down, across = np.mgrid[:height, :width]
    grey = np.full((height, width), GREY, np.uint8)
    grey[np.hypot(across - x, down - y) < radius] = 255
    return np.repeat(grey[..., None], 3, axis=2)


def centre_of(image: Image) -> tuple[float, float]:
    """Centre of what is brighter than the ground."""
    weights = np.maximum(image[..., 0].astype(float) - GREY, 0)
    down, across = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return float((across * weights).sum() / weights.sum()), float((down * weights).sum() / weights.sum())


def test_no_face_has_no_square() -> None:
    assert square_around(track_of()) is None
    assert square_around(track_of(None, None)) is None


@pytest.mark.parametrize(
    ("right", "left"),
    [((220.0, 160.0), (260.0, 160.0)), ((200.0, 150.0), (260.0, 190.0)), ((240.0, 120.0), (240.0, 200.0))],
    ids=["level", "tilted", "lying"],
)
def test_the_eyes_of_a_still_face_come_to_their_places(right: tuple[float, float], left: tuple[float, float]) -> None:
    square = square_of(eyes_at(right, left), None, eyes_at(right, left))
    for eye, side in ((right, -1), (left, 1)):
        expected = (SIZE * (0.5 + side * EYES_APART / 2), SIZE * EYES_Y)
        assert centre_of(cut_square(spot(*eye), square, SIZE)) == pytest.approx(expected, abs=0.4)
        assert move_points(np.array(eye, np.float32), square, SIZE) == pytest.approx(expected, abs=0.1)


def test_the_square_stays_and_grows_by_the_way_of_the_eyes() -> None:
    still, aside = eyes_at((100, 160), (140, 160)), eyes_at((160, 160), (200, 160))
    square = square_of(still, aside, aside)
    assert square.side_px == pytest.approx(40 / EYES_APART + 60)
    assert square.centre == pytest.approx((150, 160 + (0.5 - EYES_Y) * 40 / EYES_APART))


def test_the_square_fits_the_face_at_its_largest() -> None:
    square = square_of(eyes_at((130, 160), (150, 160)), eyes_at((120, 160), (160, 160)))
    assert square.side_px == pytest.approx(40 / EYES_APART)


def test_eyes_in_one_place_give_a_square_all_the_same() -> None:
    square = square_of(eyes_at((50, 50), (50, 50)))
    assert cut_square(spot(50, 50), square, SIZE).shape == (SIZE, SIZE, 3)


def test_black_beyond_the_picture_and_colours_within() -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    image[:] = (10, 120, 240)
    seen = cut_square(image, FaceSquare((0.0, 30.0), 60.0, 0.0), 60)
    assert (seen[:, :29] == 0).all()
    assert (seen[:, 31:] == (10, 120, 240)).all()


def test_a_large_square_is_averaged_and_not_sampled() -> None:
    checks = ((np.indices((400, 400)) // 2).sum(axis=0) % 2 * 255).astype(np.uint8)
    seen = cut_square(np.repeat(checks[..., None], 3, axis=2), FaceSquare((200.0, 200.0), 380.0, 0.1), 50)
    assert seen.mean() == pytest.approx(127.5, abs=3)
    assert seen.std() < 12


@given(
    x=st.floats(-500, 2000),
    y=st.floats(-500, 2000),
    apart=st.floats(2, 500),
    angle=st.floats(-3, 3),
    moves=st.lists(st.tuples(st.floats(-300, 300), st.floats(-300, 300)), min_size=1, max_size=5),
)
def test_a_face_that_moves_keeps_the_surroundings_of_one_that_keeps_still(
    x: float, y: float, apart: float, angle: float, moves: list[tuple[float, float]]
) -> None:
    half = np.array([np.cos(angle), np.sin(angle)]) * apart / 2
    centres = [np.array([x, y]) + move for move in moves]
    faces = [eyes_at(tuple(centre - half), tuple(centre + half)) for centre in centres]
    square = square_of(*faces)
    between_eyes = np.array([move_points(face[36:48], square, SIZE).mean(axis=0) for face in faces])  # (T, 2)
    still = apart / EYES_APART * SIZE / square.side_px
    assert (between_eyes >= np.array([0.5, EYES_Y]) * still - 0.1).all()
    assert (SIZE - between_eyes >= np.array([0.5, 1 - EYES_Y]) * still - 0.1).all()


@given(side=st.floats(1, 3000), angle=st.floats(-3.2, 3.2), x=st.floats(-100, 3000), y=st.floats(-100, 3000))
def test_the_matrix_is_a_turn_and_a_scale_about_the_centre(side: float, angle: float, x: float, y: float) -> None:
    matrix = to_square(FaceSquare((x, y), side, angle), SIZE)
    assert matrix[:, :2] @ (x, y) + matrix[:, 2] == pytest.approx((SIZE / 2, SIZE / 2), abs=1e-6)
    np.testing.assert_allclose(matrix[:, :2] @ matrix[:, :2].T, np.eye(2) * (SIZE / side) ** 2, atol=1e-9)
