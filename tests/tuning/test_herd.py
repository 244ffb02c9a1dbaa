from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import ArrayLike

from omsn.tuning.herd import Herd, points_of, rankable
from omsn.tuning.operators import Box, Reals

BOX = Box.of([0.0, -1.0], [1.0, 3.0])


def reals(values: ArrayLike) -> Reals:
    return np.array(values, dtype=np.float64)


def test_losses_that_are_no_number_rank_last() -> None:
    assert_array_equal(rankable(reals([math.nan, 1.0, -math.inf, math.inf])), [math.inf, 1.0, math.inf, math.inf])


def test_the_best_come_first_and_parents_before_offspring() -> None:
    parents, young = Herd(reals([[1.0], [2.0]]), reals([5.0, 7.0])), Herd(reals([[3.0], [4.0]]), reals([5.0, 1.0]))
    best = parents.joined(young).best(3)
    assert_array_equal(best.points, [[4.0], [1.0], [3.0]])
    assert_array_equal(best.losses, [1.0, 5.0, 5.0])


def test_no_gazelle() -> None:
    herd = Herd.of({"points": [], "losses": []}, BOX)
    assert (len(herd), herd.points.shape) == (0, (0, 2)) == (len(Herd.none(2)), Herd.none(2).points.shape)
    assert herd.rows() == {"points": [], "losses": []}


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 3), st.floats(allow_nan=True)), max_size=5))
def test_a_herd_goes_through_json_unchanged(gazelles: list[tuple[float, float, float]]) -> None:
    herd = Herd(reals([one[:2] for one in gazelles]).reshape(-1, 2), rankable(reals([one[2] for one in gazelles])))
    again = Herd.of(json.loads(json.dumps(herd.rows(), allow_nan=False)), BOX)
    assert_array_equal(again.points, herd.points)
    assert_array_equal(again.losses, herd.losses)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.5, 3.1]], "a point outside the bounds"),
        ([[math.nan, 0.0]], "a point outside the bounds"),
        ([[0.5, -math.inf]], "a point outside the bounds"),
        ([[0.5]], r"points of shape \(1, 1\), expected 2 numbers each"),
        ([0.5, 0.5], r"points of shape \(2,\), expected 2 numbers each"),
        ([[0.5, "x"]], "could not convert"),
    ],
)
def test_points_that_cannot_be(rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        points_of(rows, BOX)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([], "1 points but 0 losses"),
        ([1.0, 2.0], "1 points but 2 losses"),
        ([math.nan], "a loss that is no finite number"),
        ([-math.inf], "a loss that is no finite number"),
    ],
)
def test_losses_that_cannot_be(losses: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Herd.of({"points": [[0.5, 0.5]], "losses": losses}, BOX)
