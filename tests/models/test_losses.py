from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import Tensor
from torch.nn import functional as F

from omsn.config import LossName
from omsn.models.losses import (
    LOSSES,
    binary_cross_entropy,
    cross_entropy,
    of_clips,
    probabilities_of,
    together,
    total_loss,
)
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


@both
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 500.0])
@pytest.mark.parametrize("shift", [0.0, -60.0, -2000.0, 2000.0])
def test_probabilities_sum_to_1(name: LossName, scale: float, shift: float) -> None:
    probabilities = probabilities_of(scale * LOGITS + shift, name)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(dim=1).numpy(), 1, atol=1e-5)


def test_one_vs_rest_probabilities_by_hand() -> None:
    logits = torch.logit(torch.tensor([[0.5, 0.25, 0.25], [0.8, 0.8, 0.4]]))
    expected = torch.tensor([[0.5, 0.25, 0.25], [0.4, 0.4, 0.2]])
    torch.testing.assert_close(probabilities_of(logits, "binary_cross_entropy"), expected)


def test_what_is_said_of_a_clip_at_several_speeds_is_the_geometric_mean() -> None:
    said = torch.tensor([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1], [0.9, 0.1]], dtype=torch.float64)
    first = np.sqrt([0.5 * 0.9, 0.5 * 0.1])
    second = np.sqrt([0.2 * 0.9, 0.8 * 0.1])
    expected = [first / first.sum(), second / second.sum()]
    np.testing.assert_allclose(of_clips(said, torch.tensor([0, 1, 0, 1])), expected)
    assert of_clips(said, torch.arange(4)) is said


def test_softmax_probabilities_against_torch() -> None:
    torch.testing.assert_close(probabilities_of(LOGITS, "cross_entropy"), torch.softmax(LOGITS, 1))


@both
def test_several_networks_answer_with_the_geometric_mean(name: LossName) -> None:
    answers = torch.stack([probabilities_of(LOGITS, name), probabilities_of(LOGITS.flip(1), name)])
    expected = np.sqrt(answers[0].numpy() * answers[1].numpy())
    np.testing.assert_allclose(together(answers).numpy(), expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_class_that_one_network_rules_out_stays_a_number() -> None:
    answers = torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]])
    torch.testing.assert_close(together(answers), torch.tensor([[0.5, 0.5, 0.0]]))


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
