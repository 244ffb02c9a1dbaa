"""Answers to a speaker's clips taken together, where speakers are enrolled (``omsn/models/lame.py``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from omsn.config import Config
from omsn.data.dataset import FeatureSet
from omsn.data.splits import Fold
from omsn.errors import InputError
from omsn.features.clip_statistics import clip_statistics
from omsn.models.lame import affinities, lame, standardised
from omsn.models.wccn import rows_of, within_class_whitening
from omsn.training.out_of_fold import OutOfFold, join
from omsn.training.parts import people_of
from omsn.types import Floats, LabelledSample

COMPONENTS = 200
"""Principal components of the clip statistics that are kept."""
SHRINKAGE = 0.1
"""Share of the within-class covariance that is replaced by its mean variance."""

Wccn = NDArray[np.floating] | None


def fit_wccn(learned: Sequence[LabelledSample], config: Config) -> Floats | None:
    """What makes two clips of a person alike: within-class covariance normalisation of their statistics.

    With a class for each emotion of each speaker (``omsn/models/wccn.py``).

    Args:
        learned: clips of a training part, with their labels.
        config: settings.

    Returns:
        (S, D) for ``affinities``; None where answers take no account of neighbours, or no clips of a class differ.

    Raises:
        InputError: a speaker is unknown.
    """
    if not config.takes_neighbours:
        return None
    described = clip_statistics([item.sample for item in learned], config.training.modality, absent=np.nan)
    people = people_of(learned)
    values = np.zeros(described.shape)
    for rows in rows_of(people):
        values[rows] = standardised(described[rows])
    classes = [(person, item.clip.emotion) for person, item in zip(people, learned, strict=True)]
    return within_class_whitening(values, classes, COMPONENTS, SHRINKAGE)


def wccn_of(folds: Iterable[Fold], features: FeatureSet, config: Config) -> dict[Fold, Wccn]:
    """``fit_wccn`` of each fold's training part, once for each fold."""
    return {fold: fit_wccn(features.at(fold.train), config) for fold in dict.fromkeys(folds)}


def answered_together(
    said: Iterable[tuple[Fold, OutOfFold]], wccn: Mapping[Fold, Wccn], features: FeatureSet, config: Config
) -> OutOfFold:
    """What was said of each fold's test part, as one table, with neighbours where there are such."""
    return join([with_neighbours(answers, features, config, wccn[fold]) for fold, answers in said])


def with_neighbours(predictions: OutOfFold, features: FeatureSet, config: Config, wccn: Wccn) -> OutOfFold:
    """What is said of each clip beside what is said of the clips most like it, of the same speaker, fold and seed.

    No label of theirs has a part in it. With ``none`` nothing is known of a speaker but the clip itself.

    Args:
        predictions: what the networks, or the SVM, said of each clip by itself.
        features: the corpus that the clips are of.
        config: settings.
        wccn: what ``fit_wccn`` learnt from those that trained the networks; None leaves answers as they are.

    Raises:
        InputError: the corpus lacks a clip.
    """
    if wccn is None:
        return predictions
    row_of = {sample.clip.clip: row for row, sample in enumerate(features.samples)}
    missing = next((clip for clip in predictions.clips.tolist() if clip not in row_of), None)
    if missing is not None:
        raise InputError(f"{features.source}: no clip {missing}, of which there is an answer; it is another corpus")
    clips = [features.samples[row_of[clip]].sample for clip in predictions.clips.tolist()]
    described = clip_statistics(clips, config.training.modality, absent=np.nan)
    probabilities = predictions.probabilities.astype(np.float64)
    keys = zip(predictions.seeds.tolist(), predictions.folds.tolist(), predictions.speakers.tolist(), strict=True)
    for rows in rows_of(list(keys)):
        weights = config.answer.neighbour_weight * affinities(described[rows], config.answer.neighbours, wccn)
        probabilities[rows] = lame(probabilities[rows], weights)
    return replace(predictions, probabilities=probabilities)
