"""A cross-validation of seconds, and what it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_corpus import NETWORK, TRAINING

from omsn.config import Config, TrainingConfig
from omsn.data.dataset import load_features
from omsn.training.loop import fit
from omsn.training.parts import make_parts
from omsn.training.plan import Plan, plan_rounds
from omsn.training.rounds import build_network
from omsn.training.run_folder import claim
from omsn.training.state import Epoch

FAST = replace(TRAINING, epochs=2, batch_size=32)
RESULTS = ("predictions.csv", "history.csv")


class StoppedError(Exception):
    """Somebody has pulled the plug."""


def plan_of(cache: Path, protocol: str = "loso", training: TrainingConfig = FAST, **facts: Any) -> Plan:
    plan = Plan(
        cache, protocol, seeds=(0,), model="network", config=Config(network=NETWORK, training=training), recipe=""
    )
    return replace(plan, **facts)


def same_results(first: Path, second: Path) -> bool:
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in RESULTS)


def without_times(run: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {name: value for name, value in metrics.items() if not name.endswith("seconds")}


def half_a_round(plan: Plan, run: Path) -> Path:
    """What a process that was killed after the first epoch of the second fold leaves."""

    def stop(epoch: Epoch) -> None:
        raise StoppedError

    corpus = load_features(plan.cache)
    one = plan_rounds(plan, corpus)[0][1]
    claim(run, plan, corpus)
    path = run / "folds" / one.folder_name / "state-0.safetensors"
    parts = make_parts(corpus, one.fold, plan.config.training)
    network = build_network(plan.config, corpus, one.seed)
    with pytest.raises(StoppedError):
        fit(network, parts.train, parts.validation, plan.config.training, seed=0, state_path=path, on_epoch=stop)
    return path
