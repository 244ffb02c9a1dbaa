"""Denoising of pictures by a bilateral filter (paper 2.2; Tomasi & Manduchi 1998): smooth skin, sharp edges."""

from __future__ import annotations

import cv2
import numpy as np

from omsn.media.video import Image

DIAMETER_PX = 5
"""Side of the neighbourhood that is averaged."""

COLOUR_SIGMA = 30.0
"""Grey levels apart at which a neighbour's weight has fallen to 0.61."""

SPACE_SIGMA_PX = 3.0
"""Pixels apart at which a neighbour's weight has fallen to 0.61."""


def smooth_crop(crop: Image) -> Image:
    """Filter a crop of the face, (H, W, 3) or grey (H, W); filtering the whole frame would cost ten times as much."""
    if not crop.size:
        return crop
    return np.asarray(cv2.bilateralFilter(crop, DIAMETER_PX, COLOUR_SIGMA, SPACE_SIGMA_PX), np.uint8)
