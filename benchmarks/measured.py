"""The fitness of ``omsn tune`` over one setting, from what a search has evaluated: real, and as fast as a table."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from functions import Reals

from omsn.errors import InputError
from omsn.report.search import EVALUATIONS_FILE, SEARCH_FILE
from omsn.tuning.space import Dimension


@dataclass(frozen=True, eq=False)
class Measured:
    """Losses at the positions that a search evaluated, above the lowest of them; linear in between.

    Attributes:
        setting: what was searched.
        low: lower bound of the axis.
        high: upper bound of the axis.
        positions: (n,) rising.
        losses: (n,) at least 0; a training that diverged counts as the worst that did not.
    """

    setting: str
    low: float
    high: float
    positions: Reals
    losses: Reals

    @classmethod
    def read(cls, run: Path) -> Measured:
        """From the folder that ``omsn tune`` wrote.

        Raises:
            InputError: the search was not over one setting, or none of its losses is finite.
        """
        axes = json.loads((run / SEARCH_FILE).read_text(encoding="utf-8"))["axes"]
        if len(axes) != 1:
            raise InputError(f"{run}: a search over {len(axes)} settings, expected one")
        axis = Dimension(**axes[0])
        with (run / EVALUATIONS_FILE).open(newline="", encoding="utf-8") as file:
            rows = [(float(row[axis.setting]), float(row["loss"] or "inf")) for row in csv.DictReader(file)]
        values, losses = np.array(rows).T
        finite = np.isfinite(losses)
        if not finite.any():
            raise InputError(f"{run}: no evaluation has a finite loss")
        losses = np.where(finite, losses, losses[finite].max()) - losses[finite].min()
        positions, first = np.unique(np.log10(values) if axis.log else values, return_index=True)
        return cls(axis.setting, *axis.bounds, positions, losses[first])

    @property
    def bounds(self) -> tuple[list[float], list[float]]:
        """Lower and upper bound of the axis."""
        return [self.low], [self.high]

    def __call__(self, points: Reals) -> Reals:
        """(n, 1) to (n,)."""
        values: Reals = np.interp(points[:, 0], self.positions, self.losses)
        return values
