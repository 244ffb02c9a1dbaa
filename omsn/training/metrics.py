"""Scores of one set of predictions: WAR, UAR, per-class rates, one-vs-rest readings, AUC and calibration.

Two readings of "how often right" stand side by side and are never mixed:

- ``war``, weighted average recall: the share of clips whose class is right. This is accuracy.
- ``mean_one_vs_rest_accuracy``: the mean over classes of the accuracy of "this class or not". With K classes and e
  mistakes in n clips it is 1 - 2e/(Kn). The paper's 0.9908 is this reading of 11 mistakes in 300 clips.

One rule for every macro mean: it is taken over the classes that the truth holds. A class without clips has no
recall, and counting its many true negatives would flatter the one-vs-rest readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from omsn.errors import InputError
from omsn.training.calibration import ReliabilityBin, expected_calibration_error, reliability_bins

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

HEADLINE_METRICS = (
    "war",
    "uar",
    "macro_f1",
    "macro_precision",
    "macro_recall",
    "macro_specificity",
    "mean_one_vs_rest_accuracy",
    "auc",
    "ece",
)
"""Every metric that is one number; all are better when larger, except ``ece``."""

_MACRO_OF = {
    "uar": "recall",
    "macro_f1": "f1",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_specificity": "specificity",
    "mean_one_vs_rest_accuracy": "one_vs_rest_accuracy",
}


@dataclass(frozen=True)
class ClassScores:
    """How one class is recognised, from 0 to 1; NaN where it cannot be known (the truth lacks the class).

    Attributes:
        precision: share of right answers among those that name this class; 0 where none does.
        recall: share of this class's clips that are recognised.
        specificity: share of the other classes' clips that are not taken for this one.
        one_vs_rest_accuracy: share of all clips that are right on "this class or not".
        f1: harmonic mean of precision and recall.
        auc: area under the one-vs-rest ROC curve.
        support: clips of this class.
    """

    precision: float
    recall: float
    specificity: float
    one_vs_rest_accuracy: float
    f1: float
    auc: float
    support: int


@dataclass(frozen=True, eq=False)
class Scores:
    """All scores of one set of predictions, from 0 to 1.

    Attributes:
        headline: value of each of ``HEADLINE_METRICS``; NaN where it cannot be known.
        per_class: one entry for each label, in label order.
        confusion: (K, K) clips, true class down, predicted class across.
        reliability: the calibration diagram's bins, rising.
    """

    headline: Mapping[str, float]
    per_class: tuple[ClassScores, ...]
    confusion: Integers
    reliability: tuple[ReliabilityBin, ...]

    @property
    def war(self) -> float:
        """Weighted average recall: accuracy over the K classes."""
        return self.headline["war"]

    @property
    def uar(self) -> float:
        """Unweighted average recall: the mean of the classes' recalls."""
        return self.headline["uar"]


def score(truth: Integers, probabilities: NDArray[np.floating]) -> Scores:
    """Score predictions.

    Args:
        truth: (n,) label indices.
        probabilities: (n, K), each row sums to 1; the predicted class is the most probable one.

    Raises:
        InputError: no predictions, or shapes or label indices that do not fit.
    """
    check_predictions(truth, probabilities)
    confusion = confusion_matrix(truth, probabilities)
    areas = one_vs_rest_auc(truth, probabilities)
    correct, confidence = top_label(truth, probabilities)
    bins = reliability_bins(correct, confidence)
    headline = {name: float(value) for name, value in macro_rates(confusion).items()}
    headline |= {"auc": float(mean_of_defined(areas)), "ece": expected_calibration_error(bins)}
    return Scores(headline, _per_class(confusion, areas), confusion, bins)


