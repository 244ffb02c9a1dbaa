"""A search's evaluations as trials of an Optuna study, for its dashboard, its plots and other programs."""

from __future__ import annotations

import math
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from omsn.errors import ConfigError
from omsn.tuning.study import Tried

JOURNAL = "journal:"
PURPOSE = "omsn"
"""The attribute of a study that tells which search it holds."""
PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""What to install for a module that talks to a database, where its name is another one."""


def open_study(storage: str, name: str, purpose: dict[str, Any]) -> optuna.Study:
    """The study of a search, made where there is none.

    Args:
        storage: "journal:FILE", or a database as Optuna takes it, such as "sqlite:///FILE".
        name: of the study.
        purpose: what the search is of, as plain values.

    Raises:
        ConfigError: the storage cannot be opened, or holds a study of that name and another search.
    """
    verbosity, shown = optuna.logging.get_verbosity(), without_password(storage)
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study it makes
    try:
        study = optuna.create_study(storage=_storage(storage), study_name=name, load_if_exists=True)
    except ImportError as error:
        raise ConfigError(f"--storage {shown}: cannot be opened; {_missing_driver(error)}") from error
    except (SQLAlchemyError, OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"--storage {shown}: cannot be opened ({str(error).splitlines()[0]}); "
            "expected journal:FILE, or a database such as sqlite:///FILE"
        ) from error
    finally:
        optuna.logging.set_verbosity(verbosity)
    known = study.user_attrs.get(PURPOSE)
    if known is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(PURPOSE, purpose)
    elif known != purpose:
        raise ConfigError(
            f"--storage {shown}: study {name} is of another search; choose another --out, whose name it takes, "
            "or another storage"
        )
    return study


def without_password(storage: str) -> str:
    """A storage as it may be shown: stars in the place of a password."""
    try:
        return make_url(storage).render_as_string(hide_password=True)
    except ArgumentError:  # journal:FILE, and what is no database
        return storage


def add_evaluations(study: optuna.Study, tried: Tried) -> None:
    """Add those evaluations to the study that it does not have yet: one trial each, with the iteration it is of."""
    first = len(study.get_trials(deepcopy=False))
    axes: dict[str, BaseDistribution] = {
        axis.setting: FloatDistribution(axis.low, axis.high, log=axis.log) for axis in tried.axes
    }
    study.add_trials([_trial(tried, index, axes) for index in range(first, len(tried.losses))])


def _trial(tried: Tried, index: int, axes: dict[str, BaseDistribution]) -> FrozenTrial:
    """Complete with its loss, or failed where training diverged."""
    loss = float(tried.losses[index])
    known = math.isfinite(loss)
    return create_trial(
        state=TrialState.COMPLETE if known else TrialState.FAIL,
        value=loss if known else None,
        params=tried.settings(index),
        distributions=axes,
        user_attrs={"iteration": int(tried.iterations[index])},
    )


def _missing_driver(error: ImportError) -> str:
    """What to do about it; Optuna's own error does not tell which module it is, the one behind it does."""
    behind = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    if behind.name is None:
        return str(behind)
    package = PACKAGES.get(behind.name, behind.name)
    return f"the module {behind.name} that talks to this database is missing: pip install '{package}'"


def _storage(storage: str) -> BaseStorage | str:
    if storage.startswith(JOURNAL):
        return JournalStorage(JournalFileBackend(storage.removeprefix(JOURNAL)))
    return storage
