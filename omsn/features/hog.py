"""Histograms of oriented gradients of an aligned face crop: the paper's frame feature of the picture (2.3)."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.types import Floats

CROP_SIZE = 64
"""Height and width of the crop in pixels."""
CELL_SIZE = 16
"""Height and width of a cell, which holds one histogram."""
CELLS_IN_BLOCK = 2
"""Cells along each side of a block, which is normalised as one; blocks overlap by half."""
N_DIRECTIONS = 9
"""Bins of a histogram: gradient directions from 0 to 180 degrees, without sign."""
N_BLOCKS = CROP_SIZE // CELL_SIZE - CELLS_IN_BLOCK + 1
"""Blocks along each side of the crop."""


def hog_columns() -> tuple[str, ...]:
    """Names of the values of ``hog_frame``: row and column of the block, those of the cell in it, degrees.

    The degrees are the middle of the bin; 0 is a gradient along the row, so a vertical edge. OpenCV's order: blocks,
    then cells, column by column.
    """
    degrees = [round((bin_ + 0.5) * 180 / N_DIRECTIONS) for bin_ in range(N_DIRECTIONS)]
    blocks = product(range(N_BLOCKS), repeat=2)
    cells = list(product(range(CELLS_IN_BLOCK), repeat=2))
    return tuple(
        f"hog_block{block_row}{block_column}_cell{cell_row}{cell_column}_{degree:03}"
        for block_column, block_row in blocks
        for cell_column, cell_row in cells
        for degree in degrees
    )


def hog_frame(crop: NDArray[np.uint8]) -> Floats:
    """Histograms of oriented gradients (Dalal & Triggs 2005) with L2-Hys block normalisation.

    The square root of the grey values is not taken, so that a change of brightness leaves the result.

    Args:
        crop: (64, 64) grey.

    Returns:
        (F,) with the columns of ``hog_columns``, each 0 to 1; all 0 for a crop of one grey.

    Raises:
        InputError: the crop has another size or type.
    """
    if crop.shape != (CROP_SIZE, CROP_SIZE) or crop.dtype != np.uint8:
        raise InputError(
            f"HOG: got a crop of shape {crop.shape} and type {crop.dtype}, "
            f"expected ({CROP_SIZE}, {CROP_SIZE}) grey uint8; align and resize the face first"
        )
    return np.asarray(_descriptor().compute(crop), np.float32).reshape(-1)


def _descriptor() -> cv2.HOGDescriptor:
    cell, block = (CELL_SIZE, CELL_SIZE), (CELL_SIZE * CELLS_IN_BLOCK, CELL_SIZE * CELLS_IN_BLOCK)
    return cv2.HOGDescriptor(
        _winSize=(CROP_SIZE, CROP_SIZE),
        _blockSize=block,
        _blockStride=cell,
        _cellSize=cell,
        _nbins=N_DIRECTIONS,
        _derivAperture=1,
        _winSigma=-1,
        _histogramNormType=cv2.HOGDescriptor_L2Hys,
        _L2HysThreshold=0.2,
        _gammaCorrection=False,
    )
