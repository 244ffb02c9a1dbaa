"""Losses between logits and soft targets."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from omsn.config import LossName
from omsn.models.network import Logits

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over clips of the softmax cross-entropy. (B, K) and (B, K) to ()."""
    return F.cross_entropy(logits, targets)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over clips of the sum over classes of the one-vs-rest cross-entropy (paper 2.5.1). (B, K) twice to ()."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1).mean()


LOSSES: dict[LossName, Loss] = {"cross_entropy": cross_entropy, "binary_cross_entropy": binary_cross_entropy}


def total_loss(logits: Logits, targets: Tensor, loss: Loss, auxiliary: float, joint: float) -> Tensor:
    """The losses of the fused logits and of each modality's own, weighted; one weight at least must be above 0."""
    own = auxiliary * (loss(logits.audio, targets) + loss(logits.video, targets)) if auxiliary > 0 else None
    if joint == 0 and own is not None:
        return own
    fused = joint * loss(logits.fused, targets)
    return fused if own is None else fused + own
