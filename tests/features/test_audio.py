import os
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from omsn.config import AudioFeatures
from omsn.errors import InputError
from omsn.features.audio import audio_columns, audio_stream
from omsn.types import Floats, Sound, Stream

CONFIG = AudioFeatures()
RATE_HZ = CONFIG.rate_hz
HOP = round(CONFIG.hop_s * RATE_HZ)
SETTINGS = [
    CONFIG,
    AudioFeatures(rate_hz=8000, window_s=0.02, hop_s=0.005, n_mels=10, n_mfcc=10),
    AudioFeatures(rate_hz=48000, window_s=0.064, hop_s=0.05, n_mels=128, n_mfcc=40, pitch_low_hz=30),
    AudioFeatures(rate_hz=22050, window_s=0.0251, hop_s=0.0101, pitch_low_hz=200, pitch_high_hz=200),
]
"""The defaults, both ends of the ranges, and lengths that are odd."""


def stream_of(samples: NDArray[np.floating], config: AudioFeatures = CONFIG) -> Stream:
    return audio_stream(Sound(samples.astype(np.float32), config.rate_hz), config)


def column(stream: Stream, name: str) -> Floats:
    return stream.values[:, stream.columns.index(name)]


@pytest.mark.parametrize("config", SETTINGS)
@pytest.mark.parametrize("n_windows", [0, 0.5, 0.99, 30])
def test_empty_short_and_silent_sounds_are_absent(config: AudioFeatures, n_windows: float) -> None:
    stream = stream_of(np.zeros(int(n_windows * config.window_s * config.rate_hz)), config)
    assert not stream.present
    assert stream.columns == audio_columns(config)


def test_a_sound_shorter_than_a_frame_is_absent_though_loud() -> None:
    assert not stream_of(np.ones(round(CONFIG.window_s * RATE_HZ) - 1)).present


def test_another_rate_is_refused() -> None:
    with pytest.raises(InputError, match=r"got a sound at 44100 Hz, expected 16000 Hz; resample it first"):
        audio_stream(Sound(np.zeros(44100, np.float32), 44100), CONFIG)


def test_default_columns() -> None:
    columns = audio_columns(CONFIG)
    assert len(columns) == len(set(columns)) == 40 + 20 + 20 + 4 + 3 + 5 + 7
    assert columns[0] == "logmel_00"
    assert columns[-1] == "contrast_6"


