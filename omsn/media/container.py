"""Opening media files: one place for the errors, the choice of streams and the clip's clock.

Every time that leaves this module is on the file's clock, which is that of players: 0 is where the picture or the sound
starts, whichever is first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar

import av
from av.container import InputContainer
from av.stream import Disposition

from omsn.errors import MediaError

GUESSED_LENGTH_FORMATS = frozenset({"mp3", "aac", "h264", "hevc", "mpeg", "mpegts"})
"""Formats without a table of contents: length and places are guesses from the bit rate, or from time stamps that may
start anew part-way."""

LENGTH_TOLERANCE_S = 0.25
"""A stream may end this much before the length its file promises: writers round, and count padding."""

SEEK_MARGIN_S = 0.5
"""Decoding starts this much before the part asked for: the first frames after a jump are damaged in most codecs."""

MAX_JUMP_S = 3600.0
"""Time stamps that jump ahead by more are damaged: no recorder pauses for longer within a file."""

RUN_IN_S = 0.05
"""Sound that starts up to this much before the picture is the run-in of its coder, which holds nothing: 21 ms of AAC in
most transport streams, 48 ms at most. The clock stays with the picture.
"""

MATROSKA_END = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
"""The tag in which Matroska and WebM tell where a track ends: hours, minutes, seconds."""

FILE_PROTOCOL = "file:"
"""Goes before every path: by itself, FFmpeg takes what stands before a colon in a name for a protocol."""

LIST_FORMATS = frozenset({"concat", "hls", "dash", "imf"})
"""Formats that only name other files: what such a file holds would change without it."""

OWN_PROTOCOLS = {"protocol_whitelist": "file,crypto,data"}
"""What FFmpeg may open: a list of places must not send it into the network."""

UNKNOWN_RIFF_BYTES = 2**31 - 2**16
"""Programs that write WAV or AVI into a pipe cannot know its size: they fill in one from here up, or nearly 0."""

UNKNOWN_CODEC = "unknown codec"

Track = av.AudioStream | av.VideoStream
AnyTrack = TypeVar("AnyTrack", av.AudioStream, av.VideoStream)


def check_readable(path: str | Path) -> Path:
    """The path, when it is a file with something in it.

    Raises:
        MediaError: it is missing, a folder, empty, or may not be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise MediaError(f"{path}: is a folder; expected a media file")
        if not path.is_file():
            raise MediaError(f"{path}: no such file; check the path")
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError(f"{path}: is empty (0 bytes); copy or record it again")
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror}); look to its name and permissions") from error
    return path


def check_span(path: str | Path, start_s: float, end_s: float | None) -> None:
    """Check the part of a file that is asked for.

    Raises:
        MediaError: it ends before it starts.
    """
    if end_s is not None and end_s <= start_s:
        raise MediaError(f"{path}: asked for {start_s} s to {end_s} s; expected the end after the start")


@contextmanager
def open_container(path: str | Path) -> Iterator[InputContainer]:
    """Open a media file with PyAV and close it afterwards.

    Raises:
        MediaError: the file is missing, empty, no media file, a list of others, a part of an AVI, or so damaged
            that its table of contents is lost.
    """
    path = check_readable(path)
    try:
        container = av.open(f"{FILE_PROTOCOL}{path}", metadata_errors="replace", container_options=OWN_PROTOCOLS)
    except av.error.FFmpegError as error:
        raise MediaError(
            f"{path}: not a media file, or cut short before its table of contents ({error.strerror}); "
            "copy it again or re-encode it"
        ) from error
    with container:
        if set(container.format.name.split(",")) & LIST_FORMATS:
            raise MediaError(f"{path}: a list of other files ({container.format.name}); name those files themselves")
        if container.format.name == "avi" and (share := riff_share(path)) < 1:
            raise MediaError(f"{path}: broke off; {share:.0%} of it is there. Copy it again or re-encode it")
        yield container


def find_sound(container: InputContainer) -> av.AudioStream | None:
    """The first sound track that can be decoded, or None where there is none of any kind.

    Raises:
        MediaError: none of its sound tracks can be decoded.
    """
    return _first_decodable(container, container.streams.audio)


def find_picture(container: InputContainer) -> av.VideoStream | None:
    """The first moving picture that can be decoded, or None where there is none of any kind; cover art does not count.

    Raises:
        MediaError: none of its moving pictures can be decoded.
    """
    return _first_decodable(container, _moving(container))


def raise_no_track(path: str | Path, container: InputContainer, wanted: str) -> NoReturn:
    """Raise the error of a file without the track wanted; the streams found are listed."""
    found = ", ".join(f"{stream.type} ({_codec(stream)})" for stream in container.streams) or "none"
    raise MediaError(f"{path}: no {wanted} stream; found {found}. Give a file with one, or re-encode this one")


