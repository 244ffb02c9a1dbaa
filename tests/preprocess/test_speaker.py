from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from omsn.media.landmark_file import read_landmarks
from omsn.media.sound import read_sound
from omsn.preprocess.speaker import amplitude, mouth_speed, speaking_face, speaking_score
from omsn.types import Floats, LandmarkTrack, Seconds, Sound

RATE_HZ = 16000


def syllables(seconds: float = 4.0, per_s: float = 3.0, late_s: float = 0.0) -> Sound:
    """A tone that comes and goes."""
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    loud = np.clip(np.sin(2 * np.pi * per_s / 2 * (times_s - late_s)), 0, 1) * (times_s > 1)
    return Sound((0.3 * loud * np.sin(2 * np.pi * 200 * times_s)).astype(np.float32), RATE_HZ)


def face(opening: Floats, scale: float = 1.0) -> LandmarkTrack:
    """A face whose inner lips are as far apart as told, in distances of the eyes."""
    points = np.zeros((len(opening), 68, 2), np.float32)
    points[:, 42:48, 0] = 60.0
    points[:, 65:68, 1] = 60.0 * np.asarray(opening)[:, None]
    return LandmarkTrack(points * np.float32(scale), np.ones(len(points), np.bool_), np.arange(len(points)) / 30)


def talking(n_frames: int = 120, ahead_s: float = 0.0) -> LandmarkTrack:
    """A mouth that opens and closes while ``syllables`` sound."""
    times_s: Seconds = np.arange(n_frames) / 30
    loud = np.clip(np.sin(2 * np.pi * 1.5 * (times_s + ahead_s)), 0, 1) * (times_s + ahead_s > 1)
    return face((0.2 * loud * np.cumsum(np.tile([1, -1], n_frames))[:n_frames]).astype(np.float32))


def still(n_frames: int = 120, jitter: float = 0.002) -> LandmarkTrack:
    return face(np.random.default_rng(0).normal(0.1, jitter, n_frames).astype(np.float32))


def test_nobody_and_silence() -> None:
    assert speaking_face([], syllables()) is None
    assert speaking_face([talking()], Sound(np.zeros(64000, np.float32), RATE_HZ)) is None
    assert speaking_face([talking(3)], syllables()) is None
    empty = LandmarkTrack(np.zeros((0, 68, 2), np.float32), np.zeros(0, np.bool_), np.zeros(0))
    assert speaking_score(empty, syllables()) == 0


@pytest.mark.parametrize("ahead_s", [0.0, 0.1, 0.2])
def test_the_mouth_that_moves_with_the_sound_speaks(ahead_s: float) -> None:
    assert speaking_face([still(), talking(ahead_s=ahead_s)], syllables()) == 1
    assert speaking_face([talking(ahead_s=ahead_s), still()], syllables()) == 0


def test_a_mouth_that_only_moves_in_the_pauses_does_not() -> None:
    chewing = face(np.where(np.arange(120) < 30, 0.1 * (np.arange(120) % 2), 0).astype(np.float32))
    assert speaking_face([chewing], syllables()) is None


def test_how_large_a_face_is_does_not_matter() -> None:
    small, large = face(np.linspace(0, 0.3, 60, dtype=np.float32)), face(np.linspace(0, 0.3, 60, dtype=np.float32), 5.0)
    np.testing.assert_allclose(mouth_speed(small)[1], mouth_speed(large)[1], rtol=1e-4)
    assert mouth_speed(small)[1] == pytest.approx(0.3 / 59 * 30, rel=1e-3)


def test_amplitude_by_hand() -> None:
    sound = Sound(np.repeat(np.array([0.0, 0.5], np.float32), RATE_HZ), RATE_HZ, start_s=1.0)
    np.testing.assert_allclose(
        amplitude(sound, np.array([0.0, 1.5, 2.0, 2.5, 9.0])), [0, 0, 0.5**1.5, 0.5, 0], atol=1e-3
    )


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")
def test_real_speakers_beside_a_still_face() -> None:
    root, found = Path(os.environ["OMSN_DATA"], "ravdess"), []
    quiet = read_landmarks(f"{root}/landmarks/Actor_02.npz#02-01-01-01-01-01-02", Fraction(30000, 1001))
    still_points = np.tile(np.concatenate([quiet.points[:12], quiet.points[11::-1]]), (10, 1, 1))
    for code in range(2, 9):
        trial = f"{code:02d}-01-01-01-05"
        speaker = read_landmarks(f"{root}/landmarks/Actor_05.npz#02-01-{trial}", Fraction(30000, 1001))
        other = LandmarkTrack(still_points[: len(speaker)], np.ones(len(speaker), np.bool_), speaker.times_s)
        found.append(speaking_face([other, speaker], read_sound(f"{root}/audio/Actor_05/03-01-{trial}.flac", RATE_HZ)))
    assert found == [1] * 7
