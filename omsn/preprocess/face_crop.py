"""Face -> aligned grey crop: the eyes always at the same places, so that HOG sees expression and not head tilt."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from omsn.types import LEFT_EYE, RIGHT_EYE, Floats

EYES_Y = 0.36
"""Height of the eyes in the crop, as a share of its size from the top."""
EYES_APART = 0.42
"""Distance between the eyes' centres as a share of the crop's width."""


def aligned_crop(image: NDArray[np.uint8], points: Floats, size: int) -> NDArray[np.uint8]:
    """Cut a face out, upright, with its eyes in fixed places.

    Args:
        image: (H, W, 3) blue, green, red.
        points: (68, 2) landmarks in pixels.
        size: height and width of the crop in pixels.

    Returns:
        (size, size) grey; edge pixels repeat beyond the picture.
    """
    right, left = points[RIGHT_EYE].mean(axis=0), points[LEFT_EYE].mean(axis=0)
    (dx, dy), centre = left - right, (left + right) / 2
    scale = size * EYES_APART / max(float(np.hypot(dx, dy)), 1e-6)
    angle = np.arctan2(dy, dx)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    shift = np.array([size / 2, size * EYES_Y]) - turn @ centre
    # warpAffine does not average, so a large face is turned at its full size and shrunk afterwards
    finer = max(1, min(round(1 / scale), max(image.shape[:2]) // size))
    to_finer = finer * np.column_stack([turn, shift + 0.5]) - [0, 0, 0.5]  # pixel centres lie at whole numbers
    warped = cv2.warpAffine(
        image, to_finer, (finer * size, finer * size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    crop = cv2.resize(cv2.cvtColor(warped, cv2.COLOR_BGR2GRAY), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)
