"""Self-attention over the positions of a map, written out so that export with dynamic sizes works."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from omsn.models.maps import PointwiseConv


class PositionAttention(nn.Module):
    """o_j = sum_i softmax_i(f(x_i) . g(x_j)) h(x_i): two embedding spaces f, g with C/8 channels (at least 4).

    Non-local networks (Wang et al. 2018, eq. 1) in the form of SAGAN (Zhang et al. 2019, eq. 1-2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        embedded = max(4, channels // 8)
        self.parts = (embedded, embedded, channels)
        self.project = PointwiseConv(channels, sum(self.parts))  # query, key and value in one product

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        flat = rearrange(self.project(maps), "batch channel height width -> batch (height width) channel")
        query, key, value = flat.split(self.parts, dim=2)  # (B, HW, E), (B, HW, E), (B, HW, C)
        weights = torch.softmax(query @ key.transpose(1, 2), dim=2)  # (B, HW, HW): row j attends to all i
        attended = weights @ value  # (B, HW, C)
        unfolded: Tensor = rearrange(
            attended, "batch (height width) channel -> batch channel height width", height=maps.shape[2]
        )
        return unfolded
