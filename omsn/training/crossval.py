"""Cross-validation: every fold and seed in turn or side by side, then metrics and predictions in one folder."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray

from omsn.config import Config, TrainingConfig
from omsn.data.dataset import FeatureSet, load_features
from omsn.data.leakage import check_leaks
from omsn.data.splits import PROTOCOLS, Fold, make_folds
from omsn.errors import ConfigError, InputError
from omsn.files import replace_file
from omsn.models.network import Network, Sizes
from omsn.recipes import to_dict
from omsn.training.loop import fit, predict_probabilities
from omsn.training.out_of_fold import OutOfFold, join, read_predictions, write_predictions
from omsn.training.parts import make_parts, targets_of
from omsn.training.state import Epoch
from omsn.training.summary import compare, headline_only, summarise
from omsn.training.svm import fit_svm, part_statistics, svm_probabilities
from omsn.version import __version__

Model = Literal["network", "svm"]

HISTORY_COLUMNS = ("seed", "fold", "epoch", "part", "loss", "war")
OnFold = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Plan:
    """What a cross-validation does.

    Attributes:
        cache: the prepared corpus.
        protocol: a name of ``PROTOCOLS``.
        seeds: one whole round of folds each.
        model: the network, or the SVM on clip statistics.
        config: settings; the pipeline section is that of the cache.
        recipe: its name, for the report.
        allow_leaks: report forbidden leaks instead of refusing.
    """

    cache: Path
    protocol: str
    seeds: tuple[int, ...]
    model: Model
    config: Config
    recipe: str
    allow_leaks: bool = False


@dataclass(frozen=True, eq=False)
class _Round:
    """One fold with one seed."""

    seed: int
    fold: Fold

    @property
    def folder_name(self) -> str:
        """A name that any speaker's name fits into."""
        safe = "".join(char if char.isalnum() or char in "-_" else "_" for char in self.fold.name)
        return f"seed-{self.seed}_{safe}"


def cross_validate(plan: Plan, run: Path, *, jobs: int = 1, on_fold: OnFold | None = None) -> dict[str, Any]:
    """Run every fold, write ``metrics.json``, ``predictions.csv`` and ``history.csv``, and return the metrics.

    A run that was interrupted goes on: folds that are finished are not run again, and the network of an unfinished
    fold goes on from its last epoch.

    Args:
        plan: what to do.
        run: folder of the results.
        jobs: folds side by side, each on one thread.
        on_fold: called with (rounds done, rounds in all, name of the round).

    Raises:
        LeakError: the folds share what the protocol keeps apart.
        ConfigError: ``run`` holds a cross-validation with other settings.
        InputError: the protocol does not fit the corpus.
    """
    started = time.monotonic()
    features = load_features(plan.cache)
    _claim(run, plan, features)
    rounds, leaks = plan_rounds(plan, features)
    seconds = 0.0
    for done, (one, spent_s) in enumerate(_run_all(plan, rounds, run, jobs), start=1):
        seconds += spent_s
        if on_fold is not None:
            on_fold(done, len(rounds), one)
    folders = [run / "folds" / item.folder_name for item in rounds]
    predictions = join([read_predictions(folder / "predictions.csv") for folder in folders])
    write_predictions(predictions, run / "predictions.csv")
    _join_histories(folders, run / "history.csv")
    metrics = describe_run(plan, features, rounds, leaks) | {
        "parameters": _parameters(folders),
        "seconds": round(seconds, 1),
        "wall_seconds": round(time.monotonic() - started, 1),
        "scores": summarise(predictions, features.labels),
        "baseline": _baseline(plan, features, rounds, predictions) if plan.model == "network" else None,
    }
    replace_file(run / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
    return metrics


def plan_rounds(plan: Plan, features: FeatureSet) -> tuple[list[_Round], tuple[str, ...]]:
    """Every fold of every seed, and the leaks that the protocol lets pass, as text.

    Raises:
        LeakError: the folds share what the protocol keeps apart, and leaks are not allowed.
        InputError: the protocol does not fit the corpus.
    """
    share = plan.config.training.validation_share
    kept_apart = PROTOCOLS[plan.protocol].disjoint_by if plan.protocol in PROTOCOLS else frozenset()
    rounds, leaks = [], []
    for seed in plan.seeds:
        for fold in make_folds(features.clips, plan.protocol, seed, share):
            found = check_leaks(features.clips, fold, kept_apart, plan.allow_leaks)
            tested = [leak for leak in found if "test" in leak.sides]
            if tested:
                leaks.append(f"{fold.name} (seed {seed}): {len(tested)} leaks, such as: {tested[0]}")
            rounds.append(_Round(seed, fold))
    return rounds, tuple(leaks)


def _run_all(plan: Plan, rounds: Sequence[_Round], run: Path, jobs: int) -> Iterator[tuple[str, float]]:
    """(name, seconds) of each round as it ends."""
    tasks = (delayed(_run_round)(plan, one, run / "folds" / one.folder_name) for one in rounds)
    ended: Iterator[tuple[str, float]] = Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks)
    return ended


