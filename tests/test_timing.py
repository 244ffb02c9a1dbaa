from __future__ import annotations

import time

import pytest

from omsn.timing import REST, profiling, timed, timed_steps


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
    assert set(profile.seconds) == {"outer", "inner", REST}
    assert profile.seconds[REST] >= 0.05
    assert profile.seconds["outer"] >= 0.04
    assert profile.seconds["inner"] >= 0.05
    assert timed("a") is timed("b")


def test_all_of_the_time_is_accounted_for() -> None:
    began = time.perf_counter()
    with profiling() as profile:
        with timed("a"):
            time.sleep(0.02)
        time.sleep(0.02)
    assert sum(profile.seconds.values()) == pytest.approx(time.perf_counter() - began, abs=0.005)


def test_nothing_measured_is_all_rest() -> None:
    with profiling() as profile:
        pass
    assert list(profile.seconds) == [REST]


def test_a_stretch_that_fails_is_measured_and_over() -> None:
    with profiling() as profile, pytest.raises(ValueError, match="x"), timed("a"):
        raise ValueError("x")
    with profiling(), timed("b"):
        pass
    assert set(profile.seconds) == {"a", REST}


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
