from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from small_study import SMALL, SPACE, bowl, new_study, params_of

from omsn.tuning import sampler
from omsn.tuning.gazelle import GazelleSettings
from omsn.tuning.sampler import GazelleSampler

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


def start_worker(journal: Path, n_trials: int, hang_at: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(journal), str(n_trials), str(hang_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def load_journal(journal: Path) -> Study:
    return optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(journal))))


@settings(max_examples=8)
@given(
    variant=st.sampled_from([SMALL, replace(SMALL, best_update="gazelle")]),
    declared=st.booleans(),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 99)), min_size=60, max_size=90),
)
def test_what_a_sampler_remembers_changes_nothing(
    variant: GazelleSettings, declared: bool, steps: list[tuple[bool, int]]
) -> None:
    """Trials that end in any order, badly or never: a sampler that has seen them all suggests what a new one does."""
    options: dict[str, Any] = {"search_space": SPACE if declared else None, "warn_independent_sampling": False}
    study = optuna.create_study(sampler=GazelleSampler(variant, seed=7, **options))
    running: list[Trial] = []
    for begin, draw in steps:
        if begin or not running:
            running.append(study.ask())
            fresh, frozen = GazelleSampler(variant, seed=7, **options), study.get_trials(deepcopy=False)[-1]
            space = fresh.infer_relative_search_space(study, frozen)
            assert running[-1].relative_params == fresh.sample_relative(study, frozen, space)
            bowl(running[-1])
        elif draw % 7:
            trial = running.pop(draw % len(running))
            study.tell(trial, (trial.params["x"] - 1) ** 2 + trial.params["y"])
        else:
            study.tell(running.pop(draw % len(running)), state=TrialState.FAIL)


def test_each_finished_trial_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, and although the first never ends."""
    read: list[int] = []
    whole = sampler._evaluation

    def counted(trial: FrozenTrial, space: sampler.Space, direction: StudyDirection) -> sampler.Evaluation:
        read.append(trial.number)
        return whole(trial, space, direction)

    monkeypatch.setattr(sampler, "_evaluation", counted)
    study = new_study(search_space=SPACE)
    bowl(study.ask())
    study.optimize(bowl, n_trials=50)
    bowl(study.ask())
    assert read == list(range(1, 51))


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
