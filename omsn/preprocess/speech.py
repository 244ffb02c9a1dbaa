"""Speech regions: leave out what comes before and after somebody speaks (paper 2.2), by level or by a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omsn.config import Speech
from omsn.types import Sound

BLOCK_S = 0.02


def trim_silence(sound: Sound, config: Speech, loudest: float = 0.0) -> Sound:
    """Keep the sound from the first to the last loud block, and a margin around it.

    A block of ``BLOCK_S`` is loud when its energy is within ``config.range_db`` of the loudest block's. A sound of
    zeros is returned as it is. With ``config.method`` silero, what Silero's network takes for a voice is kept instead.

    Args:
        sound: any rate.
        config: what is loud, and the margin.
        loudest: energy of the loudest block of a longer sound that this is a part of: a pause in it, however long,
            has no loud block.

    Returns:
        The part kept, with its ``start_s`` on the same clock as before; without samples where no block is loud.

    Raises:
        InputError: the method is silero, and its package is not installed.
    """
    if config.method == "silero":
        return _keep_voice(sound, config)
    energy = _block_energy(sound)
    if not energy.any():
        return sound
    block = _block_samples(sound)
    loud = np.flatnonzero(energy >= max(energy.max(), loudest) * 10 ** (-config.range_db / 10))
    if not len(loud):
        return Sound(sound.samples[:0], sound.rate_hz, sound.start_s)
    margin = round(config.margin_s * sound.rate_hz)
    start, end = max(0, int(loud[0]) * block - margin), (int(loud[-1]) + 1) * block + margin
    return Sound(sound.samples[start:end], sound.rate_hz, sound.start_s + start / sound.rate_hz)


def _keep_voice(sound: Sound, config: Speech) -> Sound:
    from omsn.preprocess.voice import voice_span_s  # loads torch, which sound alone does not need

    span_s = voice_span_s(sound)
    if span_s is None:
        return Sound(sound.samples[:0], sound.rate_hz, sound.start_s)
    start = max(0, round((span_s[0] - config.margin_s) * sound.rate_hz))
    end = round((span_s[1] + config.margin_s) * sound.rate_hz)
    return Sound(sound.samples[start:end], sound.rate_hz, sound.start_s + start / sound.rate_hz)


def loudest_energy(sound: Sound) -> float:
    """Mean square of the loudest block, 0 to 1; 0 for a sound shorter than a block."""
    return float(_block_energy(sound).max(initial=0.0))


def _block_energy(sound: Sound) -> NDArray[np.float64]:
    """Mean square of each whole block. (blocks,)."""
    block = _block_samples(sound)
    whole = sound.samples[: len(sound.samples) // block * block].reshape(-1, block)  # (blocks, samples)
    energy: NDArray[np.float64] = (whole.astype(np.float64) ** 2).mean(axis=1)
    return energy


def _block_samples(sound: Sound) -> int:
    return max(1, round(BLOCK_S * sound.rate_hz))
