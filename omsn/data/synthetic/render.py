"""A small corpus of talking faces that OMSN renders itself, laid out and named as RAVDESS is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from omsn.data.synthetic.expressions import act
from omsn.data.synthetic.face import FaceFrame, FacePainter, Picture
from omsn.data.synthetic.movie import write_movie
from omsn.data.synthetic.scene import UNIT_SHARE, Camera, eyes_at, paint_backdrop
from omsn.data.synthetic.speakers import Speaker, draw_speaker
from omsn.data.synthetic.voice import RATE_HZ, Utterance, speak
from omsn.errors import InputError
from omsn.labels import RAVDESS_EMOTIONS

FRAME_RATE = Fraction(25)
"""Pictures per second."""

MAX_SPEAKERS = 24
MIN_SECONDS, MAX_SECONDS = 1.0, 60.0
MIN_HEIGHT = 120

_TRIALS = ((1, 1, 1), (2, 2, 1), (1, 2, 1), (2, 1, 1), (1, 1, 2), (2, 2, 2), (1, 2, 2), (2, 1, 2))
_NEUTRAL_TRIALS = ((1, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 2))
MAX_CLIPS_PER_EMOTION = len(_NEUTRAL_TRIALS)
"""RAVDESS has no strong neutral, hence no more different names than these."""

_LOOKS, _CAST, _TAKE = range(3)
"""Streams of random numbers, so that no drawing shifts another."""


@dataclass(frozen=True)
class Trial:
    """What one clip shows, in the codes of RAVDESS file names.

    Attributes:
        speaker: number of the actor, from 1.
        emotion: 1 to 8.
        intensity: 1 normal, 2 strong.
        statement: 1 or 2.
        repetition: 1 or 2.
    """

    speaker: int
    emotion: int
    intensity: int
    statement: int
    repetition: int

    @property
    def path(self) -> Path:
        """The file below the corpus folder."""
        fields = (1, 1, self.emotion, self.intensity, self.statement, self.repetition, self.speaker)
        return Path(f"Actor_{self.speaker:02d}", "-".join(f"{field:02d}" for field in fields) + ".mp4")


@dataclass(frozen=True, eq=False)
class Take:
    """One performance before it is drawn.

    Attributes:
        frames: the face at ``FRAME_RATE``.
        utterance: the sound, of the same length.
    """

    frames: tuple[FaceFrame, ...]
    utterance: Utterance


def plan_corpus(speakers: int, clips_per_emotion: int) -> tuple[Trial, ...]:
    """The clips of a corpus, speaker by speaker, emotion by emotion.

    Raises:
        InputError: a number is out of range.
    """
    _check_count("speakers", speakers, MAX_SPEAKERS, "RAVDESS numbers its actors so")
    _check_count("clips_per_emotion", clips_per_emotion, MAX_CLIPS_PER_EMOTION, "RAVDESS has no more neutral trials")
    return tuple(
        Trial(speaker, emotion, *trial)
        for speaker in range(1, speakers + 1)
        for emotion in range(1, len(RAVDESS_EMOTIONS) + 1)
        for trial in (_NEUTRAL_TRIALS if emotion == 1 else _TRIALS)[:clips_per_emotion]
    )


def perform(trial: Trial, *, seed: int = 0, seconds: float = 2.0) -> Take:
    """Voice and face of one clip; depends on the arguments only.

    Raises:
        InputError: ``seconds`` or ``seed`` is out of range.
    """
    n_frames = _count_frames(seconds)
    speaker = cast_speaker(trial.speaker, seed)
    fields = (trial.speaker, trial.emotion, trial.intensity, trial.statement, trial.repetition)
    rng = np.random.default_rng((seed, _TAKE, *fields))
    emotion, intensity = RAVDESS_EMOTIONS.names[trial.emotion - 1], ("normal", "strong")[trial.intensity - 1]
    utterance = speak(speaker, emotion, intensity, trial.statement, n_frames / float(FRAME_RATE), rng)
    times_s = np.arange(n_frames) / float(FRAME_RATE)
    return Take(tuple(act(speaker, emotion, intensity, utterance, times_s, rng)), utterance)


def cast_speaker(number: int, seed: int = 0) -> Speaker:
    """The speaker with this number in the corpus of this seed.

    Raises:
        InputError: ``seed`` is below 0.
    """
    _check_seed(seed)
    return draw_speaker(number, np.random.default_rng((seed, _CAST, number)))


def render_corpus(
    root: Path,
    *,
    speakers: int = 4,
    clips_per_emotion: int = 2,
    seed: int = 0,
    seconds: float = 2.0,
    size: tuple[int, int] = (480, 360),
    on_clip: Callable[[int, int], None] | None = None,
) -> tuple[Path, ...]:
    """Render talking faces with voices that act the eight RAVDESS emotions.

    Args:
        root: folder that gets ``Actor_01/01-01-...-01.mp4`` and so on; made where missing.
        speakers: number of actors.
        clips_per_emotion: clips of each emotion from each actor.
        seed: another seed gives other actors and other performances; the same seed gives the same pictures and sound.
        seconds: length of a clip, rounded to whole pictures.
        size: width and height in pixels.
        on_clip: called after each clip with the number of clips done and of all.

    Returns:
        The files in order of speaker and emotion.

    Raises:
        InputError: an argument is out of range.
    """
    trials = plan_corpus(speakers, clips_per_emotion)
    _check_seed(seed)
    _count_frames(seconds)
    _check_size(size)
    paths: list[Path] = []
    with _one_opencv_thread():
        for speaker in range(1, speakers + 1):
            stage = _Stage(speaker, seed, size)
            for trial in trials:
                if trial.speaker == speaker:
                    paths.append(_shoot(stage, trial, Path(root), seed, seconds))
                    if on_clip is not None:
                        on_clip(len(paths), len(trials))
    return tuple(paths)


class _Stage:
    """One speaker in front of the camera."""

    def __init__(self, speaker: int, seed: int, size: tuple[int, int]) -> None:
        self.size = size
        rng = np.random.default_rng((seed, _LOOKS, speaker))
        looks = cast_speaker(speaker, seed).looks
        backdrop = paint_backdrop(looks, size, rng)
        self._painter = FacePainter(looks, backdrop, UNIT_SHARE * size[1], eyes_at(size), rng)
        self._camera = Camera(size, rng)

    def film(self, take: Take) -> Iterator[Picture]:
        return (self._camera.take(self._painter.paint(frame), number) for number, frame in enumerate(take.frames))


def _shoot(stage: _Stage, trial: Trial, root: Path, seed: int, seconds: float) -> Path:
    """Perform, film and write one clip."""
    path = root / trial.path
    path.parent.mkdir(parents=True, exist_ok=True)
    take = perform(trial, seed=seed, seconds=seconds)
    write_movie(path, stage.film(take), take.utterance.samples, RATE_HZ, FRAME_RATE, stage.size)
    return path


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Many small drawings on several threads spend more time on waiting for each other than on drawing."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _check_count(name: str, value: int, most: int, why: str) -> None:
    if not 1 <= value <= most:
        raise InputError(f"{name}: got {value}, expected 1 to {most} ({why})")


def _count_frames(seconds: float) -> int:
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InputError(f"seconds: got {seconds}, expected {MIN_SECONDS} to {MAX_SECONDS}: a statement needs the time")
    return round(seconds * FRAME_RATE)


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise InputError(f"seed: got {seed}, expected 0 or more")


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if height < MIN_HEIGHT or width < height * 4 / 5 or width % 2 or height % 2:
        raise InputError(
            f"size: got {width} x {height}, expected even numbers of pixels, at least {MIN_HEIGHT} high and not much "
            "narrower than high, such as 480 x 360"
        )
