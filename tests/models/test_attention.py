from __future__ import annotations

import math

import pytest
import torch
from tiny_models import stir
from torch import Tensor
from torch.nn import functional as F

from omsn.models.attention import PositionAttention


def projected(attention: PositionAttention, maps: Tensor) -> tuple[Tensor, ...]:
    """Query, key and value of every position: (B, HW, E), (B, HW, E), (B, HW, C)."""
    flat = attention.project(maps).flatten(2).transpose(1, 2)
    return tuple(flat.split(attention.parts, dim=2))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 1)])
def test_every_position_is_a_weighted_mean_of_all_values(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    attention, maps = PositionAttention(3), torch.randn(2, 3, *size)
    attended = attention(maps).flatten(2)
    query, key, value = projected(attention, maps)
    for clip in range(2):
        for j in range(size[0] * size[1]):
            scores = [math.exp(float((query[clip, j] @ key[clip, i]).detach())) for i in range(size[0] * size[1])]
            expected = sum(score / sum(scores) * value[clip, i] for i, score in enumerate(scores))
            torch.testing.assert_close(attended[clip, :, j], expected)


def test_equals_torch_attention_without_scale() -> None:
    torch.manual_seed(0)
    attention, maps = PositionAttention(32), torch.randn(3, 32, 4, 5)
    stir(attention)
    query, key, value = projected(attention, maps)
    reference = F.scaled_dot_product_attention(query, key, value, scale=1.0)  # (B, HW, C)
    torch.testing.assert_close(attention(maps).flatten(2).transpose(1, 2), reference)


@pytest.mark.parametrize(("channels", "embedded"), [(1, 4), (32, 4), (64, 8), (128, 16)])
def test_embedding_spaces_have_an_eighth_of_the_channels(channels: int, embedded: int) -> None:
    assert PositionAttention(channels).parts == (embedded, embedded, channels)


def test_one_position_attends_to_itself_only() -> None:
    attention, maps = PositionAttention(6), torch.randn(2, 6, 1, 1)
    value = projected(attention, maps)[2]
    torch.testing.assert_close(attention(maps).flatten(1), value[:, 0])


def test_large_scores_give_no_nan() -> None:
    torch.manual_seed(0)
    assert PositionAttention(4)(1e4 * torch.randn(1, 4, 3, 3)).isfinite().all()
