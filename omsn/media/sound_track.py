"""The sound track of a file that FFmpeg reads, placed by its time stamps on the file's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from omsn.errors import MediaError
from omsn.media.container import (
    check_complete,
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


@dataclass(frozen=True, eq=False)
class _Block:
    """One decoded frame: samples (n,) of one channel, their rate, the time of the first on the file's clock."""

    samples: Floats
    rate_hz: int
    start_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / self.rate_hz


def read_sound_track(path: Path, start_s: float, end_s: float | None) -> Sound:
    """Read [start_s, end_s) at the track's own rate, mixed to one channel.

    The end is trimmed to the track's duration, as AAC comes in whole frames; gaps in the time stamps become silence.

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
            return Sound(np.zeros(0, np.float32), track.rate, start_s)
        seek_before(container, track, start_s)
        blocks = _decode(path, container, track, stop_s, promised_s)
        if not blocks and start_s > 0:
            return Sound(np.zeros(0, np.float32), track.rate, start_s)
    return _trim(_join(path, blocks), start_s, stop_s)


def _decode(
    path: Path, container: InputContainer, track: av.AudioStream, stop_s: float | None, promised_s: float | None
) -> list[_Block]:
    """Decode up to ``stop_s`` or the end; damage is an error, as a guess at the sound is worse than none."""
    zero_s, reached_s = clock_zero_s(container), track_start_s(container, track)
    blocks: list[_Block] = []
    try:
        for frame in container.decode(track):
            start_s = reached_s if frame.time is None else frame.time - zero_s
            blocks.append(_Block(_mixed(frame), frame.sample_rate, start_s))
            reached_s = blocks[-1].end_s
            if stop_s is not None and reached_s >= stop_s:
                break
    except av.error.FFmpegError:
        raise_broken_off(path, reached_s, promised_s)
    if stop_s is not None and promised_s is not None:
        check_complete(path, reached_s, stop_s)
    return blocks


def _mixed(frame: av.AudioFrame) -> Floats:
    """The mean of a frame's channels, full scale 1.0: (n,)."""
    samples: NDArray[Any] = frame.to_ndarray()  # (channels, n) planar or (1, n * channels) packed
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T  # (channels, n)
    mixed: NDArray[np.float64] = samples.mean(axis=0, dtype=np.float64)  # (n,)
    full_scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * samples.itemsize - 1)
    centre = full_scale if samples.dtype.kind == "u" else 0.0
    return ((mixed - centre) / full_scale).astype(np.float32)


def _join(path: Path, blocks: Sequence[_Block]) -> Sound:
    """One sound out of many blocks, with silence where the time stamps jump ahead."""
    if not blocks:
        raise_broken_off(path, 0.0, None)
    rates = sorted({block.rate_hz for block in blocks})
    if len(rates) > 1:
        raise MediaError(f"{path}: the sample rate changes part-way, among {rates} Hz; re-encode it at one rate")
    rate_hz, start_s, n_samples = rates[0], blocks[0].start_s, 0
    parts: list[Floats] = []
    for block in blocks:
        gap_s = block.start_s - start_s - n_samples / rate_hz
        silence = np.zeros(round(gap_s * rate_hz) if gap_s > GAP_S else 0, np.float32)
        parts += [silence, block.samples]
        n_samples += len(silence) + len(block.samples)
    samples = np.concatenate(parts)
    if not np.isfinite(samples).all():
        raise MediaError(f"{path}: holds samples that are NaN or infinite; export the sound again")
    return Sound(samples, rate_hz, start_s)


def _trim(sound: Sound, start_s: float, stop_s: float | None) -> Sound:
    """The part of a sound in [start_s, stop_s)."""
    first = max(round((start_s - sound.start_s) * sound.rate_hz), 0)
    last = len(sound.samples) if stop_s is None else max(round((stop_s - sound.start_s) * sound.rate_hz), first)
    return Sound(sound.samples[first:last], sound.rate_hz, sound.start_s + first / sound.rate_hz)
