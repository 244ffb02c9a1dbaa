"""A file -> its windows, each described like a clip of its own: one pass, sound and picture in step, constant memory.

What training saw are clips of a few seconds. So each window of a longer file gets the features that a clip cut out
there would have: noise floor, silence and pitch of its own sound, and positions of its own frames. Three things are
taken from the file so far instead, as a window alone cannot tell them: what loudness counts as silence (else a pause
would pass for speech), where a face rests (else every window would begin as the neutral one), and which face is which.
A file up to ``WHOLE_S`` is one window with the features of ``pipeline.make_sample``.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import numpy as np
from av.container import InputContainer

from omsn.config import PipelineConfig
from omsn.features.audio import audio_stream
from omsn.features.face import face_columns, hog_of_face, hog_rows_stream
from omsn.features.neutral import RestingFace
from omsn.media.ahead import ahead
from omsn.media.container import open_container
from omsn.media.probe import MediaInfo, info_of
from omsn.media.sound import sound_blocks
from omsn.media.video import Frame, read_frames
from omsn.pipeline import as_played, clean_sound, face_stream, rate_at
from omsn.preprocess.face_track import MIN_IOU, FaceFollower, tracks_of
from omsn.preprocess.keyframes import select_keyframes
from omsn.preprocess.speaker import speaking_face
from omsn.preprocess.speech import loudest_energy
from omsn.preprocess.tracking import boxes_of, main_track, overlaps
from omsn.timing import timed, timed_steps
from omsn.types import FacePath, Floats, LandmarkTrack, Modality, Sample, Sound, Stream

WINDOW_S = 4.0
"""Longer files are cut into windows of this length; RAVDESS clips last three to five seconds."""
HOP_S = 2.0
"""Windows begin this far apart."""
WHOLE_S = 6.0
"""Files up to this length are one window."""
MIN_SHARE = 0.5
"""A face beside the main one counts where it is seen in this share of the window's frames."""
REST_WINDOWS = 150
"""Windows that tell where a face rests, the last ones: five minutes."""
FRAMES_AHEAD = 3
"""Pictures that may wait, decoded, to be looked at: 8 MB of 720p. More do not stay in the cache of the processor."""
PATH_STEP_S = 0.1
"""Time between the places of a face that are kept."""

OnTime = Callable[[float, float | None], None]
"""Called with the seconds of a file that are done, and its length where that is known."""


@dataclass(frozen=True, eq=False)
class View:
    """One face in one window, or the sound of a window without one.

    Attributes:
        start_s: start in seconds.
        end_s: end in seconds.
        sample: features of the face, and of the sound where it is this face's.
        track: number of the face, the same through the file; 0 without a face.
        speaking: the face that speaks, where there are several.
        path: where the face is.
    """

    start_s: float
    end_s: float
    sample: Sample
    track: int = 0
    speaking: bool = False
    path: FacePath | None = None


def views_of(
    path: str | Path,
    config: PipelineConfig,
    resting: RestingFace | None = None,
    on_time: OnTime | None = None,
    *,
    modality: Modality = "both",
    decoder_threads: int = 1,
) -> Iterator[tuple[View, ...]]:
    """The faces of each window, by their tracks' numbers, as soon as the file is read so far.

    Args:
        path: any media file.
        config: what the features are.
        resting: what the face of track 0 measures at rest; None takes what it shows.
        on_time: told how far it is, whenever a picture or a piece of sound is read.
        modality: "audio" looks at no picture, so that the sound is nobody's in particular; "video" hears the sound, to
            tell who speaks, and leaves it out.
        decoder_threads: the ``threads`` of ``read_frames``.

    Yields:
        For each window its views, one at least: one without a face where there is none.

    Raises:
        MediaError: the file cannot be read.
        InputError: the face models are not installed.
    """
    describer = _Describer(str(path), config, modality, resting)
    start_s, due_s = 0.0, WHOLE_S
    with (
        open_container(path) as container,
        closing(_in_step(path, container, config, modality, decoder_threads)) as pieces,
    ):
        info = info_of(container)
        held = _Held(config, info)
        for piece in pieces:
            while _time_of(piece) >= due_s:
                yield describer.views(held, start_s, start_s + WINDOW_S)
                start_s, due_s = start_s + HOP_S, max(WHOLE_S, start_s + HOP_S + WINDOW_S)
                held.forget_before(start_s)
            held.add(piece)
            if on_time is not None:
                on_time(held.end_s, info.duration_s)
    if held.end_s <= WHOLE_S:
        yield describer.views(held, 0.0, inf)
        return
    while start_s < held.end_s - HOP_S:
        yield describer.views(held, start_s, min(start_s + WINDOW_S, held.end_s))
        start_s += HOP_S


