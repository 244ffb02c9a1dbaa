from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gazelle_variants import VARIANTS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from omsn.errors import InputError
from omsn.tuning.gazelle import Gazelle, GazelleSettings, minimise
from omsn.tuning.operators import Reals

SMALL = GazelleSettings(population=4, iterations=3)


def reals(values: ArrayLike) -> Reals:
    return np.array(values, dtype=np.float64)


def bowl(points: Reals) -> Reals:
    return np.asarray(((points - 0.3) ** 2).sum(axis=1))


def tell_all(search: Gazelle, losses: np.random.Generator) -> list[Reals]:
    """Run to the end on losses that have nothing to do with the points; what was asked."""
    asked = []
    while not search.done:
        asked.append(search.ask())
        search.tell(losses.random(len(asked[-1])))
    return asked


@settings(max_examples=15)
@given(variant=VARIANTS, seed=st.integers(0, 99), steps=st.integers(0, 6), between=st.booleans())
def test_resumed_equals_uninterrupted(variant: GazelleSettings, seed: int, steps: int, between: bool) -> None:
    low, high = [-1.0, 5.0], [2.0, 7.5]
    whole, first, losses = Gazelle(low, high, variant, seed), Gazelle(low, high, variant, seed), reals([0.1, math.nan])
    for _ in range(steps):
        if not first.done:
            for search in (whole, first):
                candidates = search.ask()
                search.tell(np.where(candidates[:, 0] > 0, candidates[:, 1], losses[1]))
    if between and not first.done:
        first.ask()
    resumed = Gazelle(low, high, variant, seed=12345)
    resumed.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert resumed.n_unusable == whole.n_unusable
    expected = tell_all(whole, np.random.default_rng(0))
    got = tell_all(resumed, np.random.default_rng(0))
    assert [one.tolist() for one in got] == [one.tolist() for one in expected]
    assert resumed.state() == whole.state()


@settings(max_examples=15)
@given(variant=VARIANTS, seed=st.integers(0, 2**64))
def test_the_same_seed_takes_the_same_path_and_another_one_does_not(variant: GazelleSettings, seed: int) -> None:
    first, again, other = (
        minimise(bowl, [-1.0, 5.0], [1.0, 7.5], variant, one).state() for one in (seed, seed, seed + 1)
    )
    assert first == again
    assert first["parents"] != other["parents"]


def test_the_state_does_not_change_with_the_search() -> None:
    search = Gazelle([0.0], [1.0], SMALL, seed=0)
    search.tell(bowl(search.ask()))
    state = search.state()
    before = json.dumps(state)
    tell_all(search, np.random.default_rng(0))
    assert json.dumps(state) == before


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Gazelle([0.0], [2.0], SMALL), r"high \[2.0\], expected \[1.0\]"),
        (Gazelle([0.0, 0.0], [1.0, 1.0], SMALL), r"low \[0.0, 0.0\], expected \[0.0\]"),
        (Gazelle([0.0], [1.0], replace(SMALL, population=5)), "population 5, expected 4"),
        (Gazelle([0.0], [1.0], replace(SMALL, migration="per_dimension")), "migration 'per_dimension', expected"),
    ],
)
def test_a_state_of_another_search_is_refused(other: Gazelle, message: str) -> None:
    with pytest.raises(InputError, match=f"state is of another search: .*{message}"):
        Gazelle([0.0], [1.0], SMALL).restore(other.state())


@pytest.mark.parametrize(
    "damage",
    [
        {"parents": None},
        {"parents": {"points": [[0.1]], "losses": []}},
        {"offspring": {"points": [[0.1, 0.2]], "losses": [1.0]}},
        {"asked": [["x"]]},
        {"iteration": None},
        {"iteration": 1.5},
        {"iteration": 7},
        {"iteration": -1},
        {"n_unusable": -1},
        {"n_unusable": 5},
        {"asked": [[0.5]] * 3},
        {"asked": [[0.5]] * 15 + [[1.5]]},
        {"asked": [[0.5]] * 15 + [[math.nan]]},
        {"asked": [[10**400]] * 16},
        {"parents": {"points": [[0.1], [0.2]], "losses": [1.0, 2.0]}},
        {"parents": {"points": [[0.1]] * 4, "losses": [1.0, 2.0, 4.0, 3.0]}},
        {"parents": {"points": [], "losses": []}, "iteration": 1},
        {"parents": {"points": [], "losses": []}, "offspring": {"points": [[0.1]] * 4, "losses": [1.0] * 4}},
        {"offspring": {"points": [[0.1]] * 4, "losses": [1.0] * 4}},
        {"iteration": 3, "asked": [[0.5]] * 16},
        {"generator": {"bit_generator": "MT19937"}},
        {"generator": None},
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(damage: dict[str, Any]) -> None:
    search = Gazelle([0.0], [1.0], SMALL, seed=0)
    search.tell(bowl(search.ask()))
    before = search.state()
    with pytest.raises(InputError, match="state of a search is damaged"):
        search.restore({**before, **damage})
    assert search.state() == before


@pytest.mark.parametrize(
    ("n_offspring", "n_asked", "possible"),
    [(0, 4, True), (4, 0, True), (12, 4, True), (3, 0, False), (16, 0, False), (4, 16, False)],
)
def test_a_state_between_two_gazelles(n_offspring: int, n_asked: int, possible: bool) -> None:
    """Where the best is updated after each gazelle, an iteration may be cut after any of them."""
    search = Gazelle([0.0], [1.0], replace(SMALL, best_update="gazelle"), seed=0)
    search.tell(bowl(search.ask()))
    offspring = {"points": [[0.5]] * n_offspring, "losses": [1.0] * n_offspring}
    state = search.state() | {"offspring": offspring, "asked": [[0.5]] * n_asked if n_asked else None}
    if possible:
        search.restore(state)
        assert search.state() == state
    else:
        with pytest.raises(InputError, match="state of a search is damaged"):
            search.restore(state)


@pytest.mark.parametrize("state", [{}, {"search": None}, {"search": "gazelle"}, None, [1]])
def test_a_state_of_nothing_is_refused(state: Any) -> None:
    with pytest.raises(InputError, match="state is of another search: got low None"):
        Gazelle([0.0], [1.0], SMALL).restore(state)
