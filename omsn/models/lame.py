"""Answers for several clips of one person, taken together: Laplacian adjusted maximum-likelihood estimation (LAME).

After Boudiaf et al. 2022 ("Parameter-free online test-time adaptation", CVPR, section 4): clips that are alike are
asked to have answers that are alike. Nothing is trained, and nobody says what emotion any of the clips shows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError

LIMIT = 3.0
"""Standardised descriptions are cut at this many standard deviations: one odd number must not make two clips unlike."""
MIN_STD = 1e-6
"""A description that varies less than this over a person's clips tells nothing of them."""
SHARE = 0.05
"""Share of a person's clips that are a clip's neighbours, and one at least: of few clips, few show the same emotion."""
MAX_ROUNDS = 500
MIN_STEP = 1 / 32
"""Smallest part of the way that a round goes."""
GROWTH = 1.2
"""Parts grow by this while answers do not turn back."""
TOLERANCE = 1e-8
"""Answers that move by less have come to rest."""

Doubles = NDArray[np.float64]


def affinities(descriptions: NDArray[np.floating], most: int, wccn: NDArray[np.floating]) -> Doubles:
    """How much each clip has to do with each other one: 1 where both are among the other's nearest, 0.5 where one is.

    Args:
        descriptions: (n, S) of clips of one person, in any unit; each column is standardised over the clips. NaN is not
            known of a clip, and counts as the mean of the others.
        most: nearest clips, by the cosine of the angle between descriptions, that each clip takes account of; no more
            than ``SHARE`` of the clips, but one.
        wccn: (S, D) what standardised descriptions are multiplied by before they are compared (``fit_wccn``).

    Returns:
        (n, n), symmetric, 0 on the diagonal.

    Raises:
        InputError: ``most`` is below 0, or shapes that do not fit.
    """
    if most < 0:
        raise InputError(f"neighbours: got {most}, expected 0 or more")
    if descriptions.ndim != 2 or wccn.ndim != 2 or descriptions.shape[1] != len(wccn):
        raise InputError(
            f"neighbours: got descriptions {descriptions.shape} and WCCN {wccn.shape}, expected (n, S), (S, D)"
        )
    n_clips = len(descriptions)
    chosen = np.zeros((n_clips, n_clips))
    count = min(most, max(1, int(SHARE * n_clips + 0.5)), n_clips - 1)
    if count > 0:
        alike = _cosines(descriptions, wccn)
        np.fill_diagonal(alike, -np.inf)
        nearest = np.argsort(-alike, axis=1, kind="stable")[:, :count]
        np.put_along_axis(chosen, nearest, 1.0, axis=1)
    return (chosen + chosen.T) / 2


def lame(probabilities: NDArray[np.floating], weights: NDArray[np.floating]) -> Doubles:
    """Each clip's probabilities times what its neighbours' adjusted ones say, until they rest.

    z_i is proportional to p_i exp(sum_j w_ij z_j), beginning with z = p. Where answers would swing back and forth
    between heavy neighbours, a round goes only a part of the way there (ours).

    Args:
        probabilities: (n, K), each row sums to 1: what is said of each clip by itself.
        weights: (n, n) affinities, times the weight of a neighbour.

    Returns:
        (n, K), each row sums to 1. A clip without a neighbour keeps its own.

    Raises:
        InputError: shapes that do not fit.
    """
    if probabilities.ndim != 2 or weights.shape != (len(probabilities), len(probabilities)):
        raise InputError(
            f"lame: got probabilities {probabilities.shape} and weights {weights.shape}, expected (n, K) and (n, n)"
        )
    own = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float64).tiny))
    answers, step, before = _softmax(own), 1.0, np.zeros(probabilities.shape)
    for _ in range(MAX_ROUNDS):
        move = _softmax(own + weights @ answers) - answers
        if np.abs(move).max(initial=0.0) < TOLERANCE:
            break
        back = (move * before).sum() < 0
        step = max(step / 2, MIN_STEP) if back else min(GROWTH * step, 1.0)
        answers, before = answers + step * move, move
    return answers


def standardised(descriptions: NDArray[np.floating]) -> Doubles:
    """Descriptions (n, S) of one person's clips in standard deviations from their mean, cut at ``LIMIT``; 0 for NaN."""
    values = descriptions.astype(np.float64)
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    gaps = np.where(known, values - np.where(known, values, 0).sum(axis=0) / count, 0)
    deviation = np.sqrt((gaps**2).sum(axis=0) / count)
    scaled = gaps / np.where(deviation > MIN_STD, deviation, np.inf)
    return np.asarray(np.clip(scaled, -LIMIT, LIMIT))


def _cosines(descriptions: NDArray[np.floating], wccn: NDArray[np.floating]) -> Doubles:
    """(n, n) cosines between standardised descriptions; 0 for a clip that is the mean of all."""
    turned = standardised(descriptions) @ wccn
    turned -= turned.mean(axis=0)
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    turned /= np.where(length > 0, length, 1.0)
    return np.asarray(turned @ turned.T)


def _softmax(scores: Doubles) -> Doubles:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