def _in_step(
    path: str | Path, container: InputContainer, config: PipelineConfig, modality: Modality, decoder_threads: int
) -> Generator[Frame | Sound]:
    """Pictures and pieces of sound in order of time; each track is read by itself, however the two interleave.

    The pictures are read from the container, the sound from the file, opened once more. Whatever ends it, nothing reads
    from the container afterwards.
    """
    info, tracks = info_of(container), list[Iterator[Frame | Sound]]()
    with ExitStack() as ending:
        if info.has_video and modality != "audio":
            frames = read_frames(path, config.video.rate_hz, threads=decoder_threads, container=container)
            if decoder_threads > 1:
                frames = ending.enter_context(closing(ahead(frames, FRAMES_AHEAD)))
            tracks.append(timed_steps("decode picture", frames))
        if info.has_audio:
            for rate_hz in _rates(config):
                tracks.append(timed_steps("decode sound", sound_blocks(path, rate_hz)))
        yield from heapq.merge(*tracks, key=_time_of)


def _rates(config: PipelineConfig) -> tuple[int, ...]:
    """What the sound is read at: its own rate, then one for each other speed."""
    return tuple(rate_at(speed, config) for speed in (1.0, *config.audio.speeds))


def _time_of(piece: Frame | Sound) -> float:
    return piece.time_s if isinstance(piece, Frame) else piece.start_s


@dataclass(frozen=True, eq=False)
class _Seen:
    """The faces in one picture, by the follower's numbers: their landmarks (68, 2), or their HOG (F,)."""

    time_s: float
    faces: Mapping[int, Floats]


@dataclass(frozen=True, eq=False)
class _Face:
    """One face over the frames of a window; ``track`` is the follower's number, or that of the view."""

    track: int
    landmarks: LandmarkTrack
    hog: Stream


class _Held:
    """What is remembered of a file: its sound and its faces, from the start of the window in hand."""

    def __init__(self, config: PipelineConfig, info: MediaInfo) -> None:
        self.end_s = 0.0
        self._config = config
        self._follower = FaceFollower(config.faces) if info.has_video else None
        self._sounds = {rate_hz: deque[Sound]() for rate_hz in _rates(config)}
        self._seen, self._hog = deque[_Seen](), deque[_Seen]()

    def add(self, piece: Frame | Sound) -> None:
        """Take the next picture or piece of sound."""
        if isinstance(piece, Sound):
            self._sounds[piece.rate_hz].append(piece)
            self.end_s = max(self.end_s, piece.start_s + piece.duration_s)
        elif self._follower is not None:
            faces = self._follower.step(piece)
            self._seen.append(_Seen(piece.time_s, faces))
            # A still picture may last for hours; so the last window has a picture in it.
            self.end_s = max(self.end_s, piece.time_s + min(piece.duration_s, HOP_S))
            if self._config.video.hog:
                self._add_hog(piece, faces)

    def forget_before(self, time_s: float) -> None:
        """Drop what no window to come needs."""
        for pictures in (self._seen, self._hog):
            while pictures and pictures[0].time_s < time_s:
                pictures.popleft()
        for sounds in self._sounds.values():
            while sounds and sounds[0].start_s + sounds[0].duration_s <= time_s:
                sounds.popleft()

    def sounds(self, start_s: float, end_s: float) -> tuple[Sound, ...]:
        """The sound from ``start_s`` on and before ``end_s``, and the same at each other speed."""
        cut = (self._cut(rate_hz, start_s, end_s) for rate_hz in self._sounds)
        return tuple(as_played(sound, self._config) for sound in cut)

    def _cut(self, rate_hz: int, start_s: float, end_s: float) -> Sound:
        sounds = self._sounds[rate_hz]
        if not sounds:
            return Sound(np.zeros(0, np.float32), rate_hz, start_s)
        zero_s = sounds[0].start_s
        samples = np.concatenate([sound.samples for sound in sounds])
        first = max(round((start_s - zero_s) * rate_hz), 0)
        last = len(samples) if end_s == inf else max(round((end_s - zero_s) * rate_hz), first)
        return Sound(samples[first:last], rate_hz, zero_s + first / rate_hz)

    def faces(self, start_s: float, end_s: float) -> list[_Face]:
        """Each face in the frames from ``start_s`` on and before ``end_s``."""
        seen = [one for one in self._seen if start_s <= one.time_s < end_s]
        hog = [one for one in self._hog if start_s <= one.time_s < end_s]
        tracks = tracks_of([one.faces for one in seen], np.array([one.time_s for one in seen], np.float64))
        hog_s = [one.time_s for one in hog]
        return [
            _Face(number, track, hog_rows_stream([one.faces.get(number) for one in hog], hog_s))
            for number, track in tracks
        ]

    def _add_hog(self, frame: Frame, faces: Mapping[int, Floats]) -> None:
        bilateral = self._config.faces.bilateral
        with timed("face features"):
            rows = {n: hog_of_face(frame.image, points, bilateral=bilateral) for n, points in faces.items()}
        self._hog.append(_Seen(frame.time_s, rows))


