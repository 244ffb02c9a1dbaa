from __future__ import annotations

import time

import pytest

from omsn.timing import profiling, timed, timed_steps


def test_nothing_is_measured_where_nobody_asks() -> None:
    numbers = iter([1, 2])
    assert timed_steps("a", numbers) is numbers
    assert timed("a") is timed("b")
    with timed("a"):
        pass


def test_time_within_an_inner_stretch_counts_for_it_alone() -> None:
    with profiling() as profile:
        with timed("outer"):
            time.sleep(0.02)
            with timed("inner"):
                time.sleep(0.05)
            time.sleep(0.02)
        time.sleep(0.05)
    assert set(profile.seconds) == {"outer", "inner"}
    assert profile.seconds["outer"] >= 0.04
    assert profile.seconds["inner"] >= 0.05
    assert timed("a") is timed("b")


def test_a_stretch_that_fails_is_measured_and_over() -> None:
    with profiling() as profile, pytest.raises(ValueError, match="x"), timed("a"):
        raise ValueError("x")
    with profiling(), timed("b"):
        pass
    assert list(profile.seconds) == ["a"]


def test_steps_are_measured_and_what_is_done_with_them_is_not() -> None:
    def slow() -> list[int]:
        return [1, 2, 3]

    with profiling() as profile:
        got = []
        for number in timed_steps("steps", slow()):
            time.sleep(0.02)
            got.append(number)
    assert got == [1, 2, 3]
    assert profile.seconds["steps"] < 0.05
