"""Emotion to a voice-like sound: glottal pulses with a melody, filtered by moving formants, plus breath.

Source-filter synthesis (Fant 1960): Rosenberg's pulse (1971) as the source, a cascade of five second-order resonators
(Klatt 1980) as the vocal tract, with the vowels of Peterson and Barney (1952). How the emotions differ in level and
range of pitch, tempo, loudness and spectral tilt follows the review of Juslin and Laukka (2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from omsn.data.synthetic.speakers import Speaker, Voice
from omsn.types import Floats

RATE_HZ = 48_000
_CONTROL_HZ = 200
"""Steps per second at which pitch, loudness and formants are set."""
_STEP = RATE_HZ // _CONTROL_HZ

_LEAD_S, _TAIL_S = 0.22, 0.18
_SYLLABLE_S = 0.19
_SPEECH_RMS = 0.05
_PEAK = 0.9

Track = NDArray[np.float64]


@dataclass(frozen=True)
class Prosody:
    """How an emotion sounds, relative to the speaker's neutral voice.

    Attributes:
        level_st: pitch in semitones.
        range_st: half the height of an accent's rise in semitones.
        slope_st: rise from the first syllable to the last in semitones.
        tempo: syllables per second.
        level_db: loudness.
        tilt_hz: corner of the source's spectral tilt; low is mellow, high is bright.
        breath: breath noise.
        jitter: random change of pitch in semitones.
    """

    level_st: float
    range_st: float
    slope_st: float
    tempo: float
    level_db: float
    tilt_hz: float
    breath: float
    jitter: float


PROSODY: dict[str, Prosody] = {
    "neutral": Prosody(0.0, 1.0, -1.5, 1.0, 0.0, 1400, 1.0, 0.10),
    "calm": Prosody(-0.7, 0.8, -1.0, 0.84, -4.0, 900, 1.6, 0.08),
    "happy": Prosody(4.5, 3.2, 1.0, 1.08, 4.0, 2400, 0.9, 0.12),
    "sad": Prosody(-1.2, 0.9, -3.0, 0.78, -6.0, 700, 2.4, 0.25),
    "angry": Prosody(4.0, 2.2, -2.5, 1.15, 8.0, 4200, 0.7, 0.35),
    "fearful": Prosody(6.5, 1.2, 0.5, 1.22, 2.0, 1900, 1.8, 0.55),
    "disgust": Prosody(-0.5, 1.8, -4.0, 0.88, -0.5, 1700, 1.3, 0.35),
    "surprised": Prosody(5.5, 2.6, 6.0, 0.98, 3.0, 2200, 1.2, 0.15),
}
"""What sets each emotion's voice apart."""

_STRONG = 1.3

_VOWELS: dict[str, tuple[float, float, float, float, float]] = {
    # F1, F2, F3 in Hz, jaw opening, lip rounding
    "ih": (390, 1990, 2550, 0.45, 0.0),
    "ee": (270, 2290, 3010, 0.3, 0.0),
    "ah": (730, 1090, 2440, 1.0, 0.0),
    "aw": (570, 840, 2410, 0.8, 0.8),
    "uh": (640, 1190, 2390, 0.6, 0.1),
}
_HIGH_FORMANTS_HZ = (3500.0, 4500.0)
_BANDWIDTHS_HZ = (70.0, 100.0, 140.0, 220.0, 300.0)

STATEMENTS: dict[int, tuple[str, ...]] = {
    1: ("ih", "ah", "aw", "ih", "ah", "uh", "aw"),  # Kids are talking by the door
    2: ("aw", "ah", "ih", "ih", "ah", "uh", "aw"),  # Dogs are sitting by the door
}
"""The vowels of the two RAVDESS statements."""

_HISSES = {1: (0, 2), 2: (2, 6)}
"""Syllables of each statement that begin with a noise."""


@dataclass(frozen=True, eq=False)
class Utterance:
    """A spoken statement.

    Attributes:
        samples: (n,) float32 at ``RATE_HZ``.
        f0_hz: (C,) fundamental frequency as designed, at ``times_s``.
        envelope: (C,) loudness of the voice, 0 to 1.
        jaw: (C,) how far the vowel opens the jaw, 0 to 1.
        rounding: (C,) how much the vowel rounds the lips, 0 to 1.
        times_s: (C,) times of the tracks.
    """

    samples: Floats
    f0_hz: Track
    envelope: Track
    jaw: Track
    rounding: Track
    times_s: Track

    def mouth_at(self, times_s: Track) -> tuple[Track, Track]:
        """Opening of the jaw by speech and rounding of the lips, 0 to 1, at these times."""
        opening = self.envelope * self.jaw
        return np.interp(times_s, self.times_s, opening), np.interp(times_s, self.times_s, self.rounding)


