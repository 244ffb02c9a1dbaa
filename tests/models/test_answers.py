from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from omsn.config import LossName
from omsn.models.answers import mean_of_each, mean_over_speeds, probabilities_of, together

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 4.0, 1.0], [1.0, 1.0, -2.0]])

both = pytest.mark.parametrize("name", get_args(LossName))


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
    np.testing.assert_allclose(mean_over_speeds(said, torch.tensor([0, 1, 0, 1])), expected)
    assert mean_over_speeds(said, torch.arange(4)) is said
    logits = said.log() + torch.tensor([[3.0], [-2.0], [0.0], [7.0]])
    np.testing.assert_allclose(mean_of_each(logits, torch.tensor([0, 1, 0, 1])).softmax(dim=1), expected)


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
