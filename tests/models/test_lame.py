"""Clips of one person answered together: who is whose neighbour, and what neighbours do to an answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.neighbors import kneighbors_graph

from omsn.errors import InputError
from omsn.models.lame import LIMIT, SHARE, affinities, lame, standardised

N_CLASSES = 4


def described(n_clips: int, seed: int = 0, n_columns: int = 6) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n_clips, n_columns))


def answers(n_clips: int, seed: int = 0) -> NDArray[np.float64]:
    made: NDArray[np.float64] = softmax(np.random.default_rng(seed).normal(size=(n_clips, N_CLASSES)), axis=1)
    return made


# ---------------------------------------------------------------- neighbours


@given(st.integers(1, 90), st.integers(0, 8), st.integers(0, 50))
def test_affinities_are_shared_and_as_many_as_there_may_be(n_clips: int, most: int, seed: int) -> None:
    weights = affinities(described(n_clips, seed), most, np.eye(6))
    np.testing.assert_array_equal(weights, weights.T)
    assert set(np.unique(weights)) <= {0.0, 0.5, 1.0}
    assert not np.diag(weights).any()
    share = max(1, int(SHARE * n_clips + 0.5))
    assert weights.sum() == n_clips * min(most, share, n_clips - 1)


def test_neighbours_are_those_that_scikit_learn_finds() -> None:
    values, wccn = described(60, n_columns=8), described(8, seed=1, n_columns=5)
    turned = standardised(values) @ wccn
    graph = kneighbors_graph(turned - turned.mean(axis=0), 3, metric="cosine").toarray()
    np.testing.assert_array_equal(affinities(values, 3, wccn), (graph + graph.T) / 2)


def test_units_and_offsets_of_the_columns_do_not_count() -> None:
    values, units = described(20), np.array([1e-3, 1, 50, 2, 7, 1e3])
    np.testing.assert_array_equal(affinities(values, 3, np.eye(6)), affinities(values * units + 40, 3, np.eye(6)))


def test_columns_that_never_change_count_for_nothing_and_odd_numbers_are_cut() -> None:
    values = described(40)
    values[:, 0], values[0, 1] = 3.0, 1e6
    scaled = standardised(values)
    assert not scaled[:, 0].any()
    assert np.abs(scaled).max() == LIMIT


def test_what_is_not_known_of_a_clip_counts_as_the_mean_of_the_others() -> None:
    values = described(40)
    values[3, 2:] = np.nan
    scaled, others = standardised(values), standardised(np.delete(values, 3, axis=0))
    assert not scaled[3, 2:].any()
    np.testing.assert_allclose(np.delete(scaled, 3, axis=0)[:, 2:], others[:, 2:], atol=1e-12)
    assert not standardised(np.full((3, 2), np.nan)).any()


def test_a_clip_like_the_mean_of_all_has_an_answer_too() -> None:
    values = np.array([[-1.0], [0.0], [1.0]])
    assert np.isfinite(affinities(values, 2, np.eye(1))).all()


@pytest.mark.parametrize(
    ("values", "neighbours", "wccn", "told"),
    [
        (np.zeros((3, 2)), -1, np.eye(2), "got -1, expected 0 or more"),
        (np.zeros((3, 2)), 1, np.eye(3), r"descriptions \(3, 2\) and WCCN \(3, 3\)"),
        (np.zeros(3), 1, np.eye(3), r"descriptions \(3,\)"),
    ],
)
def test_affinities_that_cannot_be(
    values: NDArray[np.float64], neighbours: int, wccn: NDArray[np.float64], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        affinities(values, neighbours, wccn)


# ---------------------------------------------------------------- answers


@given(st.integers(1, 12), st.integers(0, 4), st.floats(0, 3), st.integers(0, 50))
def test_answers_are_probabilities(n_clips: int, neighbours: int, weight: float, seed: int) -> None:
    said = lame(answers(n_clips, seed), weight * affinities(described(n_clips, seed), neighbours, np.eye(6)))
    assert (said >= 0).all()
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-12)


def test_without_neighbours_an_answer_stays() -> None:
    said = answers(5)
    np.testing.assert_allclose(lame(said, np.zeros((5, 5))), said, atol=1e-12)


@pytest.mark.parametrize("weight", [0.5, 1.0, 3.0])
def test_the_answers_fit_each_other(weight: float) -> None:
    """Where they rest, each is its own times the exponential of what its neighbours' answers sum to."""
    own, weights = answers(60), weight * affinities(described(60), 3, np.eye(6))
    said = lame(own, weights)
    np.testing.assert_allclose(said, softmax(np.log(own) + weights @ said, axis=1), atol=1e-7)


def test_two_who_disagree_do_not_swing_for_ever() -> None:
    own, weights = np.array([[0.6, 0.4], [0.4, 0.6]]), 3 * (np.ones((2, 2)) - np.eye(2))
    said = lame(own, weights)
    np.testing.assert_allclose(said, softmax(np.log(own) + weights @ said, axis=1), atol=1e-6)


def test_two_sure_neighbours_win_over_one_who_is_not() -> None:
    own = np.array([[0.5, 0.4, 0.1], [0.02, 0.96, 0.02], [0.02, 0.96, 0.02]])
    weights = np.ones((3, 3)) - np.eye(3)
    assert own[0].argmax() == 0
    assert lame(own, weights)[0].argmax() == 1


def test_the_order_of_the_clips_does_not_count() -> None:
    own, values, order = answers(15), described(15), np.random.default_rng(3).permutation(15)
    said = lame(own, affinities(values, 3, np.eye(6)))
    turned = lame(own[order], affinities(values[order], 3, np.eye(6)))
    np.testing.assert_allclose(turned, said[order], atol=1e-9)


def test_a_probability_of_0_is_no_veto_without_a_number() -> None:
    own = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(lame(own, np.ones((2, 2)))).all()


@pytest.mark.parametrize("weights", [np.zeros((3, 2)), np.zeros((3, 3)), np.zeros(2)])
def test_weights_of_other_clips(weights: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match=r"lame: got probabilities \(2, 4\) and weights"):
        lame(answers(2), weights)
