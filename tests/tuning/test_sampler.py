from __future__ import annotations

import logging
import math
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import Trial, TrialState

from omsn.errors import ConfigError, InputError
from omsn.tuning.gazelle import GazelleSettings, Herd, offspring, starting_herd
from omsn.tuning.operators import Box
from omsn.tuning.sampler import HALF_WIDTH, GazelleSampler, share_of, value_at

SMALL = GazelleSettings(population=4, iterations=5)
SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(-1, 3), "y": FloatDistribution(1e-4, 1e-1, log=True)}

WORKER = """
import sys, time, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from omsn.tuning.gazelle import GazelleSettings
from omsn.tuning.sampler import GazelleSampler

journal, n_trials, hang_at = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def objective(trial):
    x, y = trial.suggest_float("x", -1, 3), trial.suggest_float("y", 1e-4, 1e-1, log=True)
    if trial.number == hang_at:
        print("hangs", flush=True)
        time.sleep(600)
    return (x - 1) ** 2 + (y - 1e-2) ** 2

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(
    study_name="s", storage=JournalStorage(JournalFileBackend(journal)), load_if_exists=True,
    sampler=GazelleSampler(GazelleSettings(population=4, iterations=5), seed=7),
)
study.optimize(objective, n_trials=n_trials)
"""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def bowl(trial: Trial) -> float:
    x, y = trial.suggest_float("x", -1, 3), trial.suggest_float("y", 1e-4, 1e-1, log=True)
    return (x - 1) ** 2 + (y - 1e-2) ** 2


def new_study(seed: int | None = 7, direction: Literal["minimize", "maximize"] = "minimize", **options: Any) -> Study:
    return optuna.create_study(sampler=GazelleSampler(SMALL, seed=seed, **options), direction=direction)


def params_of(study: Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def start_worker(journal: Path, n_trials: int, hang_at: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(journal), str(n_trials), str(hang_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def load_journal(journal: Path) -> Study:
    return optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(journal))))


