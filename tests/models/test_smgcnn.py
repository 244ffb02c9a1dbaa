from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import CLASSIFIER, stir
from torch import Tensor, nn

from omsn.models.smgcnn import SMGCNN, ResidualBlock, SelfAttention


def maps_of(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_untrained_attention_is_the_identity() -> None:
    maps = maps_of(2, 8, 3, 4)
    torch.testing.assert_close(SelfAttention(8)(maps), maps, rtol=0, atol=0)


def test_attention_follows_its_formula() -> None:
    """y = gamma * o + x."""
    block, maps = SelfAttention(8), maps_of(2, 8, 3, 4)
    stir(block)
    torch.testing.assert_close(block(maps), block.gamma * block.attend(maps) + maps)
    assert not torch.allclose(block(maps), maps)


def test_untrained_block_is_the_identity() -> None:
    maps = maps_of(2, 8, 3, 4)
    torch.testing.assert_close(ResidualBlock(8, 0.5).train()(maps), maps, rtol=0, atol=0)


def test_trained_block_adds_its_residual() -> None:
    block, maps = ResidualBlock(8, 0.0), maps_of(2, 8, 3, 4)
    stir(block)
    torch.testing.assert_close(block(maps) - maps, block.residual(maps))
    assert block.residual(maps).any()


@pytest.mark.parametrize(("steps", "width"), [(10, 10), (7, 12), (1, 1), (1, 8), (2, 3)])
def test_any_size_gives_a_score_for_each_class(steps: int, width: int) -> None:
    logits = SMGCNN(3, width, 5, CLASSIFIER)(maps_of(4, 3, steps, width))
    assert logits.shape == (4, 5)
    assert logits.isfinite().all()


def test_switches_leave_parts_out() -> None:
    plain = SMGCNN(3, 4, 5, replace(CLASSIFIER, attention=False, blocks=0))
    assert isinstance(plain.attention, nn.Identity)
    assert len(plain.before) == len(plain.after) == 0
    whole = SMGCNN(3, 4, 5, replace(CLASSIFIER, blocks=2))
    assert isinstance(whole.attention, SelfAttention)
    assert len(whole.before) == len(whole.after) == 2


def test_the_mean_runs_over_steps_only() -> None:
    """Positions along the channels of the matrix keep their own weights: mirrored maps score differently."""
    torch.manual_seed(0)
    network, maps = SMGCNN(3, 6, 5, CLASSIFIER).eval(), maps_of(2, 3, 8, 6)
    assert not torch.allclose(network(maps), network(maps.flip(3)), atol=1e-3)
