"""What a clip is like as a whole -> logits: a kernel machine that answers beside encoders and fusion (ours).

Each kind of columns of each modality is seen in views: its statistics, and Fisher vectors of stretches. Every view is
whitened by WCCN (``omsn/models/wccn.py``) and brought to length 1; the views of a modality side by side are compared
with every clip that was learnt from. Nothing here is learnt by gradient: ``omsn/training/statistics.py`` fits it in
closed form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omsn.config import FisherConfig, StatisticsConfig
from omsn.models.fisher import FisherVectors
from omsn.models.pooling import N_STATISTICS, fixed, pooled_statistics

LIMIT = 3.0
"""Standardised statistics are cut at this many standard deviations."""


class StatisticsClassifier(nn.Module):
    """Kernel ridge regression of one-hot emotions on what clips are like, fitted; before that it says nothing.

    The kernel is the ANOVA kernel of both modalities (Stitson et al. 1999): k_a + k_v + k_a k_v, each
    exp(-|x - y|^2 / 2) of rows of length 1. A modality that a clip does not have is like nothing.
    """

    def __init__(
        self,
        audio_kinds: Sequence[int],
        video_kinds: Sequence[int],
        n_classes: int,
        n_clips: int,
        config: StatisticsConfig,
    ) -> None:
        """``n_clips`` is how many clips it is fitted on; 0 for unfitted."""
        super().__init__()
        seen, heard = config.modality != "audio", config.modality != "video"
        self.audio = KnownClips(audio_kinds if heard else (), n_clips, config.audio, config.components)
        self.video = KnownClips(video_kinds if seen else (), n_clips, config.video, config.components)
        self.coefficients = fixed(torch.zeros(n_clips, n_classes))
        self.offset = fixed(torch.zeros(n_classes))

    @property
    def fitted(self) -> bool:
        """Whether it has something to say."""
        return len(self.coefficients) > 0

    def forward(self, audio: Tensor, audio_mask: Tensor, video: Tensor, video_mask: Tensor) -> Tensor:
        """Frames (B, T, F) and masks (B, T) of both modalities to logits (B, K)."""
        return self.answer(self.audio(audio, audio_mask), self.video(video, video_mask))

    def answer(self, audio: Tensor, video: Tensor) -> Tensor:
        """Rows of both modalities, (B, D) each, to logits (B, K)."""
        alike = anova_kernel(
            gaussian_kernel(audio, self.audio.known.float()), gaussian_kernel(video, self.video.known.float())
        )
        return alike @ self.coefficients + self.offset


class KnownClips(nn.Module):
    """Frames of one modality -> rows that tell what clips are like, beside those of the clips learnt from.

    What is known is kept in half precision, and a checkpoint is small.
    """

    def __init__(self, kinds: Sequence[int], n_known: int, fisher: FisherConfig, components: int) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        mixtures = [FisherVectors(columns, fisher) for columns in kinds]
        for window in fisher.centred_windows:
            mixtures += [FisherVectors(columns, fisher, window, centred=True) for columns in kinds]
        sizes = [*(N_STATISTICS * columns for columns in kinds), *(one.size for one in mixtures)]
        widths = [min(size, components) for size in sizes]
        self.fisher = nn.ModuleList(mixtures)
        self.whitened = nn.ModuleList(map(WhitenedView, sizes, widths))
        self.known = fixed(torch.zeros(n_known, sum(widths), dtype=torch.half))

    @property
    def mixtures(self) -> tuple[FisherVectors, ...]:
        """Fisher vectors of each kind of columns, then centred ones of each, window by window."""
        return tuple(cast("Iterable[FisherVectors]", self.fisher))

    @property
    def views(self) -> tuple[WhitenedView, ...]:
        """Statistics of each kind of columns, then Fisher vectors as in ``mixtures``."""
        return tuple(cast("Iterable[WhitenedView]", self.whitened))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames (B, T, F) and their mask (B, T) to rows (B, D)."""
        return self.embed(self.described(frames, mask), mask.any(dim=1))

    def described(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """What each view is of, (B, S) each."""
        statistics = (pooled_statistics(kind, mask) for kind in self.by_kind(frames))
        return *statistics, *(fisher(kind, mask) for fisher, kind in self.by_mixture(frames))

    def by_kind(self, frames: Tensor) -> tuple[Tensor, ...]:
        """The columns of each kind, (B, T, F_k)."""
        return torch.split(frames[:, :, : sum(self.kinds)], list(self.kinds), dim=2)

    def by_mixture(self, frames: Tensor) -> Iterator[tuple[FisherVectors, Tensor]]:
        """Each of the ``mixtures``, and the columns that it is of, (B, T, F_k)."""
        return zip(self.mixtures, cycle(self.by_kind(frames)), strict=False)

    def embed(self, described: Sequence[Tensor], present: Tensor) -> Tensor:
        """All views of clips as rows (B, D) of length 1; 0 where the modality is absent, (B,)."""
        views = [view(rows) for view, rows in zip(self.views, described, strict=True)]
        nothing = torch.zeros(len(present), 0, device=present.device)  # of a modality that is not looked at
        return F.normalize(torch.cat([nothing, *views], dim=1), dim=1) * present.unsqueeze(1)


class WhitenedView(nn.Module):
    """What clips are like in one respect, standardised and whitened, as rows of length 1; unfitted, they are 0."""

    def __init__(self, size: int, components: int) -> None:
        super().__init__()
        self.mean = fixed(torch.zeros(size))
        self.scale = fixed(torch.zeros(size))
        self.whitening = fixed(torch.zeros(size, components, dtype=torch.half))
        self.centre = fixed(torch.zeros(components))

    def forward(self, described: Tensor) -> Tensor:
        """(B, S) to (B, components)."""
        return F.normalize(self.scaled(described) @ self.whitening.float() - self.centre, dim=1)

    def scaled(self, described: Tensor) -> Tensor:
        """In standard deviations of the clips learnt from. (B, S)."""
        return ((described - self.mean) * self.scale).clamp(-LIMIT, LIMIT)


def gaussian_kernel(rows: Tensor, others: Tensor) -> Tensor:
    """exp(-|x - y|^2 / 2) between rows of length 1; 0 beside rows of zeros. (B, D) and (n, D) to (B, n)."""
    there = rows.any(dim=1)[:, None] & others.any(dim=1)[None, :]
    return torch.exp(rows @ others.T - 1) * there


def anova_kernel(audio: Tensor, video: Tensor) -> Tensor:
    """k_a + k_v + k_a k_v."""
    return audio + video + audio * video
