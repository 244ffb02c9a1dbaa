"""Mountain gazelles against Optuna's samplers at equal evaluations, on standard functions and on a real fitness.

    python benchmarks/optimizers.py [--search RUN] [--dimensions 1 2 10 30] [--evaluations 410 410 210 210]
                                    [--seeds 20] [--jobs 2]

Each of the twelve functions is minimised as it stands and shifted and rotated; ``--search`` adds the fitness of a run
of ``omsn tune`` over one setting, read off its evaluations. The lowest value found, above the lowest there is, is
written for every optimizer, function and dimension as median and quartiles over the seeds to docs/optimizers.json, with
the CPU time that an optimizer itself takes for each evaluation. The file is written after each of these, the cheapest
first; what it has already is not run again.

All of it takes an hour or two of one core. Two thirds of that is TPE, whose arithmetic costs the more the more
dimensions and trials there are: hence fewer evaluations where there are ten dimensions or more, for all optimizers.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import optuna
from functions import STANDARD, Problem, Reals
from joblib import Parallel, delayed
from measured import Measured
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, QMCSampler, RandomSampler, TPESampler

from omsn.files import replace_file
from omsn.tuning.gazelle import GazelleSettings, minimise
from omsn.tuning.sampler import GazelleSampler

RECORD = Path(__file__).resolve().parent.parent / "docs" / "optimizers.json"
POPULATION = 10
"""Gazelles: as many as leave 10 iterations of a budget of 410 evaluations, and 5 of 210."""
EVALUATIONS = {1: 410, 2: 410, 10: 210, 30: 210}
"""What every optimizer may spend, by number of dimensions."""


class Result(NamedTuple):
    """What one run came to: the lowest value found, and CPU seconds of the optimizer itself an evaluation."""

    regret: float
    seconds: float


KINDS = ("moved", "plain", "measured")
Cell = tuple[str, int, str, str]
"""What a row is of: kind, dimensions, function, optimizer."""


class Minimised(Protocol):
    """What is minimised."""

    @property
    def bounds(self) -> tuple[list[float], list[float]]:
        """Lower and upper bound of every dimension."""

    def __call__(self, points: Reals, /) -> Reals:
        """(n, D) to (n,)."""


Optimizer = Callable[[Minimised, int, int], Result]


def gazelles(problem: Minimised, evaluations: int, seed: int) -> Result:
    """The optimizer by itself, as ``omsn tune`` uses it."""
    settings = _settings(evaluations)
    low, high = problem.bounds
    spent = 0.0

    def timed(points: Reals) -> Reals:
        nonlocal spent
        start = time.process_time()
        values = problem(points)
        spent += time.process_time() - start
        return values

    start = time.process_time()
    search = minimise(timed, low, high, settings, seed)
    return Result(search.best_loss, (time.process_time() - start - spent) / settings.n_evaluations)


def _optuna(make: Callable[[int, int], BaseSampler]) -> Optimizer:
    """One of Optuna's samplers, one trial after the other."""

    def run(problem: Minimised, evaluations: int, seed: int) -> Result:
        study = optuna.create_study(sampler=make(seed, evaluations))
        low, high = problem.bounds
        axes: dict[str, BaseDistribution] = {
            f"x{i}": FloatDistribution(a, b) for i, (a, b) in enumerate(zip(low, high, strict=True))
        }
        spent = 0.0
        for _ in range(evaluations):
            start = time.process_time()
            trial = study.ask(axes)
            spent += time.process_time() - start
            params = trial.params  # a deep copy at each look
            value = float(problem(np.array([[params[name] for name in axes]]))[0])
            start = time.process_time()
            study.tell(trial, value)
            spent += time.process_time() - start
        return Result(study.best_value, spent / evaluations)

    return run


def _gazelle_sampler(seed: int, evaluations: int) -> BaseSampler:
    return GazelleSampler(_settings(evaluations), seed=seed)


def _settings(evaluations: int) -> GazelleSettings:
    """The herd that spends exactly so many evaluations.

    Raises:
        SystemExit: there is none, so that gazelles would have fewer than the others.
    """
    iterations, left = divmod(evaluations - POPULATION, 4 * POPULATION)
    if iterations < 1 or left:
        raise SystemExit(f"--evaluations: got {evaluations}, expected {POPULATION} + {4 * POPULATION} an iteration")
    return GazelleSettings(POPULATION, iterations)


OPTIMIZERS: Mapping[str, Optimizer] = {
    "MGO": gazelles,
    "MGO, Optuna": _optuna(_gazelle_sampler),
    "TPE": _optuna(lambda seed, _: TPESampler(seed=seed, multivariate=True)),
    "CMA-ES": _optuna(lambda seed, _: CmaEsSampler(seed=seed)),
    "QMC": _optuna(lambda seed, _: QMCSampler(seed=seed, scramble=True)),
    "random": _optuna(lambda seed, _: RandomSampler(seed=seed)),
}


