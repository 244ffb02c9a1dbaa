from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from gazelle_variants import VARIANTS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import ArrayLike

from omsn.errors import ConfigError, InputError
from omsn.tuning.gazelle import Gazelle, GazelleSettings, minimise, offspring, starting_herd
from omsn.tuning.operators import (
    LARGEST_BOUND,
    Box,
    Reals,
)

SMALL = GazelleSettings(population=4, iterations=3)
INTERVALS = st.tuples(
    st.floats(-LARGEST_BOUND, LARGEST_BOUND), st.floats(-LARGEST_BOUND, LARGEST_BOUND)
).filter(lambda ends: ends[0] != ends[1])  # fmt: skip
BOXES = st.lists(INTERVALS.map(sorted), min_size=1, max_size=4)
LOSSES = st.floats(allow_nan=True, allow_infinity=True)


def reals(values: ArrayLike) -> Reals:
    return np.array(values, dtype=np.float64)


def bowl(points: Reals) -> Reals:
    return np.asarray(((points - 0.3) ** 2).sum(axis=1))


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("population", 2, "GazelleSettings.population: got 2, expected a whole number, at least 3"),
        ("population", 3.5, "GazelleSettings.population: got 3.5, expected a whole number, at least 3"),
        ("population", "50", "GazelleSettings.population: got '50', expected a whole number, at least 3"),
        ("iterations", 0, "GazelleSettings.iterations: got 0, expected a whole number, at least 1"),
        ("iterations", 2.5, "GazelleSettings.iterations: got 2.5, expected a whole number, at least 1"),
        ("iterations", True, "GazelleSettings.iterations: got True, expected a whole number, at least 1"),
        ("herd_weights", "cauchy", "herd_weights: got 'cauchy', expected one of uniform, normal"),
        ("migration", "none", "migration: got 'none', expected one of scalar, per_dimension"),
        ("best_update", "never", "best_update: got 'never', expected one of iteration, gazelle"),
    ],
)
def test_wrong_settings_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **{field: value})


def test_all_wrong_settings_are_listed_at_once() -> None:
    with pytest.raises(ConfigError, match=r"population: got 0.*; .*iterations: got -1"):
        GazelleSettings(population=0, iterations=-1)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True, [1, 2]])
def test_a_seed_that_cannot_be_is_refused(seed: Any) -> None:
    with pytest.raises(ConfigError, match=r"seed of Gazelle: got .*, expected a whole number from 0, or None"):
        Gazelle([0.0], [1.0], SMALL, seed)


def test_other_settings_than_its_own_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"settings of Gazelle: got 50, expected GazelleSettings\(population=\.\.\.,"):
        Gazelle([0.0], [1.0], 50)  # type: ignore[arg-type]


def test_losses_told_out_of_turn_are_refused() -> None:
    search = Gazelle([0.0], [1.0], SMALL)
    with pytest.raises(InputError, match="told before ask"):
        search.tell([1.0])
    search.tell(bowl(search.ask()))
    with pytest.raises(InputError, match="told before ask"):
        search.tell([1.0] * 16)


@pytest.mark.parametrize("losses", [[], [1.0] * 3, [1.0] * 5, [[1.0]] * 4, 1.0])
def test_a_wrong_number_of_losses_is_refused_and_changes_nothing(losses: ArrayLike) -> None:
    search = Gazelle([0.0], [1.0], SMALL, seed=0)
    asked = search.ask()
    with pytest.raises(InputError, match=r"losses: got shape .*, expected \(4,\), one a candidate asked"):
        search.tell(losses)
    assert_array_equal(search.ask(), asked)
    assert search.n_evaluations == 0


@pytest.mark.parametrize("losses", [list("abcd"), [[1.0], 2.0, 3.0, 4.0], [1j] * 4, [10**400] * 4])
def test_losses_that_are_no_numbers_are_refused_and_change_nothing(losses: Any) -> None:
    search = Gazelle([0.0], [1.0], SMALL, seed=0)
    asked = search.ask()
    with pytest.raises(InputError, match=r"losses: got \[.*, expected numbers"):
        search.tell(losses)
    assert_array_equal(search.ask(), asked)
    assert search.n_evaluations == 0


