"""Cross-validation: every fold and seed in turn or side by side, then metrics and predictions in one folder."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from omsn.data.dataset import FeatureSet, load_features
from omsn.data.prepare import INDEX_NAME, MANIFEST_NAME
from omsn.data.splits import Fold
from omsn.errors import InputError, TrainingError
from omsn.files import replace_file
from omsn.models.checkpoint import load_checkpoint
from omsn.models.network import count_parameters
from omsn.report.run import BY_ITSELF_FILE, PREDICTIONS_FILE
from omsn.training.loop import predict_probabilities
from omsn.training.neighbours import Wccn, answered_together, wccn_of
from omsn.training.out_of_fold import OutOfFold, join, read_predictions, write_predictions
from omsn.training.parts import make_parts
from omsn.training.plan import Plan, Round, check_features, plan_rounds
from omsn.training.rounds import fit_each, out_of_fold, svm_round
from omsn.training.run_folder import WallClock, claim, describe_run, join_histories, made_with, write_history
from omsn.training.start import load_start
from omsn.training.summary import BY_ITSELF, beside, summarise
from omsn.training.temperature import calibrate
from omsn.workers import run_tasks

logger = logging.getLogger(__name__)

ROUND_NAME = "round.json"
"""In the folder of a round that is finished: what it cost."""

OnFold = Callable[[int, int, str], None]


def cross_validate(
    plan: Plan, run: Path, *, jobs: int = 1, on_fold: OnFold | None = None, baseline: bool = True
) -> dict[str, Any]:
    """Run every fold, write ``metrics.json``, ``predictions.csv`` and ``history.csv``, and return the metrics.

    ``predictions.csv`` and all scores are of the answers before temperature scaling; what that does to them stands by
    itself, under ``calibrated``. With ``enrolled`` a speaker's clips are answered together (``answer.neighbours``);
    what is said of each clip by itself is in ``by_itself.csv`` then, and its scores are under ``by_itself``.

    A run that was interrupted goes on: folds that are finished are not run again, and the network of an unfinished
    fold goes on from its last epoch.

    Args:
        plan: what to do.
        run: folder of the results.
        jobs: folds side by side, each on one thread.
        on_fold: called with (rounds done, rounds in all, name of the round).
        baseline: also train the SVM on the same folds, and put it beside the network.

    Raises:
        LeakError: the folds share what the protocol keeps apart.
        CheckpointError: the checkpoint to start from is damaged, or of another network or other features.
        ConfigError: ``run`` holds a run with other settings or data.
        InputError: the protocol does not fit the corpus, or a file of an earlier start is damaged.
        TrainingError: a loss is not finite, or a fold's process was killed; what was finished is kept.
    """
    clock = WallClock(run)
    features = _features(plan.cache)
    check_features(plan, features)
    rounds, leaks = plan_rounds(plan, features)
    start = load_start(plan, features, [one.fold for one in rounds])
    claim(run, plan, features, start)
    wccn = wccn_of((one.fold for one in rounds), features, plan.config)
    seconds = 0.0
    for done, (one, spent_s) in enumerate(_run_all(plan, rounds, run, jobs), start=1):
        seconds += spent_s
        clock.note()
        if on_fold is not None:
            on_fold(done, len(rounds), one)
    folders = [run / "folds" / item.folder_name for item in rounds]
    facts = [_facts_of(folder / ROUND_NAME) for folder in folders]
    said = [
        (one.fold, read_predictions(folder / PREDICTIONS_FILE)) for one, folder in zip(rounds, folders, strict=True)
    ]
    predictions = answered_together(said, wccn, features, plan.config)
    write_predictions(predictions, run / PREDICTIONS_FILE)
    by_itself = join([answers for _, answers in said]) if plan.config.takes_neighbours else None
    if by_itself is not None:
        write_predictions(by_itself, run / BY_ITSELF_FILE)
    join_histories(folders, run / "history.csv")
    compared = baseline and plan.model == "network"
    metrics = describe_run(plan, features, rounds, leaks, start)
    metrics |= {
        "members": plan.networks,
        "parameters": _largest(facts),
        "made_with": facts[0].made_with if all(one.made_with == facts[0].made_with for one in facts) else None,
        "seconds": round(seconds, 1),
        "scores": summarise(predictions, features.labels),
        "calibrated": calibrate(predictions) if metrics["protocol"]["speaker_independent"] else None,
        "by_itself": None if by_itself is None else beside(BY_ITSELF, predictions, by_itself),
        "baseline": _baseline(plan, features, rounds, predictions, wccn) if compared else None,
        "wall_seconds": round(clock.note(), 1),
    }
    replace_file(run / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
    return metrics


def _run_all(plan: Plan, rounds: Sequence[Round], run: Path, jobs: int) -> Iterator[tuple[str, float]]:
    """(name, seconds) of each round as it ends."""
    work = partial(_run_round, plan, folds=run / "folds")
    for number, ended in run_tasks(work, rounds, jobs=jobs):
        if ended is None:
            raise TrainingError(
                f"{run}: {rounds[number].folder_name} killed its process, often for want of memory; "
                "what was finished is kept. Run the same command again with fewer jobs to go on"
            )
        yield ended


def _run_round(plan: Plan, one: Round, *, folds: Path) -> tuple[str, float]:
    """Train on one fold and write its predictions; nothing to do where they are there already."""
    folder = folds / one.folder_name
    done = folder / ROUND_NAME
    if done.exists():
        return one.folder_name, _facts_of(done).seconds
    torch.set_num_threads(1)
    started = time.monotonic()
    features = _features(plan.cache)
    folder.mkdir(parents=True, exist_ok=True)
    probabilities: NDArray[np.floating]
    parameters: int | None
    if plan.model == "svm":
        probabilities, parameters = svm_round(features, one.fold, plan.config.training), None
    else:
        probabilities, parameters = _network_round(plan, features, one, folder)
    write_predictions(out_of_fold(features, one.fold, one.seed, probabilities), folder / PREDICTIONS_FILE)
    facts = {"seconds": time.monotonic() - started, "parameters": parameters, "made_with": made_with()}
    replace_file(done, json.dumps(facts).encode())
    for state_path in _states(plan, one, folder).values():
        state_path.unlink(missing_ok=True)
    return one.folder_name, _facts_of(done).seconds


def _features(cache: Path) -> FeatureSet:
    """The corpus; one process reads it once, and again where it has changed."""
    files = (cache / INDEX_NAME, cache / MANIFEST_NAME)
    return _load_once(cache, tuple(file.stat().st_mtime_ns for file in files if file.exists()))


@lru_cache(maxsize=1)
def _load_once(cache: Path, modified_ns: tuple[int, ...]) -> FeatureSet:
    return load_features(cache)


def _network_round(plan: Plan, features: FeatureSet, one: Round, folder: Path) -> tuple[NDArray[np.floating], int]:
    """Probabilities of the test part, and the number of parameters of the networks that gave them."""
    settings, trained = plan.config.training, None if plan.start_from is None else load_checkpoint(plan.start_from)
    parts = make_parts(features, one.fold, settings)
    assert parts.test is not None  # every fold of a protocol has a test part
    states = _states(plan, one, folder)
    networks, histories = fit_each(plan, features, parts.train, parts.validation, states, trained=trained)
    write_history(folder / "history.csv", one.fold.name, histories)
    n_parameters = count_parameters(networks)
    return predict_probabilities(networks, parts.test, settings).numpy(), n_parameters


def _states(plan: Plan, one: Round, folder: Path) -> dict[int, Path]:
    """Seed of each of a round's networks, and where its training is saved until the round has ended."""
    return {seed: folder / f"state-{seed}.safetensors" for seed in plan.network_seeds(one.seed)}


