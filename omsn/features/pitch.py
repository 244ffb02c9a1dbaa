"""Pitch and voicing by YIN (de Cheveigné & Kawahara 2002), for all frames of a sound at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from omsn.features.waveform import FLOOR_POWER
from omsn.types import Floats, Mask

DIP_THRESHOLD = 0.1
"""The first dip of d' below this is the period (step 4 of the paper); without one, the lowest point is."""
VOICED_BELOW = 0.35
"""A frame is voiced where d' at its period is below this: on RAVDESS, pYIN agrees with nine tenths of them."""


@dataclass(frozen=True)
class Lags:
    """Which periods are searched, in samples.

    Attributes:
        shortest: the period of the highest pitch.
        longest: the period of the lowest pitch.
    """

    shortest: int
    longest: int

    @staticmethod
    def of(rate_hz: int, low_hz: float, high_hz: float) -> Lags:
        """The lags that cover the pitches from ``low_hz`` to ``high_hz``."""
        return Lags(int(rate_hz // high_hz), int(np.ceil(rate_hz / low_hz)))

    @property
    def window(self) -> int:
        """Samples that each difference is summed over: two of the longest periods."""
        return 2 * self.longest

    @property
    def frame_length(self) -> int:
        """Samples needed to see the window at the longest lag and its right neighbour."""
        return self.window + self.longest + 1


def pitch(frames: Floats, rate_hz: int, lags: Lags) -> tuple[Floats, Floats]:
    """Fundamental frequency and voicing of each frame.

    A period shows only in a stretch of sound longer than itself, so these frames hold three of the longest periods,
    which may be more than a frame of the other features.

    Args:
        frames: (T, lags.frame_length).
        rate_hz: sampling rate.
        lags: the periods to search.

    Returns:
        f0_hz: (T,) in Hz, 0 where unvoiced.
        voicing: (T,) 1 - d' at the best period, from 0 (noise, silence) to 1 (perfectly periodic).
    """
    normalised = normalised_difference(frames, lags)  # (T, longest + 2)
    lag = best_lag(normalised, lags)  # (T,)
    depth = np.take_along_axis(normalised, lag[:, None], axis=1)[:, 0]
    f0_hz = rate_hz / (lag + _parabola_shift(normalised, lag))
    voicing = np.clip(1 - depth, 0, 1)
    return np.where(depth < VOICED_BELOW, f0_hz, 0).astype(np.float32), voicing.astype(np.float32)


def normalised_difference(frames: Floats, lags: Lags) -> Floats:
    """The cumulative mean normalised difference function d' (equation 8) at lags 0 to longest + 1.

    The sum of equation 1 runs over a window of fixed length at every lag; it is found from a cross-correlation by FFT
    (equation 7). librosa's ``yin`` lets the window shrink with the lag instead. Where a frame is silent d' is 1.

    Returns:
        (T, longest + 2), from 0; d'(0) is 1.
    """
    centred = frames - frames.mean(axis=1, keepdims=True)  # an offset cancels in d, but costs float32 its digits
    n_lags = lags.longest + 2
    size = scipy.fft.next_fast_len(frames.shape[1], real=True)
    spectrum = scipy.fft.rfft(centred, size, axis=1, workers=1)
    window_spectrum = scipy.fft.rfft(centred[:, : lags.window], size, axis=1, workers=1)
    correlation = scipy.fft.irfft(spectrum * window_spectrum.conj(), size, axis=1, workers=1)[:, :n_lags]
    difference = np.maximum(_window_energy(centred, lags.window) - 2 * correlation, 0)  # (T, n_lags)
    difference[:, 0] = 0
    lag = np.arange(1, n_lags, dtype=np.float32)
    mean = difference[:, 1:].cumsum(axis=1) / lag
    normalised: Floats = np.ones_like(difference)
    np.divide(difference[:, 1:], mean, out=normalised[:, 1:], where=mean > FLOOR_POWER * lags.window)
    return normalised


def _window_energy(frames: Floats, window: int) -> Floats:
    """Energy of the window at lag 0 plus that of the window at each lag. (T, length) -> (T, length - window + 1)."""
    running = np.pad((frames.astype(np.float64) ** 2).cumsum(axis=1), ((0, 0), (1, 0)))
    energy = running[:, window:] - running[:, :-window]
    both: Floats = (energy + energy[:, :1]).astype(np.float32)
    return both


def best_lag(normalised: Floats, lags: Lags) -> NDArray[np.intp]:
    """The lag of the first dip of d' below the threshold, or of its lowest point. (T, longest + 2) -> (T,)."""
    searched = normalised[:, lags.shortest : lags.longest + 1]
    left = normalised[:, lags.shortest - 1 : lags.longest]
    right = normalised[:, lags.shortest + 1 : lags.longest + 2]
    dip: Mask = (searched < left) & (searched <= right) & (searched < DIP_THRESHOLD)
    found: NDArray[np.intp] = np.where(dip.any(axis=1), dip.argmax(axis=1), searched.argmin(axis=1))
    return found + lags.shortest


def _parabola_shift(normalised: Floats, lag: NDArray[np.intp]) -> Floats:
    """Where, within one lag, the parabola through d' at a lag and its neighbours is lowest; 0 if it is not there."""
    frame = np.arange(len(normalised))
    left, middle, right = normalised[frame, lag - 1], normalised[frame, lag], normalised[frame, lag + 1]
    curve, slope = left + right - 2 * middle, (right - left) / 2
    inside = np.abs(slope) < np.abs(curve)
    return np.where(inside, -slope / np.where(inside, curve, 1), 0).astype(np.float32)


def octaves(f0_hz: Floats, low_hz: float) -> Floats:
    """Pitch on a logarithmic scale: log2 of f0 over half the lowest pitch, so at least 1 where voiced; 0 elsewhere."""
    return np.where(f0_hz > 0, np.log2(np.maximum(f0_hz, low_hz) * 2 / low_hz), 0).astype(np.float32)


def octave_steps(f0_log2: Floats) -> Floats:
    """Change of pitch from the frame before, in octaves; 0 unless both frames are voiced. (T,) -> (T,)."""
    before = np.concatenate([np.zeros(1, np.float32), f0_log2[:-1]])
    return np.where((f0_log2 > 0) & (before > 0), f0_log2 - before, 0).astype(np.float32)
