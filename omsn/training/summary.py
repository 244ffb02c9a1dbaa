"""Everything a report says of a cross-validation, as numbers, lists and strings that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from omsn.errors import InputError
from omsn.labels import LabelSet
from omsn.training.bootstrap import CONFIDENCE, N_DRAWS, differences, intervals, resampling_units
from omsn.training.calibration import ReliabilityBin, reliability_bins
from omsn.training.metrics import (
    HEADLINE_METRICS,
    Scores,
    confusion_matrix,
    macro_rates,
    mean_of_defined,
    score,
    top_label,
)
from omsn.training.out_of_fold import OutOfFold

Summary = dict[str, Any]

MAX_ROC_POINTS = 200
"""A curve is thinned to this many points: more cannot be seen in a figure."""

BY_ITSELF = "each clip by itself"
"""What answers are called that stand beside those that take a speaker's clips together."""

_CLASS_RATES = ("precision", "recall", "specificity", "one_vs_rest_accuracy", "f1", "auc")


def summarise(out_of_fold: OutOfFold, labels: LabelSet, n_draws: int = N_DRAWS) -> Summary:
    """Summarise a cross-validation for ``metrics.json``.

    Args:
        out_of_fold: predictions of every fold and seed.
        labels: the label set that the run promises.
        n_draws: draws of the bootstrap.

    Returns:
        a JSON-ready dict. Each headline metric has ``mean_over_folds``, ``pooled`` (all folds of a seed in one,
        mean over seeds), ``interval`` (95%, of the pooled value; none for ``ece``) and ``per_seed`` (pooled). What
        cannot be known is None, never NaN.

    Raises:
        InputError: the predictions have other labels.
    """
    if out_of_fold.labels != labels:
        raise InputError(
            f"predictions are for {', '.join(out_of_fold.labels.names)}; "
            f"expected {', '.join(labels.names)}, in this order"
        )
    by_seed = [_score_rows(out_of_fold, out_of_fold.seeds == seed) for seed in np.unique(out_of_fold.seeds)]
    summary: Summary = {
        "clips": len(np.unique(out_of_fold.clips)),
        "speakers": len(set(out_of_fold.speakers.tolist()) - {""}),
        "interval_over": resampling_units(out_of_fold).kind,
        "confidence": CONFIDENCE,
        "draws": n_draws,
        "chance": _chance(out_of_fold),
        **_headline(out_of_fold, by_seed, n_draws),
        "per_class": _per_class(out_of_fold, by_seed),
        "per_speaker": _per_speaker(out_of_fold),
        "per_sex": _per_sex(out_of_fold),
        "confusion": np.sum([one.confusion for one in by_seed], axis=0).tolist(),
        "roc": _roc(out_of_fold),
        "calibration": [asdict(each) for each in _reliability(out_of_fold)],
    }
    return {key: _json_ready(value) for key, value in summary.items()}


def headline_only(summary: Mapping[str, Any]) -> Summary:
    """The headline metrics of a summary, for a baseline that stands beside a run."""
    return {name: summary[name] for name in HEADLINE_METRICS}


def beside(name: str, ours: OutOfFold, theirs: OutOfFold) -> Summary:
    """Headline metrics of other answers to the same clips, for ``metrics.json``, with what ours have more.

    Args:
        name: of the other answers.
        ours: the answers that theirs stand beside.
        theirs: of the same clips and seeds.
    """
    scores = headline_only(summarise(theirs, theirs.labels))
    return {"name": name, "scores": scores, "difference": compare(ours, theirs)}


def compare(ours: OutOfFold, theirs: OutOfFold, n_draws: int = N_DRAWS) -> Summary:
    """How much larger our metrics are than a baseline's on the same clips, by a paired bootstrap; JSON-ready.

    Returns:
        for each metric but ``ece``: {"value": difference of the pooled values, "interval": [low, high]}, 95%.

    Raises:
        InputError: the two tables answer for different clips or speakers.
    """
    gaps = differences(ours, theirs, n_draws)
    return {name: _json_ready({"value": value, "interval": list(span)}) for name, (value, span) in gaps.items()}


def _score_rows(out_of_fold: OutOfFold, rows: NDArray[np.bool_]) -> Scores:
    return score(out_of_fold.truth[rows], out_of_fold.probabilities[rows])


