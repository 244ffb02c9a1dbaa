from __future__ import annotations

import numpy as np
import pytest

from omsn.training.calibration import N_BINS, bin_index, expected_calibration_error, reliability_bins


def test_no_clips_have_no_calibration_error() -> None:
    bins = reliability_bins(np.empty(0, np.bool_), np.empty(0))
    assert len(bins) == N_BINS
    assert all(each.clips == 0 and each.low < each.confidence < each.high for each in bins)
    assert np.isnan(expected_calibration_error(bins))


def test_bins_hold_their_upper_edge() -> None:
    assert bin_index(np.array([0.0, 0.25, 0.2500001, 0.5, 1.0]), 4).tolist() == [0, 0, 1, 1, 3]


def test_hand_made_bins() -> None:
    correct, confidence = np.array([True, False, True, True]), np.array([0.6, 0.8, 0.9, 1.0])
    bins = reliability_bins(correct, confidence, n_bins=2)
    assert (bins[0].clips, bins[1].clips) == (0, 4)
    assert bins[1].confidence == pytest.approx(0.825)
    assert bins[1].accuracy == pytest.approx(0.75)
    assert expected_calibration_error(bins) == pytest.approx(0.075)


def test_against_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.1, 1, 500)
    correct = generator.uniform(size=500) < confidence**2
    error = 0.0
    for k in range(N_BINS):
        inside = (confidence > k / N_BINS) & (confidence <= (k + 1) / N_BINS)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    assert expected_calibration_error(reliability_bins(correct, confidence)) == pytest.approx(error)


def test_certain_and_right_is_perfectly_calibrated() -> None:
    assert expected_calibration_error(reliability_bins(np.ones(5, np.bool_), np.ones(5))) == 0
