"""Named cross-validations, one after another: each goes on where it was stopped, and none is run twice."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from omsn import options
from omsn.data.dataset import FeatureSet, load_features
from omsn.errors import OmsnError
from omsn.files import explain
from omsn.report.run import METRICS_FILE, RunMetrics, read_metrics
from omsn.report.tables import points, with_interval
from omsn.training.crossval import cross_validate
from omsn.training.plan import Plan, check_features
from omsn.training.run_folder import claim


@dataclass(frozen=True)
class NamedRun:
    """A cross-validation and the name of its folder; ``baseline`` also trains the SVM on its folds."""

    name: str
    plan: Plan
    baseline: bool = True


def run_all(
    runs: Sequence[NamedRun], folder: Path, *, jobs: int = 1, on_finished: Callable[[Path], None] | None = None
) -> None:
    """Run what is not finished yet, each in a folder of its name, and print a line for each.

    ``omsn report`` writes the pages of such folders.

    Args:
        runs: in the order to run them.
        folder: where their folders are.
        jobs: folds side by side.
        on_finished: called with the folder of each run that is finished, also of one that was before.

    Raises:
        ConfigError: a cache was prepared with other settings than its plan's (nothing is run then), or a folder holds a
            run of other settings or data.
        LeakError, InputError, CacheError: as ``cross_validate``.
    """
    for one in runs:
        check_features(one.plan, _features(one.plan.cache))
    for number, one in enumerate(runs, start=1):
        run = folder / one.name
        before = (run / METRICS_FILE).exists()
        if before:
            claim(run, one.plan, _features(one.plan.cache))
        else:
            cross_validate(one.plan, run, jobs=jobs, baseline=one.baseline)
        if on_finished is not None:
            on_finished(run)
        print(f"{number}/{len(runs)} {one.name}: {_told(read_metrics(run), before=before)}", flush=True)


@lru_cache(maxsize=1)
def _features(cache: Path) -> FeatureSet:
    return load_features(cache)


def _told(run: RunMetrics, *, before: bool) -> str:
    told = f"WAR {with_interval(run.scores.war)}, UAR {with_interval(run.scores.uar)}"
    if run.against is not None:
        told += f", WAR {points(run.against.difference.get('war'))} points to {run.against.run}"
    return f"{told}, {'finished before' if before else f'{run.seconds / 60:.1f} minutes of training'}"


# ---------------------------------------------------------------- the command line of such a script


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """The arguments that all of these scripts have."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("cache", type=Path, help="folder that omsn prepare wrote")
    parser.add_argument("--out", type=Path, required=True, help="where the folders of the runs are")
    parser.add_argument("--seeds", nargs="+", default=["0"], help="one whole round of folds each")
    parser.add_argument("--jobs", type=int, default=1, help="folds side by side")
    parser.add_argument("--recipe", default="default")
    parser.add_argument(
        "--normalise", type=options.NormalisationName, choices=list(options.NormalisationName), default=None
    )
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="A.B=VALUE")
    return parser


def plan_of(given: argparse.Namespace, protocol: str, settings: Iterable[str] = (), cache: Path | None = None) -> Plan:
    """What the command line asks for, with more settings on top.

    Raises:
        ConfigError: the recipe, a setting or a seed is wrong.
    """
    wanted = [*options.with_options(given.settings, given.normalise, None), *settings]
    seeds = ",".join(given.seeds)
    return options.plan_of(cache or given.cache, protocol, seeds, recipe=given.recipe, settings=wanted)


def ended(name: str, work: Callable[[], None]) -> int:
    """The exit code of a script's work; an error made on purpose, or the system's, becomes one line."""
    try:
        work()
    except OmsnError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{name}: {explain(error)}", file=sys.stderr)
        return 1
    return 0
