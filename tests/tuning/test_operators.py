from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import ArrayLike

from omsn.errors import InputError
from omsn.tuning.operators import (
    Box,
    Reals,
    bachelor_male_herds,
    coefficient_rows,
    maternity_herds,
    migration,
    stride,
    territorial_solitary_males,
    territory,
    young_males,
)


def reals(values: ArrayLike) -> Reals:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        ([], [], "expected one low and one high a dimension"),
        ([0.0], [1.0, 2.0], r"got shapes \(1,\) and \(2,\)"),
        ([[0.0]], [[1.0]], r"got shapes \(1, 1\)"),
        ([0.0, 1.0], [1.0, 1.0], r"bounds of dimension 1: got 1.0 to 1.0, expected low < high"),
        ([2.0], [1.0], r"bounds of dimension 0: got 2.0 to 1.0"),
        ([math.nan], [1.0], "got nan to 1.0"),
        ([0.0], [math.nan], "got 0.0 to nan"),
        ([0.0], [math.inf], "got 0.0 to inf"),
        ([-1e308], [0.0], r"both numbers within ±1e\+100"),
        (["a"], ["b"], r"low bounds: got \['a'\], expected numbers"),
        ([0.0], [None, {}], r"high bounds: got \[None, {}\], expected numbers"),
        ([[0.0], [1.0, 2.0]], [1.0], r"low bounds: got \[\[0.0\], \[1.0, 2.0\]\], expected numbers, as many in each"),
        ([0.0], [10**400], "high bounds: got .*, expected numbers"),
    ],
)
def test_wrong_bounds_are_refused(low: list[Any], high: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Box.of(low, high)


def test_young_males_take_whole_weights() -> None:
    outsider, mean = reals([[1.0, 2.0], [1.0, 2.0]]), reals([[10.0, 20.0], [10.0, 20.0]])
    r1, r2 = reals([[0.9], [-0.5]]), reals([[0.1], [1.5]])
    assert_allclose(young_males(outsider, mean, r1, r2), [[10.0, 20.0], [19.0, 38.0]])  # 0 and 1; -1 and 2


def test_steps_shrink_from_e_squared_to_one() -> None:
    n1 = reals([[1.0, -2.0]])
    assert_allclose(stride(n1, 0.0), n1 * math.e**2)
    assert_allclose(stride(n1, 0.5), n1 * math.e)
    assert_array_equal(stride(n1, 1.0), n1)


def test_the_four_rows_of_coefficients() -> None:
    """a = -1.25 at a quarter; 2 r5 N3 = pi, whose cosine is -1."""
    rows = coefficient_rows(
        0.25, r3=reals([[0.5]]), n2=reals([[2.0, -4.0]]), r4=reals([[0.1, 0.9]]),
        n3=reals([[math.pi, math.pi]]), n4=reals([[2.0, -3.0]]), r5=reals([[0.5]]),
    )  # fmt: skip
    assert_allclose(rows, [[[0.25, 0.25], [-2.5, 5.0], [0.1, 0.9], [-4 * math.pi, -9 * math.pi]]])


def test_the_first_row_of_coefficients_ends_between_minus_one_and_zero() -> None:
    one = reals([[1.0]])
    for r3, expected in ((0.0, -1.0), (1.0, 0.0)):
        assert coefficient_rows(1.0, reals([[r3]]), one, one, one, one, one)[0, 0, 0] == expected


def test_territorial_solitary_males() -> None:
    male, young, gazelles = reals([5.0, 5.0]), reals([[3.0, 1.0]]), reals([[1.0, 2.0]])
    made = territorial_solitary_males(
        male, young, gazelles, reals([[2.0, -1.0]]), reals([[0.5, 2.0]]), reals([[1.0]]), reals([[2.0]])
    )
    assert_allclose(made, [[4.0, -1.0]])  # 5 - |(3 - 2) 2| 0.5; 5 - |(1 - 4) (-1)| 2


def test_maternity_herds() -> None:
    made = maternity_herds(
        reals([[3.0]]), reals([[0.25]]), reals([5.0]), reals([[4.0]]), reals([[-0.5]]), reals([[2.0]]), reals([[1.0]])
    )
    assert_allclose(made, [[0.25]])  # (3 + 0.25) + (10 - 4) (-0.5)


def test_territories_are_symmetric_and_vanish_in_the_middle() -> None:
    gazelles, male = reals([[-3.0], [-3.0], [-3.0]]), reals([2.0])
    assert_allclose(territory(gazelles, male, reals([[0.0], [0.5], [1.0]])), [[-5.0], [0.0], [5.0]])


def test_bachelor_male_herds() -> None:
    made = bachelor_male_herds(
        reals([[1.0]]), reals([[0.5]]), reals([5.0]), reals([[3.0]]), reals([[2.0]]), reals([[1.0]]), reals([[2.0]])
    )
    assert_allclose(made, [[-1.5]])  # (1 - 0.5) + (5 - 6) 2


def test_migration_reaches_from_bound_to_bound() -> None:
    box = Box.of([-1.0, 10.0], [1.0, 30.0])
    assert_allclose(migration(box, reals([[0.0], [0.5], [1.0]])), [[-1.0, 10.0], [0.0, 20.0], [1.0, 30.0]])
    assert_allclose(migration(box, reals([[0.5, 1.0]])), [[0.0, 30.0]])


def test_coefficients_of_zero_leave_what_the_operators_start_from() -> None:
    zero, x, male, young = reals([[0.0]]), reals([[2.0]]), reals([5.0]), reals([[3.0]])
    assert territorial_solitary_males(male, young, x, x, zero, x, x) == [[5.0]]
    assert maternity_herds(young, zero, male, x, zero, x, x) == [[3.0]]
    assert bachelor_male_herds(x, zero, male, young, zero, x, x) == [[2.0]]
