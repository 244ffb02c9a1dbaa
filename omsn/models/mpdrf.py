"""MPDRF-Net: multi-layer progressive dense residual fusion of two modalities (paper 2.4).

The paper names the parts and gives no equations; these are our definitions. The family comes from PDRF-Net
(Evolving Systems 15:267-283, 2024), the aggregated residual from ResNeXt (Xie et al. 2017, eq. 2), the dense
decoder from UNet++ (Zhou et al. 2018, eq. 1).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from omsn.config import FusionConfig
from omsn.models.attention import PositionAttention
from omsn.models.maps import PointwiseConv, channel_norm


class BCPW(nn.Module):
    """Bilateral channel-pixel weighting: each modality is gated, by channel and by pixel, by the pair.

    With p = [a; v]: channel gates g_c = sigmoid(MLP(GAP(p))), pixel gates g_p = sigmoid(conv(p)), one set for each
    modality; output = (a + v) / 2 + W_a (g_c g_p a) + W_v (g_c g_p v), W 1x1 convolutions that start at 0.
    So an untrained block, and one whose gates are closed, is the mean of its inputs.
    """

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(4, 2 * channels // reduction)
        self.channel_gates = nn.Sequential(
            nn.Linear(2 * channels, hidden), nn.GELU(), nn.Linear(hidden, 2 * channels), nn.Sigmoid()
        )
        self.pixel_gates = nn.Sequential(nn.Conv2d(2 * channels, 2, 3, padding=1), nn.Sigmoid())
        self.merge = PointwiseConv(2 * channels, channels)
        nn.init.zeros_(self.merge.weight)
        nn.init.zeros_(self.merge.bias)

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """Two (B, C, H, W) to one."""
        pair = torch.cat([audio, video], dim=1)  # (B, 2C, H, W)
        channel = rearrange(self.channel_gates(pair.mean(dim=(2, 3))), "batch gate -> batch gate 1 1")
        pixel = self.pixel_gates(pair).repeat_interleave(audio.shape[1], dim=1)  # (B, 2C, H, W)
        gated: Tensor = self.merge(pair * channel * pixel)  # (B, C, H, W)
        return (audio + video) / 2 + gated


class MeanFusion(nn.Module):
    """What BCPW is without its gates: the mean of both modalities. For the ablation."""

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """Two (B, C, H, W) to one."""
        return (audio + video) / 2


class AggregatedResidual(nn.Module):
    """Grouped bottleneck convolution and residual transformer, summed with a projected shortcut.

    DAR (``stride=2``): y = P(x) + A(x) + R(P(x)), with P a shortcut that averages 2x2 and projects, A a stride-2
    grouped convolution, R a self-attention path over positions that starts at 0. An odd size is rounded up:
    10 -> 5 -> 3 -> 2.
    """

    def __init__(self, n_in: int, n_out: int, config: FusionConfig, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.shortcut = PointwiseConv(n_in, n_out, bias=False)
        self.aggregate = nn.Sequential(
            channel_norm(n_in),
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, groups=config.cardinality),
            nn.GELU(),
            PointwiseConv(n_out, n_out),
            nn.Dropout2d(config.dropout),
        )
        self.transform = ResidualTransformer(n_out) if config.transformer else None

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, ceil(H / stride), ceil(W / stride))."""
        pooled = F.avg_pool2d(maps, self.stride, ceil_mode=True, count_include_pad=False) if self.stride > 1 else maps
        shortcut = self.shortcut(pooled)
        summed: Tensor = shortcut + self.aggregate(maps)
        return summed if self.transform is None else summed + self.transform(shortcut)


class UAR(nn.Module):
    """Up-sampling aggregated residual, the mirror of DAR: brings maps to the size of the stage above."""

    def __init__(self, n_in: int, n_out: int, config: FusionConfig) -> None:
        super().__init__()
        self.residual = AggregatedResidual(n_in, n_out, config)

    def forward(self, maps: Tensor, height: int, width: int) -> Tensor:
        """(B, C_in, h, w) to (B, C_out, height, width)."""
        raised: Tensor = self.residual(F.interpolate(maps, size=(height, width), mode="nearest"))
        return raised


