"""Landmarks in the tables that OpenFace writes (FeatureExtraction, Baltrusaitis et al. 2018): CSV, a row a frame.

The authors of RAVDESS publish such tables for all of their clips (doi 10.5281/zenodo.3255102). Py-Feat's tables name
the points alike and are read too.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from omsn.errors import MediaError
from omsn.types import N_LANDMARKS

SUFFIX = ".csv"

POINT_COLUMNS = tuple(f"{axis}_{point}" for point in range(N_LANDMARKS) for axis in "xy")
"""Columns of the points in pixels, in the order of an array (68, 2)."""

N_LISTED = 5
"""Columns named in an error message."""


def read_openface(path: Path) -> NDArray[np.float64]:
    """The points of every frame: (frames, 68, 2), pixels; NaN in frames that OpenFace marks as failed.

    Raises:
        MediaError: it cannot be read as text, lacks columns or values, or does not hold every frame in turn, once.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            return _points(path, header, rows)
    except (UnicodeDecodeError, csv.Error) as error:
        raise MediaError(f"{path}: not readable as a table of landmarks ({error}); make it again") from error


def _points(path: Path, header: Sequence[str], rows: Iterator[list[str]]) -> NDArray[np.float64]:
    missing = [name for name in POINT_COLUMNS if name not in header]
    if missing:
        listed = ", ".join(header[:N_LISTED]) + (", ..." if len(header) > N_LISTED else "")
        raise MediaError(
            f"{path}: no column {missing[0]}; got {len(header)} columns: {listed}; expected a table of OpenFace's "
            "FeatureExtraction with landmarks (-2Dfp): x_0 to x_67 and y_0 to y_67"
        )
    places = [header.index(name) for name in POINT_COLUMNS]
    success, frame = (header.index(name) if name in header else None for name in ("success", "frame"))
    read = [*places, *(place for place in (success, frame) if place is not None)]
    points: list[NDArray[np.float64]] = []
    numbers: list[float] = []
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        found = _numbers(path, line, row, read)
        failed = success is not None and found[len(places)] != 1
        points.append(np.full(len(places), np.nan) if failed else found[: len(places)])
        numbers.append(found[-1] if frame is not None else len(numbers))
    _check_turn(path, numbers)
    return np.array(points, np.float64).reshape(-1, N_LANDMARKS, 2)


def _numbers(path: Path, line: int, row: Sequence[str], places: Sequence[int]) -> NDArray[np.float64]:
    """The cells at these places; an empty one is NaN."""
    try:
        return np.array([float(row[place].strip() or "nan") for place in places])
    except IndexError:
        raise MediaError(
            f"{path}, line {line}: got {len(row)} cells, expected {max(places) + 1}; make it again"
        ) from None
    except ValueError as error:
        raise MediaError(f"{path}, line {line}: {error}; expected numbers; make it again") from None


def _check_turn(path: Path, numbers: Sequence[float]) -> None:
    """Every frame has its row: a gap would move all that follows in time, and two faces are two people."""
    for before, after in pairwise(numbers):
        if after == before:
            raise MediaError(
                f"{path}: frame {after:g} stands there twice; expected one face, as OpenFace's FeatureExtraction writes"
            )
        if after != before + 1:
            raise MediaError(f"{path}: frame {after:g} after {before:g}, expected {before + 1:g}: every frame in turn")
