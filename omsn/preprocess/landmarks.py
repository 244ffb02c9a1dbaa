"""Facial landmarks: the 468-point face mesh (Kartynnik et al. 2019, arXiv:1907.06724) brought to the iBUG-68 points.

The points are not smoothed over time: against the landmarks of RAVDESS a One-Euro filter made them worse, and the best
zero-phase filter better by less than 1% of their error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from omsn.config import Faces
from omsn.media.video import Image
from omsn.preprocess.bilateral import smooth_crop
from omsn.preprocess.face_net import MODEL_FOLDER, FaceNet
from omsn.preprocess.ibug68 import between_mesh_points, corrected, read_correction
from omsn.types import Floats

INPUT_PX = 192
"""Side of the network's square input."""

N_MESH_POINTS = 468

ENLARGEMENT = 1.5
"""Side of the square that the network sees, in sides of the face's box."""

OUTER_EYE_CORNERS = (33, 263)
"""Mesh points of the right and left outer eye corner: the line that is turned level."""


@dataclass(frozen=True)
class FaceSquare:
    """The turned square around a face that the network sees.

    Attributes:
        centre: x and y in pixels.
        side_px: length of a side in pixels.
        angle: radians by which the face leans clockwise in the picture.
    """

    centre: tuple[float, float]
    side_px: float
    angle: float


@dataclass(frozen=True, eq=False)
class Mesh:
    """One face: (468, 2) float32 points in pixels, and the network's belief in [0, 1] that it saw a face."""

    points: Floats
    presence: float


class FaceMesher:
    """Finds the mesh of a face in a square of a picture."""

    def __init__(self, config: Faces, models: Path = MODEL_FOLDER) -> None:
        """Load the network.

        Raises:
            InputError: the model is not installed.
        """
        self._bilateral = config.bilateral
        self._net = FaceNet(models / "face_landmark.tflite")

    def find(self, image: Image, square: FaceSquare) -> Mesh:
        """The mesh of the face in a square of a picture (H, W, 3), BGR."""
        to_image = square_to_image(square).astype(np.float32)  # (2, 3)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop: Image = np.asarray(cv2.warpAffine(image, to_image, (INPUT_PX, INPUT_PX), flags=flags), np.uint8)
        crop = smooth_crop(crop) if self._bilateral else crop
        logit, flat = self._net.run(crop, 1 / 255, 0.0, ("conv2d_31", "conv2d_21"))
        points = flat.reshape(N_MESH_POINTS, 3)[:, :2] @ to_image[:, :2].T + to_image[:, 2]
        return Mesh(points.astype(np.float32), float(expit(logit[0])))


def square_to_image(square: FaceSquare, size: int = INPUT_PX) -> NDArray[np.float64]:
    """Matrix (2, 3) that takes places in the square, ``size`` pixels wide, to places in the picture, in pixels."""
    scale = square.side_px / size
    cos, sin = scale * np.cos(square.angle), scale * np.sin(square.angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = np.array(square.centre) - turn @ np.full(2, size / 2)
    return np.column_stack([turn, shift])


def square_from_detection(xyxy: Floats, keypoints: Floats) -> FaceSquare:
    """The square for a detected face: box (4,) and key points (6, 2), the first two of them the eyes."""
    return _square(xyxy.reshape(2, 2), keypoints[0], keypoints[1])


def square_from_mesh(points: Floats) -> FaceSquare:
    """The square in which to look for the face in the next frame: points (468, 2)."""
    right, left = points[list(OUTER_EYE_CORNERS)]
    return _square(points, right, left)


def to_ibug68(points: Floats) -> Floats:
    """The 68 iBUG points (68, 2), where OpenFace puts them, out of the mesh (468, 2)."""
    return corrected(between_mesh_points(points), read_correction())


def _square(points: Floats, right_eye: Floats, left_eye: Floats) -> FaceSquare:
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (low + high) / 2
    across, down = left_eye - right_eye
    return FaceSquare((float(x), float(y)), float(ENLARGEMENT * (high - low).max()), float(np.arctan2(down, across)))
