from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import FUSION, stir
from torch import Tensor, nn
from torch.nn import functional as F

from omsn.config import FusionConfig
from omsn.models.maps import channel_norm
from omsn.models.mpdrf import (
    BCPW,
    FUSIONS,
    UAR,
    AggregatedResidual,
    ConcatenationFusion,
    MeanFusion,
    MPDRFNet,
    ResidualTransformer,
)

FOUR_STAGES = replace(FUSION, stages=4)
SPARSE = replace(FOUR_STAGES, dense=False)


def maps_of(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def awake(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    stir(module)
    return module


# ---------------------------------------------------------------- BCPW


def test_untrained_weighting_is_the_mean_of_its_inputs() -> None:
    audio, video = maps_of(2, 6, 5, 4), maps_of(2, 6, 5, 4, seed=1)
    torch.testing.assert_close(BCPW(6)(audio, video), (audio + video) / 2, rtol=0, atol=0)
    torch.testing.assert_close(MeanFusion()(audio, video), (audio + video) / 2, rtol=0, atol=0)


def test_weighting_with_closed_gates_is_the_mean_of_its_inputs() -> None:
    block = BCPW(6)
    stir(block)
    with torch.no_grad():
        for layer in block.pixel_gates:
            if isinstance(layer, nn.Conv2d):
                layer.weight.zero_()
                layer.bias.fill_(-200)  # type: ignore[union-attr]
        block.merge.bias.zero_()
    audio, video = maps_of(2, 6, 5, 4), maps_of(2, 6, 5, 4, seed=1)
    torch.testing.assert_close(block(audio, video), (audio + video) / 2)


def test_weighting_follows_its_formula() -> None:
    """(a + v) / 2 + W_a (g_c g_p a) + W_v (g_c g_p v), the gates taken from the pair."""
    block = BCPW(4)
    stir(block)
    audio, video = maps_of(2, 4, 3, 5), maps_of(2, 4, 3, 5, seed=1)
    pair = torch.cat([audio, video], dim=1)
    channel, pixel = block.channel_gates(pair.mean(dim=(2, 3))), block.pixel_gates(pair)
    assert channel.shape == (2, 8)  # a gate for each channel of each modality
    assert pixel.shape == (2, 2, 3, 5)  # a gate for each pixel of each modality
    expected = (audio + video) / 2 + block.merge.bias[None, :, None, None]
    for number, maps in enumerate((audio, video)):
        own = slice(4 * number, 4 * number + 4)
        gated = channel[:, own, None, None] * pixel[:, number : number + 1] * maps
        expected = expected + F.conv2d(gated, block.merge.weight[:, own, None, None])
    torch.testing.assert_close(block(audio, video), expected)


def test_each_modality_gates_the_other() -> None:
    block = awake(BCPW(4))
    audio, video = maps_of(1, 4, 3, 3).requires_grad_(), maps_of(1, 4, 3, 3, seed=1)
    plain = (audio + video) / 2
    (gain,) = torch.autograd.grad((block(audio, video) - plain).square().sum(), audio)
    assert gain.any()
    shifted = block(audio, video + 1) - block(audio, video)
    assert shifted.std() > 0  # not only the mean moved


# ---------------------------------------------------------------- aggregated residuals


@pytest.mark.parametrize(("size", "halved"), [(10, 5), (5, 3), (3, 2), (2, 1), (1, 1), (7, 4)])
@pytest.mark.parametrize("transformer", [True, False])
def test_down_sampling_halves_and_rounds_up(size: int, halved: int, *, transformer: bool) -> None:
    down = AggregatedResidual(4, 8, replace(FUSION, transformer=transformer), stride=2)
    assert down(maps_of(2, 4, size, 10)).shape == (2, 8, halved, 5)
    assert down(maps_of(2, 4, 10, size)).shape == (2, 8, 5, halved)


def test_down_sampling_averages_real_pixels_only() -> None:
    """The shortcut of an odd size: the last window holds one column, and its mean is that column's."""
    down = AggregatedResidual(2, 2, replace(FUSION, transformer=False), stride=2)
    with torch.no_grad():
        down.shortcut.weight.copy_(torch.eye(2))
        for weight in down.aggregate.parameters():
            weight.zero_()
    maps = maps_of(1, 2, 3, 3)
    halved = down(maps)
    torch.testing.assert_close(halved[:, :, 0, 0], maps[:, :, :2, :2].mean(dim=(2, 3)))
    torch.testing.assert_close(halved[:, :, 1, 1], maps[:, :, 2, 2])


@pytest.mark.parametrize(("height", "width"), [(3, 3), (5, 4), (2, 2)])
def test_up_sampling_reaches_the_size_above(height: int, width: int) -> None:
    up = awake(UAR(8, 4, FUSION))
    assert up(maps_of(2, 8, 2, 2), height, width).shape == (2, 4, height, width)


def test_aggregation_is_grouped() -> None:
    grouped = [layer for layer in AggregatedResidual(8, 8, FUSION).aggregate if isinstance(layer, nn.Conv2d)]
    assert [layer.groups for layer in grouped] == [FUSION.cardinality]


def test_untrained_transformer_adds_nothing() -> None:
    maps = maps_of(2, 8, 3, 4)
    assert not ResidualTransformer(8)(maps).any()
    torch.manual_seed(0)
    block = AggregatedResidual(4, 8, FUSION, stride=2)
    assert block.transform is not None
    whole = block(maps[:, :4])
    block.transform = None
    torch.testing.assert_close(whole, block(maps[:, :4]), rtol=0, atol=0)


def test_transformer_sees_far_positions() -> None:
    """A change of one corner reaches the other, which no 3x3 convolution does."""
    far, maps = awake(ResidualTransformer(4)), maps_of(1, 4, 6, 6)
    changed = maps.clone()
    changed[0, :, 0, 0] += 5
    assert not torch.allclose(far(maps)[0, :, 5, 5], far(changed)[0, :, 5, 5], atol=1e-4)


def test_channel_norm_knows_no_other_clip() -> None:
    maps = maps_of(3, 4, 2, 2)
    torch.testing.assert_close(channel_norm(4)(maps)[:1], channel_norm(4)(maps[:1]))


# ---------------------------------------------------------------- MPDRF-Net


@pytest.mark.parametrize("kind", FUSIONS)
@pytest.mark.parametrize(("height", "width"), [(10, 10), (7, 12), (1, 1), (1, 6), (3, 2)])
def test_any_size_comes_out_as_it_went_in(kind: str, height: int, width: int) -> None:
    fusion = FUSIONS[kind](3, FOUR_STAGES)
    fused = fusion(maps_of(2, 3, height, width), maps_of(2, 3, height, width, seed=1))
    assert fused.shape == (2, fusion.n_maps, height, width)
    assert fused.isfinite().all()


@pytest.mark.parametrize(("stages", "n_dense", "n_sparse"), [(1, 0, 0), (2, 1, 1), (3, 3, 2), (4, 6, 3), (5, 10, 4)])
def test_number_of_decoder_nodes(stages: int, n_dense: int, n_sparse: int) -> None:
    """UNet++: one node less in each column; without dense skips one node a stage."""
    assert len(MPDRFNet(2, replace(FUSION, stages=stages)).node) == n_dense
    assert len(MPDRFNet(2, replace(FUSION, stages=stages, dense=False)).node) == n_sparse


def channels_seen(network: MPDRFNet) -> dict[str, int]:
    """Input channels of each decoder node."""
    return {name: next(node.parameters()).shape[1] for name, node in network.node.items()}


def test_dense_nodes_see_every_earlier_node_of_their_stage() -> None:
    width = FOUR_STAGES.width
    seen = channels_seen(MPDRFNet(2, replace(FOUR_STAGES, max_growth=1)))
    assert seen == {f"{i}-{j}": (j + 1) * width for j in range(1, 4) for i in range(4 - j)}
    sparse = channels_seen(MPDRFNet(2, replace(SPARSE, max_growth=1)))
    assert sparse == {"2-1": 2 * width, "1-2": 2 * width, "0-3": 2 * width}


def test_widths_double_up_to_the_limit() -> None:
    network = MPDRFNet(2, replace(FUSION, stages=4, max_growth=4))
    down = [part.shortcut.out_features for part in network.down_fused if isinstance(part, AggregatedResidual)]
    assert down == [2 * FUSION.width, 4 * FUSION.width, 4 * FUSION.width]


def test_progressive_fusion_follows_its_formula() -> None:
    """f_1 = BCPW(a_1, v_1); f_k = BCPW(a_k, v_k) + DAR(f_{k-1})."""
    torch.manual_seed(0)
    network = MPDRFNet(2, replace(FUSION, stages=2, dense=False)).eval()
    stir(network)
    audio, video = network.stem_audio(maps_of(1, 2, 6, 6)), network.stem_video(maps_of(1, 2, 6, 6, seed=1))
    first = network.fuse[0](audio, video)
    second = network.fuse[1](network.down_audio[0](audio), network.down_video[0](video)) + network.down_fused[0](first)
    below = network.up["0-1"](second, 6, 6)
    expected = network.node["0-1"](torch.cat([first, below], dim=1))
    torch.testing.assert_close(network(maps_of(1, 2, 6, 6), maps_of(1, 2, 6, 6, seed=1)), expected)


def test_dense_decoder_follows_its_formula() -> None:
    """Node (0, 2) of three stages sees nodes (0, 0) and (0, 1) and the raised node (1, 1)."""
    torch.manual_seed(0)
    network = MPDRFNet(2, replace(FUSION, stages=3)).eval()
    stir(network)
    audio, video = maps_of(1, 2, 6, 5), maps_of(1, 2, 6, 5, seed=1)
    x00, x10, x20 = network._progress(network.stem_audio(audio), network.stem_video(video))
    x01 = network.node["0-1"](torch.cat([x00, network.up["0-1"](x10, 6, 5)], dim=1))
    x11 = network.node["1-1"](torch.cat([x10, network.up["1-1"](x20, 3, 3)], dim=1))
    x02 = network.node["0-2"](torch.cat([x00, x01, network.up["0-2"](x11, 6, 5)], dim=1))
    torch.testing.assert_close(network(audio, video), x02)


def test_without_dense_skips_there_are_fewer_weights() -> None:
    def count(config: FusionConfig) -> int:
        return sum(weight.numel() for weight in MPDRFNet(2, config).parameters())

    assert count(SPARSE) < count(FOUR_STAGES)


def test_concatenation_reads_both_modalities() -> None:
    fusion, audio, video = ConcatenationFusion(2, FUSION), maps_of(1, 2, 4, 4), maps_of(1, 2, 4, 4, seed=1)
    fused = fusion(audio, video)
    assert not torch.allclose(fused, fusion(audio + 1, video))
    assert not torch.allclose(fused, fusion(audio, video + 1))
