"""Emotion to face parameters over time: near rest, onset, apex, with blinks and idle movement.

The targets follow the action units that Ekman and Friesen's EMFACS and the RAVDESS actors agree on
(for instance AU 6 + 12 for happy, 1 + 4 + 15 for sad, 9 + 10 for disgust, 1 + 2 + 5 + 26 for surprised).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omsn.data.synthetic.face import FaceFrame
from omsn.data.synthetic.speakers import Speaker
from omsn.data.synthetic.voice import Utterance
from omsn.labels import RAVDESS_EMOTIONS

Motion = NDArray[np.float64]

TARGETS: dict[str, dict[str, float]] = {
    "neutral": {},
    "calm": {"corner_up": 0.3, "eye_open": -0.16, "brow_inner": 0.08, "cheek_raise": 0.12},
    "happy": {
        "corner_up": 1.0,
        "mouth_wide": 0.6,
        "cheek_raise": 0.8,
        "eye_open": -0.15,
        "mouth_open": 0.2,
        "lip_raise": 0.25,
    },
    "sad": {
        "brow_inner": 0.8,
        "brow_outer": -0.25,
        "furrow": 0.4,
        "corner_up": -0.7,
        "eye_open": -0.35,
        "pitch": 0.1,
        "gaze_y": 0.4,
    },
    "angry": {
        "brow_inner": -0.75,
        "brow_outer": -0.1,
        "furrow": 1.0,
        "corner_up": -0.35,
        "lip_press": 0.7,
        "pitch": 0.05,
        "nose_wrinkle": 0.3,
    },
    "fearful": {
        "brow_inner": 0.85,
        "brow_outer": 0.4,
        "furrow": 0.5,
        "eye_open": 0.35,
        "mouth_open": 0.3,
        "mouth_wide": 0.5,
        "corner_up": -0.3,
        "pitch": -0.06,
    },
    "disgust": {
        "brow_inner": -0.45,
        "brow_outer": -0.25,
        "furrow": 0.4,
        "nose_wrinkle": 1.0,
        "lip_raise": 0.9,
        "eye_open": -0.4,
        "corner_up": -0.35,
        "cheek_raise": 0.4,
        "yaw": 0.12,
    },
    "surprised": {
        "brow_inner": 0.9,
        "brow_outer": 1.0,
        "eye_open": 0.45,
        "mouth_open": 0.6,
        "mouth_wide": -0.15,
        "pitch": -0.05,
    },
}
"""Full expression of each emotion as differences from ``FaceFrame()``; parameters not named stay at rest."""

LIVELINESS: dict[str, float] = dict(zip(RAVDESS_EMOTIONS.names, (0.6, 0.5, 1.5, 0.6, 1.6, 1.3, 1.0, 1.3), strict=True))
"""Size of the head's idle movement in each emotion relative to the speaker's own."""

_SHARE = {"normal": 0.72, "strong": 1.0}
_NAMES = FaceFrame._fields
_REST = np.array(FaceFrame())
_EXPRESSIVE = np.array([not name.startswith(("yaw", "pitch", "roll", "shift", "gaze")) for name in _NAMES])


def act(
    speaker: Speaker,
    emotion: str,
    intensity: str,
    utterance: Utterance,
    times_s: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[FaceFrame]:
    """The face of a speaker while speaking with an emotion, one frame for each time.

    The clip begins near rest; the expression sets in over a few tenths of a second, at its own size, tinted by a
    second emotion and by noise. The jaw follows the voice.

    Args:
        speaker: who acts.
        emotion: a RAVDESS emotion.
        intensity: "normal" or "strong".
        utterance: what is being said.
        times_s: (T,) times of the frames.
        rng: draws everything that differs from clip to clip.
    """
    goal = _target(emotion)
    other = _target(str(rng.choice(RAVDESS_EMOTIONS.names)))
    size = _SHARE[intensity] * speaker.liveliness * float(np.clip(rng.normal(1, 0.15), 0.6, 1.4))
    peak = size * (goal + rng.uniform(0, 0.2) * other) + rng.normal(0, 0.08, len(_REST)) * _EXPRESSIVE
    motion = _REST + _course(times_s, rng)[:, None] * peak + _flutter(times_s, rng) * _EXPRESSIVE  # (T, P)
    motion += _idle(times_s, speaker.sway * LIVELINESS[emotion], rng)
    _speak(motion, utterance, times_s)
    _blink(motion, times_s, rng)
    return [FaceFrame(*row) for row in motion.tolist()]


def _target(emotion: str) -> Motion:
    return np.array([TARGETS[emotion].get(name, 0.0) for name in _NAMES])


def _course(times_s: NDArray[np.float64], rng: np.random.Generator) -> Motion:
    """How much of the expression shows, 0 to 1: a logistic onset and a slow partial release, (T,)."""
    length_s = float(times_s[-1])
    onset_s = rng.uniform(0.15, 0.32) * length_s
    rise = 1 / (1 + np.exp(-(times_s - onset_s) / (0.035 * length_s)))
    release = 1 - rng.uniform(0.0, 0.4) * np.clip((times_s / length_s - 0.75) / 0.25, 0, 1)
    course: Motion = rise * release
    return course


def _waves(times_s: NDArray[np.float64], slowest_hz: float, n: int, rng: np.random.Generator) -> Motion:
    """``n`` smooth random signals of about unit size, (T, n)."""
    speeds = slowest_hz * np.array([1.0, 1.7, 2.9])[:, None] * rng.uniform(0.8, 1.2, (3, n))
    phases = rng.uniform(0, 2 * np.pi, (3, n))
    weights = np.array([0.8, 0.5, 0.3])[:, None]
    waves: Motion = (weights * np.sin(2 * np.pi * speeds * times_s[:, None, None] + phases)).sum(axis=1)
    return waves


def _flutter(times_s: NDArray[np.float64], rng: np.random.Generator) -> Motion:
    return 0.04 * _waves(times_s, 0.8, len(_REST), rng)


def _idle(times_s: NDArray[np.float64], size: float, rng: np.random.Generator) -> Motion:
    """Slow turning and swaying of the head, (T, P)."""
    idle = np.zeros((len(times_s), len(_REST)))
    reach = {"yaw": 0.06, "pitch": 0.04, "roll": 0.03, "shift_x": 0.06, "shift_y": 0.03, "gaze_x": 0.12}
    for name, wave in zip(reach, _waves(times_s, 0.35, len(reach), rng).T, strict=True):
        idle[:, _NAMES.index(name)] = size * reach[name] * wave
    return idle


def _speak(motion: Motion, utterance: Utterance, times_s: NDArray[np.float64]) -> None:
    """Open the jaw with the voice and let rounded vowels narrow the mouth, in place."""
    jaw, rounding = utterance.mouth_at(times_s)
    motion[:, _NAMES.index("mouth_open")] = np.clip(
        motion[:, _NAMES.index("mouth_open")] * (1 - 0.3 * jaw) + 0.5 * jaw, 0, 1
    )
    motion[:, _NAMES.index("mouth_wide")] -= 0.5 * jaw * rounding
    motion[:, _NAMES.index("lip_press")] *= 1 - np.clip(1.5 * jaw, 0, 1)


def _blink(motion: Motion, times_s: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Shut the eyes for a moment now and then, in place."""
    lids = _NAMES.index("eye_open")
    motion[:, lids] = np.clip(motion[:, lids], 0.25, 1.55)
    blink_s = rng.uniform(0.1, 2.0)
    while blink_s < times_s[-1]:
        motion[:, lids] *= 1 - np.exp(-(((times_s - blink_s) / 0.06) ** 2))
        blink_s += rng.uniform(1.5, 4.0)
