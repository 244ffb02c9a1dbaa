"""Reading sound: any media file -> one channel at one rate."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import soxr

from omsn.errors import MediaError
from omsn.media.container import check_readable, check_span
from omsn.media.pcm import is_pcm_file, pcm_blocks
from omsn.media.sound_track import sound_track_blocks
from omsn.types import Floats, Sound


def read_sound(path: str | Path, rate_hz: int, start_s: float = 0.0, end_s: float | None = None) -> Sound:
    """Read the sound of a file at once; see ``sound_blocks``, whose pieces these are.

    Raises:
        MediaError: see there.
    """
    pieces = list(sound_blocks(path, rate_hz, start_s, end_s))
    return Sound(np.concatenate([piece.samples for piece in pieces]), rate_hz, pieces[0].start_s)


def sound_blocks(path: str | Path, rate_hz: int, start_s: float = 0.0, end_s: float | None = None) -> Iterator[Sound]:
    """Read the sound of a file piece by piece, mixed to one channel (the mean of all) and resampled once.

    Args:
        path: WAV, FLAC, or anything that FFmpeg reads, with or without picture.
        rate_hz: samples per second wanted.
        start_s: leave out what lies before this time on the file's clock (0 = first picture or first sample,
            whichever comes first).
        end_s: leave out what lies from this time on; None reads to the end.

    Yields:
        Pieces of the sound without gap or overlap, one at least. The ``start_s`` of each is the time of its first
        sample on the file's clock, later than the one asked for where the track starts late. They have no samples
        where the track has none in the part asked for.

    Raises:
        MediaError: the file is missing, empty, no media file, without sound, or broken off part-way.
    """
    if rate_hz <= 0:
        raise MediaError(f"{path}: asked for {rate_hz} samples per second; expected a positive number")
    check_span(path, start_s, end_s)
    path = check_readable(path)
    read = pcm_blocks if is_pcm_file(path) else sound_track_blocks
    yield from _resampled(read(path, start_s, end_s), rate_hz)


def _resampled(pieces: Iterator[Sound], rate_hz: int) -> Iterator[Sound]:
    """The pieces at another rate: the same samples as of the whole sound at once."""
    first = next(pieces)
    if first.rate_hz == rate_hz:
        yield from chain([first], pieces)
        return
    resampler = soxr.ResampleStream(first.rate_hz, rate_hz, 1, dtype="float32", quality="HQ")
    end = Sound(np.zeros(0, np.float32), first.rate_hz)
    n_samples = 0
    for piece in chain([first], pieces, [end]):
        samples: Floats = resampler.resample_chunk(piece.samples, last=piece is end)
        yield Sound(samples, rate_hz, first.start_s + n_samples / rate_hz)
        n_samples += len(samples)
