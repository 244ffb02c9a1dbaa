"""Frames standardised by the speaker whom a clip is identified as, among those who were learnt from (ours).

For protocols in which the people under test are trained on too: nothing is told of a clip's speaker, but voice and face
give a known person away. Fitted in closed form by ``omsn/training/known_speakers.py``, before the rest is trained.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from omsn.models.batch import Batch
from omsn.models.pooling import N_STATISTICS, fixed, pooled_statistics

LIMIT = 6.0
"""Standardised frames are cut at this many standard deviations: that of ``omsn/features/normalise.py`` (a test)."""


class KnownSpeakers(nn.Module):
    """Closed-set speaker identification by a linear discriminant of clip statistics; unfitted, it changes nothing."""

    def __init__(self, audio_features: int, video_features: int, n_speakers: int) -> None:
        super().__init__()
        n_statistics = N_STATISTICS * (audio_features + video_features)
        self.discriminant = fixed(torch.zeros(n_statistics, n_speakers))
        self.bias = fixed(torch.zeros(n_speakers))
        self.audio = SpeakerColumns(audio_features, n_speakers)
        self.video = SpeakerColumns(video_features, n_speakers)

    @property
    def fitted(self) -> bool:
        """Whether it knows anybody."""
        return len(self.bias) > 0

    def forward(self, batch: Batch) -> Batch:
        """Every clip in its identified speaker's standard deviations from that speaker's mean."""
        return self.standardised(batch, self.identified(batch)) if self.fitted else batch

    def identified(self, batch: Batch) -> Tensor:
        """The number of the speaker that each clip is most likely of. (B,)."""
        return (described(batch) @ self.discriminant + self.bias).argmax(dim=1)

    def standardised(self, batch: Batch, speakers: Tensor) -> Batch:
        """Clips of these speakers (B,), each by its speaker's columns."""
        audio = self.audio(batch.audio, batch.audio_mask, speakers)
        return Batch(audio, batch.audio_mask, self.video(batch.video, batch.video_mask, speakers), batch.video_mask)


class SpeakerColumns(nn.Module):
    """Mean and deviation of each column of one modality over the frames of each speaker."""

    def __init__(self, n_features: int, n_speakers: int) -> None:
        super().__init__()
        self.mean = fixed(torch.zeros(n_speakers, n_features))
        self.std = fixed(torch.ones(n_speakers, n_features))

    def forward(self, frames: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        """(B, T, F), (B, T) and (B,) to (B, T, F); 0 where masked."""
        scaled = (frames - self.mean[speakers].unsqueeze(1)) / self.std[speakers].unsqueeze(1)
        return scaled.clamp(-LIMIT, LIMIT) * mask.unsqueeze(2)


def described(batch: Batch) -> Tensor:
    """Statistics of both modalities side by side (B, S); 0 for one that is absent."""
    sound = pooled_statistics(batch.audio, batch.audio_mask)
    return torch.cat([sound, pooled_statistics(batch.video, batch.video_mask)], dim=1)
