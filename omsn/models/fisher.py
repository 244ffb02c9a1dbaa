"""Fisher vectors (Perronnin, Sánchez & Mensink 2010): which short stretches a clip is made of, and how they lie.

Stretches of neighbouring frames are brought to a few whitened principal components, which a Gaussian mixture describes;
a clip is described by how its own stretches would have the mixture changed. Fitted by ``omsn/training/views.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from omsn.config import FisherConfig
from omsn.models.pooling import fixed, less_mean


class FisherVectors(nn.Module):
    """Improved Fisher vectors of one kind of columns; unfitted, they are 0.

    With the weights' part of Sánchez et al. 2013. Constant factors and the norm are left out: each entry is
    standardised afterwards, and the norm taken after whitening.
    """

    def __init__(
        self, n_features: int, config: FisherConfig, window: int | None = None, *, centred: bool = False
    ) -> None:
        """``window`` is the config's if not given; ``centred`` takes the clip's mean of each column off first."""
        super().__init__()
        self.config, self.centred = config, centred
        self.window = config.window if window is None else window
        self.n_dimensions = min(config.dimensions, n_features * self.window)
        self.mean = fixed(torch.zeros(n_features * self.window))
        self.size = config.gaussians * (1 + 2 * self.n_dimensions)
        """Entries of a clip's vector, V."""
        self.projection = fixed(torch.zeros(n_features * self.window, self.n_dimensions))
        self.weights = fixed(torch.zeros(config.gaussians))
        self.means = fixed(torch.zeros(config.gaussians, self.n_dimensions))
        self.variances = fixed(torch.ones(config.gaussians, self.n_dimensions))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F) and (B, T) to (B, V); 0 for a clip without a frame."""
        points = self.points(frames, mask)  # (B, T, D)
        shares = self.shares(points) * mask.unsqueeze(2)  # (B, T, K)
        total, of_points = shares.sum(dim=1), shares.transpose(1, 2) @ points  # (B, K), (B, K, D)
        of_squares = shares.transpose(1, 2) @ points**2
        by_mean = of_points - total.unsqueeze(2) * self.means
        by_variance = of_squares - 2 * self.means * of_points + total.unsqueeze(2) * (self.means**2 - self.variances)
        count = mask.sum(dim=1, keepdim=True)  # (B, 1)
        parts = (
            total - count * self.weights,
            (by_mean / self.variances.sqrt()).flatten(1),
            (by_variance / self.variances).flatten(1),
        )
        changed = torch.cat(parts, dim=1) / count.clamp(min=1)
        return changed.sign() * changed.abs().sqrt() * mask.any(dim=1, keepdim=True)

    def points(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The stretch around each frame in principal components of deviation 1. (B, T, F) to (B, T, D)."""
        return (self.around(frames, mask) - self.mean) @ self.projection

    def around(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The stretch around each frame. (B, T, F) to (B, T, window F)."""
        frames = less_mean(frames, mask) if self.centred else frames
        return stretches(frames, mask, self.window, self.config.step)

    def shares(self, points: Tensor) -> Tensor:
        """How much each Gaussian has of each point. (B, T, D) to (B, T, K), which add up to 1 where it is fitted."""
        precisions = 1 / self.variances
        distance = points**2 @ precisions.T - 2 * points @ (self.means * precisions).T
        distance = distance + (self.means**2 * precisions).sum(dim=1)
        log_density = self.weights.log() - (distance + self.variances.log().sum(dim=1)) / 2
        return torch.softmax(log_density, dim=2).nan_to_num()  # no weight at all: nobody has it


def stretches(frames: Tensor, mask: Tensor, window: int, step: int) -> Tensor:
    """Each frame with its neighbours, side by side. (B, T, F) and (B, T) to (B, T, window F).

    A neighbour that is not real is the last real one before it, or the first of all.
    """
    n_frames = mask.shape[1]
    at = torch.arange(n_frames, device=mask.device)
    before = torch.where(mask, at, -1).cummax(dim=1).values  # (B, T)
    first = mask.int().argmax(dim=1, keepdim=True)
    nearest = torch.where(before < 0, first, before)
    reach = window // 2
    offsets = torch.arange(-reach, reach + 1, device=mask.device) * step  # (window,)
    around = (at[:, None] + offsets).clamp(0, n_frames - 1)  # (T, window)
    rows = torch.arange(len(frames), device=mask.device)[:, None, None]
    return frames[rows, nearest[:, around]].flatten(2)
