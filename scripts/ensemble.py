"""Score the networks of several seeds as one: the mean of what they say of each clip.

    python scripts/ensemble.py RUN [RUN ...]
    python scripts/write_results.py RUN-ensemble ...

RUN is a finished cross-validation with several seeds and the same folds for each. RUN-ensemble, a run folder, is made
beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from named_runs import ended

from omsn.errors import InputError
from omsn.files import replace_file
from omsn.models.losses import together
from omsn.report.run import METRICS_FILE, PREDICTIONS_FILE, read_metrics
from omsn.report.tables import with_interval
from omsn.training.out_of_fold import OutOfFold, read_predictions, write_predictions
from omsn.training.summary import summarise
from omsn.training.temperature import calibrate

SUFFIX = "-ensemble"


def main(arguments: Sequence[str] | None = None) -> int:
    """Score what the command line names; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder that omsn crossval wrote")
    given = parser.parse_args(arguments)

    def work() -> None:
        for run in given.runs:
            made = ensemble(run)
            scores = read_metrics(made).scores
            print(f"{made}: WAR {with_interval(scores.war)}, UAR {with_interval(scores.uar)}", flush=True)

    return ended("ensemble", work)


def ensemble(run: Path) -> Path:
    """Write the run folder of a run's ensemble and return it.

    The SVM that stands beside the run does not stand beside its ensemble: what it said of each clip is not kept.

    Raises:
        InputError: the run is not finished, has one seed only, or folds that differ from seed to seed.
    """
    metrics, predictions = read_metrics(run), read_predictions(run / PREDICTIONS_FILE)
    together = mean_over_seeds(predictions, str(run))
    content = json.loads((run / METRICS_FILE).read_text(encoding="utf-8"))
    content.pop("against", None)  # the difference of the single networks
    n_seeds = len(metrics.seeds)
    content |= {
        "members": n_seeds * metrics.members,
        "parameters": None if metrics.parameters is None else n_seeds * metrics.parameters,
        "scores": summarise(together, together.labels),
        "calibrated": calibrate(together) if metrics.protocol.speaker_independent else None,
        "baseline": None,
    }
    made = run.with_name(run.resolve().name + SUFFIX)
    made.mkdir(exist_ok=True)
    write_predictions(together, made / PREDICTIONS_FILE)
    replace_file(made / METRICS_FILE, (json.dumps(content, indent=1) + "\n").encode())
    return made


def mean_over_seeds(predictions: OutOfFold, source: str) -> OutOfFold:
    """One row a clip: the geometric mean over seeds of each class' probability, brought to sum to 1.

    Raises:
        InputError: there is one seed only, or a clip is tested in other folds, or not at all, under some seed.
    """
    seeds = np.unique(predictions.seeds)
    if len(seeds) < 2:
        raise InputError(f"{source}: got predictions of {len(seeds)} seed; an ensemble takes at least 2")
    of_seeds = [predictions.take(predictions.seeds == seed) for seed in seeds]
    parts = [one.take(np.argsort(one.clips)) for one in of_seeds]
    first = parts[0]
    if any(not (np.array_equal(one.clips, first.clips) and np.array_equal(one.folds, first.folds)) for one in parts):
        raise InputError(
            f"{source}: its seeds do not test the same clips in the same folds; such a run has no ensemble"
        )
    answers = torch.from_numpy(np.stack([one.probabilities for one in parts]))
    return replace(first, probabilities=together(answers).numpy())


if __name__ == "__main__":
    sys.exit(main())
