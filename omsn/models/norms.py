"""Norms of frames (B, T, C) inside an encoder: of each frame over its channels, of each channel over real frames."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM = 0.1
EPSILON = 1e-5


class LayerNorm(nn.Module):
    """Each frame over its channels (Ba et al. 2016): other frames and clips, and so the mask, do not matter."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) and (B, T) to (B, T, C)."""
        return F.layer_norm(frames, self.weight.shape, self.weight, self.bias, EPSILON)


class BatchNorm(nn.Module):
    """Each channel over the real frames of all clips (Ioffe & Szegedy 2015); padding is not counted.

    In training by the batch's own mean and variance, else by their running averages, so that an answer does not depend
    on the clips beside it. A batch with fewer than two real frames, which has no variance, takes the averages too.
    Not ``nn.BatchNorm1d``: its counter of batches is an integer, which the running average of the weights cannot take.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) and (B, T) to (B, T, C)."""
        if not self.training or int(mask.sum()) < 2:
            return F.batch_norm(frames.mT, self.mean, self.variance, self.weight, self.bias, eps=EPSILON).mT
        real = F.batch_norm(
            frames[mask], self.mean, self.variance, self.weight, self.bias, True, MOMENTUM, EPSILON
        )  # (frames, C)
        return torch.zeros_like(frames).masked_scatter(mask.unsqueeze(2), real)


FrameNorm = LayerNorm | BatchNorm

NORMS: dict[Literal["layer", "batch"], type[FrameNorm]] = {"layer": LayerNorm, "batch": BatchNorm}
