"""Mountain gazelles against Optuna's samplers at equal evaluations, on twelve standard functions.

    python benchmarks/optimizers.py [--dimensions 1 2 10 30] [--seeds 20] [--evaluations 1010] [--jobs 2]

Each function is minimised as it stands and, in another table, shifted and rotated. The lowest value found, above the
lowest there is, is written for every optimizer, function and dimension as median and quartiles over the seeds to
docs/optimizers.json, with the time that an optimizer itself takes for each evaluation.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from functions import STANDARD, Problem, Reals
from joblib import Parallel, delayed
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, QMCSampler, RandomSampler, TPESampler

from omsn.files import replace_file
from omsn.tuning.gazelle import GazelleSettings, minimise
from omsn.tuning.sampler import GazelleSampler

RECORD = Path(__file__).resolve().parent.parent / "docs" / "optimizers.json"
POPULATION = 10
"""Gazelles: as many as leave 25 iterations of a budget of 1,010 evaluations."""


class Result(NamedTuple):
    """What one run came to: the lowest value found, and seconds of the optimizer itself an evaluation."""

    regret: float
    seconds: float


Optimizer = Callable[[Problem, int, int], Result]


def gazelles(problem: Problem, evaluations: int, seed: int) -> Result:
    """The optimizer by itself, as ``omsn tune`` uses it."""
    settings = GazelleSettings(POPULATION, (evaluations - POPULATION) // (4 * POPULATION))
    low, high = _bounds(problem)
    spent = 0.0

    def timed(points: Reals) -> Reals:
        nonlocal spent
        start = time.perf_counter()
        values = problem(points)
        spent += time.perf_counter() - start
        return values

    start = time.perf_counter()
    search = minimise(timed, low, high, settings, seed)
    return Result(search.best_loss, (time.perf_counter() - start - spent) / settings.n_evaluations)


def _optuna(make: Callable[[int, int], BaseSampler]) -> Optimizer:
    """One of Optuna's samplers, one trial after the other."""

    def run(problem: Problem, evaluations: int, seed: int) -> Result:
        study = optuna.create_study(sampler=make(seed, evaluations))
        low, high = _bounds(problem)
        axes: dict[str, BaseDistribution] = {
            f"x{i}": FloatDistribution(a, b) for i, (a, b) in enumerate(zip(low, high, strict=True))
        }
        spent = 0.0
        for _ in range(evaluations):
            start = time.perf_counter()
            trial = study.ask(axes)
            spent += time.perf_counter() - start
            value = float(problem(np.array([[trial.params[name] for name in axes]]))[0])
            start = time.perf_counter()
            study.tell(trial, value)
            spent += time.perf_counter() - start
        return Result(study.best_value, spent / evaluations)

    return run


def _gazelle_sampler(seed: int, evaluations: int) -> BaseSampler:
    settings = GazelleSettings(POPULATION, (evaluations - POPULATION) // (4 * POPULATION))
    return GazelleSampler(settings, seed=seed)


OPTIMIZERS: Mapping[str, Optimizer] = {
    "MGO": gazelles,
    "MGO, Optuna": _optuna(_gazelle_sampler),
    "TPE": _optuna(lambda seed, _: TPESampler(seed=seed)),
    "CMA-ES": _optuna(lambda seed, _: CmaEsSampler(seed=seed)),
    "QMC": _optuna(lambda seed, _: QMCSampler(seed=seed, scramble=True)),
    "random": _optuna(lambda seed, _: RandomSampler(seed=seed)),
}


def _bounds(problem: Problem) -> tuple[list[float], list[float]]:
    count = len(problem.shift)
    return [problem.function.low] * count, [problem.function.high] * count


def main() -> None:
    """Run every optimizer on every problem with every seed, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[1, 2, 10, 30])
    parser.add_argument("--functions", nargs="+", default=list(STANDARD), choices=list(STANDARD))
    parser.add_argument("--optimizers", nargs="+", default=list(OPTIMIZERS), choices=list(OPTIMIZERS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=1010)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RECORD)
    given = parser.parse_args()
    cells = list(product(("moved", "plain"), given.dimensions, given.functions, given.optimizers))
    tasks = (delayed(_cell)(*cell, given.seeds, given.evaluations) for cell in cells)
    rows = []
    for done, row in enumerate(Parallel(n_jobs=given.jobs, return_as="generator")(tasks), start=1):
        rows.append(row)
        print(
            f"{done}/{len(cells)}", *(f"{value:.4g}" if isinstance(value, float) else value for value in row.values())
        )
    facts = {"seeds": given.seeds, "evaluations": given.evaluations, "population": POPULATION, "rows": rows}
    replace_file(given.out, (json.dumps(facts, indent=1) + "\n").encode())


def _cell(kind: str, n_dimensions: int, name: str, optimizer: str, n_seeds: int, evaluations: int) -> dict[str, Any]:
    """Median and quartiles over the seeds; each seed of a moved problem moves it elsewhere."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")  # Optuna's notes on experimental samplers, once a study
    results = [
        OPTIMIZERS[optimizer](problem, evaluations, seed)
        for seed, problem in enumerate(_problems(kind, name, n_dimensions, n_seeds))
    ]
    low, median, high = np.quantile([result.regret for result in results], (0.25, 0.5, 0.75)).tolist()
    return {
        "kind": kind,
        "dimensions": n_dimensions,
        "function": name,
        "optimizer": optimizer,
        "quartile_1": low,
        "median": median,
        "quartile_3": high,
        "microseconds": 1e6 * float(np.median([result.seconds for result in results])),
    }


def _problems(kind: str, name: str, n_dimensions: int, n_seeds: int) -> Iterator[Problem]:
    for seed in range(n_seeds):
        yield Problem.moved(name, n_dimensions, seed) if kind == "moved" else Problem.plain(name, n_dimensions)


if __name__ == "__main__":
    main()
