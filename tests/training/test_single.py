"""One model on everything but a few speakers: the temperature and the facts that its checkpoint takes along."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_corpus import NETWORK, TRAINING, samples, write_cache

from omsn.config import Config
from omsn.data.dataset import load_features
from omsn.errors import ConfigError
from omsn.models.checkpoint import WEIGHTS_NAME, load_checkpoint
from omsn.models.network import count_parameters
from omsn.report.html import write_report
from omsn.report.run import RunMetrics, read_history, read_metrics
from omsn.training.crossval import cross_validate
from omsn.training.parts import make_parts
from omsn.training.plan import Plan
from omsn.training.run_folder import HELD_OUT
from omsn.training.single import train, training_fold
from omsn.types import LabelledSample

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


def held_out_of(folder: Path, made: Sequence[LabelledSample], plan: Plan) -> RunMetrics:
    train(replace(plan, cache=write_cache(folder / "cache", made)), folder / "run")
    return read_metrics(folder / "run")


def test_held_out_people_in_a_film_that_is_learnt_from_are_told(plan: Plan, tmp_path: Path) -> None:
    film = [replace(one, clip=replace(one.clip, audio="film.wav")) for one in samples(("1", "2", "3"))]
    (told,) = held_out_of(tmp_path, film, plan).protocol.leaks
    assert re.match(
        r"held-out \(seed 0\): the test part shares with the others 1 x file, such as: file .*film\.wav is in train",
        told,
    )


def test_held_out_clips_of_unknown_people_are_no_unseen_people(plan: Plan, tmp_path: Path) -> None:
    metrics = held_out_of(tmp_path, samples(("",), repetitions=9), plan)
    assert metrics.protocol.leaks == (
        "speakers are unknown, so that clips were held out and not people: some may be in both parts",
    )
    assert (metrics.protocol.title, metrics.data.speakers) == ("one model on everything but a few clips", 0)
    assert metrics.protocol.leaky
    assert not metrics.protocol.folds[0].shared_speakers
    assert "27 clips of unknown speakers" in write_report(tmp_path / "run").read_text()
    assert load_checkpoint(tmp_path / "run" / "checkpoint").facts["chosen_on_held_out"] is False


@pytest.fixture
def whole(plan: Plan) -> Plan:
    """With nobody held out."""
    return replace(plan, config=replace(plan.config, training=replace(FAST, validation_share=0.0)))


def test_where_nobody_is_held_out_everybody_is_learnt_and_nothing_is_scored(whole: Plan, tmp_path: Path) -> None:
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


def test_a_temperature_of_other_recordings_is_refused(plan: Plan, judged: Path, tmp_path: Path) -> None:
    other = [replace(one, clip=replace(one.clip, corpus="other")) for one in samples(("1", "2"))]
    cache = write_cache(tmp_path / "cache", other)
    with pytest.raises(ConfigError, match=r"its clips are 27 of , not 18 of other"):
        train(replace(plan, cache=cache), tmp_path / "run", calibrate_by=judged)


def test_networks_of_several_seeds_answer_together(whole: Plan, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    both = train(replace(whole, seeds=(0, 1)), tmp_path / "both", on_epoch=lambda done, of, _: told.append((done, of)))
    for seed in (0, 1):
        train(replace(whole, seeds=(seed,)), tmp_path / str(seed))
    made = load_checkpoint(tmp_path / "both" / "checkpoint")
    alone = [load_checkpoint(tmp_path / str(seed) / "checkpoint").networks[0] for seed in (0, 1)]
    for ours, theirs in zip(made.networks, alone, strict=True):
        weights = theirs.state_dict()
        assert all(torch.equal(weight, weights[name]) for name, weight in ours.state_dict().items())
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (both["members"], both["parameters"], made.facts["seeds"]) == (2, 2 * count_parameters(alone[:1]), [0, 1])
    assert {row.seed for row in read_history(tmp_path / "both")} == {0, 1}
    assert list((tmp_path / "both").glob("state*")) == []


def test_a_training_of_several_seeds_goes_on_where_it_was(plan: Plan, tmp_path: Path) -> None:
    def stop(done: int, *_: object) -> None:
        if done == 3:
            raise KeyboardInterrupt

    several = replace(plan, seeds=(0, 1))
    with pytest.raises(KeyboardInterrupt):
        train(several, tmp_path / "cut", on_epoch=stop)
    told: list[int] = []
    train(several, tmp_path / "cut", on_epoch=lambda done, *_: told.append(done))
    train(several, tmp_path / "whole")
    weights = [(tmp_path / run / "checkpoint" / WEIGHTS_NAME).read_bytes() for run in ("cut", "whole")]
    assert told == [4]
    assert weights[0] == weights[1]


def test_held_out_speakers_score_what_the_networks_say_together(plan: Plan, tmp_path: Path) -> None:
    train(replace(plan, seeds=(0, 1)), tmp_path)
    run, features = read_metrics(tmp_path), load_features(plan.cache)
    made = load_checkpoint(tmp_path / "checkpoint")
    fold = training_fold(features.clips, FAST.validation_share, 0)
    test = make_parts(features, fold, FAST).test
    assert test is not None
    right = (made.answer(test.whole).argmax(dim=1) == test.targets).float().mean().item()
    assert run.model_name == "2 networks together"
    assert run.scores.war.pooled == pytest.approx(right)


def test_a_temperature_is_of_as_many_networks_as_answer_together(plan: Plan, judged: Path, tmp_path: Path) -> None:
    several = replace(plan, seeds=(0, 1))
    with pytest.raises(ConfigError, match=r"its answers are of one network each, and this training makes 2"):
        train(several, tmp_path / "run", calibrate_by=judged)
    metrics = json.loads((judged / "metrics.json").read_text(encoding="utf-8"))
    together = tmp_path / "judged-ensemble"
    together.mkdir()
    (together / "metrics.json").write_text(json.dumps(metrics | {"members": 2}), encoding="utf-8")
    train(several, tmp_path / "run", calibrate_by=together)
    assert load_checkpoint(tmp_path / "run" / "checkpoint").facts["calibrated_by"]["run"] == "judged-ensemble"
    with pytest.raises(ConfigError, match=r"its answers are of 2 networks together, and this training makes 1"):
        train(plan, tmp_path / "one", calibrate_by=together)


def test_a_cross_validation_of_other_settings_is_refused_before_anything_is_trained(
    plan: Plan, judged: Path, tmp_path: Path
) -> None:
    other = replace(plan, config=replace(plan.config, training=replace(FAST, epochs=3)))
    with pytest.raises(ConfigError, match=r"cannot calibrate this training: training\.epochs is 2, not 3"):
        train(other, tmp_path / "run", calibrate_by=judged)
    assert not (tmp_path / "run").exists()