@pytest.mark.parametrize("config", SETTINGS)
def test_shape_times_and_mask(config: AudioFeatures) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(config.rate_hz)
    hop = round(config.hop_s * config.rate_hz)
    stream = audio_stream(Sound(samples.astype(np.float32), config.rate_hz, start_s=-0.25), config)
    assert stream.values.shape == (1 + config.rate_hz // hop, len(audio_columns(config)))
    assert stream.mask.all()
    np.testing.assert_allclose(stream.times_s, -0.25 + np.arange(len(stream)) * hop / config.rate_hz)


def test_fifty_milliseconds() -> None:
    stream = stream_of(0.1 * np.sin(2 * np.pi * 200 * np.arange(800) / RATE_HZ))
    assert stream.present
    assert len(stream) == 3


def test_clipped_full_scale_square_wave() -> None:
    stream = stream_of(np.tile(np.repeat([1.0, -1.0], 40), 200))
    assert column(stream, "envelope_db")[5:-5] == pytest.approx(0.0)
    assert column(stream, "rms_db")[5:-5] == pytest.approx(0.0)
    np.testing.assert_allclose(column(stream, "f0_log2")[5:-5], np.log2(200 / 65) + 1, atol=0.01)
    assert column(stream, "logmel_00").max() <= 0


def test_an_offset_moves_the_zero_crossings_only() -> None:
    wave = 0.1 * np.sin(2 * np.pi * 200 * np.arange(RATE_HZ) / RATE_HZ)
    plain, raised = stream_of(wave), stream_of(wave + 0.3)
    assert column(plain, "zero_crossing_rate")[2:-2].min() > 0.02
    assert not column(raised, "zero_crossing_rate")[2:-2].any()
    for name in ("mean_crossing_rate", "f0_log2", "voicing"):
        np.testing.assert_allclose(column(raised, name)[3:-3], column(plain, name)[3:-3], atol=2.1 / 512)


def test_a_frame_does_not_depend_on_the_rest_of_the_clip(voice_samples: Floats) -> None:
    """What a stream needs: a loud end, or a silent one, leaves the frames before it as they are."""
    alone = stream_of(voice_samples[: 30 * HOP])
    loud_end = stream_of(np.concatenate([voice_samples[: 30 * HOP], np.full(RATE_HZ, 0.9)]))
    silent_end = stream_of(np.concatenate([voice_samples[: 30 * HOP], np.zeros(RATE_HZ)]))
    for longer in (loud_end, silent_end):
        np.testing.assert_allclose(longer.values[:24], alone.values[:24], atol=1e-3)


def test_the_same_sound_gives_the_same_bits(sound_samples: Floats) -> None:
    before = sound_samples.copy()
    np.testing.assert_array_equal(stream_of(sound_samples).values, stream_of(sound_samples).values)
    np.testing.assert_array_equal(sound_samples, before)


def test_gain_moves_levels_and_nothing_else(voice_samples: Floats) -> None:
    loud, soft = stream_of(voice_samples), stream_of(voice_samples * 0.5)
    shift_db = 20 * np.log10(0.5)
    for name in ("rms_db", "envelope_db", "logmel_05"):
        np.testing.assert_allclose(column(soft, name), column(loud, name) + shift_db, atol=1e-2)
    for name in ("f0_log2", "voicing", "centroid_khz", "rolloff_khz", "zero_crossing_rate", "mfcc_03"):
        np.testing.assert_allclose(column(soft, name)[2:-2], column(loud, name)[2:-2], atol=0.05)


@settings(max_examples=30)
@given(
    n_samples=st.integers(0, 2000),
    log10_scale=st.floats(-42, 0.5),
    offset=st.sampled_from([0.0, 1e-9, 0.5, -1.0]),
    kept=st.floats(0, 1),
    config=st.sampled_from(SETTINGS[:2]),
    seed=st.integers(0, 5),
)
def test_values_are_finite_and_levels_in_range(
    n_samples: int, log10_scale: float, offset: float, kept: float, config: AudioFeatures, seed: int
) -> None:
    samples = 10**log10_scale * np.random.default_rng(seed).standard_normal(n_samples) + offset
    samples[int(kept * n_samples) :] = 0
    stream = stream_of(samples, config)  # a Stream refuses NaN and infinity
    if stream.present:
        assert column(stream, "rms_db").min() >= -100
        assert 0 <= column(stream, "voicing").min() <= column(stream, "voicing").max() <= 1
        f0_log2 = column(stream, "f0_log2")
        assert ((f0_log2 == 0) | (f0_log2 >= 1)).all()


@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="OMSN_DATA does not name the folder of real data")
def test_real_clip_agrees_with_librosa() -> None:
    path = sorted(Path(os.environ["OMSN_DATA"]).glob("ravdess/audio/Actor_01/*.flac"))[0]
    recorded, rate_hz = soundfile.read(path, dtype="float32")
    samples = soxr.resample(recorded, rate_hz, RATE_HZ).astype(np.float32)
    stream = stream_of(samples)

    mel = librosa.feature.melspectrogram(y=samples / 128, sr=RATE_HZ, n_fft=512, hop_length=HOP, n_mels=40, norm=None)
    logmel = librosa.power_to_db(mel, amin=1e-10, top_db=None)
    np.testing.assert_allclose(stream.values[:, :40], logmel.T, atol=0.01)
    np.testing.assert_allclose(stream.values[:, 40:60], librosa.feature.mfcc(S=logmel, n_mfcc=20).T, atol=0.05)

    f0_log2 = column(stream, "f0_log2")
    reference = librosa.yin(samples, fmin=65, fmax=600, sr=RATE_HZ, frame_length=1024, hop_length=HOP)
    surely_voiced = column(stream, "voicing") > 0.9
    assert surely_voiced.sum() > 10
    octaves_apart = np.abs(f0_log2 - np.log2(reference * 2 / CONFIG.pitch_low_hz))[surely_voiced]
    assert (octaves_apart < 1 / 24).mean() > 0.9


def test_rows_are_means_of_neighbouring_frames(voice_samples: Floats) -> None:
    frames = stream_of(voice_samples, AudioFeatures())
    rows = stream_of(voice_samples, AudioFeatures(frames_per_row=4))
    assert len(rows) == -(-len(frames) // 4)
    np.testing.assert_allclose(rows.values[1], frames.values[4:8].mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(rows.values[-1], frames.values[4 * (len(rows) - 1) :].mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(rows.times_s[1], frames.times_s[4:8].mean())
