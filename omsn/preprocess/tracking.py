"""Which face is which from frame to frame: overlaps of boxes, their assignment, and the choice of the main face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from omsn.types import Floats, LandmarkTrack


def boxes_of(points: Floats) -> Floats:
    """The boxes (n, 4) around n faces of points (n, m, 2): left, top, right, bottom."""
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def overlaps(first: Floats, second: Floats) -> Floats:
    """Intersection over union of every box of one set with every box of another.

    Args:
        first: (m, 4): left, top, right, bottom.
        second: (n, 4).

    Returns:
        (m, n) in [0, 1]; 0 where both boxes are empty.
    """
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])  # (m, n, 2)
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(bottom_right - top_left, 0, None).prod(axis=2)  # (m, n)
    union = _areas(first)[:, None] + _areas(second)[None] - shared
    iou: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0).astype(np.float32)
    return iou


def match_boxes(first: Floats, second: Floats, min_iou: float) -> list[tuple[int, int]]:
    """Pair boxes one to one so that the sum of their overlaps is largest (Kuhn-Munkres).

    Returns:
        Pairs of positions in ``first`` and ``second`` that overlap by at least ``min_iou``.
    """
    iou = overlaps(first, second)
    pairs = zip(*linear_sum_assignment(iou, maximize=True), strict=True)
    return [(int(i), int(j)) for i, j in pairs if iou[i, j] >= min_iou]


def main_track(tracks: Sequence[LandmarkTrack]) -> int:
    """The face that the clip is about: the most frames times the face's mean size (root of the box's area).

    Returns:
        Position in ``tracks``, which must not be empty; the earliest of equals.
    """
    return int(np.argmax([_weight(track) for track in tracks]))


def _weight(track: LandmarkTrack) -> float:
    return float(np.sqrt(_areas(boxes_of(track.points[track.mask]))).sum())


def _areas(boxes: Floats) -> Floats:
    areas: Floats = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    return areas
