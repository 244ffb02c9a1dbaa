"""Mel-band levels, cepstral coefficients and their slopes (paper 2.3).

The mel scale is Slaney's (linear up to 1 kHz, logarithmic above), as in librosa with ``htk=False``. The triangles
peak at 1 (librosa's ``norm=None``), so that a full-scale tone in the middle of a band reads about 0 dB.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from omsn.features.waveform import decibels
from omsn.types import Floats

LINEAR_HZ_PER_MEL = 200 / 3
"""Width of a mel below the break of Slaney's scale."""
BREAK_HZ = 1000.0
"""Where Slaney's scale turns from linear to logarithmic."""
LOG_STEP = np.log(6.4) / 27
"""Natural logarithm of the frequency ratio of one mel above the break."""
DELTA_HALF_WIDTH = 4
"""Frames on each side that a slope is fitted to."""


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frequency of points on Slaney's mel scale (Auditory Toolbox, 1998)."""
    break_mel = BREAK_HZ / LINEAR_HZ_PER_MEL
    above = BREAK_HZ * np.exp(LOG_STEP * np.maximum(mel - break_mel, 0))
    return np.where(mel < break_mel, mel * LINEAR_HZ_PER_MEL, above)


def hz_to_mel(hz: float) -> float:
    """Place of a frequency on Slaney's mel scale; the inverse of ``mel_to_hz``."""
    if hz < BREAK_HZ:
        return hz / LINEAR_HZ_PER_MEL
    return float(BREAK_HZ / LINEAR_HZ_PER_MEL + np.log(hz / BREAK_HZ) / LOG_STEP)


def mel_filters(rate_hz: int, n_bins: int, n_mels: int) -> Floats:
    """Triangular mel bands from 0 Hz to half the rate, each peaking at 1.

    A band narrower than the distance of the bins may catch none of them; its level then stays at the floor.

    Returns:
        (n_bins, n_mels).
    """
    edges = mel_to_hz(np.linspace(0, hz_to_mel(rate_hz / 2), n_mels + 2))
    hz = np.linspace(0, rate_hz / 2, n_bins)[:, None]
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def log_mel(power: Floats, rate_hz: int, n_mels: int) -> Floats:
    """Level of each mel band in dB relative to full scale, down to the floor. (T, n_bins) -> (T, n_mels)."""
    return decibels(power @ mel_filters(rate_hz, power.shape[1], n_mels))


def cepstrum(logmel: Floats, n_mfcc: int) -> Floats:
    """Mel-frequency cepstral coefficients: the first of an orthonormal DCT-II of the bands in dB.

    (T, n_mels) -> (T, n_mfcc).
    """
    coefficients: Floats = scipy.fft.dct(logmel, type=2, norm="ortho", axis=1, workers=1)
    return coefficients[:, :n_mfcc]


def delta(values: Floats) -> Floats:
    """Slope per frame of each column, by a straight line fitted over the neighbouring frames; ends are repeated.

    The same as ``librosa.feature.delta(..., mode="nearest")``. (T, F) -> (T, F).
    """
    offsets = np.arange(-DELTA_HALF_WIDTH, DELTA_HALF_WIDTH + 1)
    slopes: Floats = scipy.ndimage.correlate1d(values, offsets / (offsets**2).sum(), axis=0, mode="nearest")
    return slopes
