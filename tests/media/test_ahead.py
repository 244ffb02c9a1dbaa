from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.media.ahead import ahead


def test_nothing_stays_nothing() -> None:
    assert list(ahead(iter(()), 3)) == []


@given(st.lists(st.none() | st.integers()), st.integers(1, 5))
def test_the_same_items_in_the_same_order(items: list[int | None], size: int) -> None:
    assert list(ahead(iter(items), size)) == items


def test_items_are_made_before_they_are_asked_for() -> None:
    third = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        yield 2
        third.set()
        yield 3

    coming = ahead(items(), 2)
    assert next(coming) == 1
    assert third.wait(timeout=10)
    assert list(coming) == [2, 3]


def test_no_more_than_asked_for_wait() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in count():
            made.append(number)
            yield number

    coming = ahead(items(), 3)
    assert [next(coming) for _ in range(5)] == [0, 1, 2, 3, 4]
    coming.close()
    assert len(made) <= 5 + 3


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken off")

    coming = ahead(items(), 4)
    assert next(coming) == 1
    with pytest.raises(ValueError, match="broken off"):
        next(coming)


def test_closed_early_it_leaves_no_thread() -> None:
    coming = ahead(count(), 2)
    next(coming)
    coming.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
