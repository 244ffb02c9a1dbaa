"""The times at which a film is looked at, and the pictures nearest to them.

Pictures between those that are looked at need not be decoded, where no other picture is made from them: most of the
B-pictures of H.264. What is left is the same to the bit.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer

from omsn.media.deinterlace import TimedFrame

MOST_HELD_BACK = 16
"""Packets between one and those of the pictures shown just before and after its own: H.264 allows no more."""

MARKING_CODECS = frozenset({"h264"})
"""Codecs that mark the pictures that no other is made from; HEVC does so within a layer only."""


@dataclass(frozen=True)
class Grid:
    """The times ``start_s + k / rate_hz`` (k = 0, 1, ...) before ``end_s``.

    Attributes:
        rate_hz: times a second.
        start_s: the first; no picture before it counts.
        end_s: no picture from here on counts; None is the end of the film.
    """

    rate_hz: float
    start_s: float = 0.0
    end_s: float | None = None

    def place(self, time_s: float) -> tuple[int, float]:
        """The number k of the nearest time, and how far away it is, in distances between two."""
        place = (time_s - self.start_s) * self.rate_hz
        return round(place), abs(place - round(place))

    def counts(self, time_s: float) -> bool:
        """True between the start and the end."""
        return time_s >= self.start_s and (self.end_s is None or time_s < self.end_s)

    def nearest(self, frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        """For each time, the nearest of the frames to which no other time is nearer; the earlier of two alike.

        Each stands for those after it that are left out, and ends with the last of them.
        """
        held: TimedFrame | None = None
        held_at, held_distance = 0, math.inf
        for one in frames:
            number, distance = self.place(one.time_s)
            if held is not None and number != held_at:
                yield held
                held = None
            if held is None or distance < held_distance:
                held, held_at, held_distance = one, number, distance
            else:
                held = held._replace(end_s=one.end_s)
        if held is not None:
            yield held


def decode_for(
    grid: Grid, container: InputContainer, track: av.VideoStream, time_of: Callable[[int], float]
) -> Iterator[av.VideoFrame]:
    """Decode a track without such pictures as ``grid.nearest`` leaves out and no other picture is made from.

    Nothing is left out of interlaced films, as deinterlacing looks at the pictures around each, nor from where time
    stamps start anew.

    Args:
        grid: when the film is looked at.
        container: open, at the place from which to decode.
        track: a track of pictures in it.
        time_of: from a time stamp of the track to seconds.

    Raises:
        av.error.FFmpegError: the file is damaged; all pictures before that were yielded.
    """
    if track.codec_context.name not in MARKING_CODECS:
        yield from container.decode(track)
        return
    interlaced: bool | None = None  # unknown before the first picture
    for packet, unseen in _marked(container.demux(track), grid, time_of):
        track.codec_context.skip_frame = "NONREF" if unseen and interlaced is False else "DEFAULT"
        for frame in packet.decode():
            interlaced = bool(interlaced) or frame.interlaced_frame
            yield frame


@dataclass(frozen=True, eq=False)
class _Coded:
    """A packet, and where on the grid its picture lies: number, distance and time; None where that is not known."""

    packet: av.Packet[av.VideoStream]
    place: tuple[int, float, float] | None


def _marked(
    packets: Iterable[av.Packet[av.VideoStream]], grid: Grid, time_of: Callable[[int], float]
) -> Iterator[tuple[av.Packet[av.VideoStream], bool]]:
    """Each packet, and whether another one's picture is looked at in place of its own."""
    waiting, around = deque[_Coded](), deque[_Coded](maxlen=2 * MOST_HELD_BACK + 1)
    damage: av.error.FFmpegError | None = None
    in_order, last = True, -math.inf
    try:
        for packet in packets:
            if packet.dts is not None:
                in_order, last = in_order and packet.dts > last, packet.dts
            waiting.append(_Coded(packet, _place(packet, grid, time_of) if in_order else None))
            around.append(waiting[-1])
            if len(waiting) > MOST_HELD_BACK:
                yield waiting[0].packet, _is_unseen(waiting.popleft(), around)
    except av.error.FFmpegError as error:
        damage = error
    for one in waiting:
        yield one.packet, _is_unseen(one, around)
    if damage is not None:
        raise damage


def _place(
    packet: av.Packet[av.VideoStream], grid: Grid, time_of: Callable[[int], float]
) -> tuple[int, float, float] | None:
    if packet.pts is None or packet.is_discard or packet.is_corrupt or not grid.counts(time_of(packet.pts)):
        return None
    time_s = time_of(packet.pts)
    return *grid.place(time_s), time_s


def _is_unseen(one: _Coded, around: Iterable[_Coded]) -> bool:
    """True where a nearer picture has the same number; never of the last one, which tells how long the film is."""
    if one.place is None:
        return False
    places = [other.place for other in around if other.place is not None]
    number, _, time_s = one.place
    return one.place != min(place for place in places if place[0] == number) and time_s < max(
        place[2] for place in places
    )
