"""A search on disk: the herd and all that it has tried, saved after each iteration, so that a cut loses little."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omsn.errors import ConfigError, InputError
from omsn.files import replace_file
from omsn.tuning.gazelle import Gazelle, GazelleSettings
from omsn.tuning.space import Dimension

Reals = NDArray[np.float64]
Evaluate = Callable[[Reals], Reals]
"""Losses (P,) of the candidates (P, D), each a position on every axis; NaN or infinite where training diverged."""
OnIteration = Callable[["Tried"], None]

STUDY_FILE = "study.json"
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Tried:
    """All that a search has evaluated, in order.

    Attributes:
        axes: the settings searched over.
        iterations: (n,) the iteration of each evaluation; 0 is the first herd.
        points: (n, D) positions on the axes.
        losses: (n,) what came of them.
    """

    axes: tuple[Dimension, ...]
    iterations: NDArray[np.int64]
    points: Reals
    losses: Reals

    @property
    def best(self) -> int:
        """Where the lowest loss is.

        Raises:
            InputError: no candidate has a finite loss.
        """
        if not np.isfinite(self.losses).any():
            raise InputError(f"none of {len(self.losses)} candidates has a finite loss; narrow the search's range")
        return int(np.argmin(np.where(np.isfinite(self.losses), self.losses, np.inf)))

    @property
    def lowest(self) -> float:
        """The lowest loss; infinite where no candidate has a finite one."""
        return float(np.min(self.losses, where=np.isfinite(self.losses), initial=np.inf))

    def settings(self, index: int) -> dict[str, float]:
        """The values of a candidate, by setting."""
        return {
            axis.setting: axis.value(float(position))
            for axis, position in zip(self.axes, self.points[index], strict=True)
        }


class Study:
    """Mountain gazelles over the axes of a search, in one folder.

    Args:
        folder: where ``study.json`` is kept.
        axes: what to search over.
        settings: of the optimizer.
        seed: of the optimizer.
        purpose: what the losses are of, as plain values; a study goes on with an equal one only.
        resume: go on with the study in the folder; where there is none, start one.

    Raises:
        ConfigError: the folder holds a study and ``resume`` is off, or one of other settings.
        InputError: its file is damaged.
    """

    def __init__(
        self,
        folder: Path,
        axes: Sequence[Dimension],
        settings: GazelleSettings,
        seed: int,
        purpose: dict[str, Any],
        *,
        resume: bool = False,
    ) -> None:
        self.path = folder / STUDY_FILE
        self._axes = tuple(axes)
        low, high = zip(*(axis.bounds for axis in axes), strict=True)
        self._herd = Gazelle(low, high, settings, seed)
        self._of = {"axes": [asdict(axis) for axis in axes], "seed": seed, "purpose": purpose}
        self._batches: list[dict[str, Any]] = []
        if self.path.exists():
            self._load(resume=resume)

    @property
    def tried(self) -> Tried:
        """All evaluations so far."""
        points = [np.array(batch["points"], dtype=np.float64) for batch in self._batches]
        losses = [np.array(batch["losses"], dtype=np.float64) for batch in self._batches]
        numbers = [np.full(len(batch["losses"]), batch["iteration"]) for batch in self._batches]
        return Tried(
            self._axes,
            np.concatenate([np.empty(0, np.int64), *numbers]),
            np.concatenate([np.empty((0, len(self._axes))), *points]),
            np.concatenate([np.empty(0), *losses]),
        )

    def run(self, evaluate: Evaluate, on_iteration: OnIteration | None = None) -> Tried:
        """Search to the end; each iteration is on disk before ``on_iteration`` hears of it."""
        while not self._herd.done:
            points, iteration = self._herd.ask(), self._herd.iteration + 1 if self._batches else 0
            losses = evaluate(points)
            self._herd.tell(losses)
            known = [loss if math.isfinite(loss) else None for loss in losses.tolist()]  # JSON has no NaN
            self._batches.append({"iteration": iteration, "points": points.tolist(), "losses": known})
            self._save()
            if on_iteration is not None:
                on_iteration(self.tried)
        return self.tried

    def _save(self) -> None:
        content = {"format": FORMAT, "of": self._of, "state": self._herd.state(), "batches": self._batches}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, json.dumps(content).encode())

    def _load(self, *, resume: bool) -> None:
        if not resume:
            raise ConfigError(f"{self.path}: a search is there already; go on with --resume, or choose another folder")
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            version, kept = content["format"], content["of"]
            state, batches = dict(content["state"]), list(content["batches"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: damaged ({error}); delete it to start again") from error
        if version != FORMAT or kept != json.loads(json.dumps(self._of)):
            raise ConfigError(f"{self.path}: a search with other settings; choose another folder, or delete it")
        self._herd.restore(state)
        self._batches = batches
