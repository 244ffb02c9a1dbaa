"""Training that starts from another corpus' weights: who they have seen is told, and tested on by nobody unnoticed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import AUDIO, LABELS, NETWORK, TRAINING, VIDEO, config, labelled, network, samples, write_cache

from omsn.config import AudioFeatures, PipelineConfig
from omsn.data.dataset import FeatureSet, load_features
from omsn.errors import CheckpointError, ConfigError, LeakError
from omsn.features.normalise import SampleStatistics
from omsn.models.checkpoint import Checkpoint, digest_of, load_checkpoint, save_checkpoint
from omsn.report.html import write_report
from omsn.report.run import parse_metrics
from omsn.training.crossval import cross_validate
from omsn.training.loop import predict_probabilities
from omsn.training.out_of_fold import read_predictions
from omsn.training.parts import make_parts
from omsn.training.plan import Plan, plan_rounds
from omsn.training.run_folder import HELD_OUT
from omsn.training.single import train
from omsn.training.start import load_start
from omsn.types import LabelledSample, Stream

FAST = replace(TRAINING, epochs=1, batch_size=32, validation_share=0.0)
OTHER = replace(NETWORK.classifier, width=4)
SOMEBODY_ELSE = samples(("8",))
LICENCE = "not for commercial use"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speakers 1 to 3 of a corpus called new."""
    made = [labelled(one, emotion, n, corpus="new") for one in "123" for emotion in LABELS.names for n in (1, 2)]
    return write_cache(tmp_path_factory.mktemp("corpus") / "cache", made)


def write_start(
    folder: Path,
    *speakers: str,
    corpus: str = "old",
    pipeline: PipelineConfig | None = None,
    learnt: Sequence[LabelledSample] = SOMEBODY_ELSE,
) -> Path:
    """A checkpoint that these speakers have trained, with the statistics of the clips learnt from."""
    statistics = SampleStatistics.of([one.sample for one in learnt]).to_arrays()
    settings = replace(config(), pipeline=pipeline or PipelineConfig())
    facts = {"corpus": [corpus], "licence": [LICENCE], "recipe": "/somewhere/own.toml", "clips": 7}
    facts["sexes"] = dict.fromkeys(speakers, "female")
    made = Checkpoint((network(seed=7).eval(),), settings, LABELS, AUDIO, VIDEO, statistics, speakers, facts)
    save_checkpoint(folder, made)
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_start(tmp_path_factory.mktemp("start"), "8", "9")


def plan_of(cache: Path, start: Path | None, protocol: str = "loso") -> Plan:
    settings = replace(config(), training=FAST)
    return Plan(cache, protocol, (0,), "network", settings, "", start_from=start)


def test_every_fold_starts_from_the_weights_and_the_run_says_so(cache: Path, start: Path, tmp_path: Path) -> None:
    """With a learning rate of almost nothing, all folds answer as the checkpoint would."""
    still = plan_of(cache, start)
    still = replace(still, config=replace(still.config, training=replace(FAST, learning_rate=1e-5)))
    metrics = cross_validate(still, tmp_path / "run")
    afresh = cross_validate(replace(still, start_from=None), tmp_path / "afresh")
    assert afresh["started_from"] is None
    features = load_features(cache)
    parts = [make_parts(features, one.fold, FAST).test for one in plan_rounds(still, features)[0]]
    said = np.concatenate([predict_probabilities([network(seed=7)], part, FAST).numpy() for part in parts if part])
    started, other = (read_predictions(tmp_path / name / "predictions.csv") for name in ("run", "afresh"))
    assert np.abs(started.probabilities - said).max() < 0.01 < np.abs(other.probabilities - said).max()
    assert metrics["started_from"] == {
        "digest": digest_of(start),
        "recipe": "own.toml",
        "corpus": ["old"],
        "speakers": ["8", "9"],
        "namesakes": [],
    }
    assert metrics["protocol"]["leaks"] == []
    read = parse_metrics(json.loads((tmp_path / "run" / "metrics.json").read_text()))
    assert read.model_name == "network, from weights trained on 2 speakers of old"
    page = write_report(tmp_path / "run").read_text()
    assert "started from weights trained on 2 speakers of old" in page
    assert "started from" not in write_report(tmp_path / "afresh").read_text()


def test_a_run_goes_on_from_the_same_weights_only(cache: Path, start: Path, tmp_path: Path) -> None:
    cross_validate(plan_of(cache, start), tmp_path / "run", baseline=False)
    other = write_start(tmp_path / "other", "8")
    for changed in (other, None):
        with pytest.raises(ConfigError, match=r"started_from: got \S+, the run has"):
            cross_validate(plan_of(cache, changed), tmp_path / "run", baseline=False)


