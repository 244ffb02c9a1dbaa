"""Calibration: does a class that is said to be 80% probable turn out right 80% of the time?

Expected calibration error after Naeini, Cooper & Hauskrecht (AAAI 2015) in the top-label form of Guo et al.
(ICML 2017): bins of equal width, weighted by how many clips fall into each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BINS = 15
"""Bins of the calibration diagram, as in Guo et al."""


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
