"""Statistics pooling (Snyder et al. 2018, "X-vectors"): frames of a clip -> a row of numbers of fixed length."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MIN_STD = 1e-4
"""Statistics that vary less than this over the clips learnt from tell nothing."""
QUANTILES = (0.1, 0.5, 0.9)
N_STATISTICS = 3 + len(QUANTILES)
"""Of each feature column."""


def pooled_statistics(frames: Tensor, mask: Tensor) -> Tensor:
    """Mean, deviation, mean step from frame to frame and quantiles of each column over real frames.

    (B, T, F) and (B, T) to (B, 6 F); 0 for a clip without a frame.
    """
    real = mask.unsqueeze(2).to(frames.dtype)  # (B, T, 1)
    count = real.sum(dim=1).clamp(min=1)  # (B, 1)
    mean = _means(frames, real)
    deviation = _means((frames - mean.unsqueeze(1)) ** 2, real).sqrt()
    pairs = real[:, 1:] * real[:, :-1]
    step = (frames.diff(dim=1).abs() * pairs).sum(dim=1) / pairs.sum(dim=1).clamp(min=1)
    ordered = frames.masked_fill(~mask.unsqueeze(2), torch.inf).sort(dim=1).values
    parts = [mean, deviation, step, *(_quantile(ordered, count, share) for share in QUANTILES)]
    return torch.cat(parts, dim=1) * mask.any(dim=1, keepdim=True)


def less_mean(frames: Tensor, mask: Tensor) -> Tensor:
    """Frames less the mean of each column over the clip's real ones: what a voice or face is like takes no part.

    (B, T, F) and (B, T) to (B, T, F).
    """
    return frames - _means(frames, mask.unsqueeze(2).to(frames.dtype)).unsqueeze(1)


def scale_of(statistics: Tensor) -> Tensor:
    """What brings each statistic of some clips to a deviation of 1; 0 for one that hardly varies. (n, S) to (S,)."""
    deviation = statistics.std(dim=0, correction=0)
    return torch.where(deviation > MIN_STD, 1 / deviation, 0)


def fixed(values: Tensor) -> nn.Parameter:
    """Numbers that no gradient changes; parameters all the same, for they are fitted."""
    return nn.Parameter(values, requires_grad=False)


def _means(values: Tensor, real: Tensor) -> Tensor:
    """Of each column over the real frames; 0 where there is none. (B, T, F) and (B, T, 1), 1 or 0, to (B, F)."""
    return (values * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)


def _quantile(ordered: Tensor, count: Tensor, share: float) -> Tensor:
    """Between the two real frames around it, as NumPy's default. (B, T, F) in order and (B, 1) to (B, F)."""
    place = share * (count - 1)
    below = place.floor()
    rows = torch.arange(len(ordered), device=ordered.device)
    low, high = ordered[rows, below.long().squeeze(1)], ordered[rows, place.ceil().long().squeeze(1)]
    real = torch.isfinite(low) & torch.isfinite(high)  # not of a clip without a frame
    return torch.where(real, low + (high - low) * (place - below), 0)
