"""The views of one modality that ``omsn/models/statistics.py`` has of clips, fitted on a training part."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from omsn.config import StatisticsConfig
from omsn.data.padded import CHUNK, longest
from omsn.models.fisher import FisherVectors
from omsn.models.pooling import scale_of
from omsn.models.statistics import KnownClips, WhitenedView
from omsn.models.wccn import within_class_whitening
from omsn.types import Floats

MAX_POINTS = 20_000
"""Stretches that a mixture is fitted on at most, evenly spaced."""
POINTS_PER_GAUSSIAN = 10
"""Fewer than this, and a mixture describes the stretches that it was fitted on alone."""
MIN_VARIANCE = 1e-6
"""Of a principal component that is kept."""


def fit_fisher(module: KnownClips, frames: Tensor, mask: Tensor) -> None:
    """Fit the Gaussian mixture of each kind of columns, in place, on frames (n, T, F) and their mask (n, T).

    Left unfitted where there are too few.
    """
    for fisher, kind in module.by_mixture(frames):
        _fit_mixture(fisher, _stretches_of(fisher, kind, mask))


def described(module: KnownClips, frames: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    """What each view is of, for all n clips, some at a time: (n, S) each."""
    parts = [module.described(frames[some], mask[some]) for some in _in_turn(mask)]
    return tuple(torch.cat(views) for views in zip(*parts, strict=True))


def fit_known(
    module: KnownClips, seen: Sequence[Tensor], present: Tensor, classes: Tensor, config: StatisticsConfig
) -> bool:
    """Whiten each view, in place, and keep the clips.

    Args:
        module: of these n clips.
        seen: (n, S) what each view is of.
        present: (n,) whether the clip has the modality.
        classes: (n,) what WCCN takes to be alike.
        config: how.

    Returns:
        False where no view tells anything.
    """
    if not present.any():
        return False
    alike = classes[present].tolist()
    told = [_whiten(view, of[present], alike, config) for view, of in zip(module.views, seen, strict=True)]
    module.known.copy_(module.embed(seen, present))
    return any(told)


def _stretches_of(fisher: FisherVectors, frames: Tensor, mask: Tensor) -> Floats:
    """At most ``MAX_POINTS`` of the stretches of all clips, evenly spaced. (n, window F)."""
    chosen = torch.zeros_like(mask)
    real = mask.nonzero()
    every = -(-len(real) // MAX_POINTS) or 1
    chosen[real[::every, 0], real[::every, 1]] = True
    parts = [fisher.around(frames[some], mask[some])[chosen[some]] for some in _in_turn(mask)]
    return torch.cat(parts).numpy()


def _in_turn(mask: Tensor) -> Iterator[tuple[slice, slice]]:
    """Some clips at a time, up to the last real frame of any of them: places in what is (n, T) or more."""
    for at in range(0, len(mask), CHUNK):
        yield slice(at, at + CHUNK), slice(0, longest(mask[at : at + CHUNK]))


def _fit_mixture(fisher: FisherVectors, points: Floats) -> None:
    gaussians, n_dimensions = fisher.config.gaussians, fisher.n_dimensions
    if len(points) < max(POINTS_PER_GAUSSIAN * gaussians, n_dimensions + 1) or not np.ptp(points, axis=0).any():
        return
    turn = PCA(n_dimensions, svd_solver="covariance_eigh").fit(points.astype(np.float64))
    kept = turn.explained_variance_ > MIN_VARIANCE
    scale = np.where(kept, 1 / np.sqrt(np.maximum(turn.explained_variance_, MIN_VARIANCE)), 0)
    fisher.mean.copy_(torch.from_numpy(turn.mean_))
    fisher.projection.copy_(torch.from_numpy(turn.components_.T * scale))
    mixture = GaussianMixture(gaussians, covariance_type="diag", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that still moves a little will do
        mixture.fit((points - turn.mean_) @ (turn.components_.T * scale))
    fisher.weights.copy_(torch.from_numpy(mixture.weights_))
    fisher.means.copy_(torch.from_numpy(mixture.means_))
    fisher.variances.copy_(torch.from_numpy(mixture.covariances_))


def _whiten(view: WhitenedView, values: Tensor, classes: Sequence[int], config: StatisticsConfig) -> bool:
    """False where these clips do not tell how."""
    view.mean.copy_(values.mean(dim=0))
    view.scale.copy_(scale_of(values))
    scaled = view.scaled(values)
    whitening = within_class_whitening(scaled.double().numpy(), classes, config.components, config.shrinkage)
    if whitening is None:
        return False
    view.whitening[:, : whitening.shape[1]] = torch.from_numpy(whitening)
    view.centre.copy_((scaled @ view.whitening.float()).mean(dim=0))
    return True