class _Describer:
    """Makes views of what is held, and remembers what a window alone cannot tell."""

    def __init__(self, name: str, config: PipelineConfig, modality: Modality, resting: RestingFace | None) -> None:
        self._name, self._config, self._modality = name, config, modality
        self._loudest = 0.0
        self._tracks: dict[int, int] = {}  # by the follower's number
        self._last_boxes: dict[int, Floats] = {}  # (1, 4) where each track was seen last
        self._resting = resting
        self._rested: dict[int, deque[RestingFace]] = {}  # in the windows so far, by track

    def views(self, held: _Held, start_s: float, end_s: float) -> tuple[View, ...]:
        """The faces from ``start_s`` on and before ``end_s``, by their tracks' numbers; infinite: to the end."""
        with timed("sound features"):
            sound, *others = (clean_sound(one, self._config, self._loudest) for one in held.sounds(start_s, end_s))
            self._loudest = max(self._loudest, loudest_energy(sound))
            audio, *copies = (audio_stream(one, self._config.audio) for one in (sound, *others))
        with timed("face features"):
            faces = self._worth_a_view(held.faces(start_s, end_s))
            speaker = speaking_face([face.landmarks for face in faces], sound) if len(faces) > 1 else 0
            videos = [self._video(face, whole=end_s == inf) for face in faces]
        seen = videos or [Stream.absent(face_columns(self._config.video))]
        samples = [Sample(self._name, audio, video, tuple(copies)) for video in seen]
        samples = [one if place == speaker else one.only("video") for place, one in enumerate(samples)]
        samples = [sample.only(self._modality) for sample in samples]
        if end_s == inf:
            end_s = held.end_s
        if not faces:
            return (View(start_s, end_s, samples[0]),)
        return tuple(
            View(start_s, end_s, sample, face.track, len(faces) > 1 and place == speaker, _path_of(face.landmarks))
            for place, (face, sample) in enumerate(zip(faces, samples, strict=True))
        )

    def _worth_a_view(self, faces: Sequence[_Face]) -> list[_Face]:
        """The main face, and others that are there for most of the window; under their tracks' numbers, in order."""
        if not faces:
            return []
        main = main_track([face.landmarks for face in faces])
        others = [face for place, face in enumerate(faces) if place != main and face.landmarks.mask.mean() >= MIN_SHARE]
        views = (faces[main], *others)
        for face in views:
            if face.track not in self._tracks:
                self._tracks[face.track] = self._track_of(face, faces, views)
            self._last_boxes[self._tracks[face.track]] = boxes_of(face.landmarks.points[face.landmarks.mask][-1:])
        return sorted((replace(one, track=self._tracks[one.track]) for one in views), key=_track)

    def _track_of(self, newcomer: _Face, faces: Sequence[_Face], views: Sequence[_Face]) -> int:
        """The track of a face that the follower takes for a new one: that of one gone from the same place, or its own.

        The follower gives a lost face up after a while; somebody who looks away for longer is still the same person.
        Faces that share a frame are two people, and a window has one view of each track.
        """
        mask = newcomer.landmarks.mask
        others = [face for face in faces if face in views or (face.landmarks.mask & mask).any()]
        taken = {self._tracks.get(face.track) for face in others}
        first = boxes_of(newcomer.landmarks.points[mask][:1])
        gone = [track for track in self._last_boxes if track not in taken]
        shares = {track: float(overlaps(first, self._last_boxes[track])[0, 0]) for track in gone}
        best = max(gone, key=shares.__getitem__, default=None)
        return len(self._last_boxes) if best is None or shares[best] < MIN_IOU else best

    def _video(self, face: _Face, *, whole: bool) -> Stream:
        """Features of a face; its changes are measured from where it rests, as far as that is known.

        In a whole file, it rests as it begins. In a window, a face begins anyhow: it rests where it mostly is.
        """
        video = face_stream(face.landmarks, face.hog, self._config.video)
        resting = self._resting if face.track == 0 else None
        if resting is None and not whole:
            resting = self._usual(face.track, video)
        video = video if resting is None else resting.as_zero(video)
        return select_keyframes(video, self._config.video.keyframes)

    def _usual(self, track: int, video: Stream) -> RestingFace | None:
        """Where a face mostly is, up to now."""
        windows = self._rested.setdefault(track, deque(maxlen=REST_WINDOWS))
        here = RestingFace.throughout([video])
        windows.extend([] if here is None else [here])
        return RestingFace.mostly(windows) if windows else None


def _track(face: _Face) -> int:
    return face.track


def _path_of(landmarks: LandmarkTrack) -> FacePath:
    """Where a face is every ``PATH_STEP_S``, as far as it is seen."""
    _, first = np.unique(np.floor(landmarks.times_s[landmarks.mask] / PATH_STEP_S + 1e-6), return_index=True)
    frames = np.flatnonzero(landmarks.mask)[first]
    return FacePath(landmarks.times_s[frames], boxes_of(landmarks.points[frames]))
