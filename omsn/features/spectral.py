"""Frame features of the spectrum: the paper's "FFT parameters" (2.3).

Definitions are librosa's, on magnitudes scaled so that a full-scale tone reads 1. Frequencies are in kHz, to be of
the order of 1. Where a frame is silent, centroid, bandwidth and roll-off are 0.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from omsn.features.waveform import FLOOR_POWER, decibels
from omsn.types import Floats

ROLLOFF_SHARE = 0.85
"""The roll-off is the frequency below which this share of the summed magnitude lies."""
CONTRAST_FIRST_HZ = 200.0
"""Upper edge of the lowest contrast band; the others are the octaves above it."""
CONTRAST_QUANTILE = 0.02
"""Share of a band's bins that make its peak, and its valley."""


def hann(length: int) -> Floats:
    """The periodic Hann window. (length,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def power_spectrum(frames: Floats) -> Floats:
    """Squared magnitude of the Hann-windowed Fourier transform; 1 at the bin of a full-scale tone.

    Args:
        frames: (T, length).

    Returns:
        (T, length // 2 + 1), from 0 Hz to half the sampling rate.
    """
    window = hann(frames.shape[1])
    spectrum = scipy.fft.rfft(frames * (window * 2 / window.sum()), axis=1, workers=1)
    power: Floats = spectrum.real**2 + spectrum.imag**2
    return power


def bin_khz(n_bins: int, rate_hz: int) -> Floats:
    """Frequency of each bin of a spectrum of ``n_bins`` from 0 Hz to half the rate. (n_bins,)."""
    return np.linspace(0, rate_hz / 2000, n_bins, dtype=np.float32)


def centroid_and_bandwidth_khz(magnitude: Floats, khz: Floats) -> tuple[Floats, Floats]:
    """Centre of gravity of the magnitude spectrum, and the standard deviation about it.

    Args:
        magnitude: (T, n_bins).
        khz: (n_bins,) frequency of each bin.

    Returns:
        (T,) and (T,) in kHz.
    """
    total = magnitude.sum(axis=1, keepdims=True)
    share: Floats = magnitude / np.maximum(total, np.float32(FLOOR_POWER))  # (T, n_bins)
    centroid: Floats = share @ khz  # (T,)
    distance = khz - centroid[:, None]  # (T, n_bins)
    variance: Floats = np.einsum("tb,tb->t", share, distance**2)
    return centroid, np.sqrt(variance)


def rolloff_khz(magnitude: Floats, khz: Floats) -> Floats:
    """Frequency below which most of the magnitude lies. (T, n_bins), (n_bins,) -> (T,) in kHz."""
    cumulated = magnitude.cumsum(axis=1)  # (T, n_bins)
    first_above: NDArray[np.intp] = (cumulated >= ROLLOFF_SHARE * cumulated[:, -1:]).argmax(axis=1)
    return khz[first_above]


def flatness_db(power: Floats) -> Floats:
    """Geometric over arithmetic mean of the power spectrum: 0 dB for a flat one, far below for a tone.

    (T, n_bins) -> (T,).
    """
    audible = np.maximum(power, FLOOR_POWER)
    geometric: Floats = decibels(audible).mean(axis=1)
    return geometric - decibels(audible.mean(axis=1))


def flux_db(logmel: Floats) -> Floats:
    """Spectral flux: how far the mel bands rise from the frame before, falls counting as 0; 0 in the first frame.

    Args:
        logmel: (T, n_mels) in dB.

    Returns:
        (T,) mean rise in dB (the onset strength of Böck & Widmer 2013 without their maximum filter).
    """
    rise = np.maximum(np.diff(logmel, axis=0, prepend=logmel[:1]), 0)
    flux: Floats = rise.mean(axis=1)
    return flux


def contrast_edges_khz(rate_hz: int) -> Floats:
    """Edges of the contrast bands: 0 Hz, a first edge, octaves above it, half the rate. (n_bands + 1,) in kHz."""
    octaves = CONTRAST_FIRST_HZ * 2.0 ** np.arange(12)
    inside = octaves[octaves < rate_hz / 2]
    return (np.concatenate([[0.0], inside, [rate_hz / 2]]) / 1000).astype(np.float32)


def contrast_db(magnitude: Floats, rate_hz: int) -> Floats:
    """Spectral contrast: the level of the peaks over that of the valleys in each octave band.

    High for a clear harmonic voice, low for breath and noise (Jiang et al. 2002).

    Args:
        magnitude: (T, n_bins).
        rate_hz: sampling rate.

    Returns:
        (T, n_bands) in dB; bands are those of ``contrast_edges_khz``.
    """
    n_bins = magnitude.shape[1]
    edges = (contrast_edges_khz(rate_hz) * (2000 / rate_hz) * (n_bins - 1)).astype(int)
    edges[-1] = n_bins
    bands = [np.sort(magnitude[:, low:high], axis=1) for low, high in pairwise(edges)]
    return np.stack([_peak_over_valley_db(band) for band in bands], axis=1)


def _peak_over_valley_db(ranked: Floats) -> Floats:
    """Mean of the largest over mean of the smallest magnitudes. (T, n) sorted along its rows -> (T,)."""
    n_ends = max(1, round(CONTRAST_QUANTILE * ranked.shape[1]))
    valley, peak = ranked[:, :n_ends].mean(axis=1), ranked[:, -n_ends:].mean(axis=1)
    return decibels(peak**2) - decibels(valley**2)
