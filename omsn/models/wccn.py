"""Within-class covariance normalisation (WCCN): directions in which things of one class differ count for less.

After Hatch, Kajarekar & Stolcke 2006 ("Within-class covariance normalization for SVM-based speaker recognition",
Interspeech), on principal components.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ShrunkCovariance
from sklearn.decomposition import PCA

from omsn.types import Floats

MIN_WITHIN = 1e-3
"""Share of the variance that must lie within classes: copies of a clip do not tell how clips of one emotion differ."""


def within_class_whitening(
    values: NDArray[np.floating], classes: Sequence[object], components: int, shrinkage: float
) -> Floats | None:
    """What rows are multiplied by so that those of one class differ alike in all directions.

    Args:
        values: (n, S) of about one scale.
        classes: n, what each row is of.
        components: principal components kept at most.
        shrinkage: share of the within-class covariance that is replaced by its mean variance, above 0.

    Returns:
        (S, D); None where there are no more rows than classes, or rows of a class do not differ.
    """
    groups = list(rows_of(classes))
    n_components = min(components, len(values) - len(groups), values.shape[1])
    if n_components < 1 or not values.any():
        return None
    solver = "covariance_eigh" if len(values) > values.shape[1] else "full"  # a third of the time where it can be had
    turn = PCA(n_components, svd_solver=solver).fit(values).components_.T  # (S, D)
    turned = values @ turn  # (n, D)
    variance = turned.var()
    for rows in groups:
        turned[rows] -= turned[rows].mean(axis=0)
    if turned.var() < MIN_WITHIN * variance:
        return None
    within = ShrunkCovariance(shrinkage=shrinkage, assume_centered=True).fit(turned)
    return np.asarray(turn @ np.linalg.cholesky(within.get_precision()), np.float32)


def rows_of(keys: Sequence[object]) -> Iterator[NDArray[np.intp]]:
    """The rows that have each key."""
    rows: dict[object, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return (np.array(own, np.intp) for own in rows.values())
