"""Statistics of clips, against NumPy."""

from __future__ import annotations

import numpy as np
import torch
from tiny_models import batch_of

from omsn.models.pooling import pooled_statistics, scale_of


def test_statistics_are_those_of_the_real_frames() -> None:
    batch = batch_of(audio=(7, 1, 12, 2))
    for frames, mask, said in zip(
        batch.audio.numpy(), batch.audio_mask.numpy(), pooled_statistics(batch.audio, batch.audio_mask), strict=True
    ):
        real = frames[mask]
        step = np.abs(np.diff(real, axis=0)).mean(axis=0) if len(real) > 1 else np.zeros(real.shape[1])
        expected = [real.mean(axis=0), real.std(axis=0), step, *np.percentile(real, (10, 50, 90), axis=0)]
        np.testing.assert_allclose(said, np.concatenate(expected), atol=1e-5)


def test_a_clip_without_a_frame_has_statistics_of_nothing() -> None:
    batch = batch_of(audio=(7, 0, 12, 3))
    assert not pooled_statistics(batch.audio, batch.audio_mask)[1].any()
    assert pooled_statistics(batch.audio, batch.audio_mask).isfinite().all()


def test_masked_frames_inside_a_clip_do_not_count() -> None:
    frames, mask = torch.randn(1, 9, 5), torch.ones(1, 9, dtype=torch.bool)
    mask[0, 3:5] = False
    seen = pooled_statistics(frames, mask)
    real = frames[0, mask[0]].numpy()
    np.testing.assert_allclose(seen[0, :5], real.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(seen[0, 20:25], np.median(real, axis=0), atol=1e-5)
    steps = np.abs(np.concatenate([np.diff(frames[0, :3], axis=0), np.diff(frames[0, 5:], axis=0)])).mean(axis=0)
    np.testing.assert_allclose(seen[0, 10:15], steps, atol=1e-5)
    frames[0, 3:5] = 1e6
    assert torch.equal(pooled_statistics(frames, mask), seen)


def test_what_hardly_varies_is_scaled_to_nothing() -> None:
    values = torch.randn(50, 3) * torch.tensor([4.0, 1.0, 1e-5])
    scaled = values * scale_of(values)
    np.testing.assert_allclose(scaled.std(dim=0, correction=0), [1, 1, 0], atol=1e-6)
