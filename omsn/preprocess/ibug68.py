"""Face mesh -> the 68 iBUG points where OpenFace puts them (the mesh's choice of points and the correction are ours).

The mesh (Kartynnik et al. 2019, arXiv:1907.06724) and OpenFace (Baltrusaitis et al. 2018, doi 10.1109/FG.2018.00019)
name the same places of a face a little differently. Points between mesh points come near; what is left is corrected:
every point moves by a constant share of the eyes' distance, and the points on the eyelids, which the mesh lets slide
along the eye as it opens, stay at a constant share of the eye's width. ``ibug68.csv`` (written by
scripts/fit_landmarks.py) holds both.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from omsn.types import LEFT_EYE, N_LANDMARKS, RIGHT_EYE, Floats

Reals = NDArray[np.float64]

# fmt: off
NEAREST_MESH_POINT: tuple[int, ...] = (
    127, 234, 93, 58, 172, 136, 149, 148,  # 0-7 jaw, from the right ear
    152, 377, 378, 365, 397, 288, 323, 454, 356,  # 8-16 chin, jaw to the left ear
    70, 63, 105, 66, 107,  # 17-21 right brow, outer to inner
    336, 296, 334, 293, 300,  # 22-26 left brow, inner to outer
    168, 197, 5, 4,  # 27-30 bridge of the nose
    75, 97, 2, 326, 305,  # 31-35 under the nose
    33, 160, 158, 133, 153, 144,  # 36-41 right eye
    362, 385, 387, 263, 373, 380,  # 42-47 left eye
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # 48-59 outer lips
    78, 82, 13, 312, 308, 317, 14, 87,  # 60-67 inner lips
)
"""The mesh point that lies on, or next to, each iBUG point: the correspondence in common use."""

SECOND_MESH_POINT = {
    2: 132, 3: 132, 4: 58, 6: 150, 7: 176, 9: 400, 10: 379, 12: 288, 13: 361, 14: 361,  # jaw
    17: 156, 21: 55, 22: 285, 26: 383,  # ends of the brows
    29: 195,  # nose
    36: 7, 37: 159, 39: 155, 42: 382, 44: 386, 45: 249,  # corners and upper lids of the eyes
    49: 40, 53: 270, 55: 321, 59: 91, 61: 81, 63: 311,  # lips
}
"""iBUG points half-way between two neighbouring mesh points.

Chosen, always in mirrored pairs, where that was measurably nearer to the landmarks that come with RAVDESS.
"""

LIDS = (37, 38, 40, 41, 44, 43, 47, 46)
"""Points on the eyelids: upper outer, upper inner, lower inner and lower outer, of the right eye and of the left."""
# fmt: on

_FIRST = np.array(NEAREST_MESH_POINT)
_SECOND = np.array([SECOND_MESH_POINT.get(point, nearest) for point, nearest in enumerate(NEAREST_MESH_POINT)])
_LIDS = list(LIDS)
_OUTER_CORNER, _INNER_CORNER = [36] * 4 + [45] * 4, [39] * 4 + [42] * 4

TABLE_NAME = "ibug68.csv"
_MIN_SQUARE = 1e-12
"""Square of the least width of an eye, so that eyes whose corners fall together give no infinities."""


@dataclass(frozen=True, eq=False)
class Correction:
    """From where the mesh has the points to where OpenFace has them.

    Attributes:
        offsets: (68, 2) in distances between the eyes' centres: along the line from the person's right eye to the
            left, and at a right angle to it, down.
        shares: (8,) of the eye's width, from its outer corner, at which the points ``LIDS`` stay.
    """

    offsets: Reals
    shares: Reals


def between_mesh_points(mesh: Floats) -> Floats:
    """The iBUG points (68, 2), uncorrected, out of a mesh (468, 2)."""
    between: Floats = (mesh[_FIRST] + mesh[_SECOND]) / 2
    return between


def corrected(points: Floats, correction: Correction) -> Floats:
    """Points (..., 68, 2) where OpenFace has them."""
    moved = points + from_eye_frame(correction.offsets, points)
    moved[..., _LIDS, :] += (correction.shares - lid_shares(moved))[..., None] * _eye_widths(moved)
    return moved.astype(points.dtype)


def from_eye_frame(offsets: Reals, points: Floats) -> Reals:
    """Offsets (..., 68, 2), as in ``Correction``, as moves in the units and directions of points (..., 68, 2)."""
    along, down = _eye_axes(points)
    moved: Reals = offsets[..., :1] * along + offsets[..., 1:] * down
    return moved


def to_eye_frame(moves: Reals, points: Floats) -> Reals:
    """The inverse of :func:`from_eye_frame`: moves (..., 68, 2) as offsets; the eyes must lie apart."""
    along, down = _eye_axes(points)
    square = (along**2).sum(axis=-1)  # (..., 1)
    return np.stack([(moves * along).sum(axis=-1) / square, (moves * down).sum(axis=-1) / square], axis=-1)


def lid_shares(xy: Reals) -> Reals:
    """Where along the eye, from its outer corner (0) to its inner (1), the points ``LIDS`` stand: (..., 8)."""
    across = _eye_widths(xy)
    from_corner = xy[..., _LIDS, :] - xy[..., _OUTER_CORNER, :]
    shares: Reals = (from_corner * across).sum(axis=-1) / np.maximum((across**2).sum(axis=-1), _MIN_SQUARE)
    return shares


@cache
def read_correction() -> Correction:
    """The correction that the package carries."""
    table = resources.files("omsn.preprocess").joinpath(TABLE_NAME).read_text(encoding="utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    offsets = np.array([(float(row["x"]), float(row["y"])) for row in rows])
    return Correction(offsets, np.array([float(rows[lid]["share"]) for lid in LIDS]))


def to_table(correction: Correction) -> str:
    """The correction as the text of ``ibug68.csv``: a line for each point."""
    shares = dict(zip(LIDS, correction.shares, strict=True))
    lines = (
        f"{point},{x:.4f},{y:.4f},{f'{shares[point]:.4f}' if point in shares else ''}"
        for point, (x, y) in zip(range(N_LANDMARKS), correction.offsets + 0.0, strict=True)
    )
    return "\n".join(["point,x,y,share", *lines, ""])


def _eye_axes(points: Floats) -> tuple[Reals, Reals]:
    """From the centre of the right eye to that of the left, and this turned to point down: (..., 1, 2) each."""
    eyes = points.astype(np.float64)
    along = (eyes[..., LEFT_EYE, :].mean(axis=-2) - eyes[..., RIGHT_EYE, :].mean(axis=-2))[..., None, :]
    return along, np.stack([-along[..., 1], along[..., 0]], axis=-1)


def _eye_widths(xy: Reals) -> Reals:
    """From the outer to the inner corner of the eye of each of ``LIDS``: (..., 8, 2)."""
    return xy[..., _INNER_CORNER, :] - xy[..., _OUTER_CORNER, :]
