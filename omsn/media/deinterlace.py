"""Pictures that hold two fields, half of the lines each and taken one after the other, made whole.

Cameras for television and tapes record so; shown as it is, whatever moves has a comb for an edge.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av
from av.filter import Graph


class TimedFrame(NamedTuple):
    """A decoded picture and when it is shown: from ``time_s`` until ``end_s``, in seconds."""

    time_s: float
    end_s: float
    frame: av.VideoFrame


SETTINGS = "mode=send_frame:deint=interlaced"
"""A picture for each picture, and those that are not flagged as interlaced stay as they are."""


def deinterlaced(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    """The same pictures at the same times, each whole; nothing is delayed before the first that is interlaced."""
    weaver: _Weaver | None = None
    for one in frames:
        if weaver is not None and not weaver.takes(one.frame):
            yield from weaver.finish()
            weaver = None
        if weaver is None and one.frame.interlaced_frame:
            weaver = _Weaver(one.frame)
        if weaver is None:
            yield one
        else:
            yield from weaver.push(one)
    if weaver is not None:
        yield from weaver.finish()


class _Weaver:
    """FFmpeg's ``bwdif`` for pictures of one size and format; each waits in it for the next one."""

    def __init__(self, first: av.VideoFrame) -> None:
        self._shape = _shape(first)
        self._waiting = deque[TimedFrame]()
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=first.time_base or Fraction(1, 1000)
        )
        self._graph.link_nodes(source, self._graph.add("bwdif", SETTINGS), self._graph.add("buffersink")).configure()

    def takes(self, frame: av.VideoFrame) -> bool:
        """Whether a picture is of this size and format."""
        return _shape(frame) == self._shape

    def push(self, one: TimedFrame) -> Iterator[TimedFrame]:
        """Take a picture; the one before, once this one is seen."""
        self._waiting.append(one)
        self._graph.vpush(one.frame)
        yield from self._done()

    def finish(self) -> Iterator[TimedFrame]:
        """The last picture."""
        self._graph.vpush(None)
        yield from self._done()

    def _done(self) -> Iterator[TimedFrame]:
        while True:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield self._waiting.popleft()._replace(frame=frame)


def _shape(frame: av.VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
