import librosa
import numpy as np
import pytest

from omsn.features import cepstral, spectral
from omsn.features.waveform import centred_frames
from omsn.types import Floats

RATE_HZ, LENGTH, HOP, N_MELS = 16000, 512, 320, 40


def librosa_log_mel(samples: Floats) -> Floats:
    """Librosa's, scaled so that a full-scale tone reads 0 dB."""
    mel = librosa.feature.melspectrogram(
        y=samples * 4 / LENGTH, sr=RATE_HZ, n_fft=LENGTH, hop_length=HOP, n_mels=N_MELS, norm=None
    )
    level: Floats = librosa.power_to_db(mel, amin=1e-10, top_db=None)
    return level


def log_mel(samples: Floats) -> Floats:
    power = spectral.power_spectrum(centred_frames(samples, LENGTH, HOP))
    return cepstral.log_mel(power, RATE_HZ, N_MELS)


def test_silence_is_at_the_floor() -> None:
    level = cepstral.log_mel(np.zeros((2, 257), np.float32), RATE_HZ, N_MELS)
    np.testing.assert_array_equal(level, np.full((2, N_MELS), -100, np.float32))
    mfcc = cepstral.cepstrum(level, 20)
    np.testing.assert_allclose(mfcc[:, 0], -100 * np.sqrt(N_MELS), rtol=1e-5)
    np.testing.assert_allclose(mfcc[:, 1:], 0, atol=1e-3)


@pytest.mark.parametrize(("rate_hz", "n_fft", "n_mels"), [(16000, 512, 40), (8000, 256, 20), (48000, 1536, 128)])
def test_mel_filters_are_librosas(rate_hz: int, n_fft: int, n_mels: int) -> None:
    reference = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels, norm=None).T
    np.testing.assert_allclose(cepstral.mel_filters(rate_hz, n_fft // 2 + 1, n_mels), reference, atol=1e-5)


def test_every_default_band_catches_a_bin() -> None:
    assert (cepstral.mel_filters(RATE_HZ, 257, N_MELS).sum(axis=0) > 0).all()


@pytest.mark.parametrize("hz", [0.0, 440.0, 999.0, 1000.0, 8000.0])
def test_mel_scale_is_librosas_and_inverts(hz: float) -> None:
    mel = cepstral.hz_to_mel(hz)
    assert mel == pytest.approx(librosa.hz_to_mel(hz))
    assert cepstral.mel_to_hz(np.array([mel]))[0] == pytest.approx(hz)


def test_log_mel_is_librosas(sound_samples: Floats) -> None:
    np.testing.assert_allclose(log_mel(sound_samples), librosa_log_mel(sound_samples).T, atol=1e-3)


def test_cepstrum_is_librosas(sound_samples: Floats) -> None:
    reference = librosa.feature.mfcc(S=librosa_log_mel(sound_samples), n_mfcc=20)
    np.testing.assert_allclose(cepstral.cepstrum(log_mel(sound_samples), 20), reference.T, atol=5e-3)


def test_delta_is_librosas() -> None:
    values = np.random.default_rng(0).standard_normal((25, 6)).astype(np.float32)
    reference = librosa.feature.delta(values.T, width=9, mode="nearest").T
    np.testing.assert_allclose(cepstral.delta(values), reference, atol=1e-6)


@pytest.mark.parametrize("n_frames", [1, 3])
def test_delta_of_fewer_frames_than_it_spans(n_frames: int) -> None:
    values = np.full((n_frames, 2), 7, np.float32)
    np.testing.assert_allclose(cepstral.delta(values), np.zeros((n_frames, 2)), atol=1e-6)


def test_delta_of_a_ramp_is_its_slope() -> None:
    ramp = np.linspace(0, 57, 20, dtype=np.float32)[:, None]
    np.testing.assert_allclose(cepstral.delta(ramp)[4:-4], 3, rtol=1e-5)
