"""Face -> one upright square for a whole clip, and the pictures seen through it.

Unlike ``face_crop``, which holds the eyes still in every frame, the square stays where it is for the whole clip: the
head goes on moving in it, and the features of that motion can be taken again. It is also wider, as the face mesh looks
at one and a half times the face, and a square as tight as ``face_crop``'s cuts off chins. Against the landmarks that
come with RAVDESS, what the mesh finds in these squares is as good as what it finds in the whole pictures.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from omsn.media.video import Image
from omsn.preprocess.landmarks import FaceSquare, square_to_image
from omsn.types import LEFT_EYE, RIGHT_EYE, Floats, LandmarkTrack

EYES_APART = 0.2
"""Distance between the eyes' centres as a share of the square's side, for a face that keeps still."""
EYES_Y = 0.42
"""Height of the eyes in the square, as a share of its side from the top, for a face that keeps still."""


def square_around(track: LandmarkTrack) -> FaceSquare | None:
    """The square that shows a face during a whole clip, upright as the face is at its median.

    It grows by the way that the eyes go, and fits the face at its largest. None where no frame has a face.
    """
    points = track.points[track.mask].astype(np.float64)
    if not len(points):
        return None
    right, left = points[:, RIGHT_EYE].mean(axis=1), points[:, LEFT_EYE].mean(axis=1)  # (T, 2)
    across, down = np.median(left - right, axis=0)
    angle = float(np.arctan2(down, across))
    eyes = (right + left) / 2 @ _turn(angle).T  # (T, 2), upright
    low, high = eyes.min(axis=0), eyes.max(axis=0)
    still_px = max(float(np.linalg.norm(left - right, axis=1).max()), 1.0) / EYES_APART
    centre = ((low + high) / 2 + np.array([0, (0.5 - EYES_Y) * still_px])) @ _turn(angle)
    return FaceSquare((float(centre[0]), float(centre[1])), still_px + float((high - low).max()), angle)


def cut_square(image: Image, square: FaceSquare, size: int) -> Image:
    """The picture (size, size, 3) in a square of another (H, W, 3); black where the square leaves it."""
    # warpAffine does not average, so a large square is turned at its full size and shrunk afterwards
    finer = max(1, min(round(square.side_px / size), max(image.shape[:2]) // size))
    half = np.array([0, 0, 0.5])
    to_finer = finer * (to_square(square, size) + half) - half  # pixel centres lie at whole numbers
    warped = cv2.warpAffine(image, to_finer, (finer * size, finer * size), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def move_points(points: Floats, square: FaceSquare, size: int) -> Floats:
    """Places (..., 2) in a picture -> the same places in its square of ``size`` pixels."""
    matrix = to_square(square, size)
    moved: Floats = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return moved


def to_square(square: FaceSquare, size: int) -> NDArray[np.float64]:
    """Matrix (2, 3) that takes places in a picture to places in its square of ``size`` pixels."""
    return np.asarray(cv2.invertAffineTransform(square_to_image(square, size)), np.float64)


def _turn(angle: float) -> NDArray[np.float64]:
    """Rotation (2, 2) that makes upright what leans clockwise by ``angle``."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin], [-sin, cos]])