def _run_round(plan: Plan, one: _Round, folder: Path) -> tuple[str, float]:
    """Train on one fold and write its predictions; nothing to do where they are there already."""
    done = folder / "round.json"
    if done.exists():
        facts = json.loads(done.read_text(encoding="utf-8"))
        return one.folder_name, float(facts["seconds"])
    torch.set_num_threads(1)
    started = time.monotonic()
    features = _features(plan.cache)
    folder.mkdir(parents=True, exist_ok=True)
    if plan.model == "svm":
        probabilities, parameters = svm_round(features, one.fold, plan.config.training, one.seed), None
    else:
        state_path = folder / "state.safetensors"
        probabilities, parameters = _network_round(plan.config, features, one, state_path, folder / "history.csv")
        state_path.unlink()
    write_predictions(out_of_fold(features, one.fold, one.seed, probabilities), folder / "predictions.csv")
    facts = {"seconds": time.monotonic() - started, "parameters": parameters}
    replace_file(done, json.dumps(facts).encode())
    return one.folder_name, float(facts["seconds"] or 0)


@lru_cache(maxsize=1)
def _features(cache: Path) -> FeatureSet:
    """One process reads the corpus once."""
    return load_features(cache)


def _network_round(
    config: Config, features: FeatureSet, one: _Round, state_path: Path, history_path: Path
) -> tuple[NDArray[np.float64], int]:
    """Probabilities of the test part, and the number of the network's parameters."""
    parts = make_parts(features, one.fold, config.training)
    network = build_network(config, features, one.seed)
    fitted = fit(network, parts.train, parts.validation, config.training, seed=one.seed, state_path=state_path)
    write_history(history_path, one.seed, one.fold.name, fitted.history)
    if parts.test is None:
        raise InputError(f"{one.fold.name}: no test clips")
    probabilities = predict_probabilities(network, parts.test, config.training).double().numpy()
    return probabilities / probabilities.sum(axis=1, keepdims=True), count_parameters(network)


def build_network(config: Config, features: FeatureSet, seed: int) -> Network:
    """A fresh network for a corpus; the same seed gives the same weights."""
    sample = features.samples[0].sample
    sizes = Sizes(len(sample.audio.columns), len(sample.video.columns), len(features.labels))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(sizes, config.network)


def count_parameters(network: Network) -> int:
    """Trainable numbers."""
    return sum(weight.numel() for weight in network.parameters())


def svm_round(features: FeatureSet, fold: Fold, config: TrainingConfig, seed: int) -> NDArray[np.float64]:
    """Probabilities of the test part by the SVM, which also learns from the validation part: it needs none."""
    learned, tested = features.at((*fold.train, *fold.validation)), features.at(fold.test)
    targets = np.array(targets_of(learned, features.labels))
    model = fit_svm(part_statistics(learned, config), targets, seed)
    return svm_probabilities(model, part_statistics(tested, config), len(features.labels))


