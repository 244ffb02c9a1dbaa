from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from sklearn.metrics import log_loss
from torch import Tensor
from torch.nn import functional as F

from omsn.config import LossName
from omsn.models.losses import LOSSES, binary_cross_entropy, cross_entropy, total_loss
from omsn.models.network import Logits

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 4.0, 1.0], [1.0, 1.0, -2.0]])
CLASSES = torch.tensor([0, 2, 1, 2])
ONE_HOT = F.one_hot(CLASSES, 3).float()
SOFT = 0.9 * ONE_HOT + 0.1 / 3

both = pytest.mark.parametrize("name", get_args(LossName))


def test_every_loss_has_a_function() -> None:
    assert set(LOSSES) == set(get_args(LossName))


def test_cross_entropy_by_hand() -> None:
    assert float(cross_entropy(torch.zeros(1, 4), F.one_hot(torch.tensor([1]), 4).float())) == pytest.approx(
        math.log(4)
    )


def test_cross_entropy_against_scikit_learn() -> None:
    expected = log_loss(CLASSES.numpy(), torch.softmax(LOGITS.double(), 1).numpy(), labels=[0, 1, 2])
    assert float(cross_entropy(LOGITS, ONE_HOT)) == pytest.approx(expected, abs=1e-6)


def test_binary_cross_entropy_by_hand() -> None:
    """Every sigmoid says 1/2: ln 2 for each class."""
    value = binary_cross_entropy(torch.zeros(2, 4), F.one_hot(torch.tensor([1, 3]), 4).float())
    assert float(value) == pytest.approx(4 * math.log(2))


def test_binary_cross_entropy_is_the_sum_of_one_vs_rest_losses() -> None:
    sigmoids = torch.sigmoid(LOGITS.double()).numpy()
    parts = [log_loss(CLASSES.numpy() == k, sigmoids[:, k], labels=[False, True]) for k in range(3)]
    assert float(binary_cross_entropy(LOGITS, ONE_HOT)) == pytest.approx(sum(parts), abs=1e-6)


def test_soft_targets_against_torch() -> None:
    torch.testing.assert_close(cross_entropy(LOGITS, SOFT), nn_cross_entropy(LOGITS, SOFT))
    torch.testing.assert_close(
        binary_cross_entropy(LOGITS, SOFT), 3 * F.binary_cross_entropy(torch.sigmoid(LOGITS), SOFT)
    )


def nn_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return -(targets * torch.log(torch.softmax(logits, 1))).sum(dim=1).mean()


def test_without_the_joint_loss_the_voice_learns_alone() -> None:
    """Whatever the face says of the same clips."""
    audio, face = torch.randn_like(LOGITS).requires_grad_(), torch.randn_like(LOGITS)
    (alone,) = torch.autograd.grad(cross_entropy(audio, SOFT), audio)
    for video in (face, 5 * face):
        value = total_loss(Logits(audio + video, audio, video), SOFT, cross_entropy, 1.0, joint=0.0)
        torch.testing.assert_close(torch.autograd.grad(value, audio)[0], alone)


@both
def test_auxiliary_losses_are_weighted(name: LossName) -> None:
    loss, logits = LOSSES[name], Logits(LOGITS, LOGITS + 1, LOGITS * 2)
    fused, audio, video = (loss(part, SOFT) for part in (logits.fused, logits.audio, logits.video))
    torch.testing.assert_close(total_loss(logits, SOFT, loss, 0.3, joint=1.0), fused + 0.3 * audio + 0.3 * video)
    torch.testing.assert_close(total_loss(logits, SOFT, loss, 0.0, joint=1.0), fused)
    torch.testing.assert_close(total_loss(logits, SOFT, loss, 0.3, joint=0.5), 0.5 * fused + 0.3 * audio + 0.3 * video)
    torch.testing.assert_close(total_loss(logits, SOFT, loss, 0.3, joint=0.0), 0.3 * audio + 0.3 * video)
