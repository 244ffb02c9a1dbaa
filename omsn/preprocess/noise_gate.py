"""Spectral noise gate (paper 2.2): turns down the cells of the spectrogram that do not rise above the noise floor.

The stationary gate of Sainburg's noisereduce (2019), with the noise floor learnt from the quietest part of the sound
itself in place of all of it, so that speech does not raise its own threshold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from omsn.config import NoiseGate
from omsn.types import Sound

WINDOW_S = 0.032
"""Length of an analysis frame, rounded to a power of two of samples."""

FRAMES_PER_WINDOW = 4
"""Frames overlap by three quarters, which a Hann window needs to be undone without ripple."""

QUIET_SHARE = 0.2
"""The share of frames, the quietest by energy, that is taken for noise."""

SMOOTH_HZ = 40.0
"""Half-width of the mask's smoothing over frequency, which dims lone cells ("musical noise").

noisereduce smooths twelve times as wide, which costs the gaps between a voice's harmonics: on clean speech it takes
away more than it gives.
"""

SMOOTH_S = 0.02
"""Half-width of the mask's smoothing over time."""

SILENCE = 1e-10
"""Power below which a cell or frame counts as digital silence, which tells nothing about the noise."""


def gate_noise(sound: Sound, config: NoiseGate) -> Sound:
    """Turn the noise of a sound down; length and timing stay as they are.

    Silence comes back as it is. Whether to gate at all (``config.enabled``) is the caller's decision.

    Args:
        sound: any rate.
        config: how far above the floor a cell must rise, and the gain left on those that do not.
    """
    from scipy.signal import istft, stft  # half a second, which who does not gate need not wait for

    if not sound.samples.any():
        return sound
    window = _window_samples(sound.rate_hz)
    padded = np.pad(sound.samples.astype(np.float64), (0, max(window - len(sound.samples), 0)))
    hop = window // FRAMES_PER_WINDOW
    _, _, cells = stft(padded, nperseg=window, noverlap=window - hop)  # (frequencies, frames)
    gains = gate_gains(cells, config, sound.rate_hz / window, hop / sound.rate_hz)
    _, gated = istft(cells * gains, nperseg=window, noverlap=window - hop)
    return Sound(gated[: len(sound.samples)].astype(np.float32), sound.rate_hz, sound.start_s)


def gate_gains(cells: NDArray[np.complex128], config: NoiseGate, bin_hz: float, hop_s: float) -> NDArray[np.float64]:
    """Gain of every cell of a spectrogram (frequencies, frames), in [config.threshold, 1]."""
    power = np.abs(cells) ** 2
    levels_db = 10 * np.log10(np.maximum(power, SILENCE))
    noise_db = levels_db[:, _quietest(power)]
    floor_db = noise_db.mean(axis=1) + config.n_std * noise_db.std(axis=1)  # (frequencies,)
    mask = (levels_db > floor_db[:, None]).astype(np.float64)
    for axis, half_width in ((0, SMOOTH_HZ / bin_hz), (1, SMOOTH_S / hop_s)):
        mask = convolve1d(mask, _triangle(half_width), axis=axis, mode="nearest")
    gains: NDArray[np.float64] = config.threshold + (1 - config.threshold) * np.clip(mask, 0, 1)
    return gains


def _quietest(power: NDArray[np.float64]) -> NDArray[np.intp]:
    """The quietest frames that are not digital silence, at least one."""
    energies = power.sum(axis=0)
    sounding = np.flatnonzero(energies > SILENCE * len(power))
    candidates = sounding if len(sounding) else np.arange(len(energies))
    n_quiet = max(round(QUIET_SHARE * len(candidates)), 1)
    return candidates[np.argsort(energies[candidates], kind="stable")[:n_quiet]]


def _triangle(half_width: float) -> NDArray[np.float64]:
    """Weights that sum to 1 and fall to 0 at ``half_width`` from the middle."""
    reach = int(half_width)
    weights: NDArray[np.float64] = 1 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    return weights / np.sum(weights)


def _window_samples(rate_hz: int) -> int:
    return int(2 ** round(np.log2(WINDOW_S * rate_hz)))
