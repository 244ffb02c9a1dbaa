"""The run folder of a classifier that was never built."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from omsn.labels import RAVDESS_EMOTIONS, LabelSet
from omsn.training.out_of_fold import OutOfFold, write_predictions
from omsn.training.summary import compare, headline_only, summarise
from omsn.training.temperature import calibrate

Metrics = dict[str, Any]

LABELS = LabelSet(("angry", "calm", "sad"))
SPEAKERS = ("1", "2", "3", "4")


def _predictions(gain: float, labels: LabelSet = LABELS) -> OutOfFold:
    """Made-up answers for 4 speakers of 30 clips each, two folds of two speakers, two seeds."""
    generator = np.random.default_rng(0)
    truth, speaker = np.resize(np.arange(len(labels)), 120), np.repeat(np.arange(4), 30)
    logits = generator.normal(size=(240, len(labels)))
    logits[np.arange(240), np.tile(truth, 2)] += gain
    return OutOfFold(
        labels,
        clips=np.tile(np.arange(120).astype(np.str_), 2),
        speakers=np.tile(np.array(SPEAKERS)[speaker], 2),
        sexes=np.tile(np.where(speaker % 2, "female", "male"), 2),
        folds=np.tile(np.where(speaker < 2, "fold 1", "fold 2"), 2),
        seeds=np.repeat([0, 1], 120),
        truth=np.tile(truth, 2),
        probabilities=np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
    )


def _fold(name: str, test: tuple[str, ...], train: tuple[str, ...]) -> Metrics:
    speakers = {"train_speakers": list(train), "validation_speakers": [], "test_speakers": list(test)}
    return {"name": name, **speakers, "n_train": 60, "n_validation": 0, "n_test": 60}


def _metrics(labels: LabelSet, corpus: str) -> Metrics:
    ours, baseline = _predictions(2.0, labels), _predictions(1.0, labels)
    folds = [_fold("fold 1", SPEAKERS[:2], SPEAKERS[2:]), _fold("fold 2", SPEAKERS[2:], SPEAKERS[:2])]
    return {
        "format": 1,
        "omsn": "0.1.0",
        "model": "network",
        "recipe": "default",
        "modality": "both",
        "normalisation": "none",
        "labels": list(labels.names),
        "protocol": {
            "name": "actors-4",
            "title": "Groups of four actors",
            "speaker_independent": True,
            "folds": folds,
            "leaks": [],
        },
        "data": {"corpus": corpus, "clips": 120, "speakers": 4, "cache": "cache"},
        "seeds": [0, 1],
        "parameters": 12345,
        "seconds": 90.0,
        "scores": summarise(ours, labels, n_draws=50),
        "baseline": {
            "name": "svm",
            "scores": headline_only(summarise(baseline, labels, n_draws=50)),
            "difference": compare(ours, baseline, n_draws=50),
        },
        "calibrated": calibrate(ours),
    }


@cache
def stored_metrics(labels: LabelSet = LABELS, corpus: str = "made-up") -> str:
    """What a run of a made-up classifier writes to metrics.json."""
    return json.dumps(_metrics(labels, corpus), allow_nan=False)


def made_up_metrics() -> Metrics:
    """The content of metrics.json, free to be changed."""
    content: Metrics = json.loads(stored_metrics())
    return content


def ravdess_metrics() -> Metrics:
    """The same as if the run were of RAVDESS and its eight emotions."""
    content: Metrics = json.loads(stored_metrics(RAVDESS_EMOTIONS, "ravdess"))
    return content


def write_run(content: Metrics, folder: Path) -> Path:
    """Write metrics.json, predictions.csv, and history.csv for a network; the folder is given back."""
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    write_predictions(_predictions(2.0, LabelSet(tuple(content["labels"]))), folder / "predictions.csv")
    if content["model"] == "network":
        _write_history(folder / "history.csv")
    return folder


def _write_history(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seed", "fold", "epoch", "part", "loss", "war"])
        for fold, n_epochs in (("fold 1", 4), ("fold 2", 6)):
            for epoch in range(1, n_epochs + 1):
                writer.writerow([0, fold, epoch, "training", 1 / epoch, 1 - 0.5 / epoch])
                writer.writerow([0, fold, epoch, "validation", 1.5 / epoch, 0.9 - 0.5 / epoch])
