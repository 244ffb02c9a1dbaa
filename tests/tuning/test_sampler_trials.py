from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from numpy.testing import assert_allclose
from optuna.study import Study
from optuna.trial import Trial, TrialState
from small_study import SMALL, SPACE, bowl, new_study, params_of

from omsn.tuning.gazelle import starting_herd
from omsn.tuning.operators import Box
from omsn.tuning.sampler import GazelleSampler, share_of


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