class ResidualTransformer(nn.Module):
    """1x1 convolutions into query, key and value, self-attention over positions, 1x1 convolution that starts at 0.

    The paper's long-distance path (2.4).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = channel_norm(channels)
        self.attend = PositionAttention(channels)
        self.leave = PointwiseConv(channels, channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        attended: Tensor = self.leave(self.attend(self.norm(maps)))
        return attended


class MPDRFNet(nn.Module):
    """Two branches, progressive fusion over stages 1 to S, dense decoder back to stage 1.

    f_1 = BCPW(a_1, v_1); f_k = BCPW(a_k, v_k) + DAR(f_{k-1}); decoder node (i, j) sees every earlier node of its
    stage and the up-sampled node (i + 1, j - 1); without dense skips it sees only f_i and the one below.
    """

    def __init__(self, n_maps: int, config: FusionConfig) -> None:
        super().__init__()
        widths = [config.width * min(2**k, config.max_growth) for k in range(config.stages)]
        self.dense = config.dense
        self.stem_audio = nn.Conv2d(n_maps, widths[0], 3, padding=1)
        self.stem_video = nn.Conv2d(n_maps, widths[0], 3, padding=1)
        self.down_audio = nn.ModuleList(AggregatedResidual(i, o, config, 2) for i, o in pairwise(widths))
        self.down_video = nn.ModuleList(AggregatedResidual(i, o, config, 2) for i, o in pairwise(widths))
        self.down_fused = nn.ModuleList(AggregatedResidual(i, o, config, 2) for i, o in pairwise(widths))
        self.fuse = nn.ModuleList(BCPW(width) if config.bcpw else MeanFusion() for width in widths)
        self.up = nn.ModuleDict()
        self.node = nn.ModuleDict()
        for depth in range(1, config.stages):
            for stage in range(config.stages - depth) if config.dense else [config.stages - 1 - depth]:
                name, n_seen = f"{stage}-{depth}", depth + 1 if config.dense else 2
                self.up[name] = UAR(widths[stage + 1], widths[stage], config)
                self.node[name] = merge_node(n_seen * widths[stage], widths[stage])
        self.n_maps = widths[0]

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """Two (B, M, N, W) to fused (B, C, N, W)."""
        fused = self._progress(self.stem_audio(audio), self.stem_video(video))
        nodes = [[stage] for stage in fused]  # nodes[i][j], j = 0: the encoder's output of stage i
        for depth in range(1, len(fused)):
            for stage in range(len(fused) - depth) if self.dense else [len(fused) - 1 - depth]:
                name = f"{stage}-{depth}"
                below = self.up[name](nodes[stage + 1][-1], *nodes[stage][0].shape[2:])
                nodes[stage].append(self.node[name](torch.cat([*nodes[stage], below], dim=1)))
        return nodes[0][-1]

    def _progress(self, audio: Tensor, video: Tensor) -> list[Tensor]:
        """Fused maps of stages 1 to S."""
        fused = [self.fuse[0](audio, video)]
        for down_audio, down_video, down_fused, fuse in zip(
            self.down_audio, self.down_video, self.down_fused, list(self.fuse)[1:], strict=True
        ):
            audio, video = down_audio(audio), down_video(video)
            fused.append(fuse(audio, video) + down_fused(fused[-1]))
        return fused


class ConcatenationFusion(nn.Module):
    """What MPDRF-Net is measured against: both modalities' maps side by side through one convolution."""

    def __init__(self, n_maps: int, config: FusionConfig) -> None:
        super().__init__()
        self.n_maps = config.width
        self.merge = nn.Conv2d(2 * n_maps, config.width, 3, padding=1)

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """Two (B, M, N, W) to fused (B, C, N, W)."""
        return F.gelu(self.merge(torch.cat([audio, video], dim=1)))


def merge_node(n_in: int, n_out: int) -> nn.Sequential:
    """A decoder node: everything it sees, through one convolution."""
    return nn.Sequential(PointwiseConv(n_in, n_out), channel_norm(n_out), nn.GELU())


FUSIONS: dict[str, type[MPDRFNet] | type[ConcatenationFusion]] = {
    "mpdrf": MPDRFNet,
    "concatenation": ConcatenationFusion,
}
