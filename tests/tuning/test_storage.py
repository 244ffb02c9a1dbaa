from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
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
from omsn.tuning.storage import _missing_driver, add_evaluations, open_study
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


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("postgresql://me@nowhere/omsn", "psycopg", r"psycopg\[binary\]"),
        ("postgresql+psycopg2://me@nowhere/omsn", "psycopg2", "psycopg2-binary"),
        ("mysql://me@nowhere/omsn", "MySQLdb", "mysqlclient"),
        ("mysql+pymysql://me@nowhere/omsn", "pymysql", "pymysql"),
    ],
)
def test_a_database_whose_driver_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, package: str
) -> None:
    for name in ("psycopg", "psycopg2"):  # SQLAlchemy's versions differ in which of them plain postgresql means
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as caught:
        open_study(url, "runs", {})
    told = rf"the module {module}2? that talks to this database is missing: pip install '({package}|psycopg2-binary)'"
    assert re.search(told, str(caught.value))


def test_an_import_error_that_names_no_module() -> None:
    assert _missing_driver(ImportError("libpq.so is of another machine")) == "libpq.so is of another machine"


@pytest.mark.parametrize("text", ["no journal", "[1]", "{}"])
def test_a_journal_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "search.log").write_text(f"{text}\n")
    with pytest.raises(ConfigError, match=r"cannot be opened .* expected journal:FILE"):
        open_study(f"journal:{tmp_path / 'search.log'}", "runs", {})


def test_a_database_of_another_version_of_optuna(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    open_study(storage, "runs", {})
    with closing(sqlite3.connect(tmp_path / "search.db")) as database, database:
        database.execute("update alembic_version set version_num = 'v9.9.9'")
    with pytest.raises(ConfigError, match=r"cannot be opened \(The runtime optuna version .* is no longer compatible"):
        open_study(storage, "runs", {})


@pytest.mark.parametrize("storage", ["nowhere", "nothing://at/all", "journal:", "journal:/no/such/folder/file"])
def test_a_storage_that_cannot_be(storage: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be opened .* expected journal:FILE, or a database such as sqlite"):
        open_study(storage, "runs", {})


@pytest.mark.parametrize("storage", ["sqlite://somebody:tulip@host/study.db", "postgresql://somebody:tulip@[/study"])
def test_no_message_tells_a_password(storage: str) -> None:
    with pytest.raises(ConfigError, match="cannot be opened") as caught:
        open_study(storage, "runs", {})
    assert "tulip" not in str(caught.value)
