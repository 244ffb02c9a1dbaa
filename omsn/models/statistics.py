"""Statistics of a whole clip -> logits: a kernel machine that answers beside encoders and fusion (ours).

Statistics pooling (Snyder et al. 2018, "X-vectors") makes a row of numbers of each modality; it is whitened by WCCN
(``omsn/models/wccn.py``), brought to length 1, and compared with every clip that was learnt from. Nothing here is
learnt by gradient: ``omsn/training/statistics.py`` fits it in closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LIMIT = 3.0
"""Standardised statistics are cut at this many standard deviations."""
MIN_STD = 1e-4
"""Statistics that vary less than this over the clips learnt from tell nothing."""
QUANTILES = (0.1, 0.5, 0.9)
N_STATISTICS = 3 + len(QUANTILES)
"""Of each feature column."""


class StatisticsClassifier(nn.Module):
    """Kernel ridge regression of one-hot emotions on whitened statistics, fitted; before that it says nothing.

    The kernel is the ANOVA kernel of both modalities (Stitson et al. 1999): k_a + k_v + k_a k_v, each
    exp(-|x - y|^2) of rows of length 1. A modality that a clip does not have is like nothing.
    """

    def __init__(self, audio_features: int, video_features: int, n_classes: int, n_clips: int, components: int) -> None:
        """``n_clips`` is how many clips it was fitted on, mirrored faces not counted; 0 for unfitted."""
        super().__init__()
        self.audio = WhitenedStatistics(audio_features, components, n_clips)
        self.video = WhitenedStatistics(video_features, components, 2 * n_clips)
        self.coefficients = fixed(torch.zeros(2 * n_clips, n_classes))
        self.offset = fixed(torch.zeros(n_classes))

    @property
    def fitted(self) -> bool:
        """Whether it has something to say."""
        return len(self.coefficients) > 0

    def forward(self, audio: Tensor, audio_mask: Tensor, video: Tensor, video_mask: Tensor) -> Tensor:
        """Frames (B, T, F) and masks (B, T) of both modalities to logits (B, K)."""
        alike = anova_kernel(self.audio(audio, audio_mask).repeat(1, 2), self.video(video, video_mask))
        return alike @ self.coefficients + self.offset


class WhitenedStatistics(nn.Module):
    """Frames of one modality -> how alike each clip is to those learnt from."""

    def __init__(self, n_features: int, components: int, n_known: int) -> None:
        super().__init__()
        n_statistics = N_STATISTICS * n_features
        self.mean = fixed(torch.zeros(n_statistics))
        self.scale = fixed(torch.zeros(n_statistics))
        self.whitening = fixed(torch.zeros(n_statistics, components))
        self.centre = fixed(torch.zeros(components))
        self.known = fixed(torch.zeros(n_known, components))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F) and (B, T) to (B, n): 1 for the same, less for others, 0 where one lacks the modality."""
        return gaussian_kernel(self.embed(clip_statistics(frames, mask), mask.any(dim=1)), self.known)

    def embed(self, statistics: Tensor, present: Tensor) -> Tensor:
        """(B, S) and (B,) to rows (B, D) of length 1; 0 where the modality is absent."""
        return F.normalize(self.scaled(statistics) @ self.whitening - self.centre, dim=1) * present.unsqueeze(1)

    def scaled(self, statistics: Tensor) -> Tensor:
        """Statistics (B, S) in standard deviations of the clips learnt from."""
        return ((statistics - self.mean) * self.scale).clamp(-LIMIT, LIMIT)


def clip_statistics(frames: Tensor, mask: Tensor) -> Tensor:
    """Mean, deviation, mean step from frame to frame and quantiles of each column over real frames.

    (B, T, F) and (B, T) to (B, 6 F); 0 for a clip without a frame.
    """
    real = mask.unsqueeze(2).to(frames.dtype)  # (B, T, 1)
    count = real.sum(dim=1).clamp(min=1)  # (B, 1)
    mean = (frames * real).sum(dim=1) / count
    deviation = (((frames - mean.unsqueeze(1)) ** 2 * real).sum(dim=1) / count).sqrt()
    pairs = real[:, 1:] * real[:, :-1]
    step = (frames.diff(dim=1).abs() * pairs).sum(dim=1) / pairs.sum(dim=1).clamp(min=1)
    ordered = frames.masked_fill(~mask.unsqueeze(2), torch.inf).sort(dim=1).values
    parts = [mean, deviation, step, *(_quantile(ordered, count, share) for share in QUANTILES)]
    return torch.cat(parts, dim=1) * mask.any(dim=1, keepdim=True)


def scale_of(statistics: Tensor) -> Tensor:
    """What brings each statistic of some clips to a deviation of 1; 0 for one that hardly varies. (n, S) to (S,)."""
    deviation = statistics.std(dim=0, correction=0)
    return torch.where(deviation > MIN_STD, 1 / deviation, 0)


def _quantile(ordered: Tensor, count: Tensor, share: float) -> Tensor:
    """Between the two real frames around it, as NumPy's default. (B, T, F) in order and (B, 1) to (B, F)."""
    place = share * (count - 1)
    below = place.floor()
    rows = torch.arange(len(ordered), device=ordered.device)
    low, high = ordered[rows, below.long().squeeze(1)], ordered[rows, place.ceil().long().squeeze(1)]
    real = torch.isfinite(low) & torch.isfinite(high)  # not of a clip without a frame
    return torch.where(real, low + (high - low) * (place - below), 0)


def gaussian_kernel(rows: Tensor, others: Tensor) -> Tensor:
    """exp(-|x - y|^2) between rows of length 1; 0 beside rows of zeros. (B, D) and (n, D) to (B, n)."""
    there = rows.any(dim=1)[:, None] & others.any(dim=1)[None, :]
    return torch.exp(2 * (rows @ others.T - 1)) * there


def anova_kernel(audio: Tensor, video: Tensor) -> Tensor:
    """k_a + k_v + k_a k_v."""
    return audio + video + audio * video


def fixed(values: Tensor) -> nn.Parameter:
    """Numbers that no gradient changes; parameters all the same, for they are fitted."""
    return nn.Parameter(values, requires_grad=False)
