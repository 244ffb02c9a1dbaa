"""Calibration: does a class that is said to be 80% probable turn out right 80% of the time? And the cure where not.

Expected calibration error after Naeini, Cooper & Hauskrecht (AAAI 2015) in the top-label form of Guo et al.
(ICML 2017): bins of equal width, weighted by how many clips fall into each.

Temperature scaling after the same Guo et al., section 4.2: one number divides the logarithms of all probabilities
before they are brought to sum to 1 again. It moves how sure an answer is, and never which answer it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from omsn.errors import InputError

N_BINS = 15
"""Bins of the calibration diagram, as in Guo et al."""
COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures that a fit may give; the lowest loss of answers that are all right, or all wrong, has none."""
LEAST_PROBABILITY = 1e-12
"""Smaller probabilities count as this one: a single 0 that turned out true would outweigh all other clips."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Clips whose most probable class was given a probability in (low, high].

    Attributes:
        low: lower edge.
        high: upper edge.
        clips: how many fall into the bin.
        confidence: their mean probability; the bin's centre where there are none.
        accuracy: share of them that are right; 0 where there are none.
    """

    low: float
    high: float
    clips: int
    confidence: float
    accuracy: float


def bin_index(confidence: NDArray[np.floating], n_bins: int = N_BINS) -> NDArray[np.int64]:
    """Which of ``n_bins`` bins (low, high] of equal width each probability falls into: (n,)."""
    index: NDArray[np.int64] = np.clip(np.ceil(confidence * n_bins) - 1, 0, n_bins - 1).astype(np.int64)
    return index


def reliability_bins(
    correct: NDArray[np.bool_], confidence: NDArray[np.float64], n_bins: int = N_BINS
) -> tuple[ReliabilityBin, ...]:
    """Group clips by how probable their predicted class was said to be.

    Args:
        correct: (n,) whether the most probable class is right.
        confidence: (n,) its probability.
        n_bins: bins of equal width from 0 to 1.
    """
    index = bin_index(confidence, n_bins)
    clips = np.bincount(index, minlength=n_bins)
    said = np.bincount(index, weights=confidence, minlength=n_bins)
    right = np.bincount(index, weights=correct, minlength=n_bins)
    return tuple(
        ReliabilityBin(
            low=k / n_bins,
            high=(k + 1) / n_bins,
            clips=int(clips[k]),
            confidence=float(said[k] / clips[k]) if clips[k] else (k + 0.5) / n_bins,
            accuracy=float(right[k] / clips[k]) if clips[k] else 0.0,
        )
        for k in range(n_bins)
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean over clips of the gap between their bin's confidence and its accuracy, from 0 to 1; NaN without clips."""
    total = sum(each.clips for each in bins)
    gap = sum(each.clips * abs(each.confidence - each.accuracy) for each in bins)
    return gap / total if total else float("nan")


def tempered(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Probabilities after temperature scaling: softmax(log p / T) (Guo et al. 2017, equation 9).

    Args:
        probabilities: (n, K), each row sums to 1.
        temperature: above 0; 1 changes nothing, more makes answers less sure, less makes them surer.

    Returns:
        (n, K), each row sums to 1, its classes in the same order from the most to the least probable.
    """
    if temperature == 1:
        return probabilities.astype(np.float64)
    scaled = np.log(np.maximum(probabilities, LEAST_PROBABILITY, dtype=np.float64)) / temperature
    odds = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = odds / odds.sum(axis=-1, keepdims=True)
    return shares


def negative_log_likelihood(probabilities: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """Mean over clips of the cross-entropy in nats, from 0: it falls both with being right and with saying how surely.

    Args:
        probabilities: (n, K), each row sums to 1.
        targets: (n,) label indices.

    Raises:
        InputError: no clips, or shapes that do not belong together.
    """
    _check_pairs(probabilities, targets)
    given = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return float(-np.log(np.maximum(given, LEAST_PROBABILITY)).mean())


def fit_temperature(probabilities: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """The temperature from ``COLDEST`` to ``HOTTEST`` under which the targets are likeliest (Guo et al. 2017).

    The negative log-likelihood is convex in 1/T, so it has one valley along log T, where it is searched.

    Args:
        probabilities: (n, K), each row sums to 1.
        targets: (n,) label indices.

    Raises:
        InputError: no clips, or shapes that do not belong together.
    """

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(tempered(probabilities, np.exp(log_temperature)), targets)

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def _check_pairs(probabilities: NDArray[np.floating], targets: NDArray[np.int64]) -> None:
    if probabilities.ndim != 2 or not 0 < len(targets) == len(probabilities):
        raise InputError(
            f"temperature: got probabilities of shape {probabilities.shape} for {len(targets)} targets, "
            "expected a row for each target, and at least one"
        )
