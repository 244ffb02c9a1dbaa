from __future__ import annotations

import numpy as np
import pytest

from omsn.models.wccn import rows_of, within_class_whitening


def classed(n_classes: int = 6, each: int = 40, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Rows of classes that differ within in one covariance, far from round."""
    generator = np.random.default_rng(seed)
    mix = generator.normal(size=(5, 5)) * np.array([1, 2, 4, 8, 16])
    centres = 20 * generator.normal(size=(n_classes, 5))
    names = np.repeat(np.arange(n_classes), each)
    return centres[names] + generator.normal(size=(n_classes * each, 5)) @ mix, names.tolist()


def test_rows_of_one_class_differ_alike_in_all_directions() -> None:
    values, classes = classed()
    whitening = within_class_whitening(values, classes, components=5, shrinkage=0.01)
    assert whitening is not None
    turned = values @ whitening
    within = np.concatenate([turned[rows] - turned[rows].mean(axis=0) for rows in rows_of(classes)])
    spread = np.linalg.eigvalsh(np.cov(within.T))
    plain = np.concatenate([values[rows] - values[rows].mean(axis=0) for rows in rows_of(classes)])
    before = np.linalg.eigvalsh(np.cov(plain.T))
    assert before.max() / before.min() > 200
    assert spread.max() / spread.min() < 20  # what shrinkage leaves


def test_no_more_directions_than_rows_can_tell() -> None:
    values, classes = classed(n_classes=3, each=2)
    whitening = within_class_whitening(values, classes, components=5, shrinkage=0.1)
    assert whitening is not None
    assert whitening.shape == (5, 3)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (np.eye(3), [0, 1, 2]),
        (np.zeros((4, 3)), [0, 0, 1, 1]),
        (np.array([[1.0, 2], [1, 2], [5, 1], [5, 1]]), [0, 0, 1, 1]),
    ],
    ids=["one of each", "all nothing", "copies"],
)
def test_classes_that_do_not_tell_how_they_differ(values: np.ndarray, classes: list[int]) -> None:
    assert within_class_whitening(values, classes, components=2, shrinkage=0.1) is None


def test_rows_of_each_key() -> None:
    assert [rows.tolist() for rows in rows_of(["b", "a", "b"])] == [[0, 2], [1]]
