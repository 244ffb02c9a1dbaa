import numpy as np
import pytest
from numpy.typing import NDArray

from omsn.preprocess.face_crop import EYES_APART, EYES_Y, aligned_crop
from omsn.types import Floats

SIZE = 64
GREY = 100
LEFT_OF_CENTRE = (SIZE * (1 - EYES_APART) / 2, SIZE * EYES_Y)
RIGHT_OF_CENTRE = (SIZE * (1 + EYES_APART) / 2, SIZE * EYES_Y)


def eyes_at(right: tuple[float, float], left: tuple[float, float]) -> Floats:
    """Landmarks with the person's right eye (on the left of the picture) and left eye here."""
    points = np.zeros((68, 2), np.float32)
    points[36:42], points[42:48] = right, left
    return points


def spots(right: tuple[float, float], left: tuple[float, float], radius: float) -> NDArray[np.uint8]:
    """A grey picture with a white spot on one eye and a black spot on the other."""
    y, x = np.mgrid[:480, :640]
    grey = np.full((480, 640), GREY, np.uint8)
    grey[np.hypot(x - right[0], y - right[1]) < radius] = 255
    grey[np.hypot(x - left[0], y - left[1]) < radius] = 0
    return np.repeat(grey[..., None], 3, axis=2)


def centre_of(weights: NDArray[np.floating]) -> tuple[float, float]:
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return float((x * weights).sum() / weights.sum()), float((y * weights).sum() / weights.sum())


@pytest.mark.parametrize(
    ("right", "left"),
    [
        ((306.56, 240.0), (333.44, 240.0)),
        ((300.0, 240.0), (340.0, 240.0)),
        ((260.0, 240.0), (380.0, 240.0)),
        ((100.0, 200.0), (500.0, 260.0)),
        ((280.0, 200.0), (360.0, 280.0)),
        ((360.0, 280.0), (280.0, 200.0)),
        ((320.0, 180.0), (320.0, 300.0)),
    ],
    ids=["as it is", "level", "larger", "very large", "tilted", "upside down", "lying"],
)
def test_the_eyes_come_to_their_places(right: tuple[float, float], left: tuple[float, float]) -> None:
    apart = float(np.hypot(left[0] - right[0], left[1] - right[1]))
    crop = aligned_crop(spots(right, left, apart / 6), eyes_at(right, left), SIZE).astype(float)
    assert centre_of(np.maximum(crop - GREY, 0)) == pytest.approx(LEFT_OF_CENTRE, abs=0.35)
    assert centre_of(np.maximum(GREY - crop, 0)) == pytest.approx(RIGHT_OF_CENTRE, abs=0.35)


@pytest.mark.parametrize("size", [32, 64, 100])
def test_shape_and_type(size: int) -> None:
    crop = aligned_crop(np.full((48, 64, 3), GREY, np.uint8), eyes_at((20, 20), (40, 20)), size)
    assert crop.shape == (size, size)
    assert crop.dtype == np.uint8
    assert (crop == GREY).all()


def test_blue_green_red_become_luma() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    for channel, weight in enumerate((0.114, 0.587, 0.299)):  # BT.601
        pure = image.copy()
        pure[..., channel] = 200
        assert aligned_crop(pure, eyes_at((20, 20), (40, 20)), SIZE)[32, 32] == pytest.approx(200 * weight, abs=1)


def test_edge_pixels_repeat_beyond_the_picture() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 0] = 255
    crop = aligned_crop(image, eyes_at((-200, 20), (-180, 20)), SIZE)
    assert (crop == 255).all()


def test_a_large_face_is_averaged_and_not_sampled() -> None:
    checks = (np.indices((480, 640)) // 2).sum(axis=0) % 2 * 255
    image = np.repeat(checks.astype(np.uint8)[..., None], 3, axis=2)
    crop = aligned_crop(image, eyes_at((230, 200), (410, 210)), SIZE)
    assert crop.mean() == pytest.approx(127.5, abs=3)
    assert crop.std() < 12


@pytest.mark.parametrize(
    ("right", "left"), [((20.0, 20.0), (20.0, 20.0)), ((-3e4, 0.0), (3e4, 0.0))], ids=["eyes in one", "eyes far apart"]
)
def test_landmarks_that_cannot_be_give_a_picture_all_the_same(
    right: tuple[float, float], left: tuple[float, float]
) -> None:
    crop = aligned_crop(np.full((48, 64, 3), GREY, np.uint8), eyes_at(right, left), SIZE)
    assert (crop == GREY).all()
