"""One clip -> its files in a compact copy: a small film of the face, the sound, the landmarks moved into the film."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from omsn.config import PipelineConfig
from omsn.data.face_view import cut_square, move_points, square_around
from omsn.errors import MediaError
from omsn.files import replace_file
from omsn.media.encode import COMPACT, copies_sound, write_film
from omsn.media.flac import fits_flac, part_as_flac, wav_as_flac
from omsn.media.landmark_file import split_reference
from omsn.media.probe import probe
from omsn.media.video import Frame, Image, read_frames
from omsn.pipeline import face_of
from omsn.preprocess.landmarks import FaceSquare
from omsn.types import Clip, LandmarkTrack

FILM_PX = 224
"""Height and width of the films."""


@dataclass(frozen=True)
class Places:
    """Where the files of a clip's copy go, those that it needs; "" for what the clip does not name.

    Attributes:
        film: an MP4 file.
        sound: a file without picture, with the suffix of the original.
        flac: a FLAC file in its stead, where the sound is cut, taken out of a film, or made smaller without loss.
        landmarks: an ``.npz`` archive, with ``#entry`` where the original has one.
    """

    film: str = ""
    sound: str = ""
    flac: str = ""
    landmarks: str = ""


@dataclass(frozen=True)
class CopiedClip:
    """A clip of the copy, whose files are whole, and whether they were all there before."""

    clip: Clip
    reused: bool


def copy_clip(clip: Clip, places: Places, config: PipelineConfig) -> CopiedClip:
    """Write those files of a clip's copy that are missing, or older than what they are made of.

    Raises:
        MediaError: a file that the clip names is missing, damaged, or does not belong with the others.
        OSError: the disk is full or the folder cannot be written to.
    """
    copy = _planned(clip, places)
    sound = copy.audio != copy.video and _is_due(copy.audio, clip.audio)
    film = _is_due(copy.video, clip.video, clip.landmarks)
    landmarks = _is_due(copy.landmarks, clip.landmarks, clip.video)
    if sound:
        _copy_sound(clip, copy)
    if film or landmarks:
        track = face_of(clip, config)
        square = square_around(track) if copy.video else None
        if landmarks:
            _write_landmarks(copy.landmarks, track, square)
        if film:
            with_sound = _film_brings_sound(clip)
            write_film(Path(copy.video), clip.video, _pictures(clip, square), with_sound=with_sound, x264=COMPACT)
    return CopiedClip(copy, reused=not (sound or film or landmarks))


def _planned(clip: Clip, places: Places) -> Clip:
    """The clip as the copy's manifest will have it: whole files, each of its own."""
    seen = bool(clip.video) and (clip.audio != clip.video or probe(clip.video).has_video)
    film = places.film if seen else ""
    sound = _place_of_sound(clip, places, film) if clip.audio else ""
    return replace(clip, video=film, audio=sound, landmarks=places.landmarks, start_s=0.0, end_s=None)


def _place_of_sound(clip: Clip, places: Places, film: str) -> str:
    """In the film where it was in the film and can stay as it is; else in a sound file."""
    if film and clip.audio == clip.video:
        return film if _film_brings_sound(clip) or not probe(clip.audio).has_audio else places.flac
    return places.flac if _needs_decoding(clip) or fits_flac(clip.audio) else places.sound


def _film_brings_sound(clip: Clip) -> bool:
    """True where the film has the sound of its original: copied, which is possible for whole files only."""
    return not _is_cut(clip) and copies_sound(clip.video)


def _needs_decoding(clip: Clip) -> bool:
    """True where a sound file of the clip cannot be what its original is: a part of it, or without its pictures."""
    return _is_cut(clip) or probe(clip.audio).has_video


def _is_cut(clip: Clip) -> bool:
    return clip.start_s > 0 or clip.end_s is not None


def _is_due(place: str, *sources: str) -> bool:
    """True where a file is named, but is not there, or older than something that it is made of."""
    if not place:
        return False
    made_ns = _changed_ns(place)
    return not made_ns or any(made_ns < _changed_ns(source) for source in sources if source)


def _changed_ns(reference: str) -> int:
    """When a file was last written; 0 where there is none."""
    path = Path(split_reference(reference)[0])
    return path.stat().st_mtime_ns if path.is_file() else 0


def _pictures(clip: Clip, square: FaceSquare | None) -> Iterator[Frame]:
    """Every picture of the clip through the square; black where no face was found in any of them."""
    black: Image = np.zeros((FILM_PX, FILM_PX, 3), np.uint8)
    zero_s = 0.0 if _film_brings_sound(clip) else None
    for frame in read_frames(clip.video, None, clip.start_s, clip.end_s):
        zero_s = frame.time_s if zero_s is None else zero_s
        seen = black if square is None else cut_square(frame.image, square, FILM_PX)
        yield replace(frame, image=seen, time_s=frame.time_s - zero_s)


def _write_landmarks(reference: str, track: LandmarkTrack, square: FaceSquare | None) -> None:
    path, entry = split_reference(reference)
    archive = BytesIO()
    np.savez_compressed(archive, allow_pickle=False, **{entry or "landmarks": _seen_through(square, track)})
    replace_file(Path(path), archive.getvalue())


def _seen_through(square: FaceSquare | None, track: LandmarkTrack) -> NDArray[np.generic]:
    """Landmarks (T, 68, 2) in pixels of the film, or as they were without one; 0 where there is no face."""
    if square is not None:
        moved = move_points(track.points, square, FILM_PX) * track.mask[:, None, None]
        return moved.astype(np.float16)  # a sixteenth of a pixel is finer than any landmark is known
    whole = np.rint(track.points).astype(np.int16)
    return whole if np.array_equal(whole, track.points) else track.points


def _copy_sound(clip: Clip, copy: Clip) -> None:
    """A sound file: decoded where it must be, without loss in less room where it can be, else byte for byte."""
    if _needs_decoding(clip):
        content = part_as_flac(clip.audio, _zero_s(clip) if copy.video else clip.start_s, clip.end_s)
    elif fits_flac(clip.audio):
        content = wav_as_flac(clip.audio)
    else:
        content = Path(clip.audio).read_bytes()
    replace_file(Path(copy.audio), content)


def _zero_s(clip: Clip) -> float:
    """Where the clock of the copy's film starts: as before with the sound in it, else at the clip's first picture."""
    if _film_brings_sound(clip):
        return 0.0
    first = next(read_frames(clip.video, None, clip.start_s, clip.end_s), None)
    if first is None:
        raise MediaError(f"{clip.video}: no picture from {clip.start_s} s on; correct start_s and end_s of {clip.clip}")
    return first.time_s
