"""What a network is fed: padded tensors of both modalities with their masks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Features of B clips, padded to the longest of each modality. Masks: True = real data.

    Attributes:
        audio: (B, T_a, F_a) standardised frame features of the sound; 0 where masked.
        audio_mask: (B, T_a); a row without True is a clip without sound.
        video: (B, T_v, F_v) standardised frame features of the face; 0 where masked.
        video_mask: (B, T_v); a row without True is a clip without a face.
    """

    audio: Tensor
    audio_mask: Tensor
    video: Tensor
    video_mask: Tensor

    def __len__(self) -> int:
        return len(self.audio)
