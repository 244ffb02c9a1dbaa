"""What a face's feature columns become when the face is mirrored: a permutation of columns and signs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.features.hog import CELLS_IN_BLOCK, N_BLOCKS
from omsn.types import Floats

_PAIRS = {
    **{i: 16 - i for i in range(17)},  # jaw
    **{17 + i: 26 - i for i in range(10)},  # brows
    **{27 + i: 27 + i for i in range(4)},  # bridge of the nose
    **{31 + i: 35 - i for i in range(5)},  # nostrils
    **dict(zip(range(36, 48), (45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40), strict=True)),  # eyes
    **dict(zip(range(48, 60), (54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55), strict=True)),  # outer lips
    **dict(zip(range(60, 68), (64, 63, 62, 61, 60, 67, 66, 65), strict=True)),  # inner lips
}
"""iBUG-68 point -> the point that it becomes; its own inverse."""

_POINT = re.compile(r"(position|displacement|velocity)_([xy])(\d\d)")
_HOG = re.compile(r"hog_block(\d)(\d)_cell(\d)(\d)_(\d{3})")
_TURNED = ("head_roll", "head_x")


@dataclass(frozen=True, eq=False)
class Mirror:
    """Mirrored column k is ``sign[k]`` times column ``order[k]``.

    Attributes:
        order: (F,) positions; its own inverse.
        sign: (F,) 1 or -1.
    """

    order: NDArray[np.int64]
    sign: Floats

    @staticmethod
    def of(columns: Sequence[str]) -> Mirror:
        """The mirror of geometry and HOG columns.

        Raises:
            InputError: a column's mirror image is not among the columns.
        """
        place = {name: position for position, name in enumerate(columns)}
        partners = [_partner(name) for name in columns]
        missing = next((name for name, _ in partners if name not in place), None)
        if missing is not None:
            raise InputError(f"mirror: no column {missing} among {len(columns)}; give both sides of the face")
        order = np.array([place[name] for name, _ in partners], np.int64)
        return Mirror(order, np.array([sign for _, sign in partners], np.float32))


def mirrored_point(point: int) -> int:
    """The iBUG-68 point that a point becomes when the face is mirrored."""
    return _PAIRS[point]


def _partner(name: str) -> tuple[str, float]:
    """The column whose value a mirrored face shows in column ``name``, and its sign."""
    if point := _POINT.fullmatch(name):
        kind, axis, number = point.groups()
        return f"{kind}_{axis}{_PAIRS[int(number)]:02d}", -1.0 if axis == "x" else 1.0
    if block := _HOG.fullmatch(name):
        row, column, cell_row, cell_column, degrees = map(int, block.groups())
        across, within = N_BLOCKS - 1 - column, CELLS_IN_BLOCK - 1 - cell_column
        return f"hog_block{row}{across}_cell{cell_row}{within}_{180 - degrees:03d}", 1.0
    swapped = re.sub(r"right|left", lambda side: "left" if side[0] == "right" else "right", name)
    return swapped, -1.0 if name in _TURNED else 1.0
