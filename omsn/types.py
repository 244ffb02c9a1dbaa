"""The seams: validated containers that the stages hand to each other.

Letters used in shapes everywhere:
B clips in a batch, T frames, F feature columns, N steps and D channels of an encoder's matrix,
C channels, H and W height and width of a map, K classes. Masks: True = real data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.labels import LabelSet
from omsn.segments import Segment, overall, segments

Floats = NDArray[np.float32]
Seconds = NDArray[np.float64]
Mask = NDArray[np.bool_]
Modality = Literal["both", "audio", "video"]

N_LANDMARKS = 68
"""Points of the iBUG-68 scheme: 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth."""
SUM_TOLERANCE = 1e-3
"""How far the sum of a window's probabilities may be from 1."""


def _check(name: str, array: NDArray[np.generic], dtype: type[np.generic], shape: Sequence[int | None]) -> None:
    """Raise where an array has another dtype or shape (None = any length) than its container promises."""
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if array.dtype != dtype or not fits:
        want_shape = tuple("any" if want is None else want for want in shape)
        raise InputError(
            f"{name}: got {array.dtype} of shape {array.shape}, expected {np.dtype(dtype)} of shape {want_shape}"
        )


def _check_finite(name: str, array: NDArray[np.generic]) -> None:
    if not np.isfinite(array).all():
        raise InputError(f"{name}: holds NaN or infinity; mark missing frames in the mask and set them to 0")


def _check_rising(name: str, times_s: Seconds) -> None:
    falls = np.flatnonzero(~(np.diff(times_s) > 0))
    if len(falls):
        before, after = times_s[falls[0]], times_s[falls[0] + 1]
        raise InputError(f"{name}: {after} s comes after {before} s; times must rise from frame to frame")


@dataclass(frozen=True, eq=False)
class Sound:
    """One channel of sound.

    Attributes:
        samples: (n,) float32, full scale is 1.0.
        rate_hz: samples per second.
        start_s: time of the first sample on the clip's clock (0 = first picture or first sample).
    """

    samples: Floats
    rate_hz: int
    start_s: float = 0.0

    def __post_init__(self) -> None:
        _check("Sound.samples", self.samples, np.float32, (None,))
        _check_finite("Sound.samples", self.samples)
        if self.rate_hz <= 0:
            raise InputError(f"Sound.rate_hz: got {self.rate_hz}, expected a positive number of samples per second")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
"""Landmarks of the person's own right and left eye, of the 68."""


@dataclass(frozen=True, eq=False)
class LandmarkTrack:
    """The 68 facial landmarks of one face over time.

    Attributes:
        points: (T, 68, 2) float32, x and y in pixels; 0 where ``mask`` is False.
        mask: (T,) True where a face was found.
        times_s: (T,) seconds, rising.
    """

    points: Floats
    mask: Mask
    times_s: Seconds

    def __post_init__(self) -> None:
        _check("LandmarkTrack.points", self.points, np.float32, (None, N_LANDMARKS, 2))
        _check_finite("LandmarkTrack.points", self.points)
        _check("LandmarkTrack.mask", self.mask, np.bool_, (len(self.points),))
        _check("LandmarkTrack.times_s", self.times_s, np.float64, (len(self.points),))
        _check_rising("LandmarkTrack.times_s", self.times_s)

    def __len__(self) -> int:
        return len(self.points)

    def later(self, by_s: float) -> LandmarkTrack:
        """The same at later times."""
        return LandmarkTrack(self.points, self.mask, self.times_s + by_s)

    def between(self, start_s: float, end_s: float | None) -> LandmarkTrack:
        """The frames from ``start_s`` on and before ``end_s`` (None: to the end)."""
        frames = (self.times_s >= start_s) & (self.times_s < (np.inf if end_s is None else end_s))
        return LandmarkTrack(self.points[frames], self.mask[frames], self.times_s[frames])


@dataclass(frozen=True, eq=False)
class Stream:
    """Features of one modality, frame by frame.

    Attributes:
        values: (T, F) float32, finite; 0 where ``mask`` is False.
        mask: (T,) True = real data.
        times_s: (T,) centre of each frame in seconds, rising.
        columns: F names.
    """

    values: Floats
    mask: Mask
    times_s: Seconds
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        _check("Stream.values", self.values, np.float32, (None, len(self.columns)))
        _check_finite("Stream.values", self.values)
        _check("Stream.mask", self.mask, np.bool_, (len(self.values),))
        _check("Stream.times_s", self.times_s, np.float64, (len(self.values),))
        _check_rising("Stream.times_s", self.times_s)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def present(self) -> bool:
        """True when at least one frame is real."""
        return bool(self.mask.any())

    @staticmethod
    def absent(columns: tuple[str, ...]) -> Stream:
        """A missing modality: one frame, masked out."""
        return Stream(np.zeros((1, len(columns)), np.float32), np.zeros(1, np.bool_), np.zeros(1, np.float64), columns)

    def take(self, frames: NDArray[np.integer] | slice) -> Stream:
        """The stream at these frames only."""
        return Stream(self.values[frames], self.mask[frames], self.times_s[frames], self.columns)


