"""One model on everything but a few speakers: the temperature and the facts that its checkpoint takes along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_corpus import NETWORK, TRAINING, samples, write_cache

from omsn.config import Config
from omsn.errors import ConfigError
from omsn.models.checkpoint import load_checkpoint
from omsn.training.crossval import cross_validate
from omsn.training.plan import Plan
from omsn.training.run_folder import HELD_OUT
from omsn.training.single import train

FAST = replace(TRAINING, epochs=2, batch_size=32)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    cache = write_cache(tmp_path_factory.mktemp("corpus") / "cache", samples(("1", "2", "3")))
    return Plan(cache, HELD_OUT, (0,), "network", Config(network=NETWORK, training=FAST), "")


@pytest.fixture(scope="module")
def judged(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-validation with the same settings. Not to be changed."""
    run = tmp_path_factory.mktemp("runs") / "judged"
    cross_validate(replace(plan, protocol="loso"), run, baseline=False)
    return run


def test_a_training_by_itself_has_no_temperature_and_says_who_trained_it(plan: Plan, tmp_path: Path) -> None:
    metrics = train(plan, tmp_path)
    checkpoint = load_checkpoint(tmp_path / "checkpoint")
    assert checkpoint.temperature == 1.0
    assert "calibrated_by" not in checkpoint.facts
    assert checkpoint.facts["clips"] == 18
    assert checkpoint.facts["sexes"].keys() == set(checkpoint.speakers)
    assert set(checkpoint.facts["sexes"].values()) <= {"female", "male"}
    assert metrics.get("calibrated") is None


def test_where_nobody_is_held_out_everybody_is_learnt_and_nothing_is_scored(plan: Plan, tmp_path: Path) -> None:
    whole = replace(plan, config=replace(plan.config, training=replace(FAST, validation_share=0.0)))
    metrics = train(whole, tmp_path / "run")
    facts = load_checkpoint(tmp_path / "run" / "checkpoint").facts
    assert metrics["scores"] is None
    assert (facts["clips"], facts["held_out_speakers"], facts["held_out_scores"]) == (27, [], {})
    assert [fold["n_train"] for fold in metrics["protocol"]["folds"]] == [27]
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"checkpoint", "history.csv", "run.json"}


def test_a_training_takes_the_temperature_of_a_cross_validation(plan: Plan, judged: Path, tmp_path: Path) -> None:
    plain = train(plan, tmp_path / "plain")
    metrics = train(plan, tmp_path / "scaled", calibrate_by=judged)
    found = cross_validate(replace(plan, protocol="loso"), judged, baseline=False)["calibrated"]["temperature"]
    checkpoint = load_checkpoint(tmp_path / "scaled" / "checkpoint")
    assert checkpoint.temperature == found != 1.0
    assert checkpoint.facts["calibrated_by"] == {"run": "judged", "protocol": "loso", "seeds": [0]}
    assert metrics["scores"] == plain["scores"]  # of the network's own probabilities


def test_a_cross_validation_of_other_settings_is_refused_before_anything_is_trained(
    plan: Plan, judged: Path, tmp_path: Path
) -> None:
    other = replace(plan, config=replace(plan.config, training=replace(FAST, epochs=3)))
    with pytest.raises(ConfigError, match=r"cannot calibrate this training: training\.epochs is 2, not 3"):
        train(other, tmp_path / "run", calibrate_by=judged)
    assert not (tmp_path / "run").exists()
