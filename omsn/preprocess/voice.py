"""Where somebody speaks, by Silero's network (snakers4/silero-vad, MIT): it tells voices from other sounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import soxr
import torch

from omsn.errors import InputError
from omsn.types import Sound

RATE_HZ = 16000
"""The network's own."""


def voice_span_s(sound: Sound) -> tuple[float, float] | None:
    """Start of the first and end of the last voice, in seconds from the first sample; None where nobody speaks.

    Raises:
        InputError: the package silero-vad is not installed.
    """
    network, find = _load()
    samples = sound.samples
    if sound.rate_hz != RATE_HZ and len(samples):
        samples = soxr.resample(samples, sound.rate_hz, RATE_HZ, quality="HQ").astype(np.float32)
    if not samples.any():
        return None
    with _one_thread():
        spans = find(torch.from_numpy(samples.copy()), network, sampling_rate=RATE_HZ)
    return (spans[0]["start"] / RATE_HZ, spans[-1]["end"] / RATE_HZ) if spans else None


@cache
def _load() -> tuple[Any, Any]:
    """The network and the function that asks it, loaded at the first call; its weights lie in its package."""
    try:
        with _one_thread():  # importing it sets one thread, for the whole process
            from silero_vad import get_speech_timestamps, load_silero_vad
    except ImportError as error:
        raise InputError(
            'speech.method silero: the package silero-vad is not installed; pip install "omsn[silero]", or set level'
        ) from error
    return load_silero_vad(), get_speech_timestamps


@contextmanager
def _one_thread() -> Iterator[None]:
    """Its many small steps on several threads spend more time on waiting for each other than on work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
