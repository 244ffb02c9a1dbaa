"""Reading pictures: frame by frame, whole and upright, with the times that the file gives them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from omsn.errors import MediaError
from omsn.media.container import (
    check_complete,
    check_jump,
    check_span,
    clock_zero_s,
    find_picture,
    open_container,
    promised_end_s,
    raise_broken_off,
    raise_no_track,
    seek_before,
    track_start_s,
)
from omsn.media.deinterlace import TimedFrame, deinterlaced
from omsn.media.grid import Grid, decode_for

Image = NDArray[np.uint8]


UNSTAMPED_PERIOD_S = 1 / 25
"""Time between frames that have neither time stamps nor a rate."""

RESTART_S = 0.5
"""Time stamps that fall back by more start anew: recordings were copied one after the other into one file. Those that
fall back by less are of frames that some decoders hand out late, at joints of streams; these are left out.
"""

DECODING_ORDER_FORMATS = frozenset({"avi"})
"""Formats that stamp pictures in the order of decoding only; what FFmpeg makes of that for B-frames is out of order."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture.

    Attributes:
        image: (H, W, 3) uint8, blue, green, red, upright.
        time_s: when it is shown, in seconds on the file's clock.
        duration_s: how long it is shown, and in place of those after it that are left out; 0 where nobody asks.
    """

    image: Image
    time_s: float
    duration_s: float = 0.0


def read_frames(
    path: str | Path,
    rate_hz: float | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    *,
    threads: int = 1,
    container: InputContainer | None = None,
) -> Iterator[Frame]:
    """Read the pictures of a file in order; the file is opened when the first is asked for.

    Args:
        path: anything that FFmpeg reads.
        rate_hz: yield only the frames nearest to the times start_s + k / rate_hz, each at most once; None yields all.
        start_s: leave out what is shown before this time on the file's clock.
        end_s: leave out what is shown from this time on; None reads to the end.
        threads: threads of the decoder, which work ahead while the caller uses a picture. They change nothing but what
            FFmpeg makes up for parts of a picture that are damaged.
        container: the same file, open already and not read from yet; it stays open. To open a file costs time, as
            FFmpeg decodes its first pictures.

    Raises:
        MediaError: the file is missing, empty, no media file, without picture, or broken off part-way; or the rate
            or the times cannot be.
    """
    check_span(path, start_s, end_s)
    if rate_hz is not None and rate_hz <= 0:
        raise MediaError(f"{path}: asked for {rate_hz} frames per second; expected a positive number")
    with open_container(path) if container is None else nullcontext(container) as opened:
        track = find_picture(opened)
        if track is None:
            raise_no_track(path, opened, "video")
        track.codec_context.thread_count = threads
        track.thread_type = "AUTO"
        seek_before(opened, track, start_s)
        grid = None if rate_hz is None else Grid(rate_hz, start_s, end_s)
        frames = _within(deinterlaced(_decode(path, opened, track, start_s, grid)), start_s, end_s)
        for one in frames if grid is None else grid.nearest(frames):
            yield Frame(upright(one.frame), one.time_s, one.end_s - one.time_s)


def _decode(
    path: str | Path, container: InputContainer, track: av.VideoStream, start_s: float, grid: Grid | None
) -> Iterator[TimedFrame]:
    """The frames from about ``start_s`` on, in order of time; one without a time stamp follows the one before.

    Of those that are far from the times of the grid, some may be missing.
    """
    zero_s, promised_s = clock_zero_s(container), promised_end_s(container, track)
    tick_s = float(track.time_base or 0)
    period_s = float(1 / track.average_rate) if track.average_rate else UNSTAMPED_PERIOD_S
    shown_s, reached_s = -math.inf, track_start_s(container, track)
    check_jump(path, 0.0, reached_s)
    try:
        for stamp, frame in _stamped(container, track, grid):
            time_s = reached_s if stamp is None else stamp * tick_s - zero_s
            if time_s < shown_s - RESTART_S:
                zero_s, time_s = zero_s - (reached_s - time_s), reached_s
            if time_s <= shown_s:
                continue
            check_jump(path, max(reached_s, start_s), time_s)
            shown_s, reached_s = time_s, time_s + (frame.duration * tick_s or period_s)
            yield TimedFrame(shown_s, reached_s, frame)
    except av.error.FFmpegError:
        raise_broken_off(path, reached_s, promised_s)
    if promised_s is not None:
        check_complete(path, reached_s, promised_s)


def _stamped(
    container: InputContainer, track: av.VideoStream, grid: Grid | None
) -> Iterator[tuple[int | None, av.VideoFrame]]:
    """The frames in the order of showing, and when each is shown in the track's ticks."""
    if set(container.format.name.split(",")) & DECODING_ORDER_FORMATS:
        yield from _stamped_by_packets(container, track)
    elif grid is None:
        yield from ((frame.pts, frame) for frame in container.decode(track))
    else:
        tick_s, zero_s = float(track.time_base or 0), clock_zero_s(container)
        seen = decode_for(grid, container, track, lambda stamp: stamp * tick_s - zero_s)
        yield from ((frame.pts, frame) for frame in seen)


def _stamped_by_packets(container: InputContainer, track: av.VideoStream) -> Iterator[tuple[int | None, av.VideoFrame]]:
    stamps: deque[int | None] = deque()  # of packets decoded and not yet shown: as many as frames, and rising
    for packet in container.demux(track):
        stamps += [packet.dts] if packet.size else []
        for frame in packet.decode():
            yield stamps.popleft() if stamps else None, frame


def _within(frames: Iterable[TimedFrame], start_s: float, end_s: float | None) -> Iterator[TimedFrame]:
    for one in frames:
        if end_s is not None and one.time_s >= end_s:
            return
        if one.time_s >= start_s:
            yield one


def upright(frame: av.VideoFrame) -> Image:
    """The picture in BGR, turned as the file's display matrix says (phones record lying on their side)."""
    image = frame.to_ndarray(format="bgr24", threads=1)
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))
