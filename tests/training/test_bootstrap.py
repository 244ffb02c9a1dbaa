from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from made_up_predictions import simulate
from sklearn.metrics import roc_auc_score

from omsn.errors import InputError
from omsn.labels import RAVDESS_EMOTIONS
from omsn.training.bootstrap import (
    RESAMPLED_METRICS,
    differences,
    draw_weights,
    intervals,
    resampling_units,
    weighted_metrics,
)
from omsn.training.metrics import score
from omsn.training.out_of_fold import OutOfFold


def test_weights_of_one_give_the_plain_values() -> None:
    one = simulate(n_seeds=1)
    units = resampling_units(one)
    plain = score(one.truth, one.probabilities)
    weighted = weighted_metrics(one, units, np.ones((1, units.count)))
    for name in RESAMPLED_METRICS:
        assert weighted[name][0] == pytest.approx(plain.headline[name]), name


def test_a_draw_equals_scoring_the_repeated_clips() -> None:
    """The independent way: repeat each speaker's rows as often as the draw takes them, and score those."""
    one = simulate(n_seeds=2)
    units = resampling_units(one)
    weights = draw_weights(units, n_draws=4, seed=1)
    fast = weighted_metrics(one, units, weights)
    for draw, counts in enumerate(weights.astype(int)):
        seeds = [np.repeat(np.flatnonzero(one.seeds == k), counts[units.index[one.seeds == k]]) for k in (0, 1)]
        slow = [score(one.truth[rows], one.probabilities[rows]).headline for rows in seeds]
        for name in RESAMPLED_METRICS:
            assert fast[name][draw] == pytest.approx(np.mean([each[name] for each in slow])), name


def test_ties_count_half() -> None:
    one = simulate(n_seeds=1)
    coarse = np.round(one.probabilities.astype(np.float64), 1)
    tied = replace(one, probabilities=coarse / coarse.sum(axis=1, keepdims=True))
    areas = [roc_auc_score(one.truth == k, tied.probabilities[:, k]) for k in range(3)]
    units = resampling_units(tied)
    assert weighted_metrics(tied, units, np.ones((1, units.count)))["auc"][0] == pytest.approx(np.mean(areas))


def test_pairs_are_counted_alike_however_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one = simulate()
    units = resampling_units(one)
    expected = np.mean([score_of_seed(one, seed) for seed in np.unique(one.seeds)])
    for most in (1, 7, 1000, 10**9):
        monkeypatch.setattr("omsn.training.bootstrap.MAX_PAIRS", most)
        found = weighted_metrics(one, units, np.ones((1, units.count)))["auc"]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def score_of_seed(one: OutOfFold, seed: int) -> float:
    """The mean of the one-vs-rest areas, by scikit-learn."""
    rows = one.take(one.seeds == seed)
    areas = [roc_auc_score(rows.truth == k, rows.probabilities[:, k]) for k in range(len(one.labels))]
    return float(np.mean(areas))


def test_draws_take_as_many_units_as_there_are() -> None:
    units = resampling_units(simulate())
    weights = draw_weights(units, n_draws=50)
    assert weights.shape == (50, 6)
    assert (weights.sum(axis=1) == 6).all()


@pytest.mark.parametrize("speaker", ["", "7"])
def test_one_speaker_or_none_falls_back_to_clips(speaker: str) -> None:
    units = resampling_units(replace(simulate(), speakers=np.full(144, speaker)))
    assert (units.kind, units.count) == ("clips", 72)


def test_all_seeds_of_a_clip_stay_together() -> None:
    one = simulate(n_seeds=2)
    for each in (one, replace(one, speakers=np.full(144, ""))):
        index = resampling_units(each).index
        assert (index[:72] == index[72:]).all()


def test_intervals_hold_the_value_and_repeat() -> None:
    one = simulate()
    spans = intervals(one, n_draws=400)
    units = resampling_units(one)
    plain = weighted_metrics(one, units, np.ones((1, units.count)))
    for name, (low, high) in spans.items():
        assert low < plain[name][0] < high, name
    assert intervals(one, n_draws=400) == spans
    assert intervals(one, n_draws=400, seed=1) != spans


def test_interval_covers_what_new_speakers_score() -> None:
    """WAR of speakers drawn from one population: the 95% interval holds the population's WAR about that often."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        skill = np.repeat(generator.uniform(0.4, 0.9, 24), 10)
        right = generator.uniform(size=240) < skill
        one = OutOfFold(
            replace(RAVDESS_EMOTIONS, names=("a", "b")),
            clips=np.arange(240).astype(np.str_),
            speakers=np.repeat(np.arange(24), 10).astype(np.str_),
            sexes=np.full(240, ""),
            folds=np.full(240, "all"),
            seeds=np.zeros(240, np.int64),
            truth=np.arange(240) % 2,
            probabilities=np.eye(2)[np.where(right, np.arange(240) % 2, 1 - np.arange(240) % 2)],
        )
        low, high = intervals(one, n_draws=300)["war"]
        held += low <= 0.65 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_one_class_alone_has_an_interval_for_war_only() -> None:
    one = simulate()
    spans = intervals(one.take(one.truth == 0), n_draws=50)
    assert np.isfinite(spans["war"]).all()
    assert np.isnan(spans["auc"]).all()


def test_a_model_does_not_differ_from_itself() -> None:
    one = simulate()
    assert all(gap == (0.0, (0.0, 0.0)) for gap in differences(one, one, n_draws=20).values())


def test_a_better_model_is_found_better() -> None:
    value, (low, high) = differences(simulate(gain=3.0), simulate(gain=0.5, n_seeds=1), n_draws=300)["war"]
    assert 0 < low < value < high


def test_different_clips_cannot_be_compared() -> None:
    one = simulate()
    with pytest.raises(InputError, match="cannot compare predictions for different clips or speakers"):
        differences(one, one.take(one.speakers != "5"))


def test_1200_clips_with_3_seeds_take_less_than_2_seconds() -> None:
    generator = np.random.default_rng(0)
    n = 3600
    one = OutOfFold(
        RAVDESS_EMOTIONS,
        clips=np.tile(np.arange(1200).astype(np.str_), 3),
        speakers=np.tile(np.repeat(np.arange(20), 60).astype(np.str_), 3),
        sexes=np.full(n, ""),
        folds=np.full(n, "all"),
        seeds=np.repeat(np.arange(3), 1200),
        truth=np.tile(np.arange(1200) % 8, 3),
        probabilities=generator.dirichlet(np.ones(8), n),
    )
    start = time.process_time()
    intervals(one)
    assert time.process_time() - start < 2
