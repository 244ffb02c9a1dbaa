import librosa
import numpy as np
import pytest

from omsn.features.pitch import Lags, best_lag, normalised_difference, octave_steps, octaves, pitch
from omsn.features.waveform import centred_frames
from omsn.types import Floats

RATE_HZ, HOP = 16000, 320
LAGS = Lags.of(RATE_HZ, low_hz=65, high_hz=600)
CENT = 1 / 1200


def pitch_of(samples: Floats) -> tuple[Floats, Floats]:
    return pitch(centred_frames(samples, LAGS.frame_length, HOP), RATE_HZ, LAGS)


def test_silence_has_no_pitch() -> None:
    f0_hz, voicing = pitch_of(np.zeros(RATE_HZ, np.float32))
    assert not f0_hz.any()
    assert not voicing.any()


def test_a_constant_has_no_pitch() -> None:
    f0_hz, voicing = pitch(np.full((2, LAGS.frame_length), 0.7, np.float32), RATE_HZ, LAGS)
    assert not f0_hz.any()
    assert not voicing.any()


def test_lags_cover_the_range() -> None:
    assert (LAGS.shortest, LAGS.longest) == (26, 247)
    assert LAGS.frame_length == 3 * 247 + 1


@pytest.mark.parametrize("rate_hz", [8000, 48000])
def test_range_of_one_pitch(rate_hz: int) -> None:
    lags = Lags.of(rate_hz, low_hz=200, high_hz=200)
    wave = np.sin(2 * np.pi * 200 * np.arange(lags.frame_length) / rate_hz).astype(np.float32)
    f0_hz, voicing = pitch(wave[None], rate_hz, lags)
    assert f0_hz[0] == pytest.approx(200, abs=0.1)
    assert voicing[0] > 0.999


def test_normalised_difference_is_the_sum_of_equation_1_over_its_mean(voice_samples: Floats) -> None:
    frame = centred_frames(voice_samples, LAGS.frame_length, HOP)[25]
    wide = frame.astype(np.float64)
    window = LAGS.window
    brute = np.array([np.sum((wide[:window] - wide[lag : lag + window]) ** 2) for lag in range(LAGS.longest + 2)])
    expected = brute[1:] / (np.cumsum(brute[1:]) / np.arange(1, len(brute)))
    np.testing.assert_allclose(normalised_difference(frame[None], LAGS)[0, 1:], expected, atol=2e-4)


def test_best_lag_is_the_first_dip_below_the_threshold_else_the_lowest_point() -> None:
    normalised = np.ones((3, LAGS.longest + 2), np.float32)
    normalised[0, [40, 80]] = 0.09, 0.01
    normalised[1, [40, 80]] = 0.5, 0.4
    normalised[2, [10, 100]] = 0.01, 0.05  # lag 10 is above the highest pitch
    assert best_lag(normalised, LAGS).tolist() == [40, 80, 100]


@pytest.mark.parametrize("f0_hz", [66.0, 110.0, 223.4, 440.0, 590.0])
@pytest.mark.parametrize("amplitude", [1.0, 0.001])
def test_harmonic_tone_is_found_within_5_cents(f0_hz: float, amplitude: float) -> None:
    phase = 2 * np.pi * f0_hz * np.arange(RATE_HZ) / RATE_HZ
    samples = amplitude * np.sum([np.sin(k * phase) / k for k in (1, 2, 3)], axis=0) / 2
    found, voicing = pitch_of(samples.astype(np.float32))
    np.testing.assert_allclose(np.log2(found[2:-2] / f0_hz), 0, atol=5 * CENT)
    assert voicing[2:-2].min() > 0.98


def test_an_offset_leaves_the_pitch(voice_samples: Floats) -> None:
    f0_hz, voicing = pitch_of(voice_samples)
    raised_hz, raised_voicing = pitch_of(voice_samples + np.float32(0.4))
    inside = slice(2, -2)  # at the ends the offset steps to the silence outside
    np.testing.assert_allclose(raised_hz[inside], f0_hz[inside], rtol=1e-3)
    np.testing.assert_allclose(raised_voicing[inside], voicing[inside], atol=1e-3)


def test_noise_is_unvoiced_and_voice_is_voiced(voice_samples: Floats) -> None:
    noise = (0.1 * np.random.default_rng(3).standard_normal(RATE_HZ)).astype(np.float32)
    assert (pitch_of(noise)[0] == 0).all()
    assert (pitch_of(voice_samples)[0][1:-1] > 0).all()


def test_gliding_voice_is_followed(voice_samples: Floats) -> None:
    found, _ = pitch_of(voice_samples)
    true_hz = np.linspace(120, 180, len(found))
    np.testing.assert_allclose(np.log2(found[2:-2] / true_hz[2:-2]), 0, atol=20 * CENT)


def test_pitch_is_librosas_within_20_cents(voice_samples: Floats) -> None:
    """librosa 0.11 lets the window shrink with the lag and uses a longer frame, so the two differ by a few cents."""
    reference = librosa.yin(voice_samples, fmin=65, fmax=600, sr=RATE_HZ, frame_length=2048, hop_length=HOP)
    found, _ = pitch_of(voice_samples)
    np.testing.assert_allclose(np.log2(found[4:-4] / reference[4:-4]), 0, atol=20 * CENT)


def test_octaves_of_known_pitches() -> None:
    f0_hz = np.array([0, 50, 65, 130, 520], np.float32)
    np.testing.assert_allclose(octaves(f0_hz, low_hz=65), [0, 1, 1, 2, 4], rtol=1e-6)


def test_octave_steps_only_between_voiced_frames() -> None:
    assert octave_steps(np.array([2, 2.5, 0, 3, 2], np.float32)).tolist() == [0, 0.5, 0, 0, -1]
