"""Losses between logits and soft targets, and the probabilities that logits stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from omsn.config import LossName
from omsn.models.batch import Batch
from omsn.models.network import Logits, Network

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over clips of the softmax cross-entropy. (B, K) and (B, K) to ()."""
    return F.cross_entropy(logits, targets)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over clips of the sum over classes of the one-vs-rest cross-entropy (paper 2.5.1). (B, K) twice to ()."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1).mean()


LOSSES: dict[LossName, Loss] = {"cross_entropy": cross_entropy, "binary_cross_entropy": binary_cross_entropy}


def probabilities_of(logits: Tensor, loss: LossName) -> Tensor:
    """(B, K) that sum to 1: softmax, or one-vs-rest sigmoids divided by their sum."""
    if loss == "cross_entropy":
        return torch.softmax(logits, dim=1)
    return torch.softmax(F.logsigmoid(logits), dim=1)  # in logarithms: sigmoids that are all tiny sum to 0


def answer_of(networks: Sequence[Network], batch: Batch, loss: LossName) -> Tensor:
    """Probabilities (B, K) of one network, or of several together: geometric means, brought to sum to 1."""
    answers = [probabilities_of(network(batch), loss) for network in networks]
    return answers[0] if len(answers) == 1 else together(torch.stack(answers))


def together(probabilities: Tensor) -> Tensor:
    """The geometric mean over networks of each class' probability, brought to sum to 1. (N, B, K) to (B, K)."""
    return torch.softmax(_logs(probabilities).mean(dim=0), dim=1)


def of_clips(probabilities: Tensor, originals: Tensor) -> Tensor:
    """The geometric mean of what is said of each clip at several speeds, brought to sum to 1. (n, K).

    Args:
        probabilities: (m, K), m at least n.
        originals: (m,) the clip, from 0 on, that each row is of; the first n are the clips themselves.
    """
    if len(probabilities) == int(originals.max()) + 1:
        return probabilities
    logs = _logs(probabilities)
    sums = logs.new_zeros(int(originals.max()) + 1, logs.shape[1]).index_add(0, originals, logs)
    return torch.softmax(sums / torch.bincount(originals).unsqueeze(1), dim=1)


def _logs(probabilities: Tensor) -> Tensor:
    """Finite ones: a probability of 0 is no veto."""
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


def total_loss(logits: Logits, targets: Tensor, loss: Loss, auxiliary: float, joint: float) -> Tensor:
    """The losses of the fused logits and of each modality's own, weighted; one weight at least must be above 0."""
    own = auxiliary * (loss(logits.audio, targets) + loss(logits.video, targets)) if auxiliary > 0 else None
    if joint == 0 and own is not None:
        return own
    fused = joint * loss(logits.fused, targets)
    return fused if own is None else fused + own
