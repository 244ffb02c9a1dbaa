"""Statistics of clips and what is said by them, against NumPy and scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel
from tiny_models import NETWORK, SIZES, awake, batch_of, one_of, stirred

from omsn.config import NetworkConfig, StatisticsConfig
from omsn.models.network import Network
from omsn.models.statistics import anova_kernel, clip_statistics, gaussian_kernel

WITH = replace(NETWORK, statistics=StatisticsConfig(enabled=True, components=3))
FITTED = replace(SIZES, n_clips=4)


def fitted(config: NetworkConfig = WITH) -> Network:
    """A network whose statistics say something, made up."""
    torch.manual_seed(0)
    network = Network(FITTED, config).eval()
    assert network.statistics is not None
    for weight in network.statistics.parameters():
        weight.copy_(torch.randn_like(weight))
    for one in (network.statistics.audio, network.statistics.video):
        one.known.copy_(torch.nn.functional.normalize(one.known, dim=1))
    return network


def test_statistics_are_those_of_the_real_frames() -> None:
    batch = batch_of(audio=(7, 1, 12, 2))
    for frames, mask, said in zip(
        batch.audio.numpy(), batch.audio_mask.numpy(), clip_statistics(batch.audio, batch.audio_mask), strict=True
    ):
        real = frames[mask]
        step = np.abs(np.diff(real, axis=0)).mean(axis=0) if len(real) > 1 else np.zeros(real.shape[1])
        expected = [real.mean(axis=0), real.std(axis=0), step, *np.percentile(real, (10, 50, 90), axis=0)]
        np.testing.assert_allclose(said, np.concatenate(expected), atol=1e-5)


def test_a_clip_without_a_frame_has_statistics_of_nothing() -> None:
    batch = batch_of(audio=(7, 0, 12, 3))
    assert not clip_statistics(batch.audio, batch.audio_mask)[1].any()
    assert clip_statistics(batch.audio, batch.audio_mask).isfinite().all()


def test_masked_frames_inside_a_clip_do_not_count() -> None:
    frames, mask = torch.randn(1, 9, 5), torch.ones(1, 9, dtype=torch.bool)
    mask[0, 3:5] = False
    seen = clip_statistics(frames, mask)
    real = frames[0, mask[0]].numpy()
    np.testing.assert_allclose(seen[0, :5], real.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(seen[0, 20:25], np.median(real, axis=0), atol=1e-5)
    steps = np.abs(np.concatenate([np.diff(frames[0, :3], axis=0), np.diff(frames[0, 5:], axis=0)])).mean(axis=0)
    np.testing.assert_allclose(seen[0, 10:15], steps, atol=1e-5)
    frames[0, 3:5] = 1e6
    assert torch.equal(clip_statistics(frames, mask), seen)


def test_the_kernel_is_that_of_scikit_learn_and_0_beside_nothing() -> None:
    rows = torch.nn.functional.normalize(torch.randn(5, 3), dim=1)
    rows[2] = 0
    alike = gaussian_kernel(rows, rows)
    there = [0, 1, 3, 4]
    np.testing.assert_allclose(alike[there][:, there], rbf_kernel(rows[there], gamma=1.0), rtol=1e-4)
    assert not alike[2].any()
    assert not alike[:, 2].any()
    one, other = torch.rand(2, 3), torch.rand(2, 3)
    torch.testing.assert_close(anova_kernel(one, other), (1 + one) * (1 + other) - 1)


def test_statistics_answer_beside_the_network() -> None:
    network, batch = fitted(), batch_of()
    assert network.statistics is not None
    said = network.statistics(batch.audio, batch.audio_mask, batch.video, batch.video_mask)
    without = stirred()
    own = {name: weight for name, weight in network.state_dict().items() if not name.startswith("statistics.")}
    without.load_state_dict(own)
    torch.testing.assert_close(network(batch), (without(batch) + said) / 2)
    torch.testing.assert_close(network.logits(batch).audio, without.logits(batch).audio)


def test_a_clip_alone_is_answered_as_in_a_batch() -> None:
    network, batch = fitted(), batch_of()
    for row in range(len(batch)):
        torch.testing.assert_close(network(one_of(batch, row))[0], network(batch)[row], rtol=1e-4, atol=1e-5)


def test_a_clip_without_anything_gets_the_usual_answer() -> None:
    network = fitted()
    assert network.statistics is not None
    nothing = torch.zeros(1, 1, dtype=torch.bool)
    said = network.statistics(torch.randn(1, 1, 5), nothing, torch.randn(1, 1, 4), nothing)
    torch.testing.assert_close(said[0], network.statistics.offset.data)


def test_unfitted_statistics_say_nothing() -> None:
    torch.manual_seed(0)
    network, batch = Network(SIZES, WITH).eval(), batch_of()
    without = Network(SIZES, NETWORK).eval()
    own = {name: weight for name, weight in network.state_dict().items() if not name.startswith("statistics.")}
    without.load_state_dict(own)
    assert torch.equal(network(batch), without(batch))
    assert network.statistics is not None
    assert not network.statistics.fitted


@pytest.mark.parametrize("config", [NETWORK, WITH], ids=["without", "with"])
def test_no_gradient_goes_through_statistics(config: NetworkConfig) -> None:
    network, batch = fitted() if config is WITH else awake(), batch_of()
    fused = network.logits(batch).fused
    fixed = [weight for name, weight in network.named_parameters() if "statistics" in name]
    assert len(fixed) == (12 if config is WITH else 0)
    assert not any(weight.requires_grad for weight in fixed)
    assert fused.requires_grad
