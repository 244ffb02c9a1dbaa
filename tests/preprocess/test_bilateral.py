from __future__ import annotations

import numpy as np
import pytest

from omsn.preprocess.bilateral import smooth_crop


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5), (1, 1, 3), (7, 5), (31, 33, 3)])
def test_shape_and_type_stay(shape: tuple[int, ...]) -> None:
    smoothed = smooth_crop(np.full(shape, 77, np.uint8))
    assert smoothed.shape == shape
    assert smoothed.dtype == np.uint8
    assert (smoothed == 77).all()


def test_noise_goes_and_edges_stay() -> None:
    rng = np.random.default_rng(0)
    clean = np.where(np.arange(64) < 32, 60.0, 180.0)[None].repeat(64, axis=0)
    noisy = np.clip(clean + rng.normal(0, 8, clean.shape), 0, 255).astype(np.uint8)
    smoothed = smooth_crop(noisy).astype(float)
    assert np.std(smoothed[:, :28]) < 0.5 * np.std(noisy[:, :28].astype(float))
    step = smoothed[:, 32].mean() - smoothed[:, 31].mean()
    assert step == pytest.approx(120, abs=5)


def test_input_is_not_changed() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    before = crop.copy()
    smooth_crop(crop)
    np.testing.assert_array_equal(crop, before)
