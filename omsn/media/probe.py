"""What a media file holds, found without decoding it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

from omsn.media.container import find_picture, find_sound, open_container, track_start_s


@dataclass(frozen=True)
class MediaInfo:
    """What a media file holds.

    Attributes:
        duration_s: length in seconds; None where the file does not say, as with a browser's WebM.
        has_audio: there is a sound track.
        has_video: there is a moving picture; cover art does not count.
        audio_rate_hz: samples per second of the sound; None without sound.
        picture_start_s: when the picture starts on the file's clock, in seconds: after 0 where the sound starts first.
    """

    duration_s: float | None
    has_audio: bool
    has_video: bool
    audio_rate_hz: int | None
    picture_start_s: float = 0.0


def probe(path: str | Path) -> MediaInfo:
    """Look into a media file.

    Raises:
        MediaError: the file is missing, empty, no media file, or has only tracks that cannot be decoded.
    """
    with open_container(path) as container:
        return info_of(container)


def info_of(container: InputContainer) -> MediaInfo:
    """What an open media file holds; nothing is read from it.

    Raises:
        MediaError: it has only tracks that cannot be decoded.
    """
    sound, picture = find_sound(container), find_picture(container)
    return MediaInfo(
        duration_s=None if container.duration is None else container.duration / av.time_base,
        has_audio=sound is not None,
        has_video=picture is not None,
        audio_rate_hz=None if sound is None else sound.rate,
        picture_start_s=0.0 if picture is None else track_start_s(container, picture),
    )
