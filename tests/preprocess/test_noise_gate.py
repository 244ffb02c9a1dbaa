from __future__ import annotations

import os
from pathlib import Path

import noisereduce
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import correlate

from omsn.config import NoiseGate
from omsn.media.sound import read_sound
from omsn.preprocess.noise_gate import gate_gains, gate_noise
from omsn.types import Floats, Sound

RATE_HZ = 16000
GATE = NoiseGate(enabled=True)


def _speech_like(seed: int, seconds: float = 3.0) -> Floats:
    """Syllables of gliding harmonics under three formants, with pauses between them."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    samples, start_s = np.zeros_like(times_s), 0.4
    while start_s < seconds - 0.5:
        length_s, pitch_hz = rng.uniform(0.12, 0.3), rng.uniform(110, 220)
        formants_hz = rng.uniform([300, 900, 2200], [800, 2000, 3000])
        inside = (times_s >= start_s) & (times_s < start_s + length_s)
        local_s = times_s[inside] - start_s
        phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.05 * np.sin(2 * np.pi * 3 * local_s))) / RATE_HZ
        envelope = np.sin(np.pi * local_s / length_s) ** 0.7
        for harmonic in range(1, 30):
            weight = (np.exp(-(((harmonic * pitch_hz - formants_hz) / 250) ** 2)) * [1, 0.6, 0.3]).sum()
            samples[inside] += envelope * weight * np.sin(harmonic * phase)
        start_s += length_s + rng.choice([0.02, 0.05, 0.2, 0.4])
    speech: Floats = (0.5 * samples / np.abs(samples).max()).astype(np.float32)
    return speech


def _snr_db(clean: Floats, noisy: Floats) -> float:
    return float(10 * np.log10((clean**2).sum() / ((clean - noisy) ** 2).sum()))


def _noisy(clean: Floats, snr_db: float, seed: int) -> Floats:
    noise = np.random.default_rng(seed).standard_normal(len(clean))
    noise *= np.sqrt((clean**2).sum() / (noise**2).sum()) * 10 ** (-snr_db / 20)
    mixed: Floats = (clean + noise).astype(np.float32)
    return mixed


@pytest.mark.parametrize("n_samples", [0, 1, 100, 16000])
def test_silence_stays_silence(n_samples: int) -> None:
    gated = gate_noise(Sound(np.zeros(n_samples, np.float32), RATE_HZ, 1.5), GATE)
    assert len(gated.samples) == n_samples
    assert not gated.samples.any()
    assert gated.start_s == 1.5


@given(n_samples=st.integers(1, 3000), rate_hz=st.sampled_from([8000, 16000, 22050, 44100, 48000]))
@settings(max_examples=40)
def test_length_and_timing_stay(n_samples: int, rate_hz: int) -> None:
    samples = np.random.default_rng(n_samples).standard_normal(n_samples).astype(np.float32)
    gated = gate_noise(Sound(samples, rate_hz, 0.25), GATE)
    assert (len(gated.samples), gated.rate_hz, gated.start_s) == (n_samples, rate_hz, 0.25)
    assert np.isfinite(gated.samples).all()


@pytest.mark.parametrize("n_samples", [1, 511, 512, 513, 16001])
def test_threshold_of_one_changes_nothing(n_samples: int) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, n_samples).astype(np.float32)
    gated = gate_noise(Sound(samples, RATE_HZ), NoiseGate(enabled=True, threshold=1.0))
    np.testing.assert_allclose(gated.samples, samples, atol=1e-6)


def test_input_is_not_changed() -> None:
    samples = _noisy(_speech_like(0), 10, 1)
    before = samples.copy()
    gate_noise(Sound(samples, RATE_HZ), GATE)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(("snr_db", "least_gain_db"), [(0, 8), (5, 7), (10, 6), (20, 5)])
def test_noise_goes_down_more_than_speech(snr_db: float, least_gain_db: float) -> None:
    """By several decibels at every noise level, and more than by noisereduce, whose mask is far coarser."""
    for seed in range(2):
        clean = _speech_like(seed)
        noisy = _noisy(clean, snr_db, seed + 9)
        ours = _snr_db(clean, gate_noise(Sound(noisy, RATE_HZ), GATE).samples)
        reference = noisereduce.reduce_noise(noisy, RATE_HZ, stationary=True, prop_decrease=0.9)
        assert ours - _snr_db(clean, noisy) > least_gain_db
        assert ours > _snr_db(clean, reference)


def test_speech_stays_in_step() -> None:
    clean = _speech_like(3)
    gated = gate_noise(Sound(_noisy(clean, 15, 4), RATE_HZ), GATE).samples
    lags = range(-20, 21)
    likeness = [float(np.dot(np.roll(gated, lag), clean)) for lag in lags]
    assert lags[int(np.argmax(likeness))] == 0


def test_steady_noise_is_left_at_the_threshold() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal(2 * RATE_HZ)).astype(np.float32)
    gated = gate_noise(Sound(noise, RATE_HZ), NoiseGate(enabled=True, threshold=0.1, n_std=5.0))
    assert np.std(gated.samples) / np.std(noise) == pytest.approx(0.1, rel=0.05)


def test_digital_silence_does_not_pass_for_the_noise_floor() -> None:
    """Half of the file is zeros; the noise in the other half is still recognised as noise."""
    noise = (0.1 * np.random.default_rng(0).standard_normal(RATE_HZ)).astype(np.float32)
    gated = gate_noise(Sound(np.concatenate([np.zeros_like(noise), noise]), RATE_HZ), GATE).samples
    assert np.std(gated[RATE_HZ + 2000 :]) < 0.4 * np.std(noise)


def test_gains_lie_between_threshold_and_one() -> None:
    rng = np.random.default_rng(0)
    cells = rng.standard_normal((257, 60)) + 1j * rng.standard_normal((257, 60))
    cells[40:60, 20:30] *= 100
    gains = gate_gains(cells, GATE, 31.25, 0.008)
    assert gains.min() >= GATE.threshold
    assert gains.max() <= 1
    np.testing.assert_allclose(gains[45:55, 24:26], 1)


def _pink(n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise as of rooms and traffic: its power falls with frequency, as a voice's does."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), n_samples)
    return noise


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real clips in OMSN_DATA")
@pytest.mark.parametrize(
    ("colour", "snr_db", "least_mean_db", "least_db"),
    [
        *[("white", 0, 9.5, 9.0), ("white", 5, 8.3, 7.2), ("white", 10, 6.9, 5.6), ("white", 20, 4.3, 1.2)],
        *[("pink", 0, 3.8, 3.1), ("pink", 5, 3.5, 2.9), ("pink", 10, 3.3, 2.7), ("pink", 20, 2.8, 2.2)],
    ],
)
def test_gain_on_real_speech(colour: str, snr_db: float, least_mean_db: float, least_db: float) -> None:
    """Eight voices of RAVDESS; bounds are half a decibel below what was measured, whose means were

    10.1, 8.8, 7.4 and 4.8 dB in white noise, 4.3, 4.0, 3.8 and 3.3 dB in pink (noisereduce: 3.7, -0.6, -5.0 and
    -14.3 dB in white, 3.8, -0.5, -5.0 and -14.3 dB in pink). Not a sample is moved.
    """
    gains_db, reference_db = [], []
    for number, actor in enumerate((1, 2, 5, 6, 11, 14, 17, 20)):
        folder = Path(os.environ["OMSN_DATA"], "ravdess", "audio", f"Actor_{actor:02d}")
        clean = read_sound(sorted(folder.glob("*.flac"))[7 * actor % 60], RATE_HZ).samples
        rng = np.random.default_rng(number)
        noise = _pink(len(clean), rng) if colour == "pink" else rng.standard_normal(len(clean))
        noise *= np.sqrt((clean**2).sum() / (noise**2).sum()) * 10 ** (-snr_db / 20)
        noisy = (clean + noise).astype(np.float32)
        gated = gate_noise(Sound(noisy, RATE_HZ), GATE).samples
        reference = noisereduce.reduce_noise(noisy, RATE_HZ, stationary=True, prop_decrease=0.9)
        gains_db.append(_snr_db(clean, gated) - _snr_db(clean, noisy))
        reference_db.append(_snr_db(clean, reference) - _snr_db(clean, noisy))
        likeness = correlate(gated.astype(np.float64), clean.astype(np.float64), method="fft")
        assert int(np.argmax(likeness)) == len(clean) - 1
    assert np.mean(gains_db) > least_mean_db
    assert min(gains_db) > least_db
    assert np.mean(gains_db) > np.mean(reference_db)