def test_a_training_hands_on_who_trained_what_it_started_from(cache: Path, start: Path, tmp_path: Path) -> None:
    metrics = train(plan_of(cache, start, HELD_OUT), tmp_path / "run")
    made = load_checkpoint(tmp_path / "run" / "checkpoint")
    assert made.speakers == ("1", "2", "3", "8", "9")
    assert (made.facts["corpus"], made.facts["licence"]) == (["new", "old"], [LICENCE])
    old, new = load_checkpoint(start).facts, load_features(cache).clips
    assert made.facts["clips"] == len(new) + 7
    assert made.facts["sexes"] == {**old["sexes"], **{clip.speaker: clip.sex for clip in new}}
    assert made.facts["started_from"] == metrics["started_from"]
    assert made.facts["started_from"]["speakers"] == ["8", "9"]
    weights, begun = (folder.networks[0].state_dict() for folder in (made, load_checkpoint(start)))
    assert not all(torch.equal(weights[name], begun[name]) for name in weights)


def test_a_temperature_must_come_from_networks_with_the_same_start(cache: Path, start: Path, tmp_path: Path) -> None:
    plan = plan_of(cache, start)
    cross_validate(plan, tmp_path / "judged", baseline=False)
    single = replace(plan, protocol=HELD_OUT)
    train(single, tmp_path / "model", calibrate_by=tmp_path / "judged")
    assert load_checkpoint(tmp_path / "model" / "checkpoint").temperature != 1.0
    with pytest.raises(ConfigError, match=r"its networks started from checkpoint [0-9a-f]{8}, not from fresh weights"):
        train(replace(single, start_from=None), tmp_path / "other", calibrate_by=tmp_path / "judged")


def test_speakers_that_trained_it_are_not_tested_on_unnoticed(cache: Path, tmp_path: Path) -> None:
    seen = plan_of(cache, write_start(tmp_path / "start", "2", "8", corpus="new"))
    with pytest.raises(
        LeakError,
        match=r"1 speakers of .* that are tested on trained .*: 2; start afresh, leave them out, or allow leaks",
    ):
        cross_validate(seen, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()
    metrics = cross_validate(replace(seen, allow_leaks=True), tmp_path / "run", baseline=False)
    assert [leak.partition(" trained ")[2].endswith(": 2") for leak in metrics["protocol"]["leaks"]] == [True]
    train(replace(seen, protocol=HELD_OUT), tmp_path / "model")  # tests on nobody


def test_held_out_speakers_that_trained_it_are_refused(cache: Path, tmp_path: Path) -> None:
    seen = plan_of(cache, write_start(tmp_path / "start", "1", "2", "3", corpus="new"), HELD_OUT)
    held = replace(seen, config=replace(seen.config, training=replace(FAST, validation_share=0.3)))
    with pytest.raises(LeakError, match=r"1 speakers of .* that are tested on trained .*: 2; start"):
        train(held, tmp_path / "run")
    others = write_start(tmp_path / "others", "1", "3", corpus="new")
    train(replace(held, start_from=others), tmp_path / "run")


def test_namesakes_of_another_corpus_are_warned_of(
    cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = cross_validate(plan_of(cache, write_start(tmp_path / "start", "1", "8")), tmp_path / "run")
    assert "speakers 1 are called as those of another corpus that trained" in caplog.text
    assert metrics["protocol"]["leaks"] == []
    assert metrics["started_from"]["namesakes"] == ["1"]
    assert "1 are called as some of these" in " ".join(write_report(tmp_path / "run").read_text().split())


def test_recordings_that_trained_it_are_refused_where_they_have_another_name_and_more_columns(tmp_path: Path) -> None:
    made = samples(("1", "2", "3"))
    start = write_start(tmp_path / "start", "1", "2", "3", learnt=made)
    wider = [replace(one, sample=replace(one.sample, video=with_a_column(one.sample.video))) for one in made]
    plan = plan_of(tmp_path, start)
    renamed = FeatureSet(tuple(wider), LABELS, PipelineConfig(), "renamed")
    folds = [one.fold for one in plan_rounds(plan, renamed)[0]]
    with pytest.raises(LeakError, match=r"3 speakers .*: 1, 2, 3 \(the same recordings, under other names\)"):
        load_start(plan, renamed, folds)


def with_a_column(stream: Stream) -> Stream:
    values = np.concatenate([stream.values[:, :1], stream.values], axis=1)
    return Stream(values, stream.mask, stream.times_s, ("hog", *stream.columns))


def test_what_cannot_start_is_refused_before_anything_is_written(cache: Path, start: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--start-from .*: the svm starts from nothing"):
        cross_validate(replace(plan_of(cache, start), model="svm"), tmp_path / "run")
    with pytest.raises(CheckpointError, match="no such folder"):
        cross_validate(plan_of(cache, tmp_path / "nothing"), tmp_path / "run")
    other = write_start(tmp_path / "other", "8", pipeline=replace(PipelineConfig(), audio=AudioFeatures(hop_s=0.01)))
    with pytest.raises(CheckpointError, match=r"prepared with other settings .* audio\.hop_s is 0\.01, not 0\.02"):
        cross_validate(plan_of(cache, other), tmp_path / "run")
    built = plan_of(cache, start)
    built = replace(built, config=replace(built.config, network=replace(built.config.network, classifier=OTHER)))
    with pytest.raises(CheckpointError, match=r"built otherwise: in the checkpoint, classifier\.width is 8, not 4"):
        cross_validate(built, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()
