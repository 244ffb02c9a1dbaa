"""BiLSTM encoder: frame features of one modality to a matrix of N steps x D channels (paper 2.3)."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from omsn.config import EncoderConfig
from omsn.models.norms import NORMS, FrameNorm, LayerNorm

MIN_WEIGHT = 1e-6
"""Weight of a frame beside the most attended one of its clip, at least, so that no segment is without any."""


class BiLSTMEncoder(nn.Module):
    """Frame features -> masked convolutions (optional) -> BiLSTM -> N x D matrix by pooling over time.

    The paper feeds a BiLSTM and obtains (10, 10) matrices; it does not say how they are pooled. Ours: the clip's
    real span is cut into N equal segments and each segment's BiLSTM states are averaged, weighed by attention where
    that is on, so that any length maps to N steps. A clip without the modality gives a learned matrix.
    """

    def __init__(self, n_features: int, config: EncoderConfig) -> None:
        super().__init__()
        self.group = config.frame_group
        width = config.conv_width if config.conv_layers else n_features
        norm = NORMS[config.conv_norm]
        self.enter = MaskedConv(n_features, width, 1, config.dropout, norm) if config.conv_layers else None
        self.input_dropout = ChannelDropout(config.input_dropout)
        self.convolutions = nn.ModuleList(
            MaskedConv(width, width, config.conv_kernel, config.dropout, norm) for _ in range(config.conv_layers)
        )
        self.lstm = BiLSTM(width, config.lstm_width, config.lstm_layers) if config.recurrent else None
        self.dropout = ChannelDropout(config.dropout)
        n_states = 2 * config.lstm_width if config.recurrent else width
        pool = AttentivePooling if config.attention_heads else MeanPooling
        self.pool = pool(n_states, config)
        self.norm = nn.LayerNorm(config.channels)
        self.absent = nn.Parameter(torch.zeros(config.steps, config.channels))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F) and (B, T) to (B, N, D)."""
        frames, mask = group_means(frames, mask, self.group)  # (B, T / group, F)
        frames = self.input_dropout(frames)
        frames = frames if self.enter is None else self.enter(frames, mask)  # (B, T / group, W)
        for convolution in self.convolutions:
            frames = frames + convolution(frames, mask)  # (B, T, W)
        states = self.dropout(frames if self.lstm is None else self.lstm(frames, mask))  # (B, T, 2L)
        matrix = self.norm(self.pool(states, mask))  # (B, N, D)
        present = rearrange(mask.any(dim=1), "batch -> batch 1 1")
        return torch.where(present, matrix, self.absent)

    def input_weights(self) -> tuple[Tensor, ...]:
        """The weights that the feature columns meet, which are their second axis."""
        if self.enter is not None:
            return (self.enter.convolution.weight,)
        if self.lstm is not None:
            return tuple(lstm[0].get_parameter("weight_ih_l0") for lstm in (self.lstm.forwards, self.lstm.backwards))
        return tuple(layer.weight for layer in self.pool.children() if isinstance(layer, nn.Linear))


class MeanPooling(nn.Module):
    """The mean state of each of N equal segments of a clip, projected to D channels."""

    def __init__(self, n_states: int, config: EncoderConfig) -> None:
        super().__init__()
        self.n_steps = config.steps
        self.project = nn.Linear(n_states, config.channels)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, T, S) and (B, T) to (B, N, D)."""
        projected: Tensor = self.project(segment_means(states, mask, self.n_steps))
        return projected


class AttentivePooling(nn.Module):
    """The same with a weight for each frame: what face and voice do in some moments tells more than in others.

    Each head weighs the frames for its own D / heads channels, by the exponential of a linear score of the state
    (self-attentive pooling, Lin et al. 2017, inside each segment). The scores start at 0: at first ``MeanPooling``.
    """

    def __init__(self, n_states: int, config: EncoderConfig) -> None:
        super().__init__()
        self.n_steps, self.heads = config.steps, config.attention_heads
        self.project = nn.Linear(n_states, config.channels)
        self.score = nn.Linear(n_states, config.attention_heads)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, T, S) and (B, T) to (B, N, D)."""
        weight = rearrange(frame_weights(self.score(states), mask), "batch frame head -> batch frame head 1")
        values = rearrange(self.project(states), "batch frame (head width) -> batch frame head width", head=self.heads)
        sums = torch.cat([values * weight, weight], dim=3).flatten(2)  # (B, T, H * (D / H + 1))
        means = segment_means(sums, mask, self.n_steps)
        by_head = rearrange(means, "batch step (head width) -> batch step head width", head=self.heads)
        weighed = by_head[..., :-1] / by_head[..., -1:].clamp(min=MIN_WEIGHT)  # (B, N, H, D / H)
        return rearrange(weighed, "batch step head width -> batch step (head width)")


def frame_weights(score: Tensor, mask: Tensor) -> Tensor:
    """Exponentials of scores, 1 for a clip's highest and ``MIN_WEIGHT`` at least; masked frames count for nothing.

    (B, T, H) and (B, T) to (B, T, H).
    """
    lowest = torch.finfo(score.dtype).min
    real = score.masked_fill(~mask[:, :, None], lowest)
    highest = real.detach().amax(dim=1, keepdim=True)
    return (real - highest).exp().clamp(min=MIN_WEIGHT)


