from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_predictions import simulate
from sklearn.metrics import auc

from omsn.errors import InputError
from omsn.labels import LabelSet
from omsn.training.metrics import HEADLINE_METRICS, score
from omsn.training.summary import MAX_ROC_POINTS, compare, headline_only, summarise


def test_labels_must_agree() -> None:
    with pytest.raises(InputError, match="predictions are for angry, calm, sad; expected sad, calm, angry, in this"):
        summarise(simulate(), LabelSet(("sad", "calm", "angry")))


def test_headline_metrics_by_hand() -> None:
    one = simulate(n_seeds=2)
    summary = summarise(one, one.labels, n_draws=100)
    right = one.predicted == one.truth
    war = summary["war"]
    assert war["per_seed"] == pytest.approx([right[:72].mean(), right[72:].mean()])
    assert war["pooled"] == pytest.approx(right.mean())
    by_fold = [
        score(one.truth[rows], one.probabilities[rows]).uar
        for seed in (0, 1)
        for fold in ("fold 0", "fold 1", "fold 2")
        for rows in [(one.seeds == seed) & (one.folds == fold)]
    ]
    assert summary["uar"]["mean_over_folds"] == pytest.approx(np.mean(by_fold))
    assert war["interval"][0] < war["pooled"] < war["interval"][1]
    assert summary["ece"]["interval"] == [None, None]
    assert (summary["clips"], summary["speakers"], summary["interval_over"]) == (72, 6, "speakers")
    assert summary["chance"] == pytest.approx({"war": 1 / 3, "uar": 1 / 3})


def test_groups_and_confusion() -> None:
    one = simulate(n_seeds=2)
    summary = summarise(one, one.labels, n_draws=10)
    assert [row["speaker"] for row in summary["per_speaker"]] == ["5", "6", "7", "8", "9", "10"]
    tenth = one.speakers == "10"
    assert summary["per_speaker"][-1]["war"] == pytest.approx((one.predicted == one.truth)[tenth].mean())
    assert summary["per_speaker"][0] | {"war": 0, "uar": 0} == {
        "speaker": "5",
        "sex": "female",
        "clips": 12,
        "war": 0,
        "uar": 0,
    }
    assert [(row["sex"], row["speakers"], row["clips"]) for row in summary["per_sex"]] == [
        ("female", 3, 36),
        ("male", 3, 36),
    ]
    assert np.sum(summary["confusion"]) == 144
    assert [row["support"] for row in summary["per_class"]] == [24, 24, 24]
    assert sum(each["clips"] for each in summary["calibration"]) == 144


def test_unknown_speakers_and_sexes_make_no_groups() -> None:
    nobody = np.full(144, "")
    summary = summarise(replace(simulate(), speakers=nobody, sexes=nobody), simulate().labels, n_draws=10)
    assert (summary["per_speaker"], summary["per_sex"], summary["speakers"]) == ([], [], 0)
    assert summary["interval_over"] == "clips"


def test_curves_are_thin_and_true() -> None:
    one = simulate(n_seeds=6)
    summary = summarise(one, one.labels, n_draws=10)
    for curve, row in zip(summary["roc"], summary["per_class"], strict=True):
        false, true = curve["false_positive_rate"], curve["true_positive_rate"]
        assert curve["label"] == row["label"]
        assert len(false) == len(true) <= MAX_ROC_POINTS
        assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
        assert auc(false, true) == pytest.approx(row["auc"], abs=0.01)


def test_a_summary_is_json_even_where_nothing_can_be_known() -> None:
    one = simulate()
    summary = summarise(one.take(one.truth == 1), one.labels, n_draws=10)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["auc"] == {
        "mean_over_folds": None,
        "pooled": None,
        "interval": [None, None],
        "per_seed": [None, None],
    }
    assert summary["roc"] == []
    assert summary["per_class"][0]["recall"] is None


def test_headline_only_keeps_the_headline() -> None:
    assert tuple(headline_only(summarise(simulate(), simulate().labels, n_draws=10))) == HEADLINE_METRICS


def test_compare_is_json_ready() -> None:
    one = simulate()
    gaps = compare(one, simulate(gain=0.2), n_draws=20)
    assert json.loads(json.dumps(gaps, allow_nan=False)) == gaps
    assert gaps["war"]["value"] > 0
    assert compare(one.take(one.truth == 0), one.take(one.truth == 0), n_draws=5)["auc"]["value"] is None


def test_a_fold_that_differs_between_seeds_is_fine() -> None:
    one = simulate()
    part = one.take((one.seeds == 0) | (one.speakers != "5"))
    summary = summarise(part, one.labels, n_draws=50)
    assert summary["clips"] == 72
    assert summary["per_speaker"][0]["clips"] == 12
