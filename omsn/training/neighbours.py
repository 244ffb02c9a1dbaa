"""Answers to a speaker's clips taken together, where speakers are enrolled (``omsn/models/lame.py``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ShrunkCovariance
from sklearn.decomposition import PCA

from omsn.config import Config
from omsn.data.dataset import FeatureSet
from omsn.features.clip_statistics import clip_statistics
from omsn.models.lame import affinities, lame, standardised
from omsn.training.out_of_fold import OutOfFold
from omsn.training.parts import people_of
from omsn.types import Floats, LabelledSample

COMPONENTS = 200
"""Principal components of the clip statistics that are kept."""
SHRINKAGE = 0.1
"""Share of the within-class covariance that is replaced by its mean variance."""


def fit_wccn(learned: Sequence[LabelledSample], config: Config) -> Floats | None:
    """What makes two clips of a person alike: within-class covariance normalisation of their statistics.

    After Hatch, Kajarekar & Stolcke 2006 ("Within-class covariance normalization for SVM-based speaker recognition",
    Interspeech), with a class for each emotion of each speaker: directions in which clips of one emotion of one person
    differ count for less.

    Args:
        learned: clips of a training part, with their labels.
        config: settings.

    Returns:
        (S, D) for ``affinities``; None where answers take no account of neighbours, or no class has two clips.

    Raises:
        InputError: a speaker is unknown.
    """
    if not config.takes_neighbours:
        return None
    described = clip_statistics([item.sample for item in learned], config.training.modality)
    people = people_of(learned)
    values = np.zeros(described.shape)
    for rows in _rows_of(people):
        values[rows] = standardised(described[rows])
    classes = list(_rows_of([(person, item.clip.emotion) for person, item in zip(people, learned, strict=True)]))
    n_components = min(COMPONENTS, len(learned) - len(classes), described.shape[1])
    if n_components < 1:
        return None
    components = PCA(n_components, svd_solver="full").fit(values).components_  # (D, S)
    turned = values @ components.T  # (n, D)
    for rows in classes:
        turned[rows] -= turned[rows].mean(axis=0)
    within = ShrunkCovariance(shrinkage=SHRINKAGE, assume_centered=True).fit(turned)
    whitening = np.linalg.cholesky(within.get_precision())  # (D, D)
    return np.asarray(components.T @ whitening, np.float32)


def with_neighbours(
    predictions: OutOfFold, features: FeatureSet, config: Config, wccn: NDArray[np.floating] | None
) -> OutOfFold:
    """What is said of each clip beside what is said of the clips most like it, of the same speaker, fold and seed.

    No label of theirs has a part in it. With ``none`` nothing is known of a speaker but the clip itself.

    Args:
        predictions: what the networks, or the SVM, said of each clip by itself.
        features: the corpus that the clips are of.
        config: settings.
        wccn: what ``fit_wccn`` learnt from those that trained the networks; None leaves answers as they are.
    """
    if wccn is None:
        return predictions
    row_of = {sample.clip.clip: row for row, sample in enumerate(features.samples)}
    clips = [features.samples[row_of[clip]].sample for clip in predictions.clips.tolist()]
    described = clip_statistics(clips, config.training.modality)
    probabilities = predictions.probabilities.astype(np.float64)
    keys = zip(predictions.seeds.tolist(), predictions.folds.tolist(), predictions.speakers.tolist(), strict=True)
    for rows in _rows_of(list(keys)):
        weights = config.answer.neighbour_weight * affinities(described[rows], config.answer.neighbours, wccn)
        probabilities[rows] = lame(probabilities[rows], weights)
    return replace(predictions, probabilities=probabilities)


def _rows_of(keys: Sequence[object]) -> Iterator[NDArray[np.intp]]:
    """The rows that have each key."""
    rows: dict[object, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return (np.array(own, np.intp) for own in rows.values())
