"""Films of several faces, or of several scenes, made of films of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from omsn.media.encode import write_film
from omsn.media.video import Frame, read_frames


def beside_a_still_face(speaker: Path, still: Path, path: Path, *, speaker_first: bool = True) -> Path:
    """A film with its sound, and beside it (to the right, or left) the first picture of another of the same height."""
    other = next(read_frames(still)).image

    def pictures() -> Iterator[Frame]:
        for frame in read_frames(speaker):
            both = (frame.image, other) if speaker_first else (other, frame.image)
            yield Frame(np.concatenate(both, axis=1), frame.time_s)

    write_film(path, speaker, pictures())
    return path


def without_movement(film: Path, path: Path) -> Path:
    """The film with its first picture throughout."""
    first = next(read_frames(film)).image
    write_film(path, film, (Frame(first, frame.time_s) for frame in read_frames(film)))
    return path


def half_of_the_time(film: Path, path: Path, shown_s: float) -> Path:
    """The film of two faces side by side, whose right half turns black after a while."""

    def pictures() -> Iterator[Frame]:
        for frame in read_frames(film):
            image = frame.image.copy()
            image[:, image.shape[1] // 2 :] *= frame.time_s < shown_s
            yield Frame(image, frame.time_s)

    write_film(path, film, pictures())
    return path


def played_again(film: Path, path: Path, seconds: float, rate_hz: float = 10.0) -> Path:
    """A film that plays a shorter one forwards and backwards, at few pictures a second; its sound once."""
    images = [frame.image for frame in read_frames(film, rate_hz)]
    swing = images + images[-2:0:-1]
    numbers = range(round(seconds * rate_hz))
    write_film(path, film, (Frame(swing[number % len(swing)], number / rate_hz) for number in numbers))
    return path


def without_picture_between(film: Path, path: Path, start_s: float, end_s: float) -> Path:
    """The film with black pictures from ``start_s`` until before ``end_s``."""

    def pictures() -> Iterator[Frame]:
        for frame in read_frames(film):
            dark = start_s <= frame.time_s < end_s
            yield Frame(np.zeros_like(frame.image) if dark else frame.image, frame.time_s)

    write_film(path, film, pictures())
    return path