def _headline(out_of_fold: OutOfFold, by_seed: list[Scores], n_draws: int) -> Summary:
    seeds, folds = out_of_fold.seeds, out_of_fold.folds
    parts = sorted(set(zip(seeds.tolist(), folds.tolist(), strict=True)))
    by_fold = [_score_rows(out_of_fold, (seeds == seed) & (folds == fold)) for seed, fold in parts]
    ranges = intervals(out_of_fold, n_draws)
    return {
        name: {
            "mean_over_folds": _mean([one.headline[name] for one in by_fold]),
            "pooled": _mean([one.headline[name] for one in by_seed]),
            "interval": list(ranges.get(name, (math.nan, math.nan))),
            "per_seed": [one.headline[name] for one in by_seed],
        }
        for name in HEADLINE_METRICS
    }


def _chance(out_of_fold: OutOfFold) -> dict[str, float]:
    """What knowing nothing scores: WAR by always naming the commonest class, UAR by any constant answer."""
    _, first = np.unique(out_of_fold.clips, return_index=True)
    support = np.bincount(out_of_fold.truth[first])
    return {"war": float(support.max() / support.sum()), "uar": 1 / int(np.count_nonzero(support))}


def _per_class(out_of_fold: OutOfFold, by_seed: list[Scores]) -> list[Summary]:
    _, first = np.unique(out_of_fold.clips, return_index=True)
    support = np.bincount(out_of_fold.truth[first], minlength=len(out_of_fold.labels))
    return [
        {"label": label, "support": int(support[k])}
        | {rate: _mean([getattr(one.per_class[k], rate) for one in by_seed]) for rate in _CLASS_RATES}
        for k, label in enumerate(out_of_fold.labels.names)
    ]


def _per_speaker(out_of_fold: OutOfFold) -> list[Summary]:
    speakers = out_of_fold.speakers
    return [
        {"speaker": speaker, "sex": str(out_of_fold.sexes[speakers == speaker][0])}
        | _group_scores(out_of_fold, speakers == speaker)
        for speaker in sorted(set(speakers.tolist()) - {""}, key=_by_number)
    ]


def _per_sex(out_of_fold: OutOfFold) -> list[Summary]:
    sexes = out_of_fold.sexes
    return [
        {"sex": sex, "speakers": len(set(out_of_fold.speakers[sexes == sex].tolist()) - {""})}
        | _group_scores(out_of_fold, sexes == sex)
        for sex in sorted(set(sexes.tolist()) - {""})
    ]


def _group_scores(out_of_fold: OutOfFold, rows: NDArray[np.bool_]) -> Summary:
    """WAR and UAR of some of the clips, the mean over the seeds that tested any of them."""
    seeds = np.unique(out_of_fold.seeds[rows])
    parts = [rows & (out_of_fold.seeds == seed) for seed in seeds]
    matrices = [confusion_matrix(out_of_fold.truth[part], out_of_fold.probabilities[part]) for part in parts]
    rates = macro_rates(np.stack(matrices))  # (seeds,) each
    clips = len(np.unique(out_of_fold.clips[rows]))
    return {"clips": clips, "war": float(rates["war"].mean()), "uar": float(rates["uar"].mean())}


def _roc(out_of_fold: OutOfFold) -> list[Summary]:
    """One curve for each class that can have one, over the predictions of all seeds."""
    curves = []
    for k, label in enumerate(out_of_fold.labels.names):
        positive = out_of_fold.truth == k
        if positive.any() and not positive.all():
            false, true, _ = roc_curve(positive, out_of_fold.probabilities[:, k])
            kept = np.unique(np.linspace(0, len(false) - 1, MAX_ROC_POINTS).round().astype(np.int64))
            curves.append(
                {"label": label, "false_positive_rate": false[kept].tolist(), "true_positive_rate": true[kept].tolist()}
            )
    return curves


def _reliability(out_of_fold: OutOfFold) -> tuple[ReliabilityBin, ...]:
    return reliability_bins(*top_label(out_of_fold.truth, out_of_fold.probabilities))


def _mean(values: list[float]) -> float:
    return float(mean_of_defined(np.array(values)))


def _by_number(name: str) -> tuple[int, int | str]:
    """Speakers in the order a person expects: 2 before 10, numbers before names."""
    return (0, int(name)) if name.isdecimal() else (1, name)


def _json_ready(value: Any) -> Any:
    """The same value with None for every number that is not finite: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _json_ready(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_ready(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