def speak(
    speaker: Speaker, emotion: str, intensity: str, statement: int, seconds: float, rng: np.random.Generator
) -> Utterance:
    """A statement spoken with an emotion.

    Args:
        speaker: who speaks.
        emotion: a RAVDESS emotion.
        intensity: "normal" or "strong".
        statement: 1 or 2.
        seconds: length of the sound; the statement fills most of it.
        rng: draws everything that differs from clip to clip.
    """
    prosody = _vary(PROSODY[emotion], _STRONG if intensity == "strong" else 1.0, rng)
    times_s = np.arange(round(seconds * _CONTROL_HZ) + 1) / _CONTROL_HZ
    starts_s, ends_s = _syllables(len(STATEMENTS[statement]), prosody.tempo, seconds, rng)
    vowels = np.array([_VOWELS[name] for name in STATEMENTS[statement]])  # (S, 5)
    tracks = _glide(vowels, (starts_s + ends_s) / 2, times_s)  # (C, 5)
    envelope = _envelope(starts_s, ends_s, times_s, rng)
    f0_hz = speaker.voice.f0_hz * 2 ** (_melody(prosody, starts_s, ends_s, times_s, rng) / 12)
    source = _source(f0_hz, envelope, prosody, speaker.voice, round(seconds * RATE_HZ), rng)
    voiced = _vocal_tract(source, tracks[:, :3] * speaker.voice.formant_scale, speaker.voice.formant_scale)
    samples = _at_level(voiced, envelope, prosody.level_db + speaker.voice.loudness_db)
    samples += _hiss(starts_s[list(_HISSES[statement])], len(samples), rng) * np.sqrt(np.mean(samples**2))
    samples += rng.normal(0, 3e-4, len(samples))  # the room
    samples *= min(1.0, _PEAK / np.abs(samples).max())
    return Utterance(samples.astype(np.float32), f0_hz, envelope, tracks[:, 3], tracks[:, 4], times_s)


def _vary(prosody: Prosody, strength: float, rng: np.random.Generator) -> Prosody:
    """This clip's own prosody: the emotion's, stronger or weaker, with some chance."""
    amount = strength * float(np.clip(rng.normal(0.9, 0.18), 0.5, 1.4))
    neutral = PROSODY["neutral"]

    def mix(name: str, spread: float) -> float:
        rest = getattr(neutral, name)
        return float(rest + amount * (getattr(prosody, name) - rest) + rng.normal(0, spread))

    return Prosody(
        level_st=mix("level_st", 0.8),
        range_st=max(mix("range_st", 0.4), 0.2),
        slope_st=mix("slope_st", 0.8),
        tempo=float(np.clip(mix("tempo", 0.05), 0.65, 1.5)),
        level_db=mix("level_db", 1.2),
        tilt_hz=float(np.clip(mix("tilt_hz", 200), 500, 6000)),
        breath=max(mix("breath", 0.2), 0.2),
        jitter=max(mix("jitter", 0.03), 0.02),
    )


def _syllables(n: int, tempo: float, seconds: float, rng: np.random.Generator) -> tuple[Track, Track]:
    """Starts and ends of the syllables in seconds, (n,) each; the last one is the longest."""
    share = rng.uniform(0.8, 1.2, n) * np.r_[np.ones(n - 1), 1.5]
    room_s = seconds - _LEAD_S - _TAIL_S
    natural_s = max(_SYLLABLE_S, 0.8 * room_s / n) / tempo * share.sum()
    edges = _LEAD_S + rng.uniform(0, 0.05) + np.r_[0, np.cumsum(share)] / share.sum() * min(natural_s, room_s)
    return edges[:-1], edges[1:]


def _glide(targets: NDArray[np.float64], centres_s: Track, times_s: Track) -> NDArray[np.float64]:
    """Tracks that move from target to target, (C, k)."""
    return np.stack([np.interp(times_s, centres_s, column) for column in targets.T], axis=1)


def _envelope(starts_s: Track, ends_s: Track, times_s: Track, rng: np.random.Generator) -> Track:
    """Loudness of the voice: one hump a syllable, 0 to 1, (C,)."""
    within = (times_s[:, None] - starts_s) / (ends_s - starts_s)  # (C, S)
    hump = np.sin(np.pi * np.clip(within, 0, 1)) ** 0.7
    envelope: Track = (hump * rng.uniform(0.7, 1.0, len(starts_s))).max(axis=1)
    return envelope


