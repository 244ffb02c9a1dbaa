"""The people of the synthetic corpus: how each looks, sounds and holds the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[float, float, float]

_PALE, _DARK = np.array((238.0, 203.0, 180.0)), np.array((112.0, 74.0, 54.0))
_HAIR = ((42, 32, 28), (92, 62, 40), (150, 112, 66), (24, 22, 24), (120, 58, 34), (128, 122, 118))
_IRIS = ((92, 62, 38), (84, 112, 128), (96, 112, 70), (66, 46, 32), (120, 92, 52))
_SHIRTS = ((62, 78, 104), (96, 58, 62), (70, 92, 74), (88, 84, 80), (108, 96, 66))
_BACKDROPS = ((188, 192, 196), (204, 196, 182), (176, 190, 182), (196, 184, 192))


@dataclass(frozen=True)
class Looks:
    """Shape and colours of a face.

    Lengths are multiples of the average adult's; colours are RGB, 0 to 255.
    """

    face_width: float
    jaw_width: float
    face_length: float
    eye_size: float
    nose_width: float
    mouth_width: float
    lip_fullness: float
    brow_thickness: float
    brow_rest: float
    corner_rest: float
    long_hair: bool
    stubble: float
    skin: Rgb
    hair: Rgb
    iris: Rgb
    shirt: Rgb
    backdrop: Rgb
    light_x: float


@dataclass(frozen=True)
class Voice:
    """What stays the same in a voice.

    Attributes:
        f0_hz: median fundamental frequency of neutral speech.
        formant_scale: formant frequencies relative to the men of Peterson and Barney (1952).
        loudness_db: level of neutral speech relative to the corpus.
        breath: share of breath noise in the voice source, 0 to 1.
    """

    f0_hz: float
    formant_scale: float
    loudness_db: float
    breath: float


@dataclass(frozen=True)
class Speaker:
    """One actor.

    Attributes:
        number: RAVDESS actor number: odd numbers are male, even ones female.
        looks: the face.
        voice: the voice.
        sway: size of the head's idle movement relative to the average.
        liveliness: size of the expressions relative to the average.
    """

    number: int
    looks: Looks
    voice: Voice
    sway: float
    liveliness: float


def draw_speaker(number: int, rng: np.random.Generator) -> Speaker:
    """A speaker drawn at random, with the sex that RAVDESS gives to this actor number."""
    female = number % 2 == 0
    voice = Voice(
        f0_hz=rng.uniform(180, 225) if female else rng.uniform(95, 135),
        formant_scale=rng.uniform(1.12, 1.2) if female else rng.uniform(0.96, 1.04),
        loudness_db=rng.uniform(-3, 3),
        breath=rng.uniform(0.05, 0.12) if female else rng.uniform(0.02, 0.07),
    )
    return Speaker(number, _draw_looks(female, rng), voice, rng.uniform(0.6, 1.4), rng.uniform(0.85, 1.15))


def _draw_looks(female: bool, rng: np.random.Generator) -> Looks:
    depth = rng.uniform(0, 1)
    skin = _PALE + depth * (_DARK - _PALE)
    return Looks(
        face_width=rng.uniform(0.94, 1.06),
        jaw_width=rng.uniform(0.86, 0.97) if female else rng.uniform(0.96, 1.08),
        face_length=rng.uniform(0.96, 1.05),
        eye_size=rng.uniform(1.0, 1.14) if female else rng.uniform(0.92, 1.06),
        nose_width=rng.uniform(0.85, 1.0) if female else rng.uniform(0.95, 1.15),
        mouth_width=rng.uniform(0.92, 1.08),
        lip_fullness=rng.uniform(0.95, 1.3) if female else rng.uniform(0.75, 1.1),
        brow_thickness=rng.uniform(0.6, 0.9) if female else rng.uniform(0.95, 1.3),
        brow_rest=rng.uniform(-0.1, 0.1),
        corner_rest=rng.uniform(-0.12, 0.12),
        long_hair=female,
        stubble=0.0 if female else rng.uniform(0.0, 0.16),
        skin=_colour(skin),
        hair=_pick(_HAIR if depth < 0.5 else _HAIR[:1] + _HAIR[3:4], rng),
        iris=_pick(_IRIS if depth < 0.5 else _IRIS[:1] + _IRIS[3:4], rng),
        shirt=_pick(_SHIRTS, rng),
        backdrop=_pick(_BACKDROPS, rng),
        light_x=rng.uniform(-0.5, 0.5),
    )


def _pick(palette: tuple[tuple[int, int, int], ...], rng: np.random.Generator) -> Rgb:
    return _colour(np.array(palette[rng.integers(len(palette))]) + rng.uniform(-8, 8))


def _colour(rgb: NDArray[np.float64]) -> Rgb:
    red, green, blue = np.clip(rgb, 0, 255).tolist()
    return red, green, blue
