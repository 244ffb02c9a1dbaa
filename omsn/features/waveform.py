"""Frame features of the wave itself: level, amplitude envelope, zero and mean crossing rates (paper 2.3)."""

from __future__ import annotations

import numpy as np

from omsn.types import Floats

FLOOR_POWER = 1e-10
"""Powers below this count as silence (full scale is 1): just under the rounding noise of 16-bit sound.

A deeper floor would let the step from room noise to digital silence outweigh everything that a voice does.
"""


def centred_frames(samples: Floats, length: int, hop: int) -> Floats:
    """Cut a wave into overlapping frames; frame i is centred on sample i * hop, and beyond the ends lies silence.

    Args:
        samples: (n,) the wave.
        length: samples in a frame.
        hop: samples between the centres of neighbouring frames.

    Returns:
        (1 + n // hop, length), a read-only view.
    """
    n_frames = 1 + len(samples) // hop
    before = length // 2
    after = max(0, (n_frames - 1) * hop + length - before - len(samples))
    padded = np.pad(samples, (before, after))
    return np.lib.stride_tricks.sliding_window_view(padded, length)[: n_frames * hop : hop]  # (T, length)


def decibels(power: Floats) -> Floats:
    """Power relative to full scale in dB, never below the floor; the same for a frame whatever the clip around it."""
    # in double precision: NumPy's logarithms of single precision differ from one kind of processor to another
    return (10.0 * np.log10(np.maximum(power, FLOOR_POWER, dtype=np.float64))).astype(np.float32)


def rms_db(frames: Floats) -> Floats:
    """Energy of each frame: mean square in dB, 0 for a full-scale square wave. (T, length) -> (T,)."""
    return decibels(np.einsum("ts,ts->t", frames, frames) / frames.shape[1])


def envelope_db(frames: Floats) -> Floats:
    """Amplitude envelope: the largest magnitude in each frame, in dB. (T, length) -> (T,)."""
    peak = np.maximum(frames.max(axis=1), -frames.min(axis=1))
    return decibels(peak**2)


def zero_crossing_rate(frames: Floats) -> Floats:
    """Sign changes per sample, 0 to 1; zero counts as positive. (T, length) -> (T,)."""
    negative = frames < 0
    rate: Floats = (negative[:, 1:] != negative[:, :-1]).sum(axis=1, dtype=np.float32) / frames.shape[1]
    return rate


def mean_crossing_rate(frames: Floats) -> Floats:
    """Crossings of the frame's own mean per sample, 0 to 1: unlike the zero crossings, a constant offset leaves it.

    (T, length) -> (T,).
    """
    return zero_crossing_rate(frames - frames.mean(axis=1, keepdims=True))