def test_there_is_no_best_before_the_first_losses() -> None:
    search = Gazelle([0.0], [1.0], SMALL)
    with pytest.raises(InputError, match="no best point yet"):
        _ = search.best_point
    with pytest.raises(InputError, match="no best point yet"):
        _ = search.best_loss


def test_nothing_is_asked_beyond_the_budget() -> None:
    search = minimise(bowl, [0.0], [1.0], SMALL, seed=0)
    with pytest.raises(InputError, match="all 3 iterations are done"):
        search.ask()


# ---------------------------------------------------------------- the whole herd at once


def plain_offspring(
    herd: Reals, male: Reals, box: Box, variant: GazelleSettings, progress: float, generator: np.random.Generator
) -> list[list[float]]:
    """The same random numbers put into the equations one gazelle, one operator, one dimension at a time."""
    n, dims = herd.shape
    third = math.ceil(n / 3)
    keys, others = generator.random((n, n)), generator.integers(third - 1, n, size=(n,)).tolist()
    weights = (generator.random if variant.herd_weights == "uniform" else generator.standard_normal)((2, n, 1))
    r3, r5 = generator.random((2, n, 1))
    n2, n3, n4 = generator.standard_normal((3, n, dims))
    r4, picks = generator.random((n, dims)), generator.integers(4, size=(4, n)).tolist()
    ri, n1 = generator.integers(1, 3, (6, n, 1)), generator.standard_normal((n, dims))
    mates, r6 = generator.integers(n, size=(n,)).tolist(), generator.random((n, 1))
    r7 = np.broadcast_to(generator.random((n, 1 if variant.migration == "scalar" else dims)), (n, dims))
    a, made = -1 - progress, []
    for i in range(n):
        group = sorted(range(n), key=keys[i].tolist().__getitem__)[:third]
        four: list[list[float]] = [[], [], [], []]
        for d in range(dims):
            x, best, w = float(herd[i, d]), float(male[d]), ri[:, i, 0]
            mean = sum(herd[other, d] for other in group) / third
            young = herd[others[i], d] * math.floor(weights[0, i, 0]) + mean * math.ceil(weights[1, i, 0])
            rows = [
                a + 1 + r3[i, 0],
                a * n2[i, d],
                r4[i, d],
                n3[i, d] * n4[i, d] ** 2 * math.cos(2 * r5[i, 0] * n3[i, d]),
            ]
            c = [rows[picks[use][i]] for use in range(4)]
            far = (abs(x) + abs(best)) * (2 * r6[i, 0] - 1)
            four[0].append(best - abs((w[0] * young - w[1] * x) * n1[i, d] * math.exp(2 - 2 * progress)) * c[0])
            four[1].append((young + c[1]) + (w[2] * best - w[3] * herd[mates[i], d]) * c[2])
            four[2].append((x - far) + (w[4] * best - w[5] * young) * c[3])
            four[3].append((box.high[d] - box.low[d]) * r7[i, d] + box.low[d])
        made += [[min(max(v, lo), hi) for v, lo, hi in zip(row, box.low, box.high, strict=True)] for row in four]
    return made


@pytest.mark.parametrize("weights", ["uniform", "normal"])
@pytest.mark.parametrize("moves", ["scalar", "per_dimension"])
def test_the_whole_herd_at_once_equals_one_gazelle_after_the_other(
    weights: Literal["uniform", "normal"], moves: Literal["scalar", "per_dimension"]
) -> None:
    variant = GazelleSettings(population=7, iterations=10, herd_weights=weights, migration=moves)
    box = Box.of([-5.0, 0.0, 100.0], [5.0, 1.0, 300.0])
    herd = starting_herd(box, 7, np.random.default_rng(1))
    for progress in (0.1, 1.0):
        fast = offspring(herd, herd[2], box, variant, progress, np.random.default_rng(2))
        plain = plain_offspring(herd, herd[2], box, variant, progress, np.random.default_rng(2))
        assert_allclose(fast, plain, rtol=1e-12)


