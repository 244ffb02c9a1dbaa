"""Face detection: BlazeFace, the short-range model (Bazarevsky et al. 2019, arXiv:1907.05047)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from scipy.special import expit

from omsn.config import Faces
from omsn.errors import InputError
from omsn.media.video import Image
from omsn.preprocess.face_net import MODEL_FOLDER, FaceNet
from omsn.preprocess.tracking import overlaps
from omsn.types import Floats

INPUT_PX = 128
"""Side of the network's square input."""

ANCHOR_GRIDS = ((16, 2), (8, 6))
"""Cells along a side and anchors in each cell, as the network's two output maps lie one after the other."""

N_KEYPOINTS = 6
"""Right eye, left eye, nose tip, mouth, right ear, left ear; right and left are the person's own."""

ROW = 1 + 4 + 2 * N_KEYPOINTS
"""Numbers that describe a raw detection: score, box, key points."""

SAME_FACE_IOU = 0.3
"""Raw detections that overlap more than this are one face; their weighted mean is taken."""

TILE_SIDES = (1.0, 0.5)
"""Sides of the tiles of the second and third look, in short sides of the picture."""

NEAR = 3.0
"""Side of the surroundings in which a face is looked for again, in sides of its box."""


@dataclass(frozen=True, eq=False)
class Detections:
    """The faces in one picture, best first.

    Attributes:
        xyxy: (n, 4) float32, left, top, right and bottom in pixels; they may reach beyond the picture.
        scores: (n,) float32 in [0, 1].
        keypoints: (n, 6, 2) float32, x and y in pixels.
    """

    xyxy: Floats
    scores: Floats
    keypoints: Floats

    def __len__(self) -> int:
        return len(self.xyxy)


class FaceDetector:
    """Finds faces in pictures: first in the whole picture, and where it has none, in ever smaller tiles of it."""

    def __init__(self, config: Faces, models: Path = MODEL_FOLDER) -> None:
        """Load the network.

        Raises:
            InputError: the model is not installed.
        """
        self._min_score = config.min_score
        self._net = FaceNet(models / "face_detection_short_range.tflite")

    def detect(self, image: Image, *, tiles: bool = True) -> Detections:
        """The faces in a picture (H, W, 3), BGR; without ``tiles``, only those large enough to be seen in the whole.

        Raises:
            InputError: the picture is empty or has another shape or type.
        """
        _check_picture(image)
        found = self._look(image, 0, 0)
        for tiling in _tilings(*image.shape[:2]) if tiles else ():
            if len(found):
                break
            found = np.concatenate([self._look(image[y : y + side, x : x + side], x, y) for x, y, side in tiling])
        return _detections(found)

    def detect_near(self, image: Image, xyxy: Floats) -> Detections:
        """The faces near a box (4,): one look at its surroundings, for a face that was there a moment ago.

        Raises:
            InputError: the picture is empty or has another shape or type.
        """
        _check_picture(image)
        reach = (NEAR - 1) / 2 * (xyxy[2:] - xyxy[:2]).max()
        size = np.array([image.shape[1], image.shape[0]])
        left, top = np.clip(xyxy[:2] - reach, 0, size).astype(int)
        right, bottom = np.clip(xyxy[2:] + reach, 0, size).astype(int)
        part = image[top:bottom, left:right]
        return _detections(self._look(part, int(left), int(top)) if part.size else np.zeros((0, ROW), np.float32))

    def _look(self, image: Image, left: int, top: int) -> Floats:
        """Raw detections in a part of a picture whose corner is given: rows of score, xyxy and key points."""
        square = _letterbox(image)
        height, width = image.shape[:2]
        unit_px = max(height, width)
        logits, offsets = self._net.run(square, 1 / 127.5, -1.0, ("classificators", "regressors"))
        scores = expit(logits)  # (896,)
        kept = scores >= self._min_score
        points = offsets.reshape(len(scores), -1, 2)[kept] / INPUT_PX  # (n, 8, 2): centre, size, key points
        centres = anchor_centres()[kept][:, None]  # (n, 1, 2)
        size = points[:, 1:2] / 2
        middle = points[:, :1] + centres
        corners = np.concatenate([middle - size, middle + size, points[:, 2:] + centres], axis=1)  # (n, 8, 2)
        margins = np.array([unit_px - width, unit_px - height]) / 2
        corners = corners * unit_px - margins + np.array([left, top])
        return np.column_stack([scores[kept], corners.reshape(len(corners), 2 * (2 + N_KEYPOINTS))]).astype(
            np.float32
        )  # (n, ROW)


@cache
def anchor_centres() -> Floats:
    """Centres of the network's anchors in units of its input: (896, 2), x and y. All anchors have size 1."""
    grids = []
    for n_cells, n_anchors in ANCHOR_GRIDS:
        places = (np.arange(n_cells) + 0.5) / n_cells
        y, x = np.meshgrid(places, places, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), n_anchors, axis=0))
    centres: Floats = np.concatenate(grids).astype(np.float32)
    centres.setflags(write=False)
    return centres


def merge_overlapping(rows: Floats) -> Floats:
    """Weighted non-maximum suppression: each cluster of overlapping rows becomes its mean, weighted by score.

    Args:
        rows: (n, ROW): score, xyxy, key points.

    Returns:
        (m, ROW), best first; each score is the best of its cluster (the blending of BlazeFace, section 3.5).
    """
    rest = rows[np.argsort(-rows[:, 0], kind="stable")]
    merged = [np.zeros((0, rows.shape[1]), np.float32)]
    while len(rest):
        same = overlaps(rest[:1, 1:5], rest[:, 1:5])[0] > SAME_FACE_IOU
        same[0] = True
        blend = np.average(rest[same], axis=0, weights=rest[same, 0])
        blend[0] = rest[0, 0]
        merged.append(blend[None].astype(np.float32))
        rest = rest[~same]
    return np.concatenate(merged)


def _check_picture(image: Image) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"picture: got {image.dtype} of shape {image.shape}, expected uint8 of shape (H, W, 3)")


def _detections(rows: Floats) -> Detections:
    merged = merge_overlapping(rows)
    return Detections(merged[:, 1:5], merged[:, 0], merged[:, 5:].reshape(-1, N_KEYPOINTS, 2))


def _letterbox(image: Image) -> Image:
    """The picture centred in a black square of the network's size."""
    height, width = image.shape[:2]
    scale = INPUT_PX / max(height, width)
    inner = cv2.resize(
        image, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA
    )
    top, left = (INPUT_PX - inner.shape[0]) // 2, (INPUT_PX - inner.shape[1]) // 2
    square = np.zeros((INPUT_PX, INPUT_PX, 3), np.uint8)
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square


def _tilings(height: int, width: int) -> Iterator[list[tuple[int, int, int]]]:
    """Tilings with half-overlapping squares, each a list of left, top and side in pixels."""
    for fraction in TILE_SIDES:
        side = round(min(height, width) * fraction)
        if side >= INPUT_PX // 2:
            yield [(x, y, side) for y in _starts(height, side) for x in _starts(width, side)]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles start so that they cover a length, overlapping by half or a little more."""
    n_tiles = 1 + int(np.ceil((length - side) / (side / 2)))
    return [round(start) for start in np.linspace(0, length - side, n_tiles)]