@dataclass(frozen=True, eq=False)
class Sample:
    """What a network may know of a clip: features of the sound and of the face. No label inside.

    Attributes:
        clip: its name.
        audio: of the sound.
        video: of the face.
        copies: of the sound at other speeds, to learn from and to be asked about as well.
    """

    clip: str
    audio: Stream
    video: Stream
    copies: tuple[Stream, ...] = ()

    def only(self, modality: Modality) -> Sample:
        """The sample without the modality that is not named; itself for ``both``."""
        if modality == "audio":
            return replace(self, video=Stream.absent(self.video.columns))
        if modality == "video":
            silence = Stream.absent(self.audio.columns)
            return replace(self, audio=silence, copies=(silence,) * len(self.copies))
        return self

    def at_other_speeds(self) -> tuple[tuple[int, Sample], ...]:
        """The number of each speed at which there is a sound, from 0 on, and the sample with that sound.

        None where the sound itself is absent, though a speed's resampling may have left a little of it: the answer to
        a window without sound is that to its face.
        """
        heard = ((number, sound) for number, sound in enumerate(self.copies) if self.audio.present and sound.present)
        return tuple((number, replace(self, audio=sound, copies=())) for number, sound in heard)


@dataclass(frozen=True)
class Clip:
    """One row of a manifest: where a sample's files are and what is known of it.

    Paths are absolute, or relative to the folder of the manifest. ``landmarks`` may name an entry of an
    archive as ``file.npz#entry``. ``start_s`` and ``end_s`` cut a part out of longer files.
    Unknown facts are empty strings.
    """

    clip: str
    speaker: str
    emotion: str
    audio: str = ""
    video: str = ""
    landmarks: str = ""
    intensity: str = ""
    statement: str = ""
    repetition: str = ""
    sex: str = ""
    corpus: str = ""
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True, eq=False)
class LabelledSample:
    """A sample and the manifest row that tells its emotion and speaker; for training and scoring only."""

    sample: Sample
    clip: Clip


@dataclass(frozen=True, eq=False)
class FacePath:
    """Where a face is, a few times a second.

    Attributes:
        times_s: (n,) seconds, rising.
        xyxy: (n, 4) float32, left, top, right and bottom of its landmarks in pixels of the upright picture.
    """

    times_s: Seconds
    xyxy: Floats

    def __post_init__(self) -> None:
        _check("FacePath.times_s", self.times_s, np.float64, (None,))
        _check_rising("FacePath.times_s", self.times_s)
        _check("FacePath.xyxy", self.xyxy, np.float32, (len(self.times_s), 4))
        _check_finite("FacePath.xyxy", self.xyxy)

    def mean_box(self) -> tuple[float, float, float, float] | None:
        """Means of left, top, right and bottom in pixels, to a tenth of one; None where there are no places."""
        if not len(self.times_s):
            return None
        left, top, right, bottom = (round(float(side), 1) for side in self.xyxy.mean(axis=0, dtype=np.float64))
        return left, top, right, bottom


@dataclass(frozen=True)
class Window:
    """One answer: a stretch of time of one face; refused with an InputError where it breaks what is said here.

    Attributes:
        start_s: start in seconds.
        end_s: end in seconds, not before the start.
        probabilities: one for each label, 0 to 1, in label order; they sum to 1.
        modalities: which of "audio" and "video" were present.
        track: number of the face, 0 for the main or only one of its first window; it stays the same through the file.
        speaking: this is the face that speaks, as far as can be told; only where there are several.
        path: where the face is; None where there is no face. Not compared.
    """

    start_s: float
    end_s: float
    probabilities: tuple[float, ...]
    modalities: tuple[str, ...]
    track: int = 0
    speaking: bool = False
    path: FacePath | None = field(default=None, compare=False, repr=False)

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Mean left, top, right and bottom of the face's landmarks in pixels; None where there is no face."""
        return None if self.path is None else self.path.mean_box()

    def __post_init__(self) -> None:
        if not 0 <= self.end_s - self.start_s < math.inf:  # also False where a time is NaN or infinite
            raise InputError(
                f"Window: got {self.start_s} s to {self.end_s} s, expected a finite start, not after the end"
            )
        total = sum(self.probabilities)
        # Written so that NaN, which compares as False, is refused too.
        if not (all(0 <= one <= 1 for one in self.probabilities) and abs(total - 1) <= SUM_TOLERANCE):
            raise InputError(
                f"Window.probabilities: got {self.probabilities} with sum {total:.6g}, "
                f"expected numbers from 0 to 1 that sum to 1 within {SUM_TOLERANCE}"
            )


@dataclass(frozen=True)
class Prediction:
    """The answers for one file.

    Attributes:
        source: the file as the user named it.
        labels: the label set that orders each window's probabilities.
        windows: answers in order of time.
        made_by: version, checkpoint and settings, as text by name; empty where nobody told. Not compared.
        broke_off: why the windows end before the file does; empty where they go to its end.
    """

    source: str
    labels: LabelSet
    windows: tuple[Window, ...] = field(default=())
    made_by: Mapping[str, str] = field(default_factory=dict, compare=False)
    broke_off: str = ""

    @property
    def end_s(self) -> float:
        """Where the last window ends, in seconds; 0 where there is none."""
        return max((window.end_s for window in self.windows), default=0.0)

    def emotion(self, window: int | None = None) -> str:
        """The most probable label of the whole file, or of one window.

        That of the file has the highest mean probability over the time of one face: the one that is there for longest,
        of equals the one with the lowest number. ``segments`` tells when it changes.

        Args:
            window: number of the window, or from the end where negative; None is the whole file.

        Raises:
            InputError: there is no such window, or none at all.
        """
        if not self.windows or (window is not None and not -len(self.windows) <= window < len(self.windows)):
            asked = "" if window is None else f" {window}"
            raise InputError(f"{self.source}: no window{asked}; it has {len(self.windows)}")
        probabilities = overall(self.windows) if window is None else self.windows[window].probabilities
        return self.labels.names[max(range(len(probabilities)), key=probabilities.__getitem__)]

    def segments(self) -> tuple[Segment, ...]:
        """The answers as one at a time for each face, by start and face.

        Windows that share a moment are averaged, and neighbours of one emotion joined; see ``omsn.segments``.
        """
        return segments(self.windows, self.labels.names)
