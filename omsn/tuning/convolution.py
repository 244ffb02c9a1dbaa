"""3x3 convolutions of many networks at once, each with its own kernel, as few batched matrix products as there can be.

The columns of a map are convolved by Toom-Cook's scheme: three taps over W columns, zeros outside, need 3 W - 2
products where written out, but W + 2 by way of polynomials (5 columns: 7 products for 13), and 3 for 2 columns. It is
linear in the maps, in the kernel and in the products, so that three small matrices say all of it. The rows stay as
they are: the three kernel rows are three products over views of the same maps.

Sources: Toom-Cook, 1963 and 1966; for networks Lavin & Gray, "Fast algorithms for convolutional neural networks",
CVPR 2016. In one dimension and at these points float32 errs about as much as in ``conv2d`` (test).

Letters in shape comments: P networks, B clips, H and W positions, C and O channels, R products of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

TAPS = 3
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5)
LONGEST = len(POINTS) - 1
"""Columns in one scheme; more points would cost accuracy, so wider maps are cut and the pieces overlap-added."""


@dataclass(frozen=True, eq=False)
class Scheme:
    """outputs @ ((kernel @ taps) * (inputs @ values)) is the correlation of W values, zeros outside, with three taps.

    Attributes:
        outputs: (W, R).
        kernel: (R, 3).
        inputs: (R, W).
    """

    outputs: Tensor
    kernel: Tensor
    inputs: Tensor


@cache
def scheme(width: int, dtype: torch.dtype) -> Scheme:
    """The scheme with the fewest products for so many columns."""
    if width <= len(_SHORT):
        outputs, kernel, inputs = (np.array(matrix, dtype=np.float64) for matrix in _SHORT[width - 1])
    else:
        n_pieces = -(-width // LONGEST)
        pieces = [_piece(int(part[0]), len(part), width) for part in np.array_split(np.arange(width), n_pieces)]
        outputs = np.concatenate([piece[0] for piece in pieces], axis=1)
        kernel, inputs = (np.concatenate([piece[part] for piece in pieces]) for part in (1, 2))
    return Scheme(*(torch.from_numpy(matrix).to(dtype) for matrix in (outputs, kernel, inputs)))


def convolve(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """3x3 convolution, padded by 1, of every network's maps with its own kernel; differentiable once.

    Args:
        maps: (P, B, H, W, C), any strides.
        weight: (P, 3, 3, C, O): kernel row, kernel column, input channel, output channel.
        bias: (P, O).

    Returns:
        (P, B, H, W, O), contiguous.
    """
    convolved: Tensor = _Convolution.apply(maps, weight, bias)  # type: ignore[no-untyped-call]
    return convolved


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        plan = scheme(maps.shape[3], maps.dtype)
        kernels = [plan.kernel @ row.flatten(2) for row in weight.unbind(dim=1)]  # 3 of (P, R, C * O)
        kernels = [row.view(-1, *weight.shape[3:]) for row in kernels]  # 3 of (P * R, C, O)
        inputs = _by_column(maps, plan.inputs)  # (P * R, (H + 2) * B, C)
        ctx.save_for_backward(inputs, *kernels)
        ctx.shape = maps.shape
        products = _over_rows(inputs, kernels, maps.shape[1])
        return _by_clip(products, plan.outputs, maps.shape).add_(bias[:, None, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs, *kernels = ctx.saved_tensors
        plan, n_clips, n_networks = scheme(ctx.shape[3], gradient.dtype), ctx.shape[1], ctx.shape[0]
        outer = _by_column(gradient, plan.outputs.T)  # (P * R, (H + 2) * B, O)
        adjoint = [kernel.transpose(1, 2) for kernel in reversed(kernels)]
        to_maps = _by_clip(_over_rows(outer, adjoint, n_clips), plan.inputs.T, ctx.shape)
        inner = outer[:, n_clips:-n_clips]  # (P * R, H * B, O)
        to_kernels = gradient.new_empty(TAPS, *kernels[0].shape)  # (3, P * R, C, O)
        for rows, to_kernel in zip(_views(inputs, n_clips), to_kernels, strict=True):
            torch.bmm(rows.transpose(1, 2), inner, out=to_kernel)
        by_network = to_kernels.view(TAPS, n_networks, len(plan.kernel), -1)  # (3, P, R, C * O)
        to_weight = (plan.kernel.T @ by_network).view(TAPS, n_networks, TAPS, *kernels[0].shape[1:]).transpose(0, 1)
        return to_maps, to_weight, gradient.flatten(1, 3).sum(dim=1)


def _by_column(maps: Tensor, matrix: Tensor) -> Tensor:
    """(P, B, H, W, C) with a row of zeros at both ends, its columns by an (R, W) matrix: (P * R, (H + 2) * B, C)."""
    n_networks, n_clips, height, width, channels = maps.shape
    columns = maps.new_zeros(n_networks, width, height + 2, n_clips, channels)
    columns[:, :, 1:-1] = maps.permute(0, 3, 2, 1, 4)
    return (matrix @ columns.flatten(2)).view(-1, (height + 2) * n_clips, channels)


def _by_clip(products: Tensor, matrix: Tensor, shape: torch.Size) -> Tensor:
    """(P * R, H * B, O), summed to columns by a (W, R) matrix: (P, B, H, W, O)."""
    n_networks, n_clips, height, width, _ = shape
    columns = matrix @ products.view(n_networks, matrix.shape[1], -1)  # (P, W, H * B * O)
    return columns.view(n_networks, width, height, n_clips, -1).permute(0, 3, 2, 1, 4).contiguous()


def _views(rows: Tensor, n_clips: int) -> list[Tensor]:
    """What the three kernel rows see of (N, (H + 2) * B, C): 3 of (N, H * B, C)."""
    end = rows.shape[1] - (TAPS - 1) * n_clips
    return [rows[:, start : end + start] for start in range(0, TAPS * n_clips, n_clips)]


def _over_rows(rows: Tensor, kernels: list[Tensor], n_clips: int) -> Tensor:
    """Sum over the kernel rows of what each sees, times its kernel: (N, H * B, O)."""
    above, here, below = _views(rows, n_clips)
    return torch.bmm(here, kernels[1]).baddbmm_(above, kernels[0]).baddbmm_(below, kernels[2])


_SHORT = (
    ([[1]], [[0, 1, 0]], [[1]]),
    ([[1, 1, 0], [1, 0, 1]], [[0, 1, 0], [0, -1, 1], [1, -1, 0]], [[1, 1], [0, 1], [1, 0]]),
)
"""Schemes for one and two columns: w1 x0; and w1 (x0 + x1), (w2 - w1) x1, (w0 - w1) x0, the first used twice."""


def _piece(start: int, length: int, width: int) -> tuple[NDArray[np.float64], ...]:
    """Toom-Cook for ``length`` columns from ``start``: values and taps as polynomials, multiplied point by point."""
    n_products = length + TAPS - 1
    kernel, inputs = _values_at_points(n_products, TAPS)[:, ::-1], _values_at_points(n_products, length)
    product = np.linalg.inv(_values_at_points(n_products, n_products))  # row i: coefficient i, of column start + i - 1
    scales = np.abs(kernel).max(axis=1) * np.abs(inputs).max(axis=1)
    columns = np.arange(start - 1, start - 1 + n_products)
    inside = (columns >= 0) & (columns < width)
    outputs, placed = np.zeros((width, n_products)), np.zeros((n_products, width))
    outputs[columns[inside]] = (product * scales)[inside]
    placed[:, start : start + length] = inputs / np.abs(inputs).max(axis=1, keepdims=True)
    return outputs, kernel / np.abs(kernel).max(axis=1, keepdims=True), placed


def _values_at_points(n_points: int, n_coefficients: int) -> NDArray[np.float64]:
    """Matrix from a polynomial's coefficients to its values at the first points and, last, at infinity."""
    finite = np.vander(POINTS[: n_points - 1], n_coefficients, increasing=True)
    return np.concatenate([finite, np.eye(n_coefficients)[-1:]])
