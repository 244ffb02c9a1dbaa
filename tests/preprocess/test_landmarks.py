from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from portrait import portrait

from omsn.config import Faces
from omsn.errors import InputError
from omsn.media.video import Image
from omsn.preprocess.faces import FaceDetector
from omsn.preprocess.landmarks import (
    FaceMesher,
    FaceSquare,
    Mesh,
    square_from_detection,
    square_from_mesh,
    square_to_image,
    to_ibug68,
)
from omsn.types import Floats


def _mesh(image: Image, config: Faces | None = None) -> Mesh:
    found = FaceDetector(Faces()).detect(image)
    return FaceMesher(config or Faces()).find(image, square_from_detection(found.xyxy[0], found.keypoints[0]))


def _eyes_apart(points: Floats) -> float:
    return float(np.linalg.norm(points[36] - points[45]))


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"face_landmark\.tflite: the face model is missing; run `make setup`"):
        FaceMesher(Faces(), tmp_path)


def test_no_face_no_presence() -> None:
    blank = np.full((200, 200, 3), 128, np.uint8)
    assert FaceMesher(Faces()).find(blank, FaceSquare((100.0, 100.0), 150.0, 0.0)).presence < 0.1


def test_square_beyond_the_picture() -> None:
    mesh = FaceMesher(Faces()).find(np.zeros((50, 50, 3), np.uint8), FaceSquare((900.0, -900.0), 100.0, 0.3))
    assert mesh.presence < 0.1
    assert np.isfinite(mesh.points).all()


def test_parts_of_the_face_are_where_they_belong() -> None:
    mesh = _mesh(portrait())
    assert mesh.presence > 0.9
    points = to_ibug68(mesh.points)
    right_eye, left_eye = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    nose, mouth, chin = points[30], points[48:].mean(axis=0), points[8]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert points[17:27, 1].max() < right_eye[1] < nose[1] < mouth[1] < chin[1]
    assert (np.diff(points[:17, 0]) > 0).all()


def test_eyes_agree_with_the_detector() -> None:
    found = FaceDetector(Faces()).detect(portrait())
    points = to_ibug68(_mesh(portrait()).points)
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    np.testing.assert_allclose(eyes, found.keypoints[0, :2], atol=5)


@pytest.mark.parametrize("degrees", [-30, 20])
def test_landmarks_turn_with_the_picture(degrees: int) -> None:
    turn = cv2.getRotationMatrix2D((225.0, 128.0), degrees, 1.0)
    turned = np.asarray(cv2.warpAffine(portrait(), turn, (512, 512)), np.uint8)
    upright = to_ibug68(_mesh(portrait()).points)
    expected = upright @ turn[:, :2].T + turn[:, 2]
    error = np.linalg.norm(to_ibug68(_mesh(turned).points) - expected, axis=1) / _eyes_apart(upright)
    assert error[17:].mean() < 0.04


def test_second_look_from_the_mesh_agrees() -> None:
    """The square of the next frame, taken from this frame's mesh, finds the same face in the same place."""
    first = _mesh(portrait())
    second = FaceMesher(Faces()).find(portrait(), square_from_mesh(first.points))
    error = np.linalg.norm(to_ibug68(first.points) - to_ibug68(second.points), axis=1)
    assert error[17:].mean() < 0.03 * _eyes_apart(to_ibug68(first.points))


def test_bilateral_filter_moves_points_a_little() -> None:
    plain, smoothed = (to_ibug68(_mesh(portrait(), Faces(bilateral=on)).points) for on in (False, True))
    distance = np.linalg.norm(plain - smoothed, axis=1).mean() / _eyes_apart(plain)
    assert 0 < distance < 0.05


def test_square_to_image_by_hand() -> None:
    """Upright and of the input's size it is a shift; turned by a quarter, the input's x axis points down."""
    plain = square_to_image(FaceSquare((196.0, 106.0), 192.0, 0.0))
    np.testing.assert_allclose(plain, [[1, 0, 100], [0, 1, 10]], atol=1e-4)
    turned = square_to_image(FaceSquare((96.0, 96.0), 192.0, np.pi / 2))
    np.testing.assert_allclose(turned @ [192, 96, 1], [96, 192], atol=1e-4)
