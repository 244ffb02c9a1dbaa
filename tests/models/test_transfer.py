"""A network that starts from a trained one answers as that one does, as far as both mean the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import NETWORK, SIZES, VARIANTS, batch_of, build, stirred

from omsn.config import AudioFeatures, Config, NetworkConfig, PipelineConfig, StatisticsConfig, VideoFeatures
from omsn.errors import CheckpointError
from omsn.labels import LabelSet
from omsn.models.batch import Batch
from omsn.models.checkpoint import Checkpoint
from omsn.models.network import Network
from omsn.models.transfer import Meaning, check_pipeline, start_from

AUDIO = tuple(f"sound_{i}" for i in range(SIZES.audio_features))
VIDEO = tuple(f"face_{i}" for i in range(SIZES.video_features))
LABELS = ("angry", "calm", "sad")
SAME = Meaning(AUDIO, VIDEO, LABELS)


def trained(config: NetworkConfig = NETWORK) -> Checkpoint:
    return Checkpoint((stirred(config),), Config(network=config), LabelSet(LABELS), AUDIO, VIDEO, {}, ("1",))


def fresh(meaning: Meaning, config: NetworkConfig = NETWORK) -> Network:
    torch.manual_seed(1)
    sizes = meaning.sizes()
    return Network(sizes, config).eval()


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_same_columns_and_emotions_give_the_same_answers(config: NetworkConfig) -> None:
    network, checkpoint = fresh(SAME, config), trained(config)
    assert not torch.equal(network(batch_of()), checkpoint.networks[0](batch_of()))
    start_from(network, checkpoint, SAME)
    assert torch.equal(network(batch_of()), checkpoint.networks[0](batch_of()))


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_columns_go_by_name_and_new_ones_change_nothing(config: NetworkConfig) -> None:
    meaning = Meaning((*reversed(AUDIO), "new"), ("hog_0", *VIDEO, "hog_1"), LABELS)
    network, checkpoint, batch = fresh(meaning, config), trained(config), batch_of()
    start_from(network, checkpoint, meaning)

    def widened(values: torch.Tensor, order: list[int]) -> torch.Tensor:
        new = torch.randn(*values.shape[:2], 1)
        return torch.cat([values, new], dim=2)[:, :, order]

    audio = widened(batch.audio, [4, 3, 2, 1, 0, 5])
    video = widened(batch.video, [4, 0, 1, 2, 3, 4])
    wide = Batch(audio, batch.audio_mask, video, batch.video_mask)
    torch.testing.assert_close(network(wide), checkpoint.networks[0](batch))


def test_what_is_fitted_in_closed_form_need_not_be_alike() -> None:
    own = replace(NETWORK, statistics=StatisticsConfig(enabled=True, components=3), known_speakers=True)
    network, checkpoint = fresh(SAME, own), trained()
    start_from(network, checkpoint, SAME)
    assert torch.equal(network(batch_of()), checkpoint.networks[0](batch_of()))


def test_seeds_take_several_networks_in_turn() -> None:
    first, second = trained().networks[0], fresh(SAME)
    checkpoint = replace(trained(), networks=(first, second))
    for seed, source in enumerate((first, second, first)):
        network = fresh(SAME)
        start_from(network, checkpoint, SAME, seed)
        assert torch.equal(network(batch_of()), source(batch_of()))


def test_what_is_new_learns() -> None:
    meaning = Meaning(AUDIO, (*VIDEO, "hog_0"), LABELS)
    network = fresh(meaning)
    start_from(network, trained(), meaning)
    batch = batch_of()
    wide = Batch(batch.audio, batch.audio_mask, torch.randn(*batch.video.shape[:2], 5), batch.video_mask)
    network(wide).square().sum().backward()
    [weight] = network.video_encoder.input_weights()
    assert weight.grad is not None
    assert weight.grad[:, 4].abs().sum() > 0


def test_emotions_go_by_name_and_a_new_one_starts_afresh() -> None:
    meaning = Meaning(AUDIO, VIDEO, ("bored", "sad", "angry"))
    network, untouched, checkpoint = fresh(meaning), fresh(meaning), trained()
    start_from(network, checkpoint, meaning)
    ours, theirs = network.logits(batch_of()), checkpoint.networks[0].logits(batch_of())
    for own, known in ((ours.fused, theirs.fused), (ours.audio, theirs.audio), (ours.video, theirs.video)):
        torch.testing.assert_close(own[:, [1, 2]], known[:, [2, 0]])
    for layer, before in zip(network.heads(), untouched.heads(), strict=True):
        assert torch.equal(layer.weight[0], before.weight[0])
        assert torch.equal(layer.bias[0], before.bias[0])


def test_the_trained_network_is_left_alone() -> None:
    checkpoint = trained()
    before = {name: weight.clone() for name, weight in checkpoint.networks[0].state_dict().items()}
    network = fresh(SAME)
    start_from(network, checkpoint, SAME)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(1.0)
    assert all(torch.equal(weight, before[name]) for name, weight in checkpoint.networks[0].state_dict().items())


def test_a_network_that_is_built_otherwise_is_refused() -> None:
    other = replace(NETWORK, classifier=replace(NETWORK.classifier, blocks=0))
    with pytest.raises(CheckpointError, match=r"in the checkpoint, classifier\.blocks is 1, not 0\. Take the recipe"):
        start_from(build(other), trained(), SAME)


@pytest.mark.parametrize(
    ("meaning", "told"),
    [
        (replace(SAME, audio_columns=AUDIO[1:]), "audio features lack columns .*: sound_0. Prepare"),
        (replace(SAME, video_columns=("hog_0",)), "video features lack columns .*: face_0, face_1, face_2 and 1 more"),
    ],
)
def test_columns_that_are_missing_are_named(meaning: Meaning, told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        start_from(fresh(meaning), trained(), meaning)


def test_hog_and_other_speeds_may_come_to_the_features_and_nothing_else() -> None:
    usual = PipelineConfig()
    check_pipeline(usual, usual, "cache")
    check_pipeline(usual, replace(usual, video=VideoFeatures(hog=True)), "cache")
    faster = replace(usual, audio=AudioFeatures(speeds=(1.1,)))
    check_pipeline(usual, faster, "cache")
    check_pipeline(faster, usual, "cache")
    other = replace(usual, audio=AudioFeatures(hop_s=0.01), video=VideoFeatures(hog=True))
    with pytest.raises(
        CheckpointError, match=r"cache: prepared with .* in the checkpoint, audio\.hop_s is 0\.02, not 0"
    ):
        check_pipeline(usual, other, "cache")