def main() -> None:
    """Run every optimizer on every problem with every seed, and write the table."""
    given = _parse()
    measured = Measured.read(given.search) if given.search else None
    budget = {"seeds": given.seeds, "population": POPULATION}
    wanted = _wanted(given, measured)
    rows = known_rows(given.out, budget, wanted)
    known = {_key(row) for row in rows}
    cells = {cell: evaluations for cell, evaluations in wanted.items() if cell not in known}
    tasks = (delayed(_cell)(*cell, given.seeds, evaluations, measured) for cell, evaluations in cells.items())
    for done, row in enumerate(Parallel(n_jobs=given.jobs, return_as="generator_unordered")(tasks), start=1):
        rows.append(row)
        replace_file(given.out, (json.dumps(budget | {"rows": sorted(rows, key=_order)}, indent=1) + "\n").encode())
        print(
            f"{done}/{len(cells)}",
            *(f"{value:.4g}" if isinstance(value, float) else value for value in row.values()),
            flush=True,
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--search", type=Path, help="folder that omsn tune wrote")
    parser.add_argument("--dimensions", type=int, nargs="+", default=list(EVALUATIONS))
    parser.add_argument(
        "--evaluations", type=int, nargs="+", default=list(EVALUATIONS.values()), help="one for each of --dimensions"
    )
    parser.add_argument("--functions", nargs="+", default=list(STANDARD), choices=list(STANDARD))
    parser.add_argument("--optimizers", nargs="+", default=list(OPTIMIZERS), choices=list(OPTIMIZERS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RECORD)
    given = parser.parse_args()
    if len(given.evaluations) != len(given.dimensions):
        parser.error(f"--evaluations: got {len(given.evaluations)}, expected one for each of --dimensions")
    return given


def _wanted(given: argparse.Namespace, measured: Measured | None) -> dict[Cell, int]:
    """Every cell asked for, with its evaluations, cheapest first."""
    wanted: dict[Cell, int] = {}
    budgets = dict(zip(given.dimensions, given.evaluations, strict=True))
    if measured is not None:
        cells = product(("measured",), (1,), (measured.setting,), given.optimizers)
        wanted |= dict.fromkeys(cells, budgets.get(1, EVALUATIONS[1]))
    for n_dimensions, evaluations in budgets.items():
        cells = product(KINDS[:2], (n_dimensions,), given.functions, given.optimizers)
        wanted |= dict.fromkeys(cells, evaluations)
    return wanted


def known_rows(record: Path, budget: Mapping[str, int], wanted: Mapping[Cell, int]) -> list[dict[str, Any]]:
    """The rows that a record has already.

    Raises:
        SystemExit: it was made with another budget.
    """
    if not record.exists():
        return []
    content = json.loads(record.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = content.pop("rows")
    spent = {_key(row): row.get("evaluations") for row in rows}
    if content != budget or any(spent[cell] != wanted[cell] for cell in spent.keys() & wanted.keys()):
        told = sorted({f"{row['dimensions']}: {row.get('evaluations')}" for row in rows})
        raise SystemExit(
            f"{record}: made with {content} and evaluations {{{', '.join(told)}}} by dimensions, not with "
            f"{dict(budget)} and those asked for; choose another --out, or delete it"
        )
    return rows


def _key(row: Mapping[str, Any]) -> Cell:
    return row["kind"], row["dimensions"], row["function"], row["optimizer"]


def _order(row: Mapping[str, Any]) -> tuple[int, ...]:
    names = [*STANDARD, row["function"]]
    kind, optimizer = KINDS.index(row["kind"]), list(OPTIMIZERS).index(row["optimizer"])
    return kind, row["dimensions"], names.index(row["function"]), optimizer


def _cell(
    kind: str,
    n_dimensions: int,
    name: str,
    optimizer: str,
    n_seeds: int,
    evaluations: int,
    measured: Measured | None = None,
) -> dict[str, Any]:
    """Median and quartiles over the seeds; each seed of a moved problem moves it elsewhere."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")  # Optuna's notes on experimental samplers, once a study
    results = [
        OPTIMIZERS[optimizer](problem, evaluations, seed)
        for seed, problem in enumerate(_problems(kind, name, n_dimensions, n_seeds, measured))
    ]
    low, median, high = np.quantile([result.regret for result in results], (0.25, 0.5, 0.75)).tolist()
    return {
        "kind": kind,
        "dimensions": n_dimensions,
        "function": name,
        "optimizer": optimizer,
        "evaluations": evaluations,
        "quartile_1": low,
        "median": median,
        "quartile_3": high,
        "microseconds": 1e6 * float(np.median([result.seconds for result in results])),
    }


def _problems(kind: str, name: str, n_dimensions: int, n_seeds: int, measured: Measured | None) -> Iterator[Minimised]:
    for seed in range(n_seeds):
        if measured is not None and kind == "measured":
            yield measured
        else:
            yield Problem.moved(name, n_dimensions, seed) if kind == "moved" else Problem.plain(name, n_dimensions)


if __name__ == "__main__":
    main()
