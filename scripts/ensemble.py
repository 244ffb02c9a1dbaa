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

from omsn.config import Config
from omsn.data.dataset import load_features
from omsn.errors import InputError
from omsn.files import replace_file
from omsn.models.answers import together
from omsn.models.network import count_parameters
from omsn.recipes import from_dict
from omsn.report.run import BY_ITSELF_FILE, METRICS_FILE, PREDICTIONS_FILE, RunMetrics, read_metrics
from omsn.report.tables import with_interval
from omsn.training.neighbours import answered_together, wccn_of
from omsn.training.out_of_fold import OutOfFold, read_predictions, write_predictions
from omsn.training.plan import Plan, plan_rounds
from omsn.training.rounds import build_network
from omsn.training.run_folder import digest_of
from omsn.training.summary import BY_ITSELF, beside, summarise
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
        InputError: the run is not finished, has one seed only, or folds that differ from seed to seed; or it answers
            clips together, and its cache has changed.
        CacheError: it does, and its cache cannot be read.
    """
    metrics = read_metrics(run)
    neighbours = metrics.by_itself is not None
    by_itself = mean_over_seeds(read_predictions(run / (BY_ITSELF_FILE if neighbours else PREDICTIONS_FILE)), str(run))
    answers = _with_neighbours(by_itself, metrics, run) if neighbours else by_itself
    content = json.loads((run / METRICS_FILE).read_text(encoding="utf-8"))
    content.pop("against", None)  # the difference of the single networks
    content |= {
        "members": len(metrics.seeds) * metrics.members,
        "parameters": None if metrics.parameters is None else metrics.parameters + _more_parameters(metrics),
        "scores": summarise(answers, answers.labels),
        "by_itself": beside(BY_ITSELF, answers, by_itself) if neighbours else None,
        "calibrated": calibrate(answers) if metrics.protocol.speaker_independent else None,
        "baseline": None,
    }
    made = run.with_name(run.resolve().name + SUFFIX)
    made.mkdir(exist_ok=True)
    write_predictions(answers, made / PREDICTIONS_FILE)
    if neighbours:
        write_predictions(by_itself, made / BY_ITSELF_FILE)
    replace_file(made / METRICS_FILE, (json.dumps(content, indent=1) + "\n").encode())
    return made


def _more_parameters(metrics: RunMetrics) -> int:
    """What the networks of all seeds but the first add: what was fitted in closed form, they share."""
    config = from_dict(Config, dict(metrics.config))
    learnt = metrics.parameters or 0
    if config.network.statistics.enabled or config.network.known_speakers:
        statistics = replace(config.network.statistics, enabled=False)
        network = replace(config.network, statistics=statistics, known_speakers=False)
        features = load_features(Path(metrics.data.cache))
        learnt = metrics.members * count_parameters([build_network(replace(config, network=network), features, 0)])
    return (len(metrics.seeds) - 1) * learnt


def _with_neighbours(predictions: OutOfFold, metrics: RunMetrics, run: Path) -> OutOfFold:
    """The clips of each speaker answered together, as the run does."""
    cache, config = Path(metrics.data.cache), from_dict(Config, dict(metrics.config))
    features = load_features(cache)
    if metrics.data.digest and digest_of(cache) != metrics.data.digest:
        raise InputError(f"{run}: {cache} has other features than the run was of; prepare it as it was")
    plan = Plan(
        cache, metrics.protocol.name, metrics.seeds[:1], metrics.model, config, metrics.recipe, allow_leaks=True
    )
    rounds, _ = plan_rounds(plan, features)
    folds = [one.fold for one in rounds]
    said = [(fold, predictions.take(predictions.folds == fold.name)) for fold in folds]
    return answered_together(said, wccn_of(folds, features, config), features, config)


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
