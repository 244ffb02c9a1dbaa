"""Layers on maps: what they must equal."""

import pytest
import torch
from torch import nn

from omsn.models.maps import PointwiseConv, channel_norm


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(10, 10), (10, 4), (1, 1), (3, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_pointwise_convolution_is_a_1x1_convolution(
    size: tuple[int, int], memory_format: torch.memory_format, *, bias: bool
) -> None:
    torch.manual_seed(0)
    pointwise = PointwiseConv(6, 4, bias=bias)
    torch.manual_seed(0)
    reference = nn.Conv2d(6, 4, 1, bias=bias)
    torch.testing.assert_close(pointwise.weight, reference.weight[:, :, 0, 0])  # the same start
    maps = torch.randn(3, 6, *size).to(memory_format=memory_format)
    torch.testing.assert_close(pointwise(maps), reference(maps))


def test_channel_norm_knows_nothing_of_the_other_clips() -> None:
    maps = torch.randn(3, 6, 4, 5)
    together = channel_norm(6)(maps)
    torch.testing.assert_close(together[1:2], channel_norm(6)(maps[1:2]))
    torch.testing.assert_close(together.mean(dim=(1, 2, 3)), torch.zeros(3), atol=1e-6, rtol=0)
