"""Intervals for the headline metrics: a percentile bootstrap over speakers.

Clips of one speaker resemble each other, so resampling clips would give intervals that are too narrow for the
question "how would it do on other people?" (Field & Welsh, JRSS-B 69:369-390, 2007: the cluster bootstrap). A draw
takes speakers with replacement and all their clips with all seeds; the metric of a draw is the mean over seeds.

Nothing is scored clip by clip within a draw: each metric is a function of sums over speakers (confusion matrices, and
for AUC the won pairs between two speakers), so a draw only weights those sums.

The calibration error has no interval. It sums absolute gaps, which any noise enlarges, and a draw is noisier than the
data: the percentiles would lie above the value itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.training.metrics import HEADLINE_METRICS, macro_rates, mean_of_defined, ratio
from omsn.training.out_of_fold import OutOfFold

Reals = NDArray[np.float64]
MAX_PAIRS = 4_000_000
"""Pairs of clips that are compared at a time: 32 MB."""

Unit = Literal["speakers", "clips"]

CONFIDENCE = 0.95
RESAMPLED_METRICS = tuple(name for name in HEADLINE_METRICS if name != "ece")
N_DRAWS = 2000


@dataclass(frozen=True, eq=False)
class Units:
    """What a draw takes with replacement.

    Attributes:
        kind: "speakers", or "clips" where fewer than two speakers are known.
        index: (n,) unit of each prediction, from 0.
        count: how many units there are.
    """

    kind: Unit
    index: NDArray[np.int64]
    count: int


def resampling_units(out_of_fold: OutOfFold) -> Units:
    """Speakers where at least two are known and none is missing, otherwise clips."""
    speakers = out_of_fold.speakers
    by_speaker = bool((speakers != "").all()) and len(np.unique(speakers)) > 1
    names, index = np.unique(speakers if by_speaker else out_of_fold.clips, return_inverse=True)
    return Units("speakers" if by_speaker else "clips", index.astype(np.int64), len(names))


def draw_weights(units: Units, n_draws: int = N_DRAWS, seed: int = 0) -> Reals:
    """How often each draw takes each unit: (draws, units)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(units.count, np.full(units.count, 1 / units.count), n_draws).astype(np.float64)


def intervals(out_of_fold: OutOfFold, n_draws: int = N_DRAWS, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% interval of the pooled value of ``RESAMPLED_METRICS``; NaN where a metric cannot be known."""
    units = resampling_units(out_of_fold)
    values = weighted_metrics(out_of_fold, units, draw_weights(units, n_draws, seed))
    return {name: _percentiles(values[name]) for name in RESAMPLED_METRICS}


def differences(
    ours: OutOfFold, theirs: OutOfFold, n_draws: int = N_DRAWS, seed: int = 0
) -> dict[str, tuple[float, tuple[float, float]]]:
    """How much larger ours is than theirs on ``RESAMPLED_METRICS``, on the same clips.

    Both are resampled together, speaker by speaker, so that what makes a speaker hard for both cancels out.

    Returns:
        for each metric the difference of the pooled values and its 95% interval; NaN where it cannot be known.

    Raises:
        InputError: the two tables answer for different clips or speakers.
    """
    if set(zip(ours.clips, ours.speakers, strict=True)) != set(zip(theirs.clips, theirs.speakers, strict=True)):
        raise InputError("cannot compare predictions for different clips or speakers; score both on the same folds")
    units = resampling_units(ours)
    weights = np.vstack([np.ones(units.count), draw_weights(units, n_draws, seed)])  # first row: the plain values
    first = weighted_metrics(ours, units, weights)
    second = weighted_metrics(theirs, resampling_units(theirs), weights)
    gaps = {name: first[name] - second[name] for name in RESAMPLED_METRICS}
    return {name: (float(gap[0]), _percentiles(gap[1:])) for name, gap in gaps.items()}


def weighted_metrics(out_of_fold: OutOfFold, units: Units, weights: Reals) -> Mapping[str, Reals]:
    """``RESAMPLED_METRICS`` under each draw's weights, the mean over seeds: (draws,) each.

    Args:
        out_of_fold: the predictions, n of them.
        units: which unit each prediction belongs to.
        weights: (draws, units); a row of ones gives the plain pooled values.
    """
    per_seed = [_metrics_of_seed(out_of_fold, units, weights, seed) for seed in np.unique(out_of_fold.seeds)]
    return {name: mean_of_defined(np.stack([one[name] for one in per_seed], axis=-1)) for name in RESAMPLED_METRICS}


def _metrics_of_seed(out_of_fold: OutOfFold, units: Units, weights: Reals, seed: int) -> dict[str, Reals]:
    rows = out_of_fold.seeds == seed
    truth, probabilities, unit = out_of_fold.truth[rows], out_of_fold.probabilities[rows], units.index[rows]
    n_classes = probabilities.shape[1]
    cells = truth * n_classes + probabilities.argmax(axis=1)
    by_unit = np.bincount(unit * n_classes**2 + cells, minlength=units.count * n_classes**2)
    confusion = weights @ by_unit.reshape(units.count, n_classes**2)  # (draws, K * K)
    areas = [_weighted_auc(truth == k, probabilities[:, k], unit, weights) for k in range(n_classes)]
    metrics = macro_rates(confusion.reshape(-1, n_classes, n_classes))
    metrics["auc"] = mean_of_defined(np.stack(areas, axis=-1))
    return metrics


def _weighted_auc(
    positive: NDArray[np.bool_], scores: NDArray[np.floating], unit: NDArray[np.int64], weights: Reals
) -> Reals:
    """One class's area under the ROC curve in each draw: the weighted share of (positive, negative) pairs won.

    A pair counts 1 when the positive clip scores higher and 1/2 when both score the same (Mann-Whitney).
    """
    if positive.all() or not positive.any():
        return np.full(len(weights), np.nan)
    units_in, units_out = np.unique(unit[positive]), np.unique(unit[~positive])
    won = _pairs_won(positive, scores, unit)  # (units_in, units_out)
    n_in = np.bincount(unit[positive])[units_in]
    n_out = np.bincount(unit[~positive])[units_out]
    pairs = (weights[:, units_in] @ n_in) * (weights[:, units_out] @ n_out)
    total = ((weights[:, units_in] @ won) * weights[:, units_out]).sum(axis=1)
    return ratio(total, pairs)


def _pairs_won(positive: NDArray[np.bool_], scores: NDArray[np.floating], unit: NDArray[np.int64]) -> Reals:
    """Pairs won by each unit's positive clips against each unit's negative ones; so many at a time as memory allows."""
    order_in, order_out = (
        rows[np.argsort(unit[rows])] for rows in (np.flatnonzero(positive), np.flatnonzero(~positive))
    )
    units_in, unit_of = np.unique(unit[order_in], return_inverse=True)
    units_out, starts_out = np.unique(unit[order_out], return_index=True)
    won, theirs = np.zeros((len(units_in), len(units_out))), scores[None, order_out]
    at_a_time = max(1, MAX_PAIRS // len(order_out))
    for first in range(0, len(order_in), at_a_time):
        some = slice(first, first + at_a_time)
        ours = scores[order_in[some], None]
        pairs = (ours > theirs) + 0.5 * (ours == theirs)  # (positives, negatives)
        np.add.at(won, unit_of[some], np.add.reduceat(pairs, starts_out, axis=1))
    return won


def _percentiles(values: Reals) -> tuple[float, float]:
    """The interval that holds the middle ``CONFIDENCE`` of the values that are known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
