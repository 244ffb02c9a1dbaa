from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import log_loss

from omsn.errors import InputError
from omsn.training.calibration import (
    COLDEST,
    HOTTEST,
    N_BINS,
    bin_index,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability_bins,
    tempered,
)


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


# ---------------------------------------------------------------- temperature


def answers(seed: int, temperature: float, n_clips: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities of five classes that tell the truth once they are scaled by this temperature."""
    generator = np.random.default_rng(seed)
    honest = generator.dirichlet(np.full(5, 0.5), n_clips)
    targets = (generator.uniform(size=(n_clips, 1)) > honest.cumsum(axis=1)).sum(axis=1)
    return tempered(honest, 1 / temperature), np.minimum(targets, 4).astype(np.int64)


@pytest.mark.parametrize(
    ("shape", "n_targets"), [((0, 3), 0), ((2, 3), 3), ((3,), 3)], ids=["no clips", "too few", "no classes"]
)
@pytest.mark.parametrize("function", [fit_temperature, negative_log_likelihood])
def test_probabilities_and_targets_must_belong_together(
    function: Callable[[NDArray[np.float64], NDArray[np.int64]], float], shape: tuple[int, ...], n_targets: int
) -> None:
    with pytest.raises(InputError, match=r"temperature: got probabilities of shape .* expected a row for each target"):
        function(np.ones(shape), np.zeros(n_targets, np.int64))


def test_log_likelihood_against_scikit_learn() -> None:
    probabilities, targets = answers(0, 1.3, n_clips=200)
    ours = negative_log_likelihood(probabilities, targets)
    assert ours == pytest.approx(log_loss(targets, probabilities, labels=range(5)))


def test_scaling_against_scipy() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 4))
    np.testing.assert_allclose(tempered(softmax(logits, axis=1), 2.5), softmax(logits / 2.5, axis=1))


def test_a_temperature_of_1_changes_nothing() -> None:
    given = np.array([[0.0, 1.0], [0.25, 0.75]], np.float32)
    assert tempered(given, 1.0).tolist() == given.tolist()


def test_no_probability_is_too_small_to_be_scaled() -> None:
    scaled = tempered(np.array([[0.0, 1.0]]), 2.0)
    assert scaled[0].tolist() == pytest.approx([1e-6, 1.0], rel=1e-5)
    assert negative_log_likelihood(np.array([[0.0, 1.0]]), np.array([0])) == pytest.approx(np.log(1e12))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_was_used_is_found(temperature: float) -> None:
    found = fit_temperature(*answers(1, temperature))
    assert found == pytest.approx(temperature, rel=0.06)


@settings(max_examples=40)
@given(st.integers(0, 1000), st.floats(0.2, 5))
def test_no_other_temperature_is_better(seed: int, temperature: float) -> None:
    probabilities, targets = answers(seed, temperature, n_clips=30)
    best = negative_log_likelihood(tempered(probabilities, fit_temperature(probabilities, targets)), targets)
    for other in np.geomspace(COLDEST, HOTTEST, 25):
        assert best <= negative_log_likelihood(tempered(probabilities, other), targets) + 1e-6


def test_answers_that_are_all_right_or_all_wrong_end_at_the_bounds() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    assert fit_temperature(probabilities, np.array([0, 0])) == pytest.approx(COLDEST, rel=1e-3)
    assert fit_temperature(probabilities, np.array([1, 1])) == pytest.approx(HOTTEST, rel=1e-3)


@settings(max_examples=40)
@given(st.integers(0, 1000), st.floats(COLDEST, HOTTEST))
def test_scaling_keeps_the_order_of_the_classes(seed: int, temperature: float) -> None:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(6), 8).astype(np.float32)
    scaled = tempered(probabilities, temperature)
    np.testing.assert_array_equal(scaled.argmax(axis=1), probabilities.argmax(axis=1))
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