def test_scalar_migration_stays_on_the_diagonal() -> None:
    box = Box.of([0.0] * 3, [1.0] * 3)
    herd = starting_herd(box, 20, np.random.default_rng(0))
    made = {
        moves: offspring(herd, herd[0], box, GazelleSettings(20, 1, migration=moves), 1.0, np.random.default_rng(0))[
            3::4
        ]
        for moves in ("scalar", "per_dimension")
    }
    assert np.ptp(made["scalar"], axis=1).max() == 0
    assert np.ptp(made["per_dimension"], axis=1).min() > 0


def test_the_best_of_all_leads_at_once_where_it_is_updated_after_each_gazelle() -> None:
    variant = replace(SMALL, best_update="gazelle")
    search = Gazelle([-1.0], [1.0], variant, seed=0)
    herd = search.ask()
    search.tell([1.0, 2.0, 3.0, 4.0])
    first = search.ask()
    assert first.shape == (4, 1)
    search.tell([9.0, 0.5, 9.0, 9.0])
    assert search.best_loss == 0.5
    assert_array_equal(search.best_point, first[1])
    assert (search.iteration, search.n_evaluations) == (0, 8)
    generator = np.random.default_rng()
    generator.bit_generator.state = search.state()["generator"]
    assert_array_equal(search.ask(), offspring(herd, first[1], search.box, variant, 1 / 3, generator, slice(1, 2)))


# ---------------------------------------------------------------- the search


@settings(max_examples=30)
@given(bounds=BOXES, variant=VARIANTS, seed=st.integers(0, 99), data=st.data())
def test_a_search_keeps_its_promises(
    bounds: list[list[float]], variant: GazelleSettings, seed: int, data: st.DataObject
) -> None:
    """Never leaves the bounds, never loses the best, N + 4NT evaluations, unusable losses counted."""
    low, high = reals(bounds).T
    search = Gazelle(low, high, variant, seed)
    best, count, unusable = math.inf, 0, 0
    while not search.done:
        candidates = search.ask()
        assert np.isfinite(candidates).all()
        assert ((candidates >= low) & (candidates <= high)).all()
        losses = reals(data.draw(st.lists(LOSSES, min_size=len(candidates), max_size=len(candidates))))
        search.tell(losses)
        usable = losses[np.isfinite(losses)]
        if len(usable) and usable.min() < best:
            best = float(usable.min())
            assert search.best_point.tolist() in candidates[losses == best].tolist()
        count, unusable = count + len(losses), unusable + len(losses) - len(usable)
        assert (search.best_loss, search.n_evaluations, search.n_unusable) == (best, count, unusable)
    assert count == variant.n_evaluations == variant.population * (1 + 4 * variant.iterations)


def test_the_papers_budget() -> None:
    assert GazelleSettings().n_evaluations == 20_050


def test_asking_twice_gives_the_same_candidates_which_the_asker_may_change() -> None:
    search = Gazelle([0.0], [1.0], SMALL, seed=0)
    first = search.ask()
    kept = first.copy()
    first += 100
    assert_array_equal(search.ask(), kept)


def test_a_search_whose_losses_are_all_unusable_runs_to_its_end() -> None:
    search = minimise(lambda points: np.full(len(points), np.nan), [0.0], [1.0], SMALL, seed=0)
    assert (search.n_unusable, search.best_loss) == (SMALL.n_evaluations, math.inf)
    assert 0 <= search.best_point[0] <= 1


@pytest.mark.parametrize("best_update", ["iteration", "gazelle"])
@pytest.mark.parametrize("herd_weights", ["uniform", "normal"])
@pytest.mark.parametrize("moves", ["scalar", "per_dimension"])
def test_every_variant_finds_a_minimum_away_from_the_origin(
    best_update: Literal["iteration", "gazelle"],
    herd_weights: Literal["uniform", "normal"],
    moves: Literal["scalar", "per_dimension"],
) -> None:
    variant = GazelleSettings(15, 30, herd_weights, moves, best_update)
    for seed in range(3):
        search = minimise(
            lambda points: ((points - [3.0, -1.0]) ** 2).sum(axis=1), [-5.0] * 2, [5.0] * 2, variant, seed
        )
        assert search.best_loss < 1e-3


def test_the_optimizer_needs_numpy_alone() -> None:
    code = "import sys, omsn.tuning.gazelle; print(sorted({'optuna', 'torch', 'scipy', 'sklearn'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
