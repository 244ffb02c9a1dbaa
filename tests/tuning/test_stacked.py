from __future__ import annotations

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from omsn.config import ClassifierConfig
from omsn.models.smgcnn import SMGCNN
from omsn.tuning.stacked import StackedSMGCNN, stem_patches

CONFIGS = [
    ClassifierConfig(width=8, blocks=1),
    ClassifierConfig(width=8, blocks=0),
    ClassifierConfig(width=8, blocks=2, attention=False),
    ClassifierConfig(width=12, blocks=0, attention=False),
]


def network(config: ClassifierConfig, columns: int = 5) -> SMGCNN:
    """In float64, with weights that are nowhere 0, so that every path counts."""
    torch.manual_seed(0)
    built = SMGCNN(6, columns, 4, config).double().eval()
    for weight in built.parameters():
        weight.data += 0.2 * torch.randn_like(weight)
    return built


@pytest.mark.parametrize(("rows", "columns"), [(10, 4), (9, 5), (1, 1), (2, 3)])
def test_stem_patches_are_what_the_stem_sees(rows: int, columns: int) -> None:
    stem = network(CONFIGS[0]).stem
    maps = torch.randn(3, 6, rows, columns, dtype=torch.float64)
    weight = stem.weight.permute(0, 2, 3, 1).flatten(1)
    torch.testing.assert_close(F.linear(stem_patches(maps), weight, stem.bias).movedim(-1, 1), stem(maps))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(("rows", "columns"), [(7, 5), (10, 4), (1, 1)])
def test_logits_and_gradients_are_those_of_each_network(config: ClassifierConfig, rows: int, columns: int) -> None:
    one = network(config, columns)
    other = network(config, columns)
    stack = StackedSMGCNN(one, 2)
    for weight in other.parameters():
        weight.data *= 0.7
    stack.weights[1] = 0.7 * stack.weights[0]
    maps = torch.randn(3, 6, rows, columns, dtype=torch.float64)
    logits = stack.logits(stem_patches(maps))
    torch.testing.assert_close(logits, torch.stack([one(maps), other(maps)]), rtol=0, atol=1e-11)
    gradient = stack.gradients(logits.square().sum())
    for row, alone in zip(gradient, (one, other), strict=True):
        expected = torch.autograd.grad(alone(maps).square().sum(), list(alone.parameters()))
        packed = [part.permute(2, 3, 1, 0) if part.ndim == 4 else part for part in expected]
        torch.testing.assert_close(row, torch.cat([part.flatten() for part in packed]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_gradient_reaches_every_weight(config: ClassifierConfig) -> None:
    stack = StackedSMGCNN(network(config), 3)
    maps = torch.randn(5, 6, 7, 5, dtype=torch.float64)
    gradient = stack.gradients(stack.logits(stem_patches(maps)).square().sum())
    assert gradient is stack.gradient
    assert (gradient != 0).float().mean() > 0.99
    for name, part in stack._parts(gradient).items():
        assert part.abs().sum() > 0, name


def test_weights_go_back_into_the_ordinary_network() -> None:
    start = network(CONFIGS[0])
    stack = StackedSMGCNN(start, 2)
    for name, weight in stack.state_dict(1).items():
        assert torch.equal(weight, start.state_dict()[name]), name
    assert stack.state_dict(0).keys() == start.state_dict().keys()


def test_weights_taken_out_do_not_change_with_the_stack() -> None:
    stack = StackedSMGCNN(network(CONFIGS[0]), 1)
    taken = stack.state_dict(0)["stem.bias"]
    before = taken.clone()
    stack.weights += 1
    assert torch.equal(taken, before)


def test_start_is_left_as_it_is() -> None:
    start = network(CONFIGS[0])
    before = {name: weight.clone() for name, weight in start.state_dict().items()}
    StackedSMGCNN(start, 2).weights.zero_()
    assert all(torch.equal(weight, before[name]) for name, weight in start.state_dict().items())


def test_masks_of_a_higher_rate_drop_what_those_of_a_lower_drop() -> None:
    stack = StackedSMGCNN(network(CONFIGS[0]), 3)
    rates = torch.tensor([0.0, 0.3, 0.6], dtype=torch.float64)
    masks = stack.dropout_masks(200, rates, Generator().manual_seed(0))
    assert {name: mask.shape for name, mask in masks.items()} == {
        "before.0": (3, 200, 1, 1, 8),
        "after.0": (3, 200, 1, 1, 8),
        "dropout": (3, 200, 24),
    }
    for mask in masks.values():
        kept = mask > 0
        assert bool((kept[1] <= kept[0]).all())
        assert bool((kept[2] <= kept[1]).all())
        for rate, factors in zip(rates, mask, strict=True):
            assert set(factors.unique().tolist()) <= {0.0, float(1 / (1 - rate))}
            assert float((factors == 0).double().mean()) == pytest.approx(float(rate), abs=0.05)


def test_masks_draw_as_many_numbers_whatever_the_rates() -> None:
    stack, first, second = StackedSMGCNN(network(CONFIGS[0]), 1), Generator(), Generator()
    for rate, generator in ((0.0, first), (0.5, second)):
        stack.dropout_masks(4, torch.tensor([rate]), generator.manual_seed(1))
    assert torch.equal(first.get_state(), second.get_state())
