"""Gazelles whose losses are known, the best of them, and the two as plain values for a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from omsn.tuning.operators import Box, Reals


@dataclass(frozen=True, eq=False)
class Herd:
    """Gazelles whose losses are known.

    Attributes:
        points: (n, D).
        losses: (n,) lower is better; +inf for a loss that could not be used.
    """

    points: Reals
    losses: Reals

    @classmethod
    def none(cls, n_dims: int) -> Herd:
        """No gazelle yet."""
        return cls(np.empty((0, n_dims)), np.empty(0))

    @classmethod
    def of(cls, rows: Mapping[str, Any], box: Box) -> Herd:
        """From what ``rows`` gave.

        Raises:
            KeyError, OverflowError, TypeError, ValueError: it is not of that kind, or a point is outside the box.
        """
        points, kept = points_of(rows["points"], box), rows["losses"]
        losses = np.array([np.inf if loss is None else loss for loss in kept], dtype=np.float64)
        if len(points) != len(losses):
            raise ValueError(f"{len(points)} points but {len(losses)} losses")
        if not all(loss is None or np.isfinite(loss) for loss in kept):
            raise ValueError("a loss that is no finite number")
        return cls(points, losses)

    def __len__(self) -> int:
        return len(self.losses)

    def rows(self) -> dict[str, Any]:
        """Points and losses as lists; a loss that could not be used is None."""
        losses = [loss if np.isfinite(loss) else None for loss in self.losses.tolist()]
        return {"points": self.points.tolist(), "losses": losses}

    def joined(self, others: Herd) -> Herd:
        """These, then the others."""
        return Herd(np.concatenate([self.points, others.points]), np.concatenate([self.losses, others.losses]))

    def best(self, count: int) -> Herd:
        """The ``count`` with the lowest losses, lowest first; of equal ones the first, parents before offspring."""
        kept = np.argsort(self.losses, kind="stable")[:count]
        return Herd(self.points[kept], self.losses[kept])


def points_of(rows: ArrayLike, box: Box) -> Reals:
    """Rows of coordinates as an array: (n, D).

    Raises:
        OverflowError, TypeError, ValueError: they are no numbers, not D a row, or outside the box.
    """
    points = np.array(rows, dtype=np.float64)
    if not len(points):
        return np.empty((0, len(box.low)))
    if points.shape[1:] != box.low.shape:
        raise ValueError(f"points of shape {points.shape}, expected {len(box.low)} numbers each")
    if not ((points >= box.low) & (points <= box.high)).all():  # false of NaN too
        raise ValueError("a point outside the bounds")
    return points


def rankable(losses: Reals) -> Reals:
    """Losses with NaN and both infinities replaced by +inf, so that they rank last."""
    return np.where(np.isfinite(losses), losses, np.inf)
