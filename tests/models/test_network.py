from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from tiny_models import (
    CLASSIFIER,
    ENCODER,
    FUSION,
    NETWORK,
    SIZES,
    VARIANTS,
    awake,
    batch_of,
    build,
    one_of,
    stirred,
    with_matrix,
)
from torch import Tensor, nn

from omsn.config import NetworkConfig
from omsn.models.batch import Batch
from omsn.models.losses import cross_entropy, total_loss
from omsn.models.mpdrf import FUSIONS
from omsn.models.network import Network

variants = pytest.mark.parametrize("config", VARIANTS.values(), ids=list(VARIANTS))
LOSSY = NetworkConfig(
    replace(ENCODER, dropout=0.3, input_dropout=0.3),
    replace(ENCODER, dropout=0.3, input_dropout=0.3),
    replace(FUSION, dropout=0.3),
    replace(CLASSIFIER, dropout=0.3),
)
TARGETS = torch.eye(3)[[0, 1, 2, 0]]


def loss_of(network: Network, batch: Batch) -> Tensor:
    return total_loss(network.logits(batch), TARGETS, cross_entropy, 0.3, joint=1.0)


def test_every_fusion_is_tried() -> None:
    assert set(FUSIONS) <= set(VARIANTS)


@variants
def test_nothing_at_all_gives_finite_scores(config: NetworkConfig) -> None:
    logits = awake(config)(batch_of(audio=[0], video=[0]))
    assert logits.shape == (1, SIZES.n_classes)
    assert logits.isfinite().all()


@variants
@pytest.mark.parametrize(("audio", "video"), [([0, 0], [4, 9]), ([4, 9], [0, 0]), ([0, 9], [4, 0])])
def test_either_modality_may_be_missing(config: NetworkConfig, audio: list[int], video: list[int]) -> None:
    network, batch = awake(config), batch_of(audio, video)
    whole = network.logits(batch)
    for logits in (whole.fused, whole.audio, whole.video):
        assert logits.shape == (2, SIZES.n_classes)
        assert logits.isfinite().all()
    assert not torch.allclose(whole.fused[0], whole.fused[1])


@variants
def test_padding_changes_nothing(config: NetworkConfig) -> None:
    network, batch = awake(config), batch_of()
    longer = Batch(
        nn.functional.pad(batch.audio, (0, 0, 0, 7)),
        nn.functional.pad(batch.audio_mask, (0, 7)),
        nn.functional.pad(batch.video, (0, 0, 0, 4)),
        nn.functional.pad(batch.video_mask, (0, 4)),
    )
    torch.testing.assert_close(network(longer), network(batch), rtol=1e-4, atol=1e-5)


@variants
def test_a_batch_is_its_clips_one_by_one(config: NetworkConfig) -> None:
    network, batch = awake(config), batch_of()
    whole = network(batch)
    assert len(batch) == 4
    for row in range(len(batch)):
        torch.testing.assert_close(network(one_of(batch, row))[0], whole[row], rtol=1e-4, atol=1e-5)


@variants
def test_every_parameter_learns(config: NetworkConfig) -> None:
    """After one small step, for the branches that start at 0."""
    network, batch = build(config).train(), batch_of()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(network, batch).backward()  # type: ignore[no-untyped-call]
        asleep = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
        optimizer.step()
    assert asleep == []


@variants
def test_gradients_reach_both_modalities(config: NetworkConfig) -> None:
    batch = batch_of()
    audio, video = batch.audio.requires_grad_(), batch.video.requires_grad_()
    awake(config)(batch).square().sum().backward()
    for frames, mask in ((audio, batch.audio_mask), (video, batch.video_mask)):
        assert frames.grad is not None
        moved = frames.grad.abs().sum(dim=(1, 2)) > 0
        assert torch.equal(moved, mask.any(dim=1))  # each clip that has the modality, no other


@variants
def test_same_seed_same_result(config: NetworkConfig) -> None:
    answers = [stirred(config, seed)(batch_of()) for seed in (3, 3, 4)]
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])


@variants
def test_weights_carry_the_whole_network(config: NetworkConfig) -> None:
    network, other = awake(config), build(config, seed=2)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(batch_of()), network(batch_of()))


@variants
def test_every_tensor_is_a_parameter_or_a_buffer(config: NetworkConfig) -> None:
    network = build(config)
    loose = [
        f"{name}.{attribute}"
        for name, module in network.named_modules()
        for attribute, value in vars(module).items()
        if isinstance(value, Tensor)
    ]
    assert loose == []


@variants
def test_inputs_stay_as_they_are(config: NetworkConfig) -> None:
    batch, before = batch_of(), batch_of()
    build(config).train()(batch)
    for field in fields(Batch):
        assert torch.equal(getattr(batch, field.name), getattr(before, field.name))


@pytest.mark.parametrize("kind", FUSIONS)
@pytest.mark.parametrize(("steps", "channels", "maps"), [(10, 10, 1), (7, 12, 3), (1, 4, 2), (1, 1, 1)])
def test_any_matrix_size(kind: str, steps: int, channels: int, maps: int) -> None:
    config = with_matrix(steps, channels, maps)
    config = replace(config, fusion=replace(config.fusion, kind=kind, stages=4))  # type: ignore[arg-type]
    logits = awake(config)(batch_of())
    assert logits.shape == (4, SIZES.n_classes)
    assert logits.isfinite().all()


def test_folding_keeps_every_number_in_its_step() -> None:
    network = build(with_matrix(4, 6, 3))
    matrix = torch.arange(24.0).reshape(1, 4, 6)
    folded = network._fold(matrix)
    assert folded.shape == (1, 3, 4, 2)
    assert folded[0, 1, 2].tolist() == matrix[0, 2, 2:4].tolist()


def test_late_fusion_adds_up_what_each_modality_says() -> None:
    network, batch = awake(VARIANTS["late"]), batch_of()
    said = network.logits(batch)
    torch.testing.assert_close(said.fused, said.audio + said.video)
    assert not [name for name, _ in network.named_parameters() if name.startswith(("fusion.", "classifier."))]
    assert network.heads() == (network.audio_head, network.video_head)


def test_dropout_is_off_in_evaluation() -> None:
    network, batch = stirred(LOSSY), batch_of()
    assert torch.equal(network(batch), network(batch))
    network.train()
    assert not torch.equal(network(batch), network(batch))


def test_each_head_sees_its_own_modality() -> None:
    network, batch = awake(), batch_of()
    louder = Batch(batch.audio + batch.audio_mask.unsqueeze(2), batch.audio_mask, batch.video, batch.video_mask)
    before, after = network.logits(batch), network.logits(louder)
    assert torch.equal(before.video, after.video)
    assert not torch.allclose(before.audio, after.audio)
    assert not torch.allclose(before.fused, after.fused)


@pytest.mark.parametrize("config", [VARIANTS[kind] for kind in FUSIONS], ids=list(FUSIONS))
def test_overfits_one_batch(config: NetworkConfig) -> None:
    network, batch = build(config).train(), batch_of()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        loss_of(network, batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert cross_entropy(network(batch), TARGETS).item() < 0.05


def test_untrained_mpdrf_tells_clips_apart() -> None:
    """Branches that start at 0 erase nothing."""
    logits = build(NETWORK)(batch_of())
    assert torch.unique(logits, dim=0).shape == logits.shape
