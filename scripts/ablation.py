"""Train the full model and models with one part changed, on the same folds and seeds: what does each part bring?

    python scripts/ablation.py CACHE --out FOLDER --seeds 0 1 2
    python scripts/write_results.py FOLDER/ablation-*

Started again, it goes on where it was stopped. Two rows need more: keyframes change the features (--keyframe-cache, a
cache prepared with --set pipeline.video.keyframes=32), and MGO's learning rate comes from omsn tune (--search).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ablation_section import FULL, KEYFRAMES, PREFIX, ROWS, SEARCHED, Row
from named_runs import NamedRun, ended, parser_of, plan_of, run_all

from omsn.errors import InputError
from omsn.files import replace_file
from omsn.report.run import METRICS_FILE, PREDICTIONS_FILE
from omsn.report.search import SEARCH_FILE
from omsn.training.out_of_fold import read_predictions
from omsn.training.summary import compare


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows that the command line asks for; returns the exit code."""
    given = parse(arguments)

    def work() -> None:
        run_all(named_runs(given), given.out, jobs=given.jobs, on_finished=note_difference)

    return ended("ablation", work)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = parser_of(__doc__)
    parser.add_argument("--protocol", default="actors-4")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], help="rows beside the full model")
    parser.add_argument("--search", type=Path, metavar="RUN", help="folder that omsn tune wrote")
    parser.add_argument("--keyframe-cache", type=Path, metavar="CACHE")
    return parser.parse_args(arguments)


def named_runs(given: argparse.Namespace) -> list[NamedRun]:
    """The full model first, with the SVM beside it, then a run for each row that there is all for.

    Raises:
        ConfigError: a setting or a seed is wrong.
        InputError: the search has found nothing that can be read.
    """
    full = plan_of(given, given.protocol)
    runs = [NamedRun(FULL, full)]
    for row in ROWS:
        if given.only and row.name not in given.only:
            continue
        missing = _missing(row, given)
        if missing:
            print(f"{PREFIX}{row.name}: left out; it needs {missing}", flush=True)
            continue
        settings = searched(given.search) if row.name == SEARCHED else row.settings
        cache = given.keyframe_cache if row.name == KEYFRAMES else None
        plan = plan_of(given, given.protocol, settings, cache)
        if plan.config == full.config:
            print(f"{PREFIX}{row.name}: left out; it changes nothing of recipe {given.recipe}", flush=True)
            continue
        runs.append(NamedRun(PREFIX + row.name, plan, baseline=False))
    return runs


def _missing(row: Row, given: argparse.Namespace) -> str:
    """The option that a row cannot do without, where it is not given."""
    needs = {KEYFRAMES: ("--keyframe-cache", given.keyframe_cache), SEARCHED: ("--search", given.search)}
    option, value = needs.get(row.name, ("", True))
    return "" if value else option


def searched(run: Path) -> tuple[str, ...]:
    """What a search found, as settings.

    Raises:
        InputError: the folder holds no finished search.
    """
    path = run / SEARCH_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["found"]
        return tuple(f"{name}={json.dumps(value)}" for name, value in found.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no search to take settings from ({error!r}); name a folder of omsn tune") from error


def note_difference(run: Path) -> None:
    """Put the paired difference to the full model, beside which a row's folder lies, into the row's metrics.

    Of a full model with more seeds than the row, those of the row count.

    Raises:
        InputError: predictions are damaged, or of other clips or seeds than the full model's.
    """
    if run.name == FULL:
        return
    ours, full = (read_predictions(folder / PREDICTIONS_FILE) for folder in (run, run.parent / FULL))
    lacking = set(ours.seeds.tolist()) - set(full.seeds.tolist())
    if lacking:
        raise InputError(
            f"{run}: {FULL} has no seed {min(lacking)} to compare it with; run the full model with it first"
        )
    full = full.take(np.isin(full.seeds, ours.seeds))
    metrics = json.loads((run / METRICS_FILE).read_text(encoding="utf-8"))
    metrics["against"] = {"run": FULL, "difference": compare(ours, full)}
    replace_file(run / METRICS_FILE, (json.dumps(metrics, indent=1) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
