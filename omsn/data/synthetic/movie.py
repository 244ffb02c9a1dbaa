"""Writing one clip: pictures and sound into an MP4 file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

from omsn.data.synthetic.face import Picture
from omsn.files import part_of
from omsn.types import Floats

_X264 = {"preset": "ultrafast", "crf": "23"}
_MPEG4 = {"b": "2000000"}
_AAC = {"b": "96000", "aac_coder": "fast"}


def write_movie(
    path: Path, pictures: Iterable[Picture], samples: Floats, rate_hz: int, frame_rate: Fraction, size: tuple[int, int]
) -> None:
    """Write H.264 (MPEG-4 Part 2 where this FFmpeg has no x264) and AAC; the file appears only once it is complete.

    Args:
        path: the file; its folder exists.
        pictures: (H, W, 3) uint8 RGB each.
        samples: (n,) float32, one channel.
        rate_hz: samples per second.
        frame_rate: pictures per second.
        size: width and height in pixels, both even.
    """
    unfinished = part_of(path)
    try:
        with av.open(str(unfinished), "w", format="mp4") as container:
            _write_streams(container, pictures, samples, rate_hz, frame_rate, size)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_streams(
    container: OutputContainer,
    pictures: Iterable[Picture],
    samples: Floats,
    rate_hz: int,
    frame_rate: Fraction,
    size: tuple[int, int],
) -> None:
    video = _add_video(container, frame_rate, size)
    audio = container.add_stream("aac", rate=rate_hz, layout="mono", options=_AAC)
    for picture in pictures:
        container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(video.encode(None))
    sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, :]), format="fltp", layout="mono")
    sound.rate, sound.pts = rate_hz, 0
    container.mux(audio.encode(sound))
    container.mux(audio.encode(None))


def _add_video(container: OutputContainer, frame_rate: Fraction, size: tuple[int, int]) -> av.VideoStream:
    if "libx264" in av.codecs_available:
        video = container.add_stream("libx264", rate=frame_rate, options=_X264)
    else:
        video = container.add_stream("mpeg4", rate=frame_rate, options=_MPEG4)
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    video.thread_count = 1
    return video
