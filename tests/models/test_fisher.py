"""Fisher vectors, against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.feature import fisher_vector
from sklearn.mixture import GaussianMixture
from tiny_models import batch_of
from torch import Tensor

from omsn.config import FisherConfig
from omsn.errors import ConfigError
from omsn.models.fisher import FisherVectors, stretches

CONFIG = FisherConfig(gaussians=3, dimensions=4, window=3, step=2)


def fitted(config: FisherConfig = CONFIG) -> tuple[FisherVectors, GaussianMixture]:
    """Of five columns, made up; and the same mixture by scikit-learn."""
    generator = np.random.default_rng(0)
    module = FisherVectors(5, config)
    mixture = GaussianMixture(config.gaussians, covariance_type="diag", random_state=0)
    mixture.fit(generator.normal(size=(200, 4)) * 0.7)
    module.mean.copy_(torch.from_numpy(generator.normal(size=module.mean.shape)) * 0.1)
    module.projection.copy_(torch.from_numpy(generator.normal(size=module.projection.shape)) * 0.2)
    for weight, values in (
        (module.weights, mixture.weights_),
        (module.means, mixture.means_),
        (module.variances, mixture.covariances_),
    ):
        weight.copy_(torch.from_numpy(values))
    return module, mixture


def test_they_are_those_of_scikit_image_but_for_constant_factors() -> None:
    module, mixture = fitted()
    batch = batch_of(audio=(7, 1, 12, 2))
    points, said = module.points(batch.audio, batch.audio_mask), module(batch.audio, batch.audio_mask)
    factors = np.repeat(np.sqrt(mixture.weights_), 4)
    for row, mask in enumerate(batch.audio_mask):
        theirs = fisher_vector(points[row][mask].double().numpy(), mixture)  # type: ignore[no-untyped-call]
        weights, by_mean, by_variance = theirs[:3], theirs[3:15], theirs[15:]
        parts = weights * np.sqrt(mixture.weights_), by_mean * factors, -by_variance * factors * np.sqrt(2)
        expected = np.concatenate(parts)
        np.testing.assert_allclose(said[row], np.sign(expected) * np.sqrt(np.abs(expected)), atol=2e-3)
        np.testing.assert_allclose(said[row] * said[row].abs(), expected, atol=1e-5)


def test_a_clip_alone_is_as_in_a_batch_and_without_a_frame_nothing() -> None:
    module, _ = fitted()
    batch = batch_of(audio=(7, 0, 12, 3))
    said = module(batch.audio, batch.audio_mask)
    assert said.shape == (4, 3 * (1 + 2 * 4))
    assert said.isfinite().all()
    assert not said[1].any()
    for row, length in ((0, 7), (2, 12), (3, 3)):
        alone = module(batch.audio[row : row + 1, :length], batch.audio_mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], said[row], rtol=1e-3, atol=1e-4)


def test_unfitted_they_are_0() -> None:
    batch = batch_of()
    said = FisherVectors(5, CONFIG)(batch.audio, batch.audio_mask)
    assert not said.any()


def window_of(frames: Tensor, mask: Tensor, at: int, config: FisherConfig) -> Tensor:
    """One stretch, written out."""
    n_frames, reach, rows = len(mask), config.window // 2, []
    real = [number for number in range(n_frames) if mask[number]]
    for offset in range(-reach, reach + 1):
        wanted = min(max(at + offset * config.step, 0), n_frames - 1)
        rows.append(max((number for number in real if number <= wanted), default=real[0]))
    return torch.cat([frames[row] for row in rows])


@pytest.mark.parametrize("config", [CONFIG, FisherConfig(window=7), FisherConfig()], ids=str)
def test_frames_that_are_not_real_give_way_to_the_last_real_one(config: FisherConfig) -> None:
    frames = torch.randn(2, 12, 5)
    mask = torch.tensor([[False, False, *[True] * 4, False, False, True, True, False, False], [True] * 5 + [False] * 7])
    said = stretches(frames, mask, config.window, config.step)
    assert said.shape == (2, 12, 5 * config.window)
    for row in range(2):
        for at in range(12):
            torch.testing.assert_close(said[row, at], window_of(frames[row], mask[row], at, config))


@pytest.mark.parametrize("window", [1, 5])
def test_centred_they_are_those_of_frames_less_the_mean_of_the_clip(window: int) -> None:
    frames, mask = torch.randn(3, 12, 5), torch.ones(3, 12, dtype=torch.bool)
    mask[1, :4], mask[2] = False, False
    module = FisherVectors(5, CONFIG, window, centred=True)
    around = module.around(frames, mask)
    assert around.shape == (3, 12, 5 * window)
    for row in (0, 1):
        own = frames[row][mask[row]]
        expected = stretches(frames[row : row + 1] - own.mean(dim=0), mask[row : row + 1], window, CONFIG.step)
        torch.testing.assert_close(around[row], expected[0])
        shifted = module.around(frames + torch.randn(5), mask)
        torch.testing.assert_close(around[row][mask[row]], shifted[row][mask[row]], atol=1e-5, rtol=1e-4)
    assert around.isfinite().all()


def test_a_window_has_a_middle() -> None:
    with pytest.raises(ConfigError, match=r"FisherConfig\.window: got 4, expected an odd number of frames"):
        FisherConfig(window=4)
    with pytest.raises(ConfigError, match=r"FisherConfig\.centred_windows: got \[3, 4\], expected odd numbers"):
        FisherConfig(centred_windows=(3, 4))
    with pytest.raises(ConfigError, match=r"got \[33\], expected odd numbers of frames from 1 to 31"):
        FisherConfig(centred_windows=(33,))