class BiLSTM(nn.Module):
    """Stacked bidirectional LSTM over each clip's own length, so that padding changes nothing.

    Each direction is a plain LSTM over padded frames, the backward one over frames reversed within their span: packed
    sequences leave PyTorch's fast CPU kernels (measured four times slower in training).
    """

    def __init__(self, n_in: int, width: int, layers: int) -> None:
        super().__init__()
        sizes = [n_in, *[2 * width] * (layers - 1)]
        self.forwards = nn.ModuleList(nn.LSTM(size, width, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.LSTM(size, width, batch_first=True) for size in sizes)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F) and (B, T) to (B, T, 2 * width)."""
        turned = reversed_positions(mask)  # (B, T)
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            after, _ = ahead(frames)  # (B, T, width)
            before, _ = back(reordered(frames, turned))
            frames = torch.cat([after, reordered(before, turned)], dim=2)
        return frames


class MaskedConv(nn.Module):
    """Convolution over time, norm, GELU; masked frames are 0 before and after."""

    def __init__(self, n_in: int, n_out: int, kernel: int, dropout: float, norm: type[FrameNorm] = LayerNorm) -> None:
        super().__init__()
        self.convolution = TimeConv(n_in, n_out, kernel, padding=kernel // 2)
        self.norm = norm(n_out)
        self.activate = nn.GELU()
        self.dropout = ChannelDropout(dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F_in) to (B, T, F_out)."""
        dropped: Tensor = self.dropout(self.activate(self.norm(self.convolution(frames), mask)))
        return dropped * mask.unsqueeze(2)


class TimeConv(nn.Conv1d):
    """Convolution over time. One frame long it is a matrix product, in a quarter of ``nn.Conv1d``'s time."""

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, F_in) to (B, T, F_out)."""
        if self.kernel_size == (1,):
            return F.linear(frames, self.weight.squeeze(2), self.bias)
        return super().forward(frames.transpose(1, 2)).transpose(1, 2)


class ChannelDropout(nn.Module):
    """Drops whole channels of (B, T, F) for all frames of a clip; one draw a channel instead of one a value."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, F) to (B, T, F)."""
        return frames * F.dropout(frames.new_ones(len(frames), 1, frames.shape[2]), self.share, self.training)


def span(mask: Tensor) -> Tensor:
    """Frames up to the last real one, at least 1. (B, T) to (B,)."""
    position = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    return (mask * position).amax(dim=1).clamp(min=1)


def reversed_positions(mask: Tensor) -> Tensor:
    """Where each frame stands when its clip is reversed within its span; padding stays. Its own inverse. (B, T)."""
    position = torch.arange(mask.shape[1], device=mask.device)
    mirrored = span(mask)[:, None] - 1 - position
    return torch.where(mirrored >= 0, mirrored, position)


def reordered(frames: Tensor, position: Tensor) -> Tensor:
    """Frame ``position[b, t]`` of clip b at [b, t]. (B, T, F) and (B, T) to (B, T, F).

    As rows of one table: copying whole rows takes a quarter of the time of ``gather``, which looks up every value.
    """
    first = torch.arange(len(frames), device=frames.device)[:, None] * frames.shape[1]  # (B, 1): row of frame 0
    return frames.flatten(0, 1).index_select(0, (first + position).flatten()).view_as(frames)


def group_means(frames: Tensor, mask: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Means of the real frames in groups of ``size`` neighbours. (B, T, F) to (B, ceil(T / size), F), with its mask."""
    if size == 1:
        return frames, mask
    missing = -frames.shape[1] % size
    frames, mask = F.pad(frames, (0, 0, 0, missing)), F.pad(mask, (0, missing))
    real = rearrange(mask, "batch (group frame) -> batch group frame 1", frame=size).to(frames.dtype)
    grouped = rearrange(frames, "batch (group frame) feature -> batch group frame feature", frame=size)
    means = (grouped * real).sum(dim=2) / real.sum(dim=2).clamp(min=1)
    return means, real.squeeze(3).any(dim=2)


def segment_means(states: Tensor, mask: Tensor, n_segments: int) -> Tensor:
    """Means of the real frames in each of N equal segments of the clip's span. (B, T, D) to (B, N, D).

    A frame that a border cuts counts with the part that lies inside, so clips shorter than N frames work too.
    A segment without a real frame is 0.
    """
    lengths = span(mask).to(states.dtype)[:, None, None] / n_segments  # frames a segment
    segment = torch.arange(n_segments, device=mask.device, dtype=states.dtype)[None, :, None]
    frame = torch.arange(mask.shape[1], device=mask.device, dtype=states.dtype)[None, None, :]
    start, end = segment * lengths, (segment + 1) * lengths
    overlap = (torch.minimum(end, frame + 1) - torch.maximum(start, frame)).clamp(min=0)  # (B, N, T)
    weight = overlap * mask[:, None, :]
    return weight @ states / weight.sum(dim=2, keepdim=True).clamp(min=1e-6)
