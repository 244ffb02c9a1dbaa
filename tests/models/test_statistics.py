"""What is said by what clips are like as a whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel
from tiny_models import NETWORK, SIZES, awake, batch_of, one_of, stirred

from omsn.config import FisherConfig, NetworkConfig, StatisticsConfig
from omsn.models.network import Network
from omsn.models.statistics import StatisticsClassifier, anova_kernel, gaussian_kernel
from omsn.types import Modality

FISHER = FisherConfig(gaussians=2, dimensions=3, window=3)
WITH = replace(NETWORK, statistics=StatisticsConfig(enabled=True, components=3, audio=FISHER, video=FISHER))
FITTED = replace(SIZES, audio_kinds=(2, 3), n_clips=4)


def fitted(config: NetworkConfig = WITH) -> Network:
    """A network whose statistics say something, made up."""
    torch.manual_seed(0)
    network = Network(FITTED, config).eval()
    assert network.statistics is not None
    for name, weight in network.statistics.named_parameters():
        weight.copy_(torch.rand_like(weight) + 0.5 if "variances" in name else torch.randn_like(weight))
    for one in (network.statistics.audio, network.statistics.video):
        one.known.copy_(torch.nn.functional.normalize(one.known.float(), dim=1))
        for mixture in one.mixtures:
            mixture.weights.copy_(torch.tensor([0.3, 0.7]))
    return network


def test_the_kernel_is_that_of_scikit_learn_and_0_beside_nothing() -> None:
    rows = torch.nn.functional.normalize(torch.randn(5, 3), dim=1)
    rows[2] = 0
    alike = gaussian_kernel(rows, rows)
    there = [0, 1, 3, 4]
    np.testing.assert_allclose(alike[there][:, there], rbf_kernel(rows[there], gamma=0.5), rtol=1e-4)
    assert not alike[2].any()
    assert not alike[:, 2].any()
    one, other = torch.rand(2, 3), torch.rand(2, 3)
    torch.testing.assert_close(anova_kernel(one, other), (1 + one) * (1 + other) - 1)


def test_every_view_is_as_long_as_every_other() -> None:
    network, batch = fitted(), batch_of()
    assert network.statistics is not None
    module = network.statistics.audio
    rows = module(batch.audio, batch.audio_mask)
    assert rows.shape == (4, 4 * 3)
    lengths = rows.unflatten(1, (4, 3)).norm(dim=2)
    there = batch.audio_mask.any(dim=1)
    torch.testing.assert_close(lengths[there], torch.full_like(lengths[there], 0.5))
    assert not rows[~there].any()
    assert [tuple(kind.shape[2:]) for kind in module.by_kind(batch.audio)] == [(2,), (3,)]


def test_centred_windows_are_views_of_their_own() -> None:
    config = replace(WITH.statistics, audio=replace(FISHER, centred_windows=(1, 5)))
    module = StatisticsClassifier((2, 3), (4,), 8, 4, config).audio
    batch = batch_of()
    assert [(one.window, one.centred) for one in module.mixtures] == [
        *[(3, False)] * 2,
        *[(1, True)] * 2,
        *[(5, True)] * 2,
    ]
    assert [len(one.mean) for one in module.mixtures] == [6, 9, 2, 3, 10, 15]
    described = module.described(batch.audio, batch.audio_mask)
    assert [rows.shape[1] for rows in described] == [len(view.mean) for view in module.views]
    assert module(batch.audio, batch.audio_mask).shape == (4, 8 * 3)


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_a_modality_that_is_not_looked_at_takes_no_room_and_tells_nothing(modality: Modality) -> None:
    config = replace(WITH.statistics, modality=modality)
    machine, batch = StatisticsClassifier((2, 3), (4,), 8, 4, config), batch_of()
    looked_at, other = (machine.audio, machine.video) if modality == "audio" else (machine.video, machine.audio)
    assert not sum(weight.numel() for weight in other.parameters())
    looked_at.known.copy_(torch.nn.functional.normalize(torch.randn(looked_at.known.shape), dim=1))
    machine.coefficients.copy_(torch.randn(4, 8))
    said = machine(batch.audio, batch.audio_mask, batch.video, batch.video_mask)
    own = (batch.audio, batch.audio_mask) if modality == "audio" else (batch.video, batch.video_mask)
    alike = gaussian_kernel(looked_at(*own), looked_at.known.float())
    torch.testing.assert_close(said, alike @ machine.coefficients + machine.offset)


def test_statistics_answer_beside_the_network() -> None:
    network, batch = fitted(), batch_of()
    assert network.statistics is not None
    said = network.statistics(batch.audio, batch.audio_mask, batch.video, batch.video_mask)
    without = stirred()
    own = {name: weight for name, weight in network.state_dict().items() if not name.startswith("statistics.")}
    without.load_state_dict(own)
    torch.testing.assert_close(network(batch), 0.3 * without(batch) + 0.7 * said)
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
    assert len(fixed) == (2 + 2 * 1 + 3 * 5 + 6 * 4 if config is WITH else 0)  # 3 kinds of columns, 6 views
    assert not any(weight.requires_grad for weight in fixed)
    assert fused.requires_grad
