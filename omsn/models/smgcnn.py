"""SMGCNN: the self-attention CNN that names the emotion from fused maps (paper 2.5).

"Mountain gazelle" is how its learning rate is found, not part of the network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from omsn.config import ClassifierConfig
from omsn.models.attention import PositionAttention
from omsn.models.maps import channel_norm


class SelfAttention(nn.Module):
    """y = gamma * o + x, gamma starts at 0 (SAGAN, Zhang et al. 2019, eq. 3): at first the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attend = PositionAttention(channels)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        attended: Tensor = self.attend(maps)  # (B, C, H, W)
        return self.gamma * attended + maps


class ResidualBlock(nn.Module):
    """y = x + F(x), F two 3x3 convolutions of which the second starts at 0 (paper 2.5.1; He et al. 2016)."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        last = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.residual = nn.Sequential(
            channel_norm(channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            channel_norm(channels),
            nn.GELU(),
            nn.Dropout2d(dropout),
            last,
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        residual: Tensor = self.residual(maps)  # (B, C, H, W)
        return maps + residual


class SMGCNN(nn.Module):
    """Strided stem, residual blocks around one self-attention block, mean over steps, fully connected layer.

    The mean runs over the steps (time) only: the matrix's channel axis has no order, so its positions keep
    their own weights in the fully connected layer.
    """

    def __init__(self, n_maps: int, width: int, n_classes: int, config: ClassifierConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d(n_maps, config.width, 3, stride=2, padding=1)
        self.before = nn.Sequential(*(ResidualBlock(config.width, config.dropout) for _ in range(config.blocks)))
        self.attention = SelfAttention(config.width) if config.attention else nn.Identity()
        self.after = nn.Sequential(*(ResidualBlock(config.width, config.dropout) for _ in range(config.blocks)))
        self.norm = nn.LayerNorm(config.width * ((width + 1) // 2))
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(config.width * ((width + 1) // 2), n_classes)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, M, N, W) to logits (B, K)."""
        deep = self.after(self.attention(self.before(self.stem(maps))))  # (B, C, ceil(N/2), ceil(W/2))
        embedding = self.norm(deep.mean(dim=2).flatten(1))  # (B, C * ceil(W/2))
        logits: Tensor = self.classify(self.dropout(embedding))
        return logits
