from __future__ import annotations

import logging
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.testing import assert_allclose
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import Trial, TrialState
from small_study import SMALL, SPACE, bowl, new_study, params_of

from omsn.errors import ConfigError, InputError
from omsn.tuning.gazelle import GazelleSettings, offspring
from omsn.tuning.herd import Herd
from omsn.tuning.operators import Box
from omsn.tuning.sampler import HALF_WIDTH, GazelleSampler, share_of


class TestOptunasContract(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """Optuna's own tests of any sampler, with a herd so small that they reach its iterations."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: GazelleSampler(GazelleSettings(population=3, iterations=2), warn_independent_sampling=False)


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize("seed", [-1, "a", 0.5, False])
def test_a_seed_that_cannot_be_is_refused(seed: Any) -> None:
    with pytest.raises(ConfigError, match=f"seed of GazelleSampler: got {seed!r}, expected a whole number from 0"):
        GazelleSampler(seed=seed)


def test_other_settings_than_the_optimizers_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"settings of GazelleSampler: got 50, expected GazelleSettings\("):
        GazelleSampler(50)  # type: ignore[arg-type]


@pytest.mark.parametrize("space", [[1], "x", {"x": (0, 1)}, {1: FloatDistribution(0, 1)}])
def test_a_search_space_that_is_none_is_refused(space: Any) -> None:
    with pytest.raises(ConfigError, match=r"search_space of GazelleSampler: got .*, expected names and distributions"):
        GazelleSampler(search_space=space)


def test_several_objectives_are_refused() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=GazelleSampler(SMALL))
    with pytest.raises(InputError, match="the study has 2 objectives, expected one; use a multi-objective sampler"):
        study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=1)


@pytest.mark.parametrize(
    ("name", "high", "message"), [("x", 4, "x FloatDistribution"), ("z", 3, "x None, expected FloatDistribution")]
)
def test_a_study_made_with_another_space_is_refused_where_the_space_is_declared(
    name: str, high: float, message: str
) -> None:
    study = new_study()
    study.optimize(lambda trial: trial.suggest_float(name, -1, high), n_trials=2)
    study.sampler = GazelleSampler(SMALL, search_space=SPACE)
    with pytest.raises(InputError, match=f"made with another search space: trial 0 has {message}.*Start a new study"):
        study.optimize(bowl, n_trials=1)


def test_a_study_made_with_another_space_goes_on_with_what_is_shared() -> None:
    study = new_study()
    study.optimize(lambda trial: trial.suggest_float("x", -1, 3) + trial.suggest_float("z", 0, 1), n_trials=30)
    study.sampler = GazelleSampler(SMALL, seed=7, warn_independent_sampling=False)
    study.optimize(bowl, n_trials=2)
    trial = study.ask()
    assert list(study.sampler.infer_relative_search_space(study, study.trials[-1])) == ["x"]
    assert set(trial.relative_params) == {"x"}
    study.optimize(lambda trial: trial.suggest_float("x", 5, 6), n_trials=2)
    assert study.sampler.infer_relative_search_space(study, study.trials[-1]) == {}


# ---------------------------------------------------------------- the search


def test_one_worker_runs_the_optimizer_as_published() -> None:
    """Survival played generation by generation on what the study did gives the same candidates."""
    study = new_study(search_space=SPACE)
    n_first, n_each = SMALL.population, 4 * SMALL.population
    study.optimize(bowl, n_trials=SMALL.n_evaluations)
    points = np.array([[share_of(trial.params[name], SPACE[name]) for name in SPACE] for trial in study.trials])
    points, losses = (2 * points - 1) * HALF_WIDTH, np.array([trial.value for trial in study.trials], dtype=np.float64)
    herd = Herd(points[:n_first], losses[:n_first]).best(n_first)
    box = Box(np.full(2, -HALF_WIDTH), np.full(2, HALF_WIDTH))
    for t in range(1, SMALL.iterations + 1):
        batch = np.arange(n_first + n_each * (t - 1), n_first + n_each * t)
        assert sorted({(turn % 4, operator) for turn, operator in (divmod(int(n), 4) for n in batch)}) == [
            (turn, operator) for turn in range(4) for operator in range(4)
        ]
        for number in batch:
            turn, operator = divmod(int(number), 4)
            generator, rows = np.random.default_rng([7, 0, t, turn]), slice(turn % 4, turn % 4 + 1)
            expected = offspring(herd.points, herd.points[0], box, SMALL, t / SMALL.iterations, generator, rows)
            assert_allclose(points[number], expected[operator], atol=1e-9)
        herd = herd.joined(Herd(points[batch], losses[batch])).best(n_first)
    assert study.best_value == herd.losses[0]


def test_a_minimum_is_found_better_than_by_chance() -> None:
    variant = GazelleSettings(population=10, iterations=9)
    for seed in range(2):
        ours = optuna.create_study(sampler=GazelleSampler(variant, seed=seed))
        ours.optimize(bowl, n_trials=variant.n_evaluations)
        chance = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        chance.optimize(bowl, n_trials=variant.n_evaluations)
        assert ours.best_value < 1e-4
        assert ours.best_value < chance.best_value / 3


def test_maximising_mirrors_minimising() -> None:
    lowest, highest = new_study(), new_study(direction="maximize")
    lowest.optimize(bowl, n_trials=60)
    highest.optimize(lambda trial: -bowl(trial), n_trials=60)
    assert params_of(highest) == params_of(lowest)


def test_floats_whole_numbers_and_categories_together() -> None:
    def objective(trial: Trial) -> float:
        size, kind = trial.suggest_int("size", 1, 512, log=True), trial.suggest_categorical("kind", ["a", "b", "c"])
        layers, rate = trial.suggest_int("layers", 1, 6), trial.suggest_float("rate", 0, 0.5, step=0.1)
        return abs(math.log2(size) - 6) + (kind != "b") + abs(layers - 3) + abs(rate - 0.2) + bowl(trial)

    variant = GazelleSettings(population=10, iterations=10)
    study = optuna.create_study(sampler=GazelleSampler(variant, seed=0))
    study.optimize(objective, n_trials=variant.n_evaluations)
    assert (study.best_params["kind"], study.best_params["layers"]) == ("b", 3)
    assert study.best_value < 0.5


def test_the_seed_decides() -> None:
    first, again, other = (new_study(seed) for seed in (7, 7, 8))
    for study in (first, again, other):
        study.optimize(bowl, n_trials=30)
    assert params_of(first) == params_of(again)
    assert params_of(first)[0] != params_of(other)[0]


def test_without_a_seed_two_samplers_differ() -> None:
    first, other = new_study(None), new_study(None)
    for study in (first, other):
        study.optimize(bowl, n_trials=1)
    assert params_of(first) != params_of(other)


def test_a_pickled_sampler_goes_on_in_the_same_way() -> None:
    whole, parted = new_study(), new_study()
    whole.optimize(bowl, n_trials=40)
    parted.optimize(bowl, n_trials=20)
    parted.sampler = pickle.loads(pickle.dumps(parted.sampler))
    parted.optimize(bowl, n_trials=20)
    assert params_of(parted) == params_of(whole)


def test_one_sampler_for_two_studies_mixes_nothing() -> None:
    sampler = GazelleSampler(SMALL, seed=7, search_space=SPACE)
    first, second = optuna.create_study(sampler=sampler), optuna.create_study(sampler=sampler)
    for _ in range(40):
        first.optimize(lambda trial: -bowl(trial), n_trials=1)
        second.optimize(bowl, n_trials=1)
    alone = new_study(search_space=SPACE)
    alone.optimize(bowl, n_trials=40)
    assert params_of(second) == params_of(alone)


# ---------------------------------------------------------------- what is not in the space


def test_conditional_parameters_are_drawn_independently_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def objective(trial: Trial) -> float:
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return trial.suggest_float("p", 0, 1)
        return 1 + trial.suggest_int("q", 1, 5)

    with caplog.at_level(logging.WARNING, logger="omsn"):
        study = new_study()
        study.optimize(objective, n_trials=40)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert list(study.sampler.infer_relative_search_space(study, study.trials[-1])) == ["kind"]
    warned = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert set(warned) >= {"p"}
    assert len(warned) == len(set(warned))
    again = new_study(warn_independent_sampling=False)
    again.optimize(objective, n_trials=40)
    assert params_of(again) == params_of(study)


def test_silent_when_told_to_be(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="omsn"):
        study = new_study(warn_independent_sampling=False)
        for name in "pqr":
            study.optimize(lambda trial, name=name: trial.suggest_float(name, 0, 1), n_trials=2)  # type: ignore[misc]
    assert not caplog.records


def test_another_sampler_may_draw_what_is_independent() -> None:
    grid = optuna.samplers.GridSampler({"x": [0.5, 1.5, 2.5]}, seed=0)
    study = optuna.create_study(sampler=GazelleSampler(SMALL, independent_sampler=grid))
    study.optimize(lambda trial: trial.suggest_float("x", -1, 3), n_trials=1)
    assert study.trials[0].params["x"] in {0.5, 1.5, 2.5}
    study.sampler.reseed_rng()
