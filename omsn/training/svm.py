"""The baseline that every report shows beside the network: a support-vector machine on statistics of each clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from omsn.config import TrainingConfig
from omsn.errors import InputError
from omsn.features.clip_statistics import clip_statistics
from omsn.training.parts import people_of
from omsn.types import Floats, LabelledSample

COST = 10.0
MAX_SPLITS = 3
MIN_STD = 1e-6


def fit_svm(statistics: Floats, targets: NDArray[np.int64]) -> Pipeline:
    """A radial SVM with probabilities calibrated inside its training part; no luck is in it.

    Raises:
        InputError: fewer than two classes, or fewer than two clips of one of them.
    """
    classes, counts = np.unique(targets, return_counts=True)
    if len(classes) < 2:
        raise InputError(f"SVM: got clips of {len(classes)} class, expected at least 2")
    if counts.min() < 2:
        rare = classes[counts.argmin()]
        raise InputError(f"SVM: class {rare} has {counts.min()} clip to learn from, expected at least 2 of each")
    n_splits = min(MAX_SPLITS, int(counts.min()))
    classifier = CalibratedClassifierCV(SVC(C=COST), ensemble=False, cv=n_splits)
    return make_pipeline(StandardScaler(), classifier).fit(statistics, targets)


def svm_probabilities(model: Pipeline, statistics: Floats, n_classes: int) -> NDArray[np.float64]:
    """(n, K) in label order; a class that the training part lacked gets 0."""
    probabilities = np.zeros((len(statistics), n_classes))
    probabilities[:, model.classes_] = model.predict_proba(statistics)
    return probabilities


def part_statistics(labelled: Sequence[LabelledSample], config: TrainingConfig) -> Floats:
    """Clip statistics of one part; with ``enrolled`` normalisation standardised within each speaker. (n, S).

    Raises:
        InputError: ``enrolled`` is asked for and a speaker is unknown.
    """
    statistics = clip_statistics([item.sample for item in labelled], config.modality)
    if config.normalisation == "none":
        return statistics
    people, scaled = people_of(labelled), np.zeros_like(statistics)
    for person in set(people):
        rows = [row for row, other in enumerate(people) if other == person]
        own = statistics[rows]
        scaled[rows] = (own - own.mean(axis=0)) / (own.std(axis=0) + MIN_STD)
    return scaled
