"""Speech regions by energy: leave out the silence before and after somebody speaks (paper 2.2)."""

from __future__ import annotations

import numpy as np

from omsn.config import Speech
from omsn.types import Sound

BLOCK_S = 0.02


def trim_silence(sound: Sound, config: Speech) -> Sound:
    """Keep the sound from the first to the last loud block, and a margin around it.

    A block of ``BLOCK_S`` is loud when its energy is within ``config.range_db`` of the loudest block's. A sound of
    zeros is returned as it is.

    Returns:
        The part kept, with its ``start_s`` on the same clock as before.
    """
    block = max(1, round(BLOCK_S * sound.rate_hz))
    whole = sound.samples[: len(sound.samples) // block * block].reshape(-1, block)  # (blocks, samples)
    energy = (whole.astype(np.float64) ** 2).mean(axis=1)
    if not energy.any():
        return sound
    loud = np.flatnonzero(energy >= energy.max() * 10 ** (-config.range_db / 10))
    margin = round(config.margin_s * sound.rate_hz)
    start, end = max(0, int(loud[0]) * block - margin), (int(loud[-1]) + 1) * block + margin
    return Sound(sound.samples[start:end], sound.rate_hz, sound.start_s + start / sound.rate_hz)
