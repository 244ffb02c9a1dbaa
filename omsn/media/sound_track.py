"""The sound track of a file that FFmpeg reads, placed by its time stamps on the file's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from omsn.errors import MediaError
from omsn.media.container import (
    check_complete,
    check_jump,
    clock_zero_s,
    find_sound,
    open_container,
    promised_end_s,
    raise_broken_off,
    raise_no_track,
    seek_before,
    track_start_s,
)
from omsn.types import Floats, Sound

GAP_S = 0.02
"""Time stamps that jump by more than this leave a gap (a paused recording); less is rounding."""

PIECE_S = 0.25
"""Decoded frames, some 20 ms each, are handed on in pieces of this length or a little more: each costs some work."""


@dataclass(frozen=True, eq=False)
class _Block:
    """One decoded frame: samples (n,) of one channel, their rate, the time of the first on the file's clock."""

    samples: Floats
    rate_hz: int
    start_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / self.rate_hz


def sound_track_blocks(path: Path, start_s: float, end_s: float | None) -> Iterator[Sound]:
    """Read [start_s, end_s) at the track's own rate, mixed to one channel, piece after piece without gap or overlap.

    The end is trimmed to the track's duration, as AAC comes in whole frames; gaps in the time stamps become silence.

    Yields:
        One piece at least; without samples where the track has none in the part asked for.

    Raises:
        MediaError: the file cannot be read, has no sound, breaks off, changes its sample rate, or holds samples
            that are no numbers.
    """
    with open_container(path) as container:
        track = find_sound(container)
        if track is None:
            raise_no_track(path, container, "audio")
        promised_s = promised_end_s(container, track)
        stop_s = min((time_s for time_s in (end_s, promised_s) if time_s is not None), default=None)
        if stop_s is not None and start_s >= stop_s:
            yield Sound(np.zeros(0, np.float32), track.rate, start_s)
            return
        check_jump(path, 0.0, track_start_s(container, track))
        seek_before(container, track, start_s)
        blocks = _decode(path, container, track, stop_s, promised_s)
        first = next(blocks, None)
        if first is not None:
            joined = _joined(path, first, chain([first], blocks))
            yield from _trimmed(_in_pieces(joined, first), first.start_s, start_s, stop_s)
        elif start_s > 0:
            yield Sound(np.zeros(0, np.float32), track.rate, start_s)
        else:
            raise_broken_off(path, 0.0, None)


def _decode(
    path: Path, container: InputContainer, track: av.AudioStream, stop_s: float | None, promised_s: float | None
) -> Iterator[_Block]:
    """Decode up to ``stop_s`` or the end; damage is an error, as a guess at the sound is worse than none."""
    zero_s, reached_s = clock_zero_s(container), track_start_s(container, track)
    try:
        for frame in container.decode(track):
            start_s = reached_s if frame.time is None else frame.time - zero_s
            block = _Block(_mixed(frame), frame.sample_rate, start_s)
            reached_s = block.end_s
            yield block
            if stop_s is not None and reached_s >= stop_s:
                break
    except av.error.FFmpegError:
        raise_broken_off(path, reached_s, promised_s)
    if stop_s is not None and promised_s is not None:
        check_complete(path, reached_s, stop_s)


def _mixed(frame: av.AudioFrame) -> Floats:
    """The mean of a frame's channels, full scale 1.0: (n,)."""
    samples: NDArray[Any] = frame.to_ndarray()  # (channels, n) planar or (1, n * channels) packed
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T  # (channels, n)
    mixed: NDArray[np.float64] = samples.mean(axis=0, dtype=np.float64)  # (n,)
    full_scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * samples.itemsize - 1)
    centre = full_scale if samples.dtype.kind == "u" else 0.0
    return ((mixed - centre) / full_scale).astype(np.float32)


def _joined(path: Path, first: _Block, blocks: Iterator[_Block]) -> Iterator[Floats]:
    """The samples of the blocks end to end, with silence where the time stamps jump ahead, a second at a time."""
    n_samples = 0
    for block in blocks:
        _check_block(path, block, first)
        reached_s = first.start_s + n_samples / first.rate_hz
        check_jump(path, reached_s, block.start_s)
        gap_s = block.start_s - reached_s
        n_silent = round(gap_s * first.rate_hz) if gap_s > GAP_S else 0
        for n in range(0, n_silent, first.rate_hz):
            yield np.zeros(min(first.rate_hz, n_silent - n), np.float32)
        yield block.samples
        n_samples += n_silent + len(block.samples)


def _in_pieces(joined: Iterator[Floats], first: _Block) -> Iterator[Sound]:
    """The same samples in longer pieces, one at least."""
    n_samples, held, n_held = 0, list[Floats](), 0
    for samples in joined:
        held.append(samples)
        n_held += len(samples)
        if n_held >= PIECE_S * first.rate_hz:
            yield Sound(np.concatenate(held), first.rate_hz, first.start_s + n_samples / first.rate_hz)
            n_samples, held, n_held = n_samples + n_held, [], 0
    yield Sound(
        np.concatenate([*held, np.zeros(0, np.float32)]), first.rate_hz, first.start_s + n_samples / first.rate_hz
    )


def _check_block(path: Path, block: _Block, first: _Block) -> None:
    if block.rate_hz != first.rate_hz:
        rates = sorted({block.rate_hz, first.rate_hz})
        raise MediaError(f"{path}: the sample rate changes part-way, among {rates} Hz; re-encode it at one rate")
    if not np.isfinite(block.samples).all():
        raise MediaError(f"{path}: holds samples that are NaN or infinite; export the sound again")


def _trimmed(pieces: Iterator[Sound], zero_s: float, start_s: float, stop_s: float | None) -> Iterator[Sound]:
    """The part in [start_s, stop_s) of a sound whose first sample lies at ``zero_s``."""
    n_before = 0
    for piece in pieces:
        low = max(round((start_s - zero_s) * piece.rate_hz), 0)
        high = None if stop_s is None else max(round((stop_s - zero_s) * piece.rate_hz), low)
        kept = piece.samples[max(low - n_before, 0) : None if high is None else max(high - n_before, 0)]
        yield Sound(kept, piece.rate_hz, zero_s + max(low, n_before) / piece.rate_hz)
        n_before += len(piece.samples)
