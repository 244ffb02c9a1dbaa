"""Work done ahead of use on a thread of its own, so that decoding and what looks at the pictures run side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")


class _End:
    """Stands for the end of the items."""


_END: Final = _End()


def ahead(items: Iterator[Item], size: int) -> Generator[Item]:
    """The same items in the same order, up to ``size`` of them made before they are asked for.

    An error comes where it would have come. Closed early, it ends the work within the item that is being made.

    Args:
        items: a generator, whose code runs on the other thread from the first item on.
        size: how many at most wait to be used, 1 or more; each is kept in memory.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as worker:
        coming: deque[Future[Item | _End]] = deque(worker.submit(next, items, _END) for _ in range(size))
        try:
            while not isinstance(item := coming.popleft().result(), _End):
                coming.append(worker.submit(next, items, _END))
                yield item
        finally:
            for waiting in coming:
                waiting.cancel()