def check_predictions(truth: Integers, probabilities: NDArray[np.floating]) -> None:
    """Check that label indices and probabilities belong together.

    Raises:
        InputError: no predictions, or shapes, values or label indices that do not fit.
    """
    if not len(truth):
        raise InputError("no predictions to score; got 0 clips, expected at least 1")
    if probabilities.ndim != 2 or len(probabilities) != len(truth):
        raise InputError(f"probabilities: got shape {probabilities.shape}, expected ({len(truth)}, classes)")
    n_classes = probabilities.shape[1]
    if truth.min() < 0 or truth.max() >= n_classes:
        raise InputError(f"truth: got label indices {truth.min()} to {truth.max()}, expected 0 to {n_classes - 1}")
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if not (np.isfinite(probabilities).all() and probabilities.min() >= 0 and np.abs(sums - 1).max() < 1e-3):
        raise InputError("probabilities: expected rows of finite numbers from 0 that sum to 1; apply a softmax first")


def top_label(truth: Integers, probabilities: NDArray[np.floating]) -> tuple[NDArray[np.bool_], Reals]:
    """Whether each clip's most probable class is right, (n,), and how probable it was said to be, (n,)."""
    return probabilities.argmax(axis=1) == truth, probabilities.max(axis=1).astype(np.float64)


def confusion_matrix(truth: Integers, probabilities: NDArray[np.floating]) -> Integers:
    """Clips by true class (rows) and most probable class (columns): (K, K)."""
    n_classes = probabilities.shape[1]
    cells = truth * n_classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def class_rates(confusion: NDArray[np.floating] | Integers) -> dict[str, Reals]:
    """Per-class rates of one or many confusion matrices.

    Args:
        confusion: (..., K, K) clips or weights, true class down.

    Returns:
        precision, recall, specificity, one_vs_rest_accuracy and f1, each (..., K); NaN for classes not in the truth.
    """
    counts = np.asarray(confusion, np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)  # (..., K)
    support, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    total = counts.sum(axis=(-2, -1))[..., None]
    rates = {
        "precision": ratio(hits, predicted, undefined=0.0),
        "recall": ratio(hits, support),
        "specificity": ratio(total - support - predicted + hits, total - support),
        "one_vs_rest_accuracy": 1 - ratio(support + predicted - 2 * hits, total),
        "f1": ratio(2 * hits, support + predicted),
    }
    return {name: np.where(support > 0, rate, np.nan) for name, rate in rates.items()}


def macro_rates(confusion: NDArray[np.floating] | Integers) -> dict[str, Reals]:
    """WAR, UAR and the macro means of one or many confusion matrices (..., K, K): each (...)."""
    counts = np.asarray(confusion, np.float64)
    rates = class_rates(counts)
    war = ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))
    return {"war": war} | {name: mean_of_defined(rates[rate]) for name, rate in _MACRO_OF.items()}


def one_vs_rest_auc(truth: Integers, probabilities: NDArray[np.floating]) -> Reals:
    """Area under each class's one-vs-rest ROC curve: (K,); NaN where all clips or none are of the class."""
    n_classes = probabilities.shape[1]
    areas = np.full(n_classes, np.nan)
    for index in range(n_classes):
        positive = truth == index
        if positive.any() and not positive.all():
            areas[index] = roc_auc_score(positive, probabilities[:, index])
    return areas


def mean_of_defined(values: Reals) -> Reals:
    """Mean over the last axis of the values that are not NaN; NaN where there is none."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def ratio(part: NDArray[np.generic], whole: NDArray[np.generic], undefined: float = np.nan) -> Reals:
    """``part / whole``, and ``undefined`` where ``whole`` is 0."""
    whole = np.asarray(whole, np.float64)
    start = np.full(np.broadcast_shapes(np.shape(part), whole.shape), undefined)
    shares: Reals = np.divide(part, whole, out=start, where=np.broadcast_to(whole != 0, start.shape))
    return shares


def _per_class(confusion: Integers, areas: Reals) -> tuple[ClassScores, ...]:
    rates = class_rates(confusion)
    support = confusion.sum(axis=1)
    return tuple(
        ClassScores(
            **{name: float(rate[k]) for name, rate in rates.items()}, auc=float(areas[k]), support=int(support[k])
        )
        for k in range(len(confusion))
    )
