from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from omsn.errors import ConfigError
from omsn.tuning.gazelle import GazelleSettings
from omsn.tuning.space import dimensions
from omsn.tuning.storage import add_evaluations, open_study
from omsn.tuning.study import Reals, Study, Tried

AXES = dimensions(["training.classifier_learning_rate", "training.weight_decay"])


def bowl(points: Reals) -> Reals:
    """Lowest at a learning rate of 0.001 and a weight decay of 0.5; infinite where the rate is large."""
    losses: Reals = np.where(points[:, 0] > -1.5, np.inf, ((points - [-3, 0.5]) ** 2).sum(axis=1))
    return losses


def searched(folder: Path) -> Tried:
    return Study(folder, AXES, GazelleSettings(4, 3), 1, {}).run(bowl)


def test_every_evaluation_is_a_trial_that_optuna_reads(tmp_path: Path) -> None:
    tried = searched(tmp_path)
    add_evaluations(open_study(f"journal:{tmp_path / 'search.log'}", "runs", {"seed": 1}), tried)
    read = optuna.load_study(
        storage=JournalStorage(JournalFileBackend(str(tmp_path / "search.log"))), study_name="runs"
    )
    trials = read.get_trials()
    assert len(trials) == len(tried.losses)
    assert [trial.user_attrs["iteration"] for trial in trials] == tried.iterations.tolist()
    assert [trial.params for trial in trials] == [tried.settings(index) for index in range(len(trials))]
    diverged = [trial.number for trial in trials if trial.state is TrialState.FAIL]
    assert diverged == np.flatnonzero(~np.isfinite(tried.losses)).tolist() != []
    assert read.best_trial.number == tried.best
    assert read.best_value == tried.lowest


def test_only_what_is_new_is_added(tmp_path: Path) -> None:
    tried = searched(tmp_path)
    half = replace(tried, iterations=tried.iterations[:20], points=tried.points[:20], losses=tried.losses[:20])
    for part in (half, half, tried):
        add_evaluations(open_study(f"sqlite:///{tmp_path / 'search.db'}", "runs", {"seed": 1}), part)
    study = open_study(f"sqlite:///{tmp_path / 'search.db'}", "runs", {"seed": 1})
    assert [trial.params for trial in study.trials] == [tried.settings(index) for index in range(len(tried.losses))]


def test_a_study_of_another_search(tmp_path: Path) -> None:
    storage = f"journal:{tmp_path / 'search.log'}"
    open_study(storage, "runs", {"seed": 1})
    with pytest.raises(ConfigError, match="study runs is of another search; choose another --out"):
        open_study(storage, "runs", {"seed": 2})


def test_a_study_that_another_program_made(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    optuna.create_study(storage=storage, study_name="runs").optimize(lambda trial: trial.suggest_float("x", 0, 1), 1)
    with pytest.raises(ConfigError, match="another search"):
        open_study(storage, "runs", {"seed": 1})


@pytest.mark.parametrize("storage", ["nowhere", "nothing://at/all", "journal:", "journal:/no/such/folder/file"])
def test_a_storage_that_cannot_be(storage: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be opened .* expected journal:FILE, or a database such as sqlite"):
        open_study(storage, "runs", {})
