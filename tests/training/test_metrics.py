from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from omsn.errors import InputError
from omsn.training.metrics import HEADLINE_METRICS, class_rates, macro_rates, mean_of_defined, score


def one_hot(predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    return np.eye(n_classes)[predicted]


def random_predictions(n: int = 400, n_classes: int = 5) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    generator = np.random.default_rng(3)
    truth = generator.choice(n_classes, n, p=np.linspace(1, 3, n_classes) / np.linspace(1, 3, n_classes).sum())
    logits = generator.normal(size=(n, n_classes)) + 1.2 * one_hot(truth, n_classes)
    return truth, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_no_predictions_cannot_be_scored() -> None:
    with pytest.raises(InputError, match="no predictions to score; got 0 clips"):
        score(np.empty(0, np.int64), np.empty((0, 3)))


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match=r"probabilities: got shape \(2, 3\), expected \(3, classes\)"):
        score(np.array([0, 1, 2]), np.full((2, 3), 1 / 3))


def test_label_indices_must_be_in_range() -> None:
    with pytest.raises(InputError, match="truth: got label indices 0 to 3, expected 0 to 2"):
        score(np.array([0, 3]), np.full((2, 3), 1 / 3))


@pytest.mark.parametrize("row", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1.0]])
def test_rows_must_be_probabilities(row: list[float]) -> None:
    with pytest.raises(InputError, match="rows of finite numbers from 0 that sum to 1"):
        score(np.array([0]), np.array([row]))


def test_paper_identity() -> None:
    """11 mistakes in 300 clips of 8 classes: the paper's 0.9908 is not its accuracy, and its specificity follows."""
    truth = np.repeat(np.arange(8), [20, 40, 40, 40, 40, 40, 40, 40])
    predicted = truth.copy()
    predicted[[0, 1, 20, 60, 61, 100, 140, 180, 220, 260, 261]] = [3, 5, 0, 0, 7, 1, 6, 3, 4, 1, 3]
    scores = score(truth, one_hot(predicted, 8))
    assert scores.war == pytest.approx(289 / 300)
    assert round(scores.war, 4) == 0.9633
    assert scores.headline["mean_one_vs_rest_accuracy"] == pytest.approx(1 - 22 / 2400)
    assert round(scores.headline["mean_one_vs_rest_accuracy"], 4) == 0.9908
    assert scores.headline["macro_specificity"] == pytest.approx(0.9947, abs=2e-4)
    assert [row.support for row in scores.per_class] == [20, 40, 40, 40, 40, 40, 40, 40]


def test_against_scikit_learn() -> None:
    truth, probabilities = random_predictions()
    predicted = probabilities.argmax(axis=1)
    scores = score(truth, probabilities)
    precision, recall, f1, support = reference.precision_recall_fscore_support(truth, predicted, zero_division=0)
    assert scores.war == pytest.approx(reference.accuracy_score(truth, predicted))
    assert scores.uar == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    assert scores.headline["macro_recall"] == scores.uar
    assert scores.headline["macro_f1"] == pytest.approx(f1.mean())
    assert scores.headline["macro_precision"] == pytest.approx(precision.mean())
    assert scores.headline["auc"] == pytest.approx(reference.roc_auc_score(truth, probabilities, multi_class="ovr"))
    np.testing.assert_array_equal(scores.confusion, reference.confusion_matrix(truth, predicted))
    np.testing.assert_allclose([row.precision for row in scores.per_class], precision)
    np.testing.assert_allclose([row.recall for row in scores.per_class], recall)
    np.testing.assert_allclose([row.f1 for row in scores.per_class], f1)
    assert [row.support for row in scores.per_class] == support.tolist()
    tables = reference.multilabel_confusion_matrix(truth, predicted)  # (K, 2, 2)
    np.testing.assert_allclose(
        [row.specificity for row in scores.per_class], tables[:, 0, 0] / tables[:, 0].sum(axis=1)
    )
    np.testing.assert_allclose(
        [row.one_vs_rest_accuracy for row in scores.per_class],
        [reference.accuracy_score(truth == k, predicted == k) for k in range(5)],
    )


def test_a_class_without_clips_is_left_out_of_every_mean() -> None:
    truth, probabilities = np.array([0, 0, 1, 1]), one_hot(np.array([0, 1, 1, 1]), 3)
    scores, without = score(truth, probabilities), score(truth, probabilities[:, :2])
    assert scores.headline == without.headline
    absent = scores.per_class[2]
    assert absent.support == 0
    assert np.isnan(
        [absent.recall, absent.precision, absent.specificity, absent.one_vs_rest_accuracy, absent.auc]
    ).all()


def test_one_class_alone_has_no_specificity_and_no_auc() -> None:
    scores = score(np.array([1, 1]), one_hot(np.array([1, 0]), 2))
    assert scores.war == scores.uar == 0.5
    assert np.isnan([scores.headline["macro_specificity"], scores.headline["auc"]]).all()


def test_a_class_never_named_has_precision_0() -> None:
    assert score(np.array([0, 1]), one_hot(np.array([0, 0]), 2)).per_class[1].precision == 0


def test_every_headline_metric_is_given() -> None:
    assert set(score(*random_predictions()).headline) == set(HEADLINE_METRICS)


def test_many_matrices_at_once_equal_one_by_one() -> None:
    matrices = np.random.default_rng(0).integers(0, 9, (2, 4, 3, 3))
    together = macro_rates(matrices)
    for place in np.ndindex(2, 4):
        for name, value in macro_rates(matrices[place]).items():
            assert together[name][place] == pytest.approx(float(value))
    assert class_rates(matrices)["recall"].shape == (2, 4, 3)


def test_mean_of_nothing_defined_is_nan() -> None:
    assert np.isnan(mean_of_defined(np.array([np.nan, np.nan])))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_scores_lie_between_0_and_1_and_readings_agree(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    scores = score(truth, one_hot(predicted, 4))
    known = np.array([value for value in scores.headline.values() if not np.isnan(value)])
    assert (known >= 0).all()
    assert (known <= 1 + 1e-12).all()
    assert scores.confusion.sum() == len(pairs)
    if len(set(truth.tolist())) == 4:
        assert scores.headline["mean_one_vs_rest_accuracy"] == pytest.approx(1 - 2 * (1 - scores.war) / 4)
