"""Temperature scaling of a cross-validation: who decides what, what is told, and what a training may take from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_predictions import LABELS, simulate
from made_up_run import made_up_metrics, write_run

from omsn.config import AnswerConfig, Config, PipelineConfig, TrainingConfig
from omsn.data.dataset import FeatureSet
from omsn.errors import ConfigError, InputError
from omsn.recipes import to_dict
from omsn.report.scores import Calibrated
from omsn.training.calibration import fit_temperature, negative_log_likelihood, tempered
from omsn.training.metrics import score
from omsn.training.out_of_fold import OutOfFold
from omsn.training.temperature import Fitted, calibrate, cross_fitted, temperature_of
from omsn.types import Clip, LabelledSample, Sample, Stream

FOUND = {"ece": {"pooled": 0.1, "per_seed": [0.1]}, "nll": {"pooled": 0.5, "per_seed": [0.5]}}


def too_modest(n_seeds: int = 2) -> OutOfFold:
    """Answers that are right more often than they say."""
    made = simulate(n_seeds, gain=3.0)
    return replace(made, probabilities=tempered(made.probabilities, 3.0))


# ---------------------------------------------------------------- cross-fitting


def test_one_fold_unknown_speakers_and_shared_speakers_have_no_temperature() -> None:
    made = simulate()
    alone = made.take(made.folds == "fold 0")
    unknown = replace(made, speakers=np.full(len(made), ""))
    shared = replace(made, folds=np.tile(["even", "odd"], len(made) // 2))
    for predictions in (alone, unknown, shared):
        assert cross_fitted(predictions) is None
        assert calibrate(predictions) is None


def test_a_fold_is_scaled_by_what_fits_the_other_folds_of_its_seed() -> None:
    made = too_modest()
    fitted = cross_fitted(made)
    assert fitted is not None
    scaled, temperatures = fitted
    assert len(temperatures) == 6
    for one in temperatures:
        rows = (made.seeds == one.seed) & (made.folds == one.fold)
        others = (made.seeds == one.seed) & (made.folds != one.fold)
        assert one.temperature == fit_temperature(made.probabilities[others], made.truth[others])
        np.testing.assert_array_equal(scaled.probabilities[rows], tempered(made.probabilities[rows], one.temperature))


def test_the_labels_of_a_fold_have_no_say_in_its_temperature() -> None:
    made = too_modest(n_seeds=1)
    mine = made.folds == "fold 1"
    wrong = replace(made, truth=np.where(mine, (made.truth + 1) % 3, made.truth))
    before, after = (cross_fitted(one) for one in (made, wrong))
    assert before is not None
    assert after is not None
    changed = {one.fold for one, other in zip(before[1], after[1], strict=True) if one != other}
    assert changed == {"fold 0", "fold 2"}


def test_folds_that_share_speakers_with_one_another_are_left_out_of_its_fit() -> None:
    """As in speaker+statement: two folds a group of speakers, one for each sentence."""
    made = simulate(n_seeds=1)
    halves = np.char.add(made.folds, np.tile([" a", " b"], len(made) // 2))
    split = replace(made, folds=halves)
    whole, parts = cross_fitted(made), cross_fitted(split)
    assert whole is not None
    assert parts is not None
    by_group = {one.fold: one.temperature for one in whole[1]}
    assert all(by_group[one.fold[:-2]] == one.temperature for one in parts[1])


@settings(max_examples=20)
@given(st.integers(0, 20), st.floats(0.5, 4.0))
def test_scaling_names_the_same_classes(seed: int, temperature: float) -> None:
    made = simulate(1, seed=seed)
    fitted = cross_fitted(replace(made, probabilities=tempered(made.probabilities, temperature)))
    assert fitted is not None
    np.testing.assert_array_equal(fitted[0].predicted, made.predicted)


# ---------------------------------------------------------------- what is told


def test_what_is_told_is_what_the_scaled_predictions_score() -> None:
    made = too_modest()
    told, fitted = calibrate(made), cross_fitted(made)
    assert told is not None
    assert fitted is not None
    for side, predictions in (("before", made), ("after", fitted[0])):
        parts = [
            (predictions.truth[rows], predictions.probabilities[rows]) for rows in (made.seeds == 0, made.seeds == 1)
        ]
        errors = [score(*part).headline["ece"] for part in parts]
        losses = [negative_log_likelihood(part[1], part[0]) for part in parts]
        assert told[side]["ece"]["per_seed"] == pytest.approx(errors)
        assert told[side]["ece"]["pooled"] == pytest.approx(np.mean(errors))
        assert told[side]["nll"]["per_seed"] == pytest.approx(losses)
    assert told["after"]["ece"]["pooled"] < told["before"]["ece"]["pooled"]
    assert told["after"]["nll"]["pooled"] < told["before"]["nll"]["pooled"]
    assert told["temperature"] == fit_temperature(made.probabilities, made.truth)
    assert sum(each["clips"] for each in told["bins"]) == len(made)


def test_the_report_reads_what_is_told() -> None:
    told = json.loads(json.dumps(calibrate(too_modest()), allow_nan=False))
    assert Calibrated.model_validate(told).temperature == told["temperature"]


# ---------------------------------------------------------------- what a training takes

SAMPLE = Sample("", Stream.absent(("pitch",)), Stream.absent(("smile",)))
LEARNT = FeatureSet((LabelledSample(SAMPLE, Clip("", "", "", corpus="made-up")),) * 120, LABELS, PipelineConfig(), "")


@pytest.fixture
def content() -> dict[str, Any]:
    """The metrics of a cross-validation of the default settings that found a temperature of 0.7."""
    found = {"temperature": 0.7, "folds": [], "before": FOUND, "after": FOUND, "bins": []}
    return made_up_metrics() | {"config": to_dict(Config()), "calibrated": found}


def test_no_run_no_temperature(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        temperature_of(tmp_path, Config(), LEARNT)


def test_the_temperature_of_a_run_with_the_same_settings(content: dict[str, Any], tmp_path: Path) -> None:
    found = temperature_of(write_run(content, tmp_path), Config(), LEARNT)
    assert found == Fitted(0.7, tmp_path.name, "actors-4", (0, 1))


@pytest.mark.parametrize("helps", [True, False])
def test_a_temperature_that_is_no_help_warns(
    helps: bool, content: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    better, worse = ({"ece": FOUND["ece"], "nll": {"pooled": nll, "per_seed": [nll]}} for nll in (0.9, 1.1))
    content["calibrated"] |= {"before": worse, "after": better} if helps else {"before": better, "after": worse}
    temperature_of(write_run(content, tmp_path), Config(), LEARNT)
    assert (
        "the temperature 0.7 is no help: on speakers who had no say in one, the loss went from 0.900 to 1.100"
        in (caplog.text)
    ) != helps


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": "svm"}, "it is of the svm, not of the network"),
        (
            {"data": {"corpus": "old", "clips": 130, "speakers": 4, "cache": "cache"}},
            "its clips are 130 of old, not 120 of made-up",
        ),
        ({"calibrated": None}, "it has no temperature: actors-4 must keep speakers apart"),
        (
            {"config": to_dict(Config(training=TrainingConfig(normalisation="enrolled", modality="audio")))},
            "training.modality is audio, not both; training.normalisation is enrolled, not none",
        ),
    ],
)
def test_a_run_of_something_else_is_refused(
    change: dict[str, Any], told: str, content: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path}: cannot calibrate this training: {told}"):
        temperature_of(write_run(content | change, tmp_path), Config(), LEARNT)


def test_a_run_from_before_clips_were_answered_together_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    enrolled = Config(training=TrainingConfig(normalisation="enrolled"))
    content["config"] = to_dict(enrolled)
    del content["config"]["answer"]
    with pytest.raises(
        ConfigError, match="calibrate this training: its answers are of each clip by itself; omsn crossval"
    ):
        temperature_of(write_run(content, tmp_path), enrolled, LEARNT)
    alone = replace(enrolled, answer=AnswerConfig(neighbours=0))
    content["config"] = to_dict(alone)
    assert temperature_of(write_run(content, tmp_path), alone, LEARNT).temperature == 0.7


def test_a_run_of_other_labels_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    other = replace(LEARNT, labels=replace(LABELS, names=("angry", "calm", "bored")))
    with pytest.raises(ConfigError, match="its labels are angry, calm, sad, not angry, calm, bored"):
        temperature_of(write_run(content, tmp_path), Config(), other)
