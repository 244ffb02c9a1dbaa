"""What a media file holds, found without decoding more than its first picture."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer

from omsn.media.container import find_picture, find_sound, open_container, raise_broken_off
from omsn.media.video import upright


@dataclass(frozen=True)
class MediaInfo:
    """What a media file holds.

    Attributes:
        duration_s: length in seconds; None where the file does not say, as with a browser's WebM.
        has_audio: there is a sound track.
        has_video: there is a moving picture; cover art does not count.
        audio_rate_hz: samples per second of the sound; None without sound.
        width: pixels of the upright picture; None without picture.
        height: pixels of the upright picture; None without picture.
        frame_rate: pictures per second on average; None without picture or where the file does not say.
    """

    duration_s: float | None
    has_audio: bool
    has_video: bool
    audio_rate_hz: int | None
    width: int | None
    height: int | None
    frame_rate: Fraction | None


def probe(path: str | Path) -> MediaInfo:
    """Look into a media file.

    Raises:
        MediaError: the file is missing, empty, no media file, or its first picture cannot be decoded.
    """
    with open_container(path) as container:
        sound, picture = find_sound(container), find_picture(container)
        height, width = _upright_size(path, container, picture) if picture is not None else (None, None)
        return MediaInfo(
            duration_s=None if container.duration is None else container.duration / av.time_base,
            has_audio=sound is not None,
            has_video=picture is not None,
            audio_rate_hz=None if sound is None else sound.rate,
            width=width,
            height=height,
            frame_rate=None if picture is None else picture.average_rate,
        )


def _upright_size(path: str | Path, container: InputContainer, picture: av.VideoStream) -> tuple[int, int]:
    try:
        image = upright(next(container.decode(picture)))
    except (av.error.FFmpegError, StopIteration):
        raise_broken_off(path, 0.0, None)
    return image.shape[0], image.shape[1]