def _melody(prosody: Prosody, starts_s: Track, ends_s: Track, times_s: Track, rng: np.random.Generator) -> Track:
    """Pitch in semitones above the speaker's median: level, slope, accents and jitter, (C,)."""
    centres_s = (starts_s + ends_s) / 2
    along = np.clip((times_s - starts_s[0]) / (ends_s[-1] - starts_s[0]), 0, 1)
    accents = np.where(np.arange(len(centres_s)) % 2 == 0, 1.0, -1.0) * rng.uniform(0.6, 1.2, len(centres_s))
    accent = prosody.range_st * np.interp(times_s, centres_s, accents)
    jitter = prosody.jitter * rng.normal(0, 1, len(times_s))
    melody: Track = prosody.level_st + prosody.slope_st * (along - 0.5) + accent + jitter
    return melody


def _source(f0_hz: Track, envelope: Track, prosody: Prosody, voice: Voice, n: int, rng: np.random.Generator) -> Track:
    """Flow through the glottis, differentiated, with breath, before the vocal tract, (n,)."""
    at = np.arange(n) / _STEP
    steps = np.arange(len(f0_hz))
    phase = np.cumsum(np.interp(at, steps, f0_hz)) / RATE_HZ % 1
    opening, closing = 0.4, 0.16  # Rosenberg's pulse C
    rising = 0.5 * (1 - np.cos(np.pi * phase / opening))
    falling = np.cos(np.pi / 2 * (phase - opening) / closing)
    pulse = np.where(phase < opening, rising, np.where(phase < opening + closing, falling, 0.0))
    pulse = np.diff(pulse, prepend=0.0)
    pulse /= np.std(pulse)
    noise = rng.normal(0, 1, n) * (0.3 + 0.7 * (phase < opening + closing))
    mellow = sosfilt(butter(1, min(prosody.tilt_hz, 0.45 * RATE_HZ), fs=RATE_HZ, output="sos"), pulse)
    source: Track = (mellow / np.std(mellow) + voice.breath * prosody.breath * noise) * np.interp(at, steps, envelope)
    return source


def _vocal_tract(source: Track, formants_hz: NDArray[np.float64], scale: float) -> Track:
    """The source through five resonators in a row, whose frequencies move every control step, (n,)."""
    high = np.broadcast_to(np.array(_HIGH_FORMANTS_HZ) * scale, (len(formants_hz), 2))
    sections = _resonators(np.concatenate([formants_hz, high], axis=1))  # (C, 5, 6)
    voiced = np.empty_like(source)
    state = np.zeros((sections.shape[1], 2))
    for step, first in enumerate(range(0, len(source), _STEP)):
        block = slice(first, first + _STEP)
        voiced[block], state = sosfilt(sections[step], source[block], zi=state)
    return voiced


def _resonators(frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Klatt's digital resonators (1980, eq. 2) with unit gain at 0 Hz as second-order sections, (C, k) -> (C, k, 6)."""
    radius = np.exp(-np.pi * np.array(_BANDWIDTHS_HZ) / RATE_HZ)
    c = np.broadcast_to(-(radius**2), frequencies_hz.shape)
    b = 2 * radius * np.cos(2 * np.pi * frequencies_hz / RATE_HZ)
    a = 1 - b - c
    zero, one = np.zeros_like(a), np.ones_like(a)
    return np.stack([a, zero, zero, one, -b, -c], axis=-1)


def _at_level(voiced: Track, envelope: Track, level_db: float) -> Track:
    """The voice at its level while it sounds, (n,)."""
    sounding = np.interp(np.arange(len(voiced)) / _STEP, np.arange(len(envelope)), envelope) > 0.1
    rms = np.sqrt(np.mean(voiced[sounding] ** 2))
    levelled: Track = voiced * (_SPEECH_RMS * 10 ** (level_db / 20) / rms)
    return levelled


def _hiss(starts_s: Track, n: int, rng: np.random.Generator) -> Track:
    """Bursts of high noise where a syllable begins with k, t or s, (n,)."""
    times_s = np.arange(n) / RATE_HZ
    bursts = np.exp(-((((times_s[:, None] - starts_s) - 0.01) / 0.018) ** 2)).sum(axis=1)
    band = butter(2, (3000, 9000), "bandpass", fs=RATE_HZ, output="sos")
    hiss: Track = 1.5 * sosfilt(band, rng.normal(0, 1, n)) * bursts
    return hiss
