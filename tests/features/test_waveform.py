import librosa
import numpy as np
import pytest

from omsn.features.waveform import (
    centred_frames,
    decibels,
    envelope_db,
    mean_crossing_rate,
    rms_db,
    zero_crossing_rate,
)
from omsn.types import Floats

LENGTH, HOP = 512, 320


def test_frames_of_silence_are_at_the_floor() -> None:
    frames = np.zeros((3, LENGTH), np.float32)
    assert rms_db(frames).tolist() == envelope_db(frames).tolist() == [-100.0] * 3
    assert zero_crossing_rate(frames).tolist() == mean_crossing_rate(frames).tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (4, [[0, 0, 1, 2], [2, 3, 4, 5], [5, 6, 7, 0]]),
        (3, [[0, 1, 2], [3, 4, 5], [6, 7, 0]]),
        (1, [[1], [4], [7]]),
    ],
)
def test_frames_are_centred_on_multiples_of_the_hop(length: int, expected: list[list[float]]) -> None:
    samples = np.arange(1, 8, dtype=np.float32)
    assert centred_frames(samples, length, hop=3).tolist() == expected


def test_frames_of_an_empty_wave_are_one_of_silence() -> None:
    assert centred_frames(np.zeros(0, np.float32), 4, 3).tolist() == [[0.0] * 4]


def test_decibels_of_known_powers() -> None:
    powers = np.array([1, 0.1, 1e-10, 1e-20, 0], np.float32)
    np.testing.assert_allclose(decibels(powers), [0, -10, -100, -100, -100], atol=1e-4)


def test_rms_is_librosas(sound_samples: Floats) -> None:
    reference = librosa.feature.rms(y=sound_samples, frame_length=LENGTH, hop_length=HOP)[0]
    level = rms_db(centred_frames(sound_samples, LENGTH, HOP))
    np.testing.assert_allclose(level, 20 * np.log10(reference), atol=1e-3)


def test_zero_crossing_rate_is_librosas(sound_samples: Floats) -> None:
    reference = librosa.feature.zero_crossing_rate(sound_samples, frame_length=LENGTH, hop_length=HOP)[0]
    rate = zero_crossing_rate(centred_frames(sound_samples, LENGTH, HOP))
    np.testing.assert_array_equal(rate[1:-1], reference[1:-1].astype(np.float32))  # librosa repeats the end samples


def test_full_scale_square_wave_is_at_0_db() -> None:
    square = np.tile(np.repeat(np.array([1, -1], np.float32), 8), 64)[None]
    assert rms_db(square) == envelope_db(square) == 0.0
    assert zero_crossing_rate(square) == pytest.approx(127 / 1024)


def test_envelope_counts_negative_peaks() -> None:
    frames = np.zeros((1, LENGTH), np.float32)
    frames[0, 7] = -0.1
    assert envelope_db(frames)[0] == pytest.approx(-20.0, abs=1e-4)


def test_an_offset_hides_zero_crossings_but_not_mean_crossings() -> None:
    wave = 0.1 * np.sin(2 * np.pi * 4 * (np.arange(LENGTH) + 0.5) / LENGTH)[None].astype(np.float32)
    raised = wave + np.float32(0.3)
    assert zero_crossing_rate(wave) == mean_crossing_rate(wave) == pytest.approx(7 / LENGTH)
    assert zero_crossing_rate(raised) == 0
    assert mean_crossing_rate(raised) == pytest.approx(7 / LENGTH)
