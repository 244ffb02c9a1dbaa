"""Settings: one frozen dataclass a stage, grouped as the three maps are: pipeline, network, training.

Every field has a default, a unit and a line that says what it does. A recipe (``omsn/recipes``) holds only
the differences from these defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal

from omsn.errors import ConfigError


def tunable(default: float, low: float, high: float, *, log: bool = False) -> Any:
    """A field that a search may vary between ``low`` and ``high``; the range is checked as any setting is."""
    return field(default=default, metadata={"low": low, "high": high, "log": log})


def bounded(default: float, low: float, high: float) -> Any:
    """A field that must lie in [low, high]; no search varies it."""
    return field(default=default, metadata={"low": low, "high": high, "fixed": True})


def check_ranges(section: object) -> None:
    """Check each field of a settings dataclass against the range it declares.

    Raises:
        ConfigError: some fields are out of range; all are listed.
    """
    problems = []
    for spec in fields(section):  # type: ignore[arg-type]
        value, low, high = getattr(section, spec.name), spec.metadata.get("low"), spec.metadata.get("high")
        if low is not None and high is not None and not low <= value <= high:
            problems.append(f"{type(section).__name__}.{spec.name}: got {value}, expected {low} to {high}")
    if problems:
        raise ConfigError("; ".join(problems))


class _Checked:
    """Base of all settings sections: ranges are checked on creation."""

    def __post_init__(self) -> None:
        check_ranges(self)


# ---------------------------------------------------------------- pipeline: file -> Sample


@dataclass(frozen=True)
class NoiseGate(_Checked):
    """Spectral noise gate (paper 2.2)."""

    enabled: bool = False
    """Gate the sound before features are taken from it."""
    threshold: float = bounded(0.1, 0.0, 1.0)
    """The paper's denoising threshold: the gain left on a time-frequency cell judged to be noise (1 = off)."""
    n_std: float = bounded(1.5, 0.0, 10.0)
    """A cell passes when it is this many standard deviations above the noise floor's mean, in dB."""


@dataclass(frozen=True)
class AudioFeatures(_Checked):
    """Frame features of the sound (paper 2.3)."""

    rate_hz: int = bounded(16000, 8000, 48000)
    """The sound is resampled to this rate, once."""
    window_s: float = bounded(0.032, 0.02, 0.064)
    """Length of an analysis frame in seconds."""
    hop_s: float = bounded(0.02, 0.005, 0.05)
    """Distance between frames in seconds."""
    n_mels: int = bounded(40, 10, 128)
    """Bands of the mel filter bank."""
    n_mfcc: int = bounded(20, 5, 40)
    """Mel-frequency cepstral coefficients; their deltas double this."""
    pitch_low_hz: float = bounded(65.0, 30.0, 200.0)
    """Lowest fundamental frequency that YIN looks for."""
    pitch_high_hz: float = bounded(600.0, 200.0, 2000.0)
    """Highest fundamental frequency that YIN looks for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_mfcc > self.n_mels:
            raise ConfigError(f"AudioFeatures.n_mfcc: got {self.n_mfcc}, expected at most n_mels = {self.n_mels}")


@dataclass(frozen=True)
class VideoFeatures(_Checked):
    """Frame features of the face (paper 2.3)."""

    geometry: bool = True
    """Landmark positions, displacement, velocity, distances and angles (ours)."""
    hog: bool = False
    """Histograms of oriented gradients of the aligned grey face crop (the paper's); needs the picture."""
    rate_hz: float = bounded(15.0, 5.0, 60.0)
    """Frames per second that the features are brought to."""
    landmark_rate: str = "30000/1001"
    """Frames per second of landmark files, as a fraction."""
    keyframes: int = bounded(0, 0, 1000)
    """Frames to keep, picked by how far the face has moved from those already picked; 0 keeps all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            rate = Fraction(self.landmark_rate)
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if rate <= 0:
            raise ConfigError(
                f"VideoFeatures.landmark_rate: got {self.landmark_rate!r}, expected a fraction such as '30000/1001'"
            )
        if not (self.geometry or self.hog):
            raise ConfigError("VideoFeatures: geometry and hog are both off; turn one on")


@dataclass(frozen=True)
class Faces(_Checked):
    """Face detection and landmarks in pictures (paper 2.2)."""

    min_score: float = bounded(0.5, 0.0, 1.0)
    """Detections below this score are dropped."""
    min_presence: float = bounded(0.5, 0.0, 1.0)
    """Face meshes below this presence score are dropped."""
    bilateral: bool = False
    """Smooth the face crop with a bilateral filter before landmarks and HOG (the paper's denoising of pictures)."""


@dataclass(frozen=True)
class PipelineConfig:
    """File to Sample: everything that decides what is in a feature cache."""

    noise_gate: NoiseGate = NoiseGate()
    audio: AudioFeatures = AudioFeatures()
    video: VideoFeatures = VideoFeatures()
    faces: Faces = Faces()