class TestOptunasContract(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """Optuna's own tests of any sampler, with a herd so small that they reach its iterations."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: GazelleSampler(GazelleSettings(population=3, iterations=2), warn_independent_sampling=False)


# ---------------------------------------------------------------- wrong input


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed of GazelleSampler: got -1, expected 0 or above"):
        GazelleSampler(seed=-1)


def test_several_objectives_are_refused() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=GazelleSampler(SMALL))
    with pytest.raises(InputError, match="the study has 2 objectives, expected one; use a multi-objective sampler"):
        study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=1)


def test_an_unknown_distribution_is_refused() -> None:
    class Other(BaseDistribution):
        def to_internal_repr(self, param_value_in_external_repr: Any) -> float:
            return 0.0

        def single(self) -> bool:
            return False

        def _contains(self, param_value_in_internal_repr: float) -> bool:
            return True

    with pytest.raises(InputError, match=r"got Other\(\), expected a float, int or categorical distribution"):
        value_at(0.5, Other())


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


# ---------------------------------------------------------------- parameters and their axes


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (FloatDistribution(-1, 3), [-1.0, 0.2, 1.4, 3.0]),
        (FloatDistribution(1e-5, 1e-1, log=True), [1e-5, 10**-3.8, 10**-2.6, 1e-1]),
        (FloatDistribution(0, 1, step=0.5), [0.0, 0.0, 0.5, 1.0]),
        (IntDistribution(1, 4), [1, 2, 3, 4]),
        (IntDistribution(3, 9, step=2), [3, 5, 7, 9]),
        (IntDistribution(1, 1000, log=True), [1, 5, 48, 1000]),
        (CategoricalDistribution(["a", None, 2.5]), ["a", "a", None, 2.5]),
        (CategoricalDistribution([True]), [True] * 4),
        (FloatDistribution(2, 2), [2.0] * 4),
    ],
)
def test_values_along_a_range(distribution: BaseDistribution, values: list[Any]) -> None:
    got = [value_at(share, distribution) for share in (0.0, 0.3, 0.6, 1.0)]
    assert got == (pytest.approx(values) if isinstance(distribution, FloatDistribution) else values)
    assert [type(value) for value in got] == [type(value) for value in values]


DISTRIBUTIONS = st.one_of(
    st.builds(
        lambda one, other: FloatDistribution(min(one, other), max(one, other)),
        st.floats(-1e300, 1e300),
        st.floats(-1e300, 1e300),
    ),
    st.builds(
        lambda one, other: FloatDistribution(min(one, other), max(one, other), log=True),
        st.floats(1e-300, 1e300),
        st.floats(1e-300, 1e300),
    ),
    st.builds(
        lambda low, steps, step: IntDistribution(low, low + steps * step, step=step),
        st.integers(-99, 99),
        st.integers(0, 99),
        st.integers(1, 9),
    ),
    st.builds(lambda low, more: IntDistribution(low, low + more, log=True), st.integers(1, 9), st.integers(0, 9999)),
    st.builds(
        lambda low, steps: FloatDistribution(low, low + steps / 2, step=0.5), st.integers(-9, 9), st.integers(0, 50)
    ),
    st.builds(CategoricalDistribution, st.lists(st.text(), min_size=1, max_size=5, unique=True)),
)


@settings(max_examples=80, deadline=None)
@example(distribution=FloatDistribution(0.0, 5e-324), share=0.0)
@example(distribution=FloatDistribution(0.0, 5e-324), share=1.0)
@given(distribution=DISTRIBUTIONS, share=st.floats(0, 1))
def test_every_share_is_a_value_in_range_and_leads_back_to_it(distribution: BaseDistribution, share: float) -> None:
    value = value_at(share, distribution)
    assert distribution._contains(distribution.to_internal_repr(value))
    if not distribution.single():
        back = share_of(value, distribution)
        assert 0 <= back <= 1
        if isinstance(distribution, FloatDistribution) and distribution.step is None:
            assert value_at(back, distribution) == pytest.approx(value, rel=1e-9, abs=1e-9 * abs(distribution.high))
        else:
            assert value_at(back, distribution) == value


def test_whole_numbers_and_categories_get_equal_shares() -> None:
    shares = np.linspace(0, 1, 3001)
    for distribution in (IntDistribution(1, 3), CategoricalDistribution([1, 2, 3]), FloatDistribution(1, 3, step=1)):
        _, counts = np.unique([value_at(share, distribution) for share in shares], return_counts=True)
        assert_allclose(counts, 1000, atol=2)


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


# ---------------------------------------------------------------- trials that do not complete


def run_with(spoil: Callable[[Study, Trial, float], None], n_trials: int, **options: Any) -> Study:
    study = new_study(search_space=SPACE, **options)
    for _ in range(n_trials):
        trial = study.ask()
        spoil(study, trial, bowl(trial))
    return study


def completed(study: Study, trial: Trial, value: float) -> None:
    study.tell(trial, value)


def infinite(study: Study, trial: Trial, value: float) -> None:
    study.tell(trial, math.inf if trial.number % 3 == 0 else value)


def failed(study: Study, trial: Trial, value: float) -> None:
    if trial.number % 3 == 0:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, value)


def pruned_silently(study: Study, trial: Trial, value: float) -> None:
    if trial.number % 3 == 0:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, value)


def pruned_with(report: Callable[[Trial, float], None], every: int = 3) -> Callable[[Study, Trial, float], None]:
    def spoil(study: Study, trial: Trial, value: float) -> None:
        if trial.number % every == 0:
            report(trial, value)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)

    return spoil


def test_failed_pruned_and_infinite_trials_all_rank_last() -> None:
    first = params_of(run_with(infinite, 60))
    assert params_of(run_with(failed, 60)) == first
    assert params_of(run_with(pruned_silently, 60)) == first
    assert params_of(run_with(pruned_with(lambda trial, _: trial.report(math.nan, 3)), 60)) == first
    assert params_of(run_with(completed, 60)) != first


def brilliant(trial: Trial, value: float) -> None:
    trial.report(999.0, 0)
    trial.report(value - 1e6, 5)


def terrible(trial: Trial, value: float) -> None:
    trial.report(-999.0, 0)
    trial.report(value + 1e6, 5)


def backwards(trial: Trial, value: float) -> None:
    trial.report(-value, 5)


def test_a_pruned_trial_ranks_behind_all_complete_ones_whatever_it_reported() -> None:
    assert params_of(run_with(pruned_with(brilliant), 60)) == params_of(run_with(pruned_with(terrible), 60))


def test_pruned_trials_rank_among_each_other_by_their_last_report() -> None:
    runs = [params_of(run_with(pruned_with(report, every=1), 60)) for report in (brilliant, terrible, backwards)]
    assert runs[0] == runs[1] != runs[2]


def test_trials_that_never_finish_hold_up_nobody() -> None:
    study = new_study(search_space=SPACE)
    for number in range(150):
        trial = study.ask()
        value = bowl(trial)
        if number % 5:
            study.tell(trial, value)
    assert study.best_value < 1e-2
    assert len(set(map(repr, params_of(study)))) > 100


def test_trials_that_fail_before_they_suggest_anything_count_for_nothing() -> None:
    study = new_study(search_space=SPACE)
    for _ in range(30):
        study.tell(study.ask(), state=TrialState.FAIL)
    study.optimize(bowl, n_trials=SMALL.population)
    points = [[share_of(trial.params[name], SPACE[name]) for name in SPACE] for trial in study.trials[30:]]
    box = Box(np.zeros(2), np.ones(2))
    starts = [starting_herd(box, 1, np.random.default_rng([7, 0, 0, number])).ravel() for number in range(30, 34)]
    assert_allclose(points, starts, atol=1e-12)
    study.optimize(bowl, n_trials=60)
    assert study.best_value < 1e-2


def test_a_whole_batch_may_be_asked_before_any_is_told() -> None:
    batched, single = new_study(search_space=SPACE), new_study(search_space=SPACE)
    single.optimize(bowl, n_trials=SMALL.n_evaluations)
    for size in (SMALL.population, *[4 * SMALL.population] * SMALL.iterations):
        trials = [batched.ask() for _ in range(size)]
        values = [bowl(trial) for trial in trials]
        for trial, value in reversed(list(zip(trials, values, strict=True))):
            batched.tell(trial, value)
    assert params_of(batched) == params_of(single)


def test_enqueued_points_join_the_herd() -> None:
    study = new_study(search_space=SPACE)
    study.enqueue_trial({"x": 1.0, "y": 1e-2})
    study.optimize(bowl, n_trials=1 + SMALL.population + 16)
    assert study.best_value == 0
    assert min(abs(trial.params["x"] - 1) for trial in study.trials[1:]) < 0.2


def test_hyperbands_brackets_each_search_on_their_own() -> None:
    def objective(trial: Trial) -> float:
        value = bowl(trial)
        for step in range(9):
            trial.report(value + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    study = optuna.create_study(sampler=GazelleSampler(SMALL, seed=0), pruner=pruner)
    study.optimize(objective, n_trials=80)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert study.best_value < 0.1


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


# ---------------------------------------------------------------- several workers


def test_two_threads_share_a_search() -> None:
    study = new_study()
    study.optimize(bowl, n_trials=100, n_jobs=2)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert study.best_value < 1e-2
    assert len(set(map(repr, params_of(study)))) > 90  # no candidate handed out twice


def test_killed_and_restarted_it_goes_on(tmp_path: Path) -> None:
    """One process is killed within a trial; another goes on as a search that never hears of that trial."""
    journal, hang_at, n_trials = tmp_path / "journal", 25, 60
    first = start_worker(journal, n_trials, hang_at)
    assert first.stdout is not None
    assert first.stdout.readline() == "hangs\n"
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert start_worker(journal, n_trials - hang_at - 1).wait(timeout=60) == 0
    study = load_journal(journal)
    assert [trial.number for trial in study.trials if trial.state != TrialState.COMPLETE] == [hang_at]
    expected = new_study()
    for number in range(n_trials):
        trial = expected.ask()
        value = bowl(trial)
        if number != hang_at:
            expected.tell(trial, value)
    assert params_of(study) == params_of(expected)


def test_two_processes_share_a_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    workers = [start_worker(journal, 40) for _ in range(2)]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    study = load_journal(journal)
    assert [trial.number for trial in study.trials] == list(range(80))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert len(set(map(repr, params_of(study)))) > 70
    assert study.best_value < 1e-2
