"""Logits -> the answer: probabilities, of several networks together, and of a clip at several speeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from omsn.config import LossName
from omsn.models.batch import Batch
from omsn.models.network import Network


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


def mean_over_speeds(probabilities: Tensor, originals: Tensor) -> Tensor:
    """The geometric mean of what is said of each clip at several speeds, brought to sum to 1. (n, K).

    Args:
        probabilities: (m, K), m at least n.
        originals: (m,) the clip, from 0 on, that each row is of; the first n are the clips themselves.
    """
    if len(probabilities) == int(originals.max()) + 1:
        return probabilities
    return torch.softmax(mean_of_each(_logs(probabilities), originals), dim=1)


def mean_of_each(rows: Tensor, originals: Tensor) -> Tensor:
    """The mean of the rows (m, K) of each clip, (n, K); softmax of mean logits is ``mean_over_speeds`` of softmax."""
    sums = rows.new_zeros(int(originals.max()) + 1, rows.shape[1]).index_add(0, originals, rows)
    return sums / torch.bincount(originals).unsqueeze(1)


def _logs(probabilities: Tensor) -> Tensor:
    """Finite ones: a probability of 0 is no veto."""
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
