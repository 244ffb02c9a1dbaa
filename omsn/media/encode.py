"""Writing a copy of a film with other pictures: the sound stays, and stays in step."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from omsn.errors import MediaError
from omsn.files import part_of
from omsn.media.container import FILE_PROTOCOL, clock_zero_s, find_picture, find_sound, open_container
from omsn.media.sound import sound_blocks
from omsn.media.video import Frame, Image

TIME_BASE = Fraction(1, 90000)
"""Unit of the pictures' times: fine enough for every frame rate in use."""
MP4_SOUND = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "alac"})
"""Codecs, by FFmpeg's names of their decoders, that an MP4 file can hold and players play; other sound becomes AAC."""
AAC_HZ = 48000
DEFAULT_RATE = Fraction(25)
"""Told to the encoder where the source does not say how fast its pictures are."""

QUICK: Mapping[str, str] = {"preset": "veryfast", "crf": "23"}
"""x264's options for a film to be looked at."""
COMPACT: Mapping[str, str] = {"preset": "medium", "crf": "20", "x264-params": "mbtree=0"}
"""x264's options for a small picture whose features are taken again.

With its macroblock tree it does not write the same film twice where the processor has AVX-512.
"""
_MPEG4 = {"b": "4000000"}


TimedPacket = tuple[float, "av.Packet[Any]"]


def write_film(
    path: Path,
    source: str | Path,
    pictures: Iterable[Frame],
    *,
    with_sound: bool = True,
    end_s: float | None = None,
    x264: Mapping[str, str] = QUICK,
) -> None:
    """Write pictures and the sound of a source as an MP4 file, in one pass; it appears whole or not at all.

    Args:
        path: the file; its folder is made.
        source: the file that the sound comes from; pictures have times on its clock.
        pictures: in order of time, all of one size; an odd side loses a row or column of pixels.
        with_sound: False writes the pictures alone, whose times may then be on a clock of their own.
        end_s: sound from this time on is left out, to a packet of it; None takes it to its end.
        x264: the encoder's options.

    Raises:
        MediaError: the source cannot be read, or there is no picture.
        OSError: the disk is full or the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        with open_container(source) as sounding, av.open(f"{FILE_PROTOCOL}{part}", "w", format="mp4") as target:
            tracks = _tracks(target, sounding, source, iter(pictures), x264, with_sound, end_s)
            for _, packet in heapq.merge(*tracks, key=itemgetter(0)):
                target.mux(packet)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def copies_sound(source: str | Path) -> bool:
    """True where a film takes over the sound of a file as it is; False where it must be encoded anew, or is missing.

    Raises:
        MediaError: the source cannot be read.
    """
    with open_container(source) as sounding:
        sound = find_sound(sounding)
        return sound is not None and sound.codec_context.name in MP4_SOUND


def _tracks(
    target: OutputContainer,
    sounding: InputContainer,
    source: str | Path,
    pictures: Iterator[Frame],
    x264: Mapping[str, str],
    with_sound: bool,
    end_s: float | None,
) -> list[Iterator[TimedPacket]]:
    """What goes into the film: its pictures, and its sound copied or encoded anew."""
    first = next(pictures, None)
    if first is None:
        raise MediaError(f"{source}: no picture to write; give a file with a picture or a sound")
    picture, sound = find_picture(sounding), find_sound(sounding) if with_sound else None
    video = _add_video(target, first.image, (picture.average_rate if picture else None) or DEFAULT_RATE, x264)
    tracks = [_picture_packets(video, chain([first], pictures))]
    if sound is not None and sound.codec_context.name in MP4_SOUND:
        tracks.append(_copied_packets(target.add_stream_from_template(sound), sounding, sound, end_s))
    elif sound is not None:
        tracks.append(_aac_packets(target.add_stream("aac", rate=AAC_HZ, layout="mono"), source, end_s))
    return tracks


def _add_video(target: OutputContainer, image: Image, rate: Fraction, x264: Mapping[str, str]) -> av.VideoStream:
    if "libx264" in av.codecs_available:
        video = target.add_stream("libx264", rate=rate, options=dict(x264))
    else:
        video = target.add_stream("mpeg4", rate=rate, options=_MPEG4)
    height, width = image.shape[:2]
    video.width, video.height = width // 2 * 2, height // 2 * 2
    video.pix_fmt = "yuv420p"
    video.codec_context.time_base = TIME_BASE
    video.codec_context.thread_count = 1
    return video


def _picture_packets(video: av.VideoStream, pictures: Iterable[Frame]) -> Iterator[TimedPacket]:
    last_pts, n_ticks = -1, 0
    for picture in pictures:
        frame = av.VideoFrame.from_ndarray(picture.image[: video.height, : video.width], format="bgr24")
        last_pts = max(round(picture.time_s / TIME_BASE), last_pts + 1)
        frame.pts, frame.time_base = last_pts, TIME_BASE
        n_ticks = round(picture.duration_s / TIME_BASE)
        yield from map(_timed, video.encode(frame))
    for packet in video.encode(None):
        packet.duration = n_ticks  # counts for the last picture alone; the others last until the next one
        yield _timed(packet)


def _copied_packets(
    track: av.AudioStream, sounding: InputContainer, sound: av.AudioStream, end_s: float | None
) -> Iterator[TimedPacket]:
    """The sound as it is and as long; packets that end before the file's clock starts are left out."""
    zero_s = clock_zero_s(sounding)
    end = None if sound.duration is None else (sound.start_time or 0) + sound.duration
    for packet in sounding.demux(sound):
        if packet.pts is None or packet.time_base is None or packet.dts is None:
            continue  # the empty packet at the end
        if end is not None and packet.duration and packet.pts < end:
            packet.duration = min(packet.duration, end - packet.pts)  # the last one is padded, in MP3 above all
        if end_s is not None and packet.pts * packet.time_base >= zero_s + end_s:
            return
        shift = round(zero_s / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if packet.pts + (packet.duration or 0) >= 0:
            packet.stream = track
            yield _timed(packet)


def _aac_packets(track: av.AudioStream, source: str | Path, end_s: float | None) -> Iterator[TimedPacket]:
    """The sound encoded anew, mixed to one channel."""
    for block in sound_blocks(source, AAC_HZ, end_s=end_s):
        if len(block.samples):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.samples[None]), format="fltp", layout="mono")
            frame.rate, frame.time_base = AAC_HZ, Fraction(1, AAC_HZ)
            frame.pts = round(block.start_s * AAC_HZ)
            yield from map(_timed, track.encode(frame))
    yield from map(_timed, track.encode(None))


def _timed(packet: av.Packet[Any]) -> TimedPacket:
    return float((packet.dts or 0) * (packet.time_base or 0)), packet
