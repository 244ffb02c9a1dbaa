"""Many SMGCNNs of one shape, each with weights of its own, computed together on the CPU.

Every tensor has the networks as its first axis, so that each layer is a few batched matrix products for all of them;
maps are channels-last. The same by ``torch.func.vmap`` over SMGCNN takes twice as long even with its convolutions as
products of patches: on a CPU it is the copies and the many small calls that cost.

Letters in shape comments: P networks, B clips, H and W positions of the deep maps, C channels, S weights of a network.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from omsn.models.smgcnn import SMGCNN, SelfAttention
from omsn.tuning.convolution import convolve

KERNEL = 3
STRIDE = 2


class StackedSMGCNN:
    """P copies of one SMGCNN; the rows of ``weights`` are trained apart.

    Args:
        start: the weights that every network begins with; it is left as it is.
        count: P.

    Attributes:
        weights: (P, S), one network a row; may be changed in place between calls.
        gradient: (P, S), filled by ``gradients``.
    """

    def __init__(self, start: SMGCNN, count: int) -> None:
        self._start = {name: weight.detach() for name, weight in start.named_parameters()}
        flat = torch.cat([_to_products(weight).flatten() for weight in self._start.values()])
        self.weights = flat.repeat(count, 1)
        self.gradient = torch.zeros_like(self.weights)
        self._named = {name: part.requires_grad_() for name, part in self._parts(self.weights).items()}
        self._gradients = self._parts(self.gradient)
        self._blocks = len(start.before)
        self._embedded = start.attention.attend.parts[0] if isinstance(start.attention, SelfAttention) else 0

    def logits(self, patches: Tensor, masks: Mapping[str, Tensor] | None = None) -> Tensor:
        """Logits of every network for the same clips.

        Args:
            patches: (B, H, W, 9 M), from ``stem_patches``.
            masks: from ``dropout_masks``; None leaves dropout off.

        Returns:
            (P, B, K).
        """
        masks = masks or {}
        deep = self._stem(patches)  # (P, B, H, W, C)
        deep = self._blocks_of("before", deep, masks)
        deep = self._attention(deep) if self._embedded else deep
        deep = self._blocks_of("after", deep, masks)
        pooled = deep.mean(dim=2).transpose(2, 3).flatten(2)  # (P, B, C * W)
        embedding = self._scale("norm", F.layer_norm(pooled, pooled.shape[2:]))
        return self._linear("classify", embedding * masks["dropout"] if masks else embedding)

    def gradients(self, total: Tensor) -> Tensor:
        """Gradient of a sum over the networks, each row that of its own network's term: ``self.gradient``, (P, S)."""
        parts = torch.autograd.grad(total, list(self._named.values()))
        for kept, part in zip(self._gradients.values(), parts, strict=True):
            kept.copy_(part)
        return self.gradient

    def state_dict(self, index: int) -> dict[str, Tensor]:
        """One network's weights as ``SMGCNN.load_state_dict`` takes them."""
        return {name: _from_products(part[index].detach()).clone() for name, part in self._named.items()}

    def dropout_masks(self, n_clips: int, rates: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Factors 0 or 1 / (1 - rate), drawn from the same uniform numbers for every network.

        Args:
            n_clips: B.
            rates: (P,) share of channels dropped in each network.
            generator: what the random numbers come from; it moves on by as many whatever the rates are.

        Returns:
            (P, B, 1, 1, C) for each residual block, (P, B, C * W) before the fully connected layer, by layer name.
        """
        channels, features = self._named["stem.bias"].shape[1], self._named["norm.bias"].shape[1]
        blocks = {f"{side}.{i}": channels for side in ("before", "after") for i in range(self._blocks)}
        masks = {}
        for name, width in {**blocks, "dropout": features}.items():
            kept = torch.rand(n_clips, width, generator=generator) >= rates[:, None, None]  # (P, B, width)
            mask = kept.to(self.weights.dtype) / (1 - rates[:, None, None])
            masks[name] = mask if name == "dropout" else mask[:, :, None, None]
        return masks

    def _parts(self, rows: Tensor) -> dict[str, Tensor]:
        """Views of (P, S) by parameter name, (P, *shape)."""
        shapes = [_to_products(weight).shape for weight in self._start.values()]
        parts = torch.split(rows, [shape.numel() for shape in shapes], dim=1)
        return {name: part.view(-1, *shape) for name, part, shape in zip(self._start, parts, shapes, strict=True)}

    def _stem(self, patches: Tensor) -> Tensor:
        weight, bias = self._named["stem.weight"].flatten(1, 3), self._named["stem.bias"]
        rows = patches.flatten(0, 2).expand(len(weight), -1, -1)  # (P, B * H * W, 9 M), one in memory
        return torch.baddbmm(bias[:, None], rows, weight).view(len(weight), *patches.shape[:3], -1)

    def _blocks_of(self, side: str, maps: Tensor, masks: Mapping[str, Tensor]) -> Tensor:
        for name in (f"{side}.{i}" for i in range(self._blocks)):
            residual = self._convolve(f"{name}.residual.2", self._activate(f"{name}.residual.0", maps))
            residual = self._activate(f"{name}.residual.3", residual)
            residual = residual * masks[name] if masks else residual
            maps = maps + self._convolve(f"{name}.residual.6", residual)
        return maps

    def _activate(self, name: str, maps: Tensor) -> Tensor:
        return F.gelu(self._scale(name, F.layer_norm(maps, maps.shape[2:])))

    def _attention(self, maps: Tensor) -> Tensor:
        n_networks, n_clips, channels = len(maps), maps.shape[1], maps.shape[4]
        parts = [self._embedded, self._embedded, channels]
        flat = self._linear("attention.attend.project", maps.flatten(1, 3))  # (P, B * H * W, 2 E + C)
        flat = flat.view(n_networks * n_clips, -1, sum(parts))  # (P * B, H * W, 2 E + C)
        query, key, value = torch.split(flat, parts, dim=2)
        shares = torch.softmax(query @ key.transpose(1, 2), dim=2)  # (P * B, H * W, H * W)
        attended = (shares @ value).view(maps.shape)
        gamma = self._named["attention.gamma"].view(n_networks, 1, 1, 1, 1)
        return torch.addcmul(maps, gamma, attended)

    def _convolve(self, name: str, maps: Tensor) -> Tensor:
        return convolve(maps, self._named[f"{name}.weight"], self._named[f"{name}.bias"])

    def _scale(self, name: str, values: Tensor) -> Tensor:
        """Each channel times its weight plus its bias, channels last."""
        shape = (len(values), *[1] * (values.ndim - 2), -1)
        weight, bias = (self._named[f"{name}.{kind}"].view(shape) for kind in ("weight", "bias"))
        return torch.addcmul(bias, values, weight)

    def _linear(self, name: str, values: Tensor) -> Tensor:
        """(P, B, I) to (P, B, O)."""
        weight, bias = self._named[f"{name}.weight"], self._named[f"{name}.bias"]
        return torch.baddbmm(bias[:, None], values, weight.transpose(1, 2))


def stem_patches(maps: Tensor) -> Tensor:
    """What each position of the stem sees, the same for every network: (B, M, N, D) to (B, H, W, 9 M)."""
    height, width = (-(-size // STRIDE) for size in maps.shape[2:])
    padded = F.pad(maps.movedim(1, -1), (0, 0, 1, 1, 1, 1))  # (B, N + 2, D + 2, M)
    taps = [
        padded[:, row : row + STRIDE * height : STRIDE, column : column + STRIDE * width : STRIDE]
        for row in range(KERNEL)
        for column in range(KERNEL)
    ]
    return torch.cat([tap[:, :height, :width] for tap in taps], dim=-1)


def _to_products(weight: Tensor) -> Tensor:
    """A kernel (O, C, 3, 3) as right sides of matrix products, (3, 3, C, O); other weights as they are."""
    return weight.permute(2, 3, 1, 0) if weight.ndim == 4 else weight


def _from_products(weight: Tensor) -> Tensor:
    """What ``_to_products`` was given."""
    return weight.permute(3, 2, 0, 1) if weight.ndim == 4 else weight
