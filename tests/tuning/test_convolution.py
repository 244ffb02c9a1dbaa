from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from omsn.tuning.convolution import LONGEST, convolve, scheme

SIZES = [(1, 1), (1, 2), (2, 1), (5, 2), (3, 3), (4, 4), (5, 5), (2, LONGEST + 1), (3, 2 * LONGEST + 1)]


def arguments(height: int, width: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * 100 + width)
    shapes = ((2, 3, height, width, 4), (2, 3, 3, 4, 6), (2, 6))
    maps, weight, bias = (torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)
    return maps.requires_grad_(), weight.requires_grad_(), bias.requires_grad_()


def one_by_one(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """PyTorch's own convolution of each network's maps."""
    each = zip(maps.movedim(-1, 2), weight.permute(0, 4, 3, 1, 2), bias, strict=True)
    return torch.stack([F.conv2d(*network, padding=1) for network in each]).movedim(2, -1)


@pytest.mark.parametrize("width", [*range(1, 13), 32])
def test_a_scheme_is_three_taps_over_columns(width: int) -> None:
    generator = torch.Generator().manual_seed(width)
    values, taps = (torch.randn(count, generator=generator, dtype=torch.float64) for count in (width, 3))
    plan = scheme(width, torch.float64)
    found = plan.outputs @ ((plan.kernel @ taps) * (plan.inputs @ values))
    torch.testing.assert_close(found, F.conv1d(values[None], taps[None, None], padding=1)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("width", "n_products"), [(1, 1), (2, 3), (3, 5), (5, 7), (6, 10), (10, 14)])
def test_products_of_a_scheme(width: int, n_products: int) -> None:
    assert scheme(width, torch.float32).inputs.shape == (n_products, width)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equals_conv2d_and_its_gradients(height: int, width: int) -> None:
    given = arguments(height, width)
    found, expected = convolve(*given), one_by_one(*given)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)
    toward = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, given, toward), torch.autograd.grad(expected, given, toward), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_takes_maps_of_any_strides() -> None:
    maps, weight, bias = arguments(5, 4)
    strided = maps.transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    torch.testing.assert_close(convolve(strided, weight, bias), convolve(maps, weight, bias), rtol=0, atol=0)


@pytest.mark.parametrize(("height", "width"), [(5, 2), (5, 5), (10, 10)])
def test_in_float32_as_exact_as_conv2d(height: int, width: int) -> None:
    maps, weight, bias = (given.detach() for given in arguments(height, width))
    exact = one_by_one(maps, weight, bias)
    rounded = (maps.float(), weight.float(), bias.float())
    ours, theirs = (
        (found.double() - exact).square().mean().sqrt() for found in (convolve(*rounded), one_by_one(*rounded))
    )
    assert ours < 5 * theirs
