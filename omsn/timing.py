"""Where the time of a run went: named stretches of code, measured only where somebody asks.

>>> with profiling() as profile:
...     with timed("sums"):
...         _ = sum(range(1000))
>>> sorted(profile.seconds)
['rest', 'sums']
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from time import perf_counter
from typing import TypeVar

Item = TypeVar("Item")
REST = "rest"
"""The name of what no stretch with a name covers."""


class Profile:
    """Seconds by name. Time within a stretch that is within another counts for the inner one alone."""

    def __init__(self) -> None:
        """Nothing measured yet."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._names: list[str] = []
        self._since = 0.0

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count the time within for this name."""
        self._turn()
        self._names.append(name)
        try:
            yield
        finally:
            self._turn()
            self._names.pop()

    def _turn(self) -> None:
        now = perf_counter()
        if self._names:
            self.seconds[self._names[-1]] += now - self._since
        self._since = now


_PROFILE: ContextVar[Profile | None] = ContextVar("profile", default=None)
_IDLE = nullcontext()


@contextmanager
def profiling() -> Iterator[Profile]:
    """Measure what this thread does within; seconds sum to the whole, with ``REST`` for what has no name."""
    profile = Profile()
    token = _PROFILE.set(profile)
    try:
        with profile.measure(REST):
            yield profile
    finally:
        _PROFILE.reset(token)


def timed(name: str) -> AbstractContextManager[None]:
    """A stretch of code with a name; costs next to nothing where nobody measures."""
    profile = _PROFILE.get()
    return _IDLE if profile is None else profile.measure(name)


def timed_steps(name: str, steps: Iterable[Item]) -> Iterator[Item]:
    """The same items; what it takes to make each is counted."""
    if _PROFILE.get() is None:
        return iter(steps)
    return _measured(name, iter(steps))


def _measured(name: str, steps: Iterator[Item]) -> Iterator[Item]:
    end = object()
    while True:
        with timed(name):
            item = next(steps, end)
        if item is end:
            return
        yield item  # type: ignore[misc]  # mypy cannot tell the end from an item
