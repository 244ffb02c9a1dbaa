"""The run folder of a classifier that was never built."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from omsn.labels import LabelSet
from omsn.training.out_of_fold import OutOfFold
from omsn.training.summary import compare, headline_only, summarise

Metrics = dict[str, Any]

LABELS = LabelSet(("angry", "calm", "sad"))
SPEAKERS = ("1", "2", "3", "4")


def _predictions(gain: float) -> OutOfFold:
    """Made-up answers for 4 speakers of 30 clips each, two folds of two speakers, two seeds."""
    generator = np.random.default_rng(0)
    truth, speaker = np.tile(np.arange(3), 40), np.repeat(np.arange(4), 30)
    logits = generator.normal(size=(240, 3))
    logits[np.arange(240), np.tile(truth, 2)] += gain
    return OutOfFold(
        LABELS,
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


def _metrics() -> Metrics:
    ours, baseline = _predictions(gain=2.0), _predictions(gain=1.0)
    folds = [_fold("fold 1", SPEAKERS[:2], SPEAKERS[2:]), _fold("fold 2", SPEAKERS[2:], SPEAKERS[:2])]
    return {
        "format": 1,
        "omsn": "0.1.0",
        "model": "network",
        "recipe": "default",
        "modality": "both",
        "normalisation": "none",
        "labels": list(LABELS.names),
        "protocol": {
            "name": "actors-4",
            "title": "Groups of four actors",
            "speaker_independent": True,
            "folds": folds,
            "leaks": [],
        },
        "data": {"corpus": "made-up", "clips": 120, "speakers": 4, "cache": "cache"},
        "seeds": [0, 1],
        "parameters": 12345,
        "seconds": 90.0,
        "scores": summarise(ours, LABELS, n_draws=50),
        "baseline": {
            "name": "svm",
            "scores": headline_only(summarise(baseline, LABELS, n_draws=50)),
            "difference": compare(ours, baseline, n_draws=50),
        },
    }


@cache
def stored_metrics() -> str:
    """What a run of a made-up classifier writes to metrics.json."""
    return json.dumps(_metrics(), allow_nan=False)


def made_up_metrics() -> Metrics:
    """The content of metrics.json, free to be changed."""
    content: Metrics = json.loads(stored_metrics())
    return content


def write_run(content: Metrics, folder: Path) -> Path:
    """Write metrics.json, and history.csv for a network; the folder is given back."""
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
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