def out_of_fold(features: FeatureSet, fold: Fold, seed: int, probabilities: NDArray[np.float64]) -> OutOfFold:
    """The table of what was said of a fold's test part."""
    clips = [features.samples[index].clip for index in fold.test]
    return OutOfFold(
        features.labels,
        clips=np.array([clip.clip for clip in clips]),
        speakers=np.array([clip.speaker for clip in clips]),
        sexes=np.array([clip.sex for clip in clips]),
        folds=np.array([fold.name] * len(clips)),
        seeds=np.full(len(clips), seed),
        truth=np.array([features.labels.index(clip.emotion) for clip in clips]),
        probabilities=probabilities,
    )


def _baseline(plan: Plan, features: FeatureSet, rounds: Sequence[_Round], ours: OutOfFold) -> dict[str, Any]:
    """The SVM on the same folds, with the paired difference."""
    parts = [
        out_of_fold(features, one.fold, one.seed, svm_round(features, one.fold, plan.config.training, one.seed))
        for one in rounds
    ]
    theirs = join(parts)
    scores = headline_only(summarise(theirs, features.labels))
    return {"name": "svm", "scores": scores, "difference": compare(ours, theirs)}


def describe_run(plan: Plan, features: FeatureSet, rounds: Sequence[_Round], leaks: tuple[str, ...]) -> dict[str, Any]:
    """The facts of a run that are not results."""
    protocol = PROTOCOLS[plan.protocol]
    clips = features.clips
    return {
        "format": 1,
        "omsn": __version__,
        "model": plan.model,
        "recipe": plan.recipe,
        "modality": plan.config.training.modality,
        "normalisation": plan.config.training.normalisation,
        "labels": list(features.labels.names),
        "protocol": {
            "name": protocol.name,
            "title": protocol.title,
            "speaker_independent": "speaker" in protocol.disjoint_by,
            "folds": [_describe_fold(features, one) for one in rounds],
            "leaks": list(leaks),
        },
        "data": {
            "corpus": ", ".join(sorted({clip.corpus for clip in clips})),
            "clips": len(clips),
            "speakers": len({(clip.corpus, clip.speaker) for clip in clips}),
            "cache": features.source,
        },
        "seeds": list(plan.seeds),
        "config": to_dict(plan.config),
    }


def _describe_fold(features: FeatureSet, one: _Round) -> dict[str, Any]:
    def speakers(indices: Sequence[int]) -> list[str]:
        return sorted({features.samples[index].clip.speaker for index in indices})

    fold = one.fold
    return {
        "name": fold.name,
        "seed": one.seed,
        "train_speakers": speakers(fold.train),
        "validation_speakers": speakers(fold.validation),
        "test_speakers": speakers(fold.test),
        "n_train": len(fold.train),
        "n_validation": len(fold.validation),
        "n_test": len(fold.test),
    }


def _claim(run: Path, plan: Plan, features: FeatureSet) -> None:
    """Note in the run's folder what it is of; refuse a folder that holds another run."""
    facts = {
        "protocol": plan.protocol,
        "model": plan.model,
        "seeds": list(plan.seeds),
        "config": to_dict(plan.config),
        "clips": len(features.samples),
    }
    path = run / "run.json"
    text = json.dumps(facts, sort_keys=True, indent=1) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{run}: holds a run with other settings ({path.name} differs); choose another --out or delete it"
        )
    replace_file(path, text.encode())


def write_history(path: Path, seed: int, fold: str, history: Sequence[Epoch]) -> None:
    """One row an epoch and part, as the report reads them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HISTORY_COLUMNS)
    for epoch in history:
        writer.writerow([seed, fold, epoch.number, "training", epoch.loss, epoch.war])
        if epoch.validation is not None:
            writer.writerow([seed, fold, epoch.number, "validation", *epoch.validation])
    replace_file(path, text.getvalue().encode())


def _join_histories(folders: Sequence[Path], path: Path) -> None:
    lines = [",".join(HISTORY_COLUMNS)]
    for folder in folders:
        history = folder / "history.csv"
        lines += history.read_text(encoding="utf-8").splitlines()[1:] if history.exists() else []
    replace_file(path, ("\n".join(lines) + "\n").encode())


def _parameters(folders: Sequence[Path]) -> int | None:
    facts = json.loads((folders[0] / "round.json").read_text(encoding="utf-8"))
    parameters: int | None = facts["parameters"]
    return parameters
