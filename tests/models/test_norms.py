from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn

from omsn.models.norms import BatchNorm, LayerNorm

CHANNELS = 3


def clips() -> tuple[Tensor, Tensor]:
    """Two clips of five frames, of which eight are real; what stands in the others must not matter."""
    frames = torch.randn(2, 5, CHANNELS, generator=Generator().manual_seed(0)) * 3 + 1
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=torch.bool)
    return frames, mask


def test_layer_norm_is_torchs() -> None:
    frames, mask = clips()
    assert torch.equal(LayerNorm(CHANNELS)(frames, mask), nn.LayerNorm(CHANNELS)(frames))


def test_batch_norm_is_torchs_over_the_real_frames() -> None:
    frames, mask = clips()
    ours, theirs = BatchNorm(CHANNELS), nn.BatchNorm1d(CHANNELS)
    for _ in range(3):
        normed, expected = ours(frames, mask), theirs(frames[mask])
        torch.testing.assert_close(normed[mask], expected)
        assert not normed[~mask].any()
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(frames, mask)[mask], theirs.eval()(frames[mask]))


def test_batch_norm_does_not_see_padding() -> None:
    frames, mask = clips()
    norm, other = BatchNorm(CHANNELS), BatchNorm(CHANNELS)
    assert torch.equal(norm(frames, mask), other(frames.masked_fill(~mask[:, :, None], 9.0), mask))
    assert torch.equal(norm.mean, other.mean)


def test_an_answer_does_not_depend_on_the_clips_beside_it() -> None:
    frames, mask = clips()
    norm = BatchNorm(CHANNELS)
    norm(frames, mask)
    norm.eval()
    torch.testing.assert_close(norm(frames, mask)[0], norm(frames[:1], mask[:1])[0])


@pytest.mark.parametrize("n_real", [0, 1])
def test_too_few_frames_for_a_variance_take_the_averages(n_real: int) -> None:
    frames, mask = clips()
    norm = BatchNorm(CHANNELS)
    norm(frames, mask)
    mean, few = norm.mean.clone(), torch.arange(10).view(2, 5) < n_real
    normed = norm(frames, few)
    torch.testing.assert_close(normed, norm.eval()(frames, few))
    assert normed.isfinite().all()
    assert torch.equal(norm.mean, mean)


def test_every_parameter_learns() -> None:
    frames, mask = clips()
    norm = BatchNorm(CHANNELS)
    (norm(frames, mask) * torch.randn(2, 5, CHANNELS, generator=Generator().manual_seed(1))).sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.all()) for weight in norm.parameters())
