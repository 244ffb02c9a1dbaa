"""Reading sound: any media file -> one channel at one rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr

from omsn.errors import MediaError
from omsn.media.container import check_readable, check_span
from omsn.media.pcm import is_pcm_file, read_pcm
from omsn.media.sound_track import read_sound_track
from omsn.types import Floats, Sound


def read_sound(path: str | Path, rate_hz: int, start_s: float = 0.0, end_s: float | None = None) -> Sound:
    """Read the sound of a file, mixed to one channel (the mean of all) and resampled once.

    Args:
        path: WAV, FLAC, or anything that FFmpeg reads, with or without picture.
        rate_hz: samples per second wanted.
        start_s: leave out what lies before this time on the file's clock (0 = first picture, or first sample
            without picture).
        end_s: leave out what lies from this time on; None reads to the end.

    Returns:
        The sound; its ``start_s`` is the time of its first sample on the file's clock, later than the one asked for
        where the track starts late. It has no samples where the track has none in the part asked for.

    Raises:
        MediaError: the file is missing, empty, no media file, without sound, or broken off part-way.
    """
    if rate_hz <= 0:
        raise MediaError(f"{path}: asked for {rate_hz} samples per second; expected a positive number")
    check_span(path, start_s, end_s)
    path = check_readable(path)
    read = read_pcm if is_pcm_file(path) else read_sound_track
    original = read(path, start_s, end_s)
    return Sound(_resample(original, rate_hz), rate_hz, original.start_s)


def _resample(sound: Sound, rate_hz: int) -> Floats:
    if sound.rate_hz == rate_hz or not len(sound.samples):
        return sound.samples
    resampled: Floats = soxr.resample(sound.samples, sound.rate_hz, rate_hz, quality="HQ")
    return resampled.astype(np.float32, copy=False)
