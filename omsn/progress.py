"""How far a batch is, within its files too, whichever processes of this machine read them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

import numpy as np
from numpy.typing import NDArray

from omsn.windows import OnTime

OnStep = Callable[[float, int, str], None]
"""Called with what is done and what is to do, in files, and a note."""
OnEnded = Callable[[int], None]
"""Called with the number of a file."""
N_COLUMNS = 3
LOOK_EVERY_S = 0.5
"""Seconds between two looks at how far the files in hand are."""


@dataclass(frozen=True)
class Reached:
    """Where processes note how far they are: a row a file.

    Its columns: seconds that are done; the length in seconds, NaN where not known; 1 while answers are written.

    Attributes:
        path: of the table, on this machine.
        n_files: its rows.
    """

    path: Path
    n_files: int

    def rows(self) -> NDArray[np.float64]:
        """The rows as they are and will be, (n_files, 3).

        Raises:
            OSError: the table is not there.
        """
        return np.memmap(self.path, np.float64, "r+", shape=(self.n_files, N_COLUMNS))

    def on_time(self, number: int) -> OnTime | None:
        """What notes how far one of the files is; None where the table is not there, as on a cluster's machines."""
        try:
            row = self.rows()[number]
        except OSError:
            return None

        def note(reached_s: float, length_s: float | None) -> None:
            row[:] = reached_s, length_s or math.nan, 0.0

        return note

    def writes(self, number: int) -> None:
        """Note that the answers for a file are being written."""
        with suppress(OSError):
            self.rows()[number, 2] = 1.0


@contextmanager
def telling(names: Sequence[str], on_step: OnStep | None) -> Iterator[tuple[Reached | None, OnEnded]]:
    """Tell how far the work on files is, at the end of each and every ``LOOK_EVERY_S`` in between.

    Args:
        names: of the files, by number.
        on_step: told, never by two threads at once; None is told nothing.

    Yields:
        Where to note how far each file is, None where nobody looks or the disk has no place for it; and what to call
        when a file has ended.
    """
    with ExitStack() as stack:
        reached = _table(len(names), stack) if on_step and names else None
        steps = _Steps(names, reached, on_step or (lambda *_: None))
        if reached is not None:
            over = Event()
            looking = Thread(target=_look_until, args=(over, steps), name="progress", daemon=True)
            looking.start()
            stack.callback(looking.join)
            stack.callback(over.set)
        yield reached, steps.ended


def _table(n_files: int, stack: ExitStack) -> Reached | None:
    """A table in which nothing is done yet; it goes when the stack closes."""
    try:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="omsn-", ignore_cleanup_errors=True))
        reached = Reached(Path(folder) / "reached", n_files)
        reached.path.write_bytes(_nothing_yet(n_files).tobytes())
    except OSError:
        return None
    return reached


def _nothing_yet(n_files: int) -> NDArray[np.float64]:
    return np.tile([0.0, np.nan, 0.0], (n_files, 1))


def _look_until(over: Event, steps: _Steps) -> None:
    while not over.wait(LOOK_EVERY_S):
        steps.look()


class _Steps:
    """Files that have ended, and those in hand."""

    def __init__(self, names: Sequence[str], reached: Reached | None, on_step: OnStep) -> None:
        self._names, self._on_step, self._lock = names, on_step, Lock()
        self._rows = _nothing_yet(len(names)) if reached is None else reached.rows()
        self._ended = np.zeros(len(names), np.bool_)
        self._told = _nothing_yet(len(names))

    def ended(self, number: int) -> None:
        """A file is done with."""
        with self._lock:
            self._ended[number] = True
            self._on_step(self._done(self._rows.copy()), len(self._names), self._names[number])

    def look(self) -> None:
        """Tell how far the files in hand are, where that has changed."""
        with self._lock:
            rows = self._rows.copy()
            in_hand = np.flatnonzero(~self._ended & (rows[:, 0] > 0))
            if len(in_hand) and not np.array_equal(rows[in_hand], self._told[in_hand], equal_nan=True):
                self._told = rows
                self._on_step(self._done(rows), len(self._names), self._note(rows, in_hand.tolist()))

    def _done(self, rows: NDArray[np.float64]) -> float:
        """Files that have ended, and shares of those in hand whose length is known."""
        reached_s, length_s, _ = rows[~self._ended].T
        return float(self._ended.sum() + np.nansum(np.minimum(reached_s / length_s, 1.0)))

    def _note(self, rows: NDArray[np.float64], in_hand: Sequence[int]) -> str:
        reached_s, length_s, writing = rows[in_hand[0]].tolist()
        of_all = "" if math.isnan(length_s) else f" of {clock(length_s)}"
        more = f", and {len(in_hand) - 1} more" if len(in_hand) > 1 else ""
        return f"{self._names[in_hand[0]]} {clock(reached_s)}{of_all}{', writing' if writing else ''}{more}"


def clock(time_s: float) -> str:
    """Whole minutes and seconds that are over.

    >>> clock(65.2), clock(119.9)
    ('1:05', '1:59')
    """
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes}:{seconds:02}"
