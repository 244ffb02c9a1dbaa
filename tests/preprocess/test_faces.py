from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portrait import FACE_XYXY, face_in_scene, portrait, scene

from omsn.config import Faces
from omsn.errors import InputError
from omsn.media.video import Image
from omsn.preprocess.faces import FaceDetector, _starts, anchor_centres, merge_overlapping
from omsn.types import Floats


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(Faces())


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_picture_has_no_face(detector: FaceDetector, level: int) -> None:
    found = detector.detect(np.full((180, 320, 3), level, np.uint8))
    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)
    assert found.keypoints.shape == (0, 6, 2)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 200, 3), (200, 1, 3), (63, 65, 3)])
def test_tiny_and_thin_pictures(detector: FaceDetector, shape: tuple[int, ...]) -> None:
    assert len(detector.detect(np.zeros(shape, np.uint8))) == 0


@pytest.mark.parametrize(
    "image", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3), np.float32)]
)
def test_wrong_pictures(detector: FaceDetector, image: Image) -> None:
    with pytest.raises(InputError, match=r"expected uint8 of shape \(H, W, 3\)"):
        detector.detect(image)


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"face_detection_short_range\.tflite: the face model is missing; run `make s"):
        FaceDetector(Faces(), tmp_path)


def test_face_and_its_key_points(detector: FaceDetector) -> None:
    found = detector.detect(portrait())
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], FACE_XYXY, atol=8)
    assert found.scores[0] > 0.8
    right_eye, left_eye, nose, mouth, right_ear, left_ear = found.keypoints[0]
    assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


@pytest.mark.parametrize(("height", "width"), [(360, 640), (640, 360), (333, 517)])
def test_place_in_pictures_of_any_shape(detector: FaceDetector, height: int, width: int) -> None:
    """Letterboxing is undone: the box follows the portrait."""
    found = detector.detect(scene((20, 10), height=height, width=width), tiles=False)
    np.testing.assert_allclose(found.xyxy[0], face_in_scene((20, 10)), atol=16)


def test_small_face_is_found_in_tiles(detector: FaceDetector) -> None:
    image = scene((900, 300), height=720, width=1280, side=100)
    assert len(detector.detect(image, tiles=False)) == 0
    found = detector.detect(image)
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], face_in_scene((900, 300), 100), atol=8)


def test_small_face_is_found_near_where_it_was(detector: FaceDetector) -> None:
    image = scene((900, 300), (40, 40), height=720, width=1280, side=100)
    found = detector.detect_near(image, face_in_scene((910, 290), 100))
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], face_in_scene((900, 300), 100), atol=8)
    assert len(detector.detect_near(image, np.array([600, 600, 640, 640], np.float32))) == 0
    assert len(detector.detect_near(image, np.array([5000, 5000, 5040, 5040], np.float32))) == 0


def test_two_faces_best_first(detector: FaceDetector) -> None:
    found = detector.detect(scene((0, 20), (320, 20)))
    assert len(found) == 2
    assert found.scores[0] >= found.scores[1]


def test_least_score(detector: FaceDetector) -> None:
    assert len(FaceDetector(Faces(min_score=1.0)).detect(portrait())) == 0


def test_anchors() -> None:
    """896 in all; the first two share the first of 16 x 16 cells, the last six the last of 8 x 8."""
    centres = anchor_centres()
    assert centres.shape == (896, 2)
    np.testing.assert_allclose(centres[:3], [[1 / 32, 1 / 32], [1 / 32, 1 / 32], [3 / 32, 1 / 32]])
    np.testing.assert_allclose(centres[-6:], 15 / 16)


def _row(score: float, *box: float) -> Floats:
    return np.array([score, *box, *[0.0] * 12], np.float32)


def test_overlapping_rows_are_blended_by_score() -> None:
    rows = np.stack([_row(0.6, 2, 0, 12, 10), _row(0.9, 0, 0, 10, 10), _row(0.7, 50, 50, 60, 60)])
    merged = merge_overlapping(rows)
    np.testing.assert_allclose(merged[:, 0], [0.9, 0.7])
    np.testing.assert_allclose(merged[0, 1:5], [0.8, 0, 10.8, 10], rtol=1e-6)
    np.testing.assert_allclose(merged[1, 1:5], [50, 50, 60, 60])
    assert len(merge_overlapping(rows[:0])) == 0


@given(length=st.integers(32, 3000), share=st.floats(0.1, 1.0))
def test_tiles_cover_the_whole_and_overlap_by_half(length: int, share: float) -> None:
    side = max(round(length * share), 2)
    starts = _starts(length, side)
    assert starts[0] == 0
    assert starts[-1] == length - side
    assert all(0 < step <= side / 2 + 1 for step in np.diff(starts))