def clock_zero_s(container: InputContainer) -> float:
    """Where the container's own clock stands at 0 of the file's clock, in seconds."""
    picture_s = _own_start_s(next(iter(_decodable(_moving(container))), None))
    sound_s = _own_start_s(next(iter(_decodable(container.streams.audio)), None))
    if picture_s is None or sound_s is None:
        return picture_s or sound_s or 0.0
    return sound_s if sound_s < picture_s - RUN_IN_S else picture_s


def track_start_s(container: InputContainer, track: Track) -> float:
    """Where a track starts on the file's clock; 0 where the container does not tell."""
    own_start_s = _own_start_s(track)
    return 0.0 if own_start_s is None else own_start_s - clock_zero_s(container)


def promised_end_s(container: InputContainer, track: Track) -> float | None:
    """Where the container says that a track ends, on the file's clock; None where it does not say.

    A browser's WebM has no length at all; a Matroska file tells a track's end in a tag, or else only the length of
    all tracks together, which says nothing of a single one of several.
    """
    start_s = track_start_s(container, track)
    if set(container.format.name.split(",")) & GUESSED_LENGTH_FORMATS:
        return None
    tag = MATROSKA_END.fullmatch(track.metadata.get("DURATION", ""))
    if tag is not None:
        hours, minutes, seconds = (float(part) for part in tag.groups())
        return 3600 * hours + 60 * minutes + seconds - clock_zero_s(container)
    if track.duration is not None and track.time_base is not None:
        return start_s + float(track.duration * track.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return start_s + container.duration / av.time_base
    return None


def riff_share(path: str | Path) -> float:
    """The share that is there of the bytes that the header of a WAV or AVI file promises; 1 where it is whole.

    The readers of both take a file that was cut short for a shorter one.
    """
    with Path(path).open("rb") as file:
        head = file.read(8)
    promised, size = int.from_bytes(head[4:], "little"), Path(path).stat().st_size
    return size / promised if head[:4] == b"RIFF" and size < promised < UNKNOWN_RIFF_BYTES else 1.0


def seek_before(container: InputContainer, track: Track, time_s: float) -> None:
    """Go to where decoding reaches ``time_s`` undamaged; stay at the start where that is near or the place unsure."""
    target_s = time_s + clock_zero_s(container) - SEEK_MARGIN_S
    indexed = not set(container.format.name.split(",")) & GUESSED_LENGTH_FORMATS
    if time_s > SEEK_MARGIN_S and indexed and track.time_base is not None:
        with suppress(av.error.FFmpegError):  # a recording without an index cannot jump: decode it from the start
            container.seek(int(target_s / track.time_base), stream=track)


def check_jump(path: str | Path, before_s: float, after_s: float) -> None:
    """Check that one piece of a track follows the one before within a time that can be.

    Raises:
        MediaError: the time stamps jump.
    """
    if after_s - before_s > MAX_JUMP_S:
        raise MediaError(f"{path}: the time stamps jump from {before_s:.2f} s to {after_s:.2f} s; re-encode it")


def check_complete(path: str | Path, decoded_s: float, expected_s: float) -> None:
    """Check that a track was as long as its file promised.

    Raises:
        MediaError: it broke off.
    """
    if decoded_s < expected_s - LENGTH_TOLERANCE_S:
        raise_broken_off(path, decoded_s, expected_s)


def raise_broken_off(path: str | Path, decoded_s: float, expected_s: float | None) -> NoReturn:
    """Raise the error of a file that ends before it should, or holds damaged data part-way."""
    expected = "an unknown length" if expected_s is None else f"{expected_s:.2f} s"
    raise MediaError(
        f"{path}: broke off; decoded {max(decoded_s, 0.0):.2f} s of {expected}. Copy it again or re-encode it"
    )


def _moving(container: InputContainer) -> list[av.VideoStream]:
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def _decodable(streams: Sequence[AnyTrack]) -> list[AnyTrack]:
    return [stream for stream in streams if _codec(stream) != UNKNOWN_CODEC]


def _first_decodable(container: InputContainer, streams: Sequence[AnyTrack]) -> AnyTrack | None:
    """Phones put a track that few programs can read beside one that all can."""
    readable = _decodable(streams)
    if streams and not readable:
        path = container.name.removeprefix(FILE_PROTOCOL)
        raise MediaError(f"{path}: its {streams[0].type} is damaged, or of a kind that cannot be read; re-encode it")
    return next(iter(readable), None)


def _own_start_s(track: Track | None) -> float | None:
    if track is None or track.start_time is None or track.time_base is None:
        return None
    return float(track.start_time * track.time_base)


def _codec(stream: av.stream.Stream) -> str:
    return stream.codec_context.name if stream.codec_context is not None else UNKNOWN_CODEC
