"""File to Sample: sound, speech, faces and their features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from omsn.config.ranges import Checked, bounded
from omsn.errors import ConfigError


@dataclass(frozen=True)
class NoiseGate(Checked):
    """Spectral noise gate (paper 2.2)."""

    enabled: bool = False
    """Gate the sound before features are taken from it."""
    threshold: float = bounded(0.1, 0.0, 1.0)
    """The paper's denoising threshold: the gain left on a time-frequency cell judged to be noise (1 = off)."""
    n_std: float = bounded(1.5, 0.0, 10.0)
    """A cell passes when it is this many standard deviations above the noise floor's mean, in dB."""


@dataclass(frozen=True)
class Speech(Checked):
    """Speech regions (paper 2.2)."""

    trim: bool = True
    """Leave out the silence before and after speech."""
    method: Literal["level", "silero"] = "level"
    """Find speech by its level, or by Silero's network, which tells voices from other sounds (needs silero-vad)."""
    range_db: float = bounded(40.0, 10.0, 100.0)
    """Sound this far below the loudest moment still counts as speech."""
    margin_s: float = bounded(0.1, 0.0, 2.0)
    """Kept before and after speech, in seconds."""


@dataclass(frozen=True)
class AudioFeatures(Checked):
    """Frame features of the sound (paper 2.3)."""

    rate_hz: int = bounded(16000, 8000, 48000)
    """The sound is resampled to this rate, once."""
    window_s: float = bounded(0.032, 0.02, 0.064)
    """Length of an analysis frame in seconds."""
    hop_s: float = bounded(0.02, 0.005, 0.05)
    """Distance between frames in seconds."""
    frames_per_row: int = bounded(1, 1, 16)
    """Neighbouring frames averaged into one row of features, for speed."""
    n_mels: int = bounded(40, 10, 128)
    """Bands of the mel filter bank."""
    n_mfcc: int = bounded(20, 5, 40)
    """Mel-frequency cepstral coefficients; their deltas double this."""
    pitch_low_hz: float = bounded(65.0, 30.0, 200.0)
    """Lowest fundamental frequency that YIN looks for."""
    pitch_high_hz: float = bounded(600.0, 200.0, 2000.0)
    """Highest fundamental frequency that YIN looks for."""
    speeds: tuple[float, ...] = ()
    """Sound is described once more at each of these speeds: to learn from, as of other people (Ko et al. 2015), and to
    be asked about as well, answers averaged."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_mfcc > self.n_mels:
            raise ConfigError(f"AudioFeatures.n_mfcc: got {self.n_mfcc}, expected at most n_mels = {self.n_mels}")
        steps = [round(more - less, 6) for less, more in pairwise(sorted((1.0, *self.speeds)))]
        if not (all(step >= 0.01 for step in steps) and all(0.5 <= speed <= 2 for speed in self.speeds)):
            raise ConfigError(
                f"AudioFeatures.speeds: got {list(self.speeds)}, expected speeds from 0.5 to 2, not 1, 0.01 apart, "
                "such as [0.92, 1.08]"
            )


@dataclass(frozen=True)
class VideoFeatures(Checked):
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
class Faces(Checked):
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
    speech: Speech = Speech()
    audio: AudioFeatures = AudioFeatures()
    video: VideoFeatures = VideoFeatures()
    faces: Faces = Faces()

    @property
    def at_one_speed(self) -> PipelineConfig:
        """The settings without other speeds of the sound: equal ones describe sound and face alike."""
        return replace(self, audio=replace(self.audio, speeds=()))
