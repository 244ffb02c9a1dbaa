from __future__ import annotations

import functions
import numpy as np
import pytest
from functions import Reals
from scipy.optimize import minimize_scalar

NAMES = tuple(functions.STANDARD)
KNOWN = tuple(name for name in NAMES if not np.isnan(functions.STANDARD[name].best))


@pytest.mark.parametrize("n_dimensions", [1, 2, 10, 30])
@pytest.mark.parametrize("name", KNOWN)
def test_the_lowest_value_is_0_where_it_is_known_to_be(name: str, n_dimensions: int) -> None:
    lowest = functions.STANDARD[name].formula(np.full((1, n_dimensions), functions.STANDARD[name].best))
    assert lowest == pytest.approx(0, abs=1e-11 * n_dimensions)


@pytest.mark.parametrize("n_dimensions", [1, 2, 10, 30])
@pytest.mark.parametrize("name", NAMES)
def test_no_point_lies_lower(name: str, n_dimensions: int) -> None:
    for problem in (functions.Problem.plain(name, n_dimensions), functions.Problem.moved(name, n_dimensions, 1)):
        low, high = problem.function.low, problem.function.high
        points = np.random.default_rng(0).uniform(low, high, (2000, n_dimensions))
        assert (problem(points) > -1e-11 * n_dimensions).all()


@pytest.mark.parametrize("name", KNOWN)
def test_a_moved_function_has_its_lowest_point_within_bounds_and_off_the_diagonal(name: str) -> None:
    problem = functions.Problem.moved(name, 3, seed=2)
    assert problem(problem.shift[None]) == pytest.approx(0, abs=1e-9)
    assert ((problem.shift > problem.function.low) & (problem.shift < problem.function.high)).all()
    assert np.ptp(problem.shift) > 0.01 * (problem.function.high - problem.function.low)
    np.testing.assert_allclose(problem.rotation @ problem.rotation.T, np.eye(3), atol=1e-12)


def test_dixon_price_at_its_known_minimum() -> None:
    point = [2.0 ** -((2.0**i - 2) / 2.0**i) for i in range(1, 11)]
    assert functions.dixon_price(np.array([point])) == pytest.approx(0, abs=1e-12)


def lowest_michalewicz(n_dimensions: int) -> Reals:
    """(D,) each coordinate's own lowest point: a fine grid's lowest, then a bounded minimisation around it."""
    edges = np.linspace(0, np.pi, 2001)
    found = np.empty(n_dimensions)
    for number in range(1, n_dimensions + 1):

        def depth(x: float, number: int = number) -> float:
            return float(-np.sin(x) * np.sin(number * x**2 / np.pi) ** 20)

        start = edges[np.argmin([depth(x) for x in edges])]
        around = start - edges[1], start + edges[1]
        found[number - 1] = minimize_scalar(depth, bounds=around, method="bounded", options={"xatol": 1e-12}).x
    return found


@pytest.mark.parametrize("n_dimensions", [1, 2, 10, 30])
def test_michalewicz_at_its_lowest_point(n_dimensions: int) -> None:
    lowest = lowest_michalewicz(n_dimensions)
    assert functions.michalewicz(lowest[None]) == pytest.approx(0, abs=1e-11)


def test_michalewicz_at_its_published_minimum() -> None:
    """Surjanovic & Bingham: at (2.20, 1.57)."""
    assert lowest_michalewicz(2) == pytest.approx([2.20, 1.57], abs=5e-3)


def test_seeds_move_a_function_elsewhere_and_again_to_the_same_place() -> None:
    first, second, again = (functions.Problem.moved("sphere", 5, seed) for seed in (1, 2, 1))
    assert not np.allclose(first.shift, second.shift)
    assert np.array_equal(first.shift, again.shift)
    assert np.array_equal(first.rotation, again.rotation)
