"""Views of clips, fitted: mixtures against scikit-learn, whitening by what it is for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from omsn.config import FisherConfig, StatisticsConfig
from omsn.models.statistics import KnownClips
from omsn.training import views

FISHER = FisherConfig(gaussians=2, dimensions=3, window=3, centred_windows=(5,))
CONFIG = StatisticsConfig(components=5, video=FISHER, audio=FISHER)


def frames_of(n_clips: int = 60, n_frames: int = 12, n_columns: int = 5) -> tuple[Tensor, Tensor]:
    """Some clips shorter than others, and every tenth without a frame."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(n_clips, n_frames, n_columns, generator=generator)
    lengths = torch.randint(4, n_frames + 1, (n_clips,), generator=generator)
    lengths[::10] = 0
    return frames, torch.arange(n_frames) < lengths[:, None]


def module_of(n_clips: int = 60) -> KnownClips:
    return KnownClips((2, 3), n_clips, FISHER, CONFIG.components)


def test_points_are_white_and_the_mixture_is_that_of_scikit_learn() -> None:
    module, (frames, mask) = module_of(), frames_of()
    views.fit_fisher(module, frames, mask)
    of = list(module.by_mixture(frames))
    assert [(mixture.centred, kind.shape[2]) for mixture, kind in of] == [(False, 2), (False, 3), (True, 2), (True, 3)]
    for mixture, kind in of:
        points = mixture.points(kind, mask)[mask].double().numpy()
        np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(np.cov(points.T), np.eye(3), atol=1e-3)
        theirs = GaussianMixture(2, covariance_type="diag", random_state=0).fit(points)
        np.testing.assert_allclose(mixture.weights, theirs.weights_, atol=1e-2)
        np.testing.assert_allclose(mixture.means, theirs.means_, atol=5e-2)
        shares = mixture.shares(torch.from_numpy(points).float().unsqueeze(0))[0]
        np.testing.assert_allclose(shares, theirs.predict_proba(points), atol=0.05)


def test_many_stretches_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_POINTS", 50)
    module, (frames, mask) = module_of(), frames_of()
    thinned = views._stretches_of(module.mixtures[0], module.by_kind(frames)[0], mask)
    monkeypatch.setattr(views, "MAX_POINTS", 10**6)
    whole = views._stretches_of(module.mixtures[0], module.by_kind(frames)[0], mask)
    assert whole.shape == (int(mask.sum()), 6)
    assert len(thinned) <= 50
    np.testing.assert_array_equal(thinned, whole[:: -(-len(whole) // 50)])


@pytest.mark.parametrize("case", ["too few", "nobody", "nothing changes"])
def test_a_mixture_that_cannot_be_is_left_out(case: str) -> None:
    module, (frames, mask) = module_of(), frames_of()
    if case == "too few":
        frames, mask = frames[1:2], mask[1:2]
    elif case == "nobody":
        mask = torch.zeros_like(mask)
    else:
        frames = torch.ones_like(frames)
    views.fit_fisher(module, frames, mask)
    assert not any(mixture.weights.any() for mixture in module.mixtures)
    assert not any(view.any() for view in views.described(module, frames, mask)[2:])


def test_all_clips_are_described_as_a_batch_of_them_is(monkeypatch: pytest.MonkeyPatch) -> None:
    module, (frames, mask) = module_of(), frames_of()
    views.fit_fisher(module, frames, mask)
    monkeypatch.setattr(views, "CHUNK", 7)
    for some, whole in zip(views.described(module, frames, mask), module.described(frames, mask), strict=True):
        torch.testing.assert_close(some, whole, rtol=1e-3, atol=1e-3)


def test_clips_are_known_by_rows_that_whitening_makes_alike_within_a_class() -> None:
    module, (frames, mask) = module_of(), frames_of()
    present, classes = mask.any(dim=1), torch.arange(60) % 6
    views.fit_fisher(module, frames, mask)
    seen = views.described(module, frames, mask)
    assert views.fit_known(module, seen, present, classes, CONFIG)
    torch.testing.assert_close(module(frames, mask), module.known.float(), rtol=0, atol=1e-3)
    torch.testing.assert_close(module.known.float().norm(dim=1), present.float(), rtol=0, atol=1e-3)
    view = module.views[0]
    centred = view.scaled(seen[0][present]) @ view.whitening.float() - view.centre
    np.testing.assert_allclose(centred.mean(dim=0), 0, atol=1e-4)
    turned = (view.scaled(seen[0][present]) @ view.whitening.float()).double()
    for one in range(6):
        turned[classes[present] == one] -= turned[classes[present] == one].mean(dim=0)
    spread = turned.var(dim=0)
    assert spread.max() < 4 * spread.min()  # alike but for what shrinkage leaves


def test_views_that_tell_nothing_are_said_to() -> None:
    module, (frames, mask) = module_of(), frames_of()
    seen, classes = views.described(module, frames, mask), torch.arange(60) % 6
    assert not views.fit_known(module, seen, torch.zeros(60, dtype=torch.bool), classes, CONFIG)
    assert not views.fit_known(module, seen, mask.any(dim=1), torch.arange(60), CONFIG)
    assert not module.known.any()
