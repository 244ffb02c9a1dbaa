import librosa
import numpy as np
import pytest

from omsn.features import spectral
from omsn.features.waveform import centred_frames
from omsn.types import Floats

RATE_HZ, LENGTH, HOP = 16000, 512, 320
N_BINS = LENGTH // 2 + 1
KHZ = spectral.bin_khz(N_BINS, RATE_HZ)


@pytest.fixture
def power(sound_samples: Floats) -> Floats:
    return spectral.power_spectrum(centred_frames(sound_samples, LENGTH, HOP))


def test_silence_gives_zeros() -> None:
    silence = np.zeros((2, N_BINS), np.float32)
    centroid, bandwidth = spectral.centroid_and_bandwidth_khz(silence, KHZ)
    for feature in (centroid, bandwidth, spectral.rolloff_khz(silence, KHZ), spectral.flatness_db(silence)):
        np.testing.assert_array_equal(feature, [0, 0])
    np.testing.assert_array_equal(spectral.contrast_db(silence, RATE_HZ), np.zeros((2, 7)))


def test_full_scale_tone_reads_1_at_its_bin() -> None:
    tone = np.sin(2 * np.pi * 32 * np.arange(LENGTH) / LENGTH)[None].astype(np.float32)
    power = spectral.power_spectrum(tone)[0]
    np.testing.assert_allclose(power[[31, 32, 33]], [0.25, 1, 0.25], atol=1e-5)
    assert power.sum() == pytest.approx(1.5, abs=1e-4)


def test_power_spectrum_is_librosas_times_a_constant(sound_samples: Floats, power: Floats) -> None:
    spectrum = librosa.stft(sound_samples, n_fft=LENGTH, hop_length=HOP).T
    np.testing.assert_allclose(power, np.abs(spectrum * 4 / LENGTH) ** 2, rtol=1e-3, atol=1e-9)


def test_centroid_bandwidth_and_rolloff_are_librosas(power: Floats) -> None:
    magnitude = np.sqrt(power)
    centroid, bandwidth = spectral.centroid_and_bandwidth_khz(magnitude, KHZ)
    rolloff = spectral.rolloff_khz(magnitude, KHZ)
    reference_centroid = librosa.feature.spectral_centroid(S=magnitude.T, sr=RATE_HZ)[0] / 1000
    reference_bandwidth = librosa.feature.spectral_bandwidth(S=magnitude.T, sr=RATE_HZ)[0] / 1000
    reference_rolloff = librosa.feature.spectral_rolloff(S=magnitude.T, sr=RATE_HZ)[0] / 1000
    np.testing.assert_allclose(centroid, reference_centroid, rtol=1e-4)
    np.testing.assert_allclose(bandwidth, reference_bandwidth, rtol=1e-4)
    np.testing.assert_array_equal(rolloff, reference_rolloff.astype(np.float32))


def test_flatness_is_librosas(power: Floats) -> None:
    reference = librosa.feature.spectral_flatness(S=np.sqrt(power).T, amin=1e-10)[0]
    np.testing.assert_allclose(spectral.flatness_db(power), 10 * np.log10(reference), atol=1e-3)


def test_contrast_is_twice_librosas(power: Floats) -> None:
    """Librosa takes 10 log10 of a magnitude; ours is in decibels proper. Magnitudes are kept above either floor."""
    magnitude = np.sqrt(power) + np.float32(2e-5)
    reference = librosa.feature.spectral_contrast(S=magnitude.T, sr=RATE_HZ).T
    contrast = spectral.contrast_db(magnitude, RATE_HZ)
    np.testing.assert_allclose(contrast, 2 * reference, atol=1e-3)


@pytest.mark.parametrize(("rate_hz", "n_bands"), [(8000, 6), (16000, 7), (22050, 7), (48000, 8)])
def test_contrast_bands_cover_all_bins_at_any_rate(rate_hz: int, n_bands: int) -> None:
    edges = spectral.contrast_edges_khz(rate_hz)
    assert edges[0] == 0
    assert edges[-1] == np.float32(rate_hz / 2000)
    flat = np.ones((1, round(0.02 * rate_hz) // 2 + 1), np.float32)
    np.testing.assert_array_equal(spectral.contrast_db(flat, rate_hz), np.zeros((1, n_bands)))


def test_flux_is_librosas_onset_strength() -> None:
    logmel = np.random.default_rng(0).uniform(-90, -10, (30, 40)).astype(np.float32)
    reference = librosa.onset.onset_strength(S=logmel.T, center=False, detrend=False)
    flux = spectral.flux_db(logmel)
    assert flux[0] == 0
    np.testing.assert_allclose(flux, reference, rtol=1e-4)


def test_flux_counts_rises_only() -> None:
    logmel = np.array([[-50, -50], [-40, -60], [-40, -60], [-100, -100]], np.float32)
    assert spectral.flux_db(logmel).tolist() == [0, 5, 0, 0]