def _baseline(
    plan: Plan, features: FeatureSet, rounds: Sequence[Round], ours: OutOfFold, wccn: Mapping[Fold, Wccn]
) -> dict[str, Any] | None:
    """The SVM on the same folds, with the paired difference; None where a fold has too few clips for it."""
    settings = plan.config.training
    try:
        said = {fold: svm_round(features, fold, settings) for fold in dict.fromkeys(one.fold for one in rounds)}
    except InputError as error:
        logger.warning("no baseline beside the network: %s", error)
        return None
    theirs = [(one.fold, out_of_fold(features, one.fold, one.seed, said[one.fold])) for one in rounds]
    return beside("svm", ours, answered_together(theirs, wccn, features, plan.config))


class _RoundFacts(NamedTuple):
    """What a finished round took, the parameters of its networks, and what trained them where that is known."""

    seconds: float
    parameters: int | None
    made_with: dict[str, str] | None


def _largest(facts: Sequence[_RoundFacts]) -> int | None:
    """Parameters of the round that has most: what is fitted in closed form grows with the clips of a fold."""
    return max((one.parameters for one in facts if one.parameters is not None), default=None)


def _facts_of(done: Path) -> _RoundFacts:
    try:
        facts = json.loads(done.read_text(encoding="utf-8"))
        parameters = None if facts["parameters"] is None else int(facts["parameters"])
        return _RoundFacts(float(facts["seconds"]), parameters, facts.get("made_with"))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{done}: damaged ({error!r}); delete the folder {done.parent} to train it again") from error
