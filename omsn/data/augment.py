"""Changes made to standardised features in training, on whole batches; all randomness comes from one generator."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from omsn.config import AugmentConfig
from omsn.data.speakers import Speakers
from omsn.features.mirror import Mirror
from omsn.models.batch import Batch


def augment(
    batch: Batch,
    targets: Tensor,
    config: AugmentConfig,
    generator: Generator,
    *,
    mirror: Mirror | None = None,
    speakers: Speakers | None = None,
) -> tuple[Batch, Tensor]:
    """Swapped speakers, mirrored faces, mixup, modality dropout, noise and time masks, in this order.

    Args:
        batch: B clips; not changed.
        targets: (B, K) soft targets.
        config: how much of each.
        generator: source of all randomness.
        mirror: what the face's columns become when the face is mirrored; None leaves faces as they are.
        speakers: who speaks in the B clips, and what is each speaker's own; None leaves everyone as they are.

    Returns:
        The changed batch and the targets that belong to it.
    """
    if config.speaker_swap > 0 and speakers is not None:
        batch = speakers.swap(batch, config.speaker_swap, generator)
    if config.mirror > 0 and mirror is not None:
        batch = mirror_faces(batch, mirror, config.mirror, generator)
    if config.mixup > 0:
        batch, targets = mix(batch, targets, config.mixup, generator)
    if config.modality_dropout > 0:
        batch = drop_modalities(batch, config.modality_dropout, generator)
    audio = _disturb(batch.audio, batch.audio_mask, config, generator)
    video = _disturb(batch.video, batch.video_mask, config, generator)
    return Batch(audio, batch.audio_mask, video, batch.video_mask), targets


def mirror_faces(batch: Batch, mirror: Mirror, share: float, generator: Generator) -> Batch:
    """Mirror the faces of a share of the clips. Standardised values stand for deviations, and those are mirrored."""
    turned = batch.video[:, :, torch.from_numpy(mirror.order)] * torch.from_numpy(mirror.sign)
    chosen = torch.rand(len(batch), 1, 1, generator=generator) < share
    return Batch(batch.audio, batch.audio_mask, torch.where(chosen, turned, batch.video), batch.video_mask)


def mix(batch: Batch, targets: Tensor, alpha: float, generator: Generator) -> tuple[Batch, Tensor]:
    """Mixup (Zhang et al. 2018, eq. 1-2): each clip with another, the first weighing at least half."""
    order = torch.randperm(len(batch), generator=generator)
    share = torch.from_numpy(_beta(alpha, len(batch), generator))[:, None, None].to(batch.audio.dtype)  # (B, 1, 1)
    first = torch.maximum(share, 1 - share)
    mixed = Batch(
        first * batch.audio + (1 - first) * batch.audio[order],
        batch.audio_mask | batch.audio_mask[order],
        first * batch.video + (1 - first) * batch.video[order],
        batch.video_mask | batch.video_mask[order],
    )
    return mixed, first[:, 0] * targets + (1 - first[:, 0]) * targets[order]


def drop_modalities(batch: Batch, share: float, generator: Generator) -> Batch:
    """Mask the sound of a share of the clips and the face of as many others; never both of a clip that has both."""
    draw = torch.rand(len(batch), 1, generator=generator)
    no_audio = (draw < share) & batch.video_mask.any(dim=1, keepdim=True)
    no_video = (draw > 1 - share) & batch.audio_mask.any(dim=1, keepdim=True)
    return Batch(batch.audio, batch.audio_mask & ~no_audio, batch.video, batch.video_mask & ~no_video)


def _disturb(frames: Tensor, mask: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Noise, blanked stretches, and 0 where masked. (B, T, F) to (B, T, F)."""
    if config.noise > 0:
        frames = frames + config.noise * torch.randn(frames.shape, generator=generator)
    keep = mask & ~_stretches(mask, config, generator)
    return frames * keep.unsqueeze(2)


def _stretches(mask: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """True on ``time_masks`` random stretches of each clip, each up to ``time_mask_share`` of its length. (B, T)."""
    n_clips, n_frames = mask.shape
    length = mask.sum(dim=1)[:, None, None]  # (B, 1, 1)
    draws = torch.rand(2, n_clips, config.time_masks, 1, generator=generator)
    width = draws[0] * config.time_mask_share * length
    start = draws[1] * (length - width)
    frame = torch.arange(n_frames)
    return ((frame >= start) & (frame < start + width)).any(dim=1)


def _beta(alpha: float, n: int, generator: Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Draws of Beta(alpha, alpha), seeded by the generator, so that one generator decides everything."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return np.random.default_rng(seed).beta(alpha, alpha, n)
