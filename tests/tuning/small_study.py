"""A study that a small herd searches: a bowl over two parameters."""

from __future__ import annotations

from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.study import Study
from optuna.trial import Trial

from omsn.tuning.gazelle import GazelleSettings
from omsn.tuning.sampler import GazelleSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)  # it says a line a trial

SMALL = GazelleSettings(population=4, iterations=5)
SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(-1, 3), "y": FloatDistribution(1e-4, 1e-1, log=True)}


def bowl(trial: Trial) -> float:
    x, y = trial.suggest_float("x", -1, 3), trial.suggest_float("y", 1e-4, 1e-1, log=True)
    return (x - 1) ** 2 + (y - 1e-2) ** 2


def new_study(seed: int | None = 7, direction: Literal["minimize", "maximize"] = "minimize", **options: Any) -> Study:
    return optuna.create_study(sampler=GazelleSampler(SMALL, seed=seed, **options), direction=direction)


def params_of(study: Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]
