from __future__ import annotations

import librosa
import numpy as np
import pytest
from scipy.signal import freqz_sos

from omsn.data.synthetic.render import Trial, cast_speaker, perform
from omsn.data.synthetic.voice import RATE_HZ, Utterance, _resonators, speak
from omsn.labels import RAVDESS_EMOTIONS

SPEAKERS = (1, 2, 3, 4)


def utterance(speaker: int, emotion: str, repetition: int = 1) -> Utterance:
    code = RAVDESS_EMOTIONS.index(emotion) + 1
    return perform(Trial(speaker, code, 1, 1, repetition)).utterance


def median_f0_hz(spoken: Utterance) -> float:
    return float(np.median(spoken.f0_hz[spoken.envelope > 0.3]))


@pytest.mark.parametrize("emotion", RAVDESS_EMOTIONS.names)
def test_sound_is_neither_silent_nor_clipped(emotion: str) -> None:
    samples = utterance(1, emotion).samples
    assert samples.dtype == np.float32
    assert len(samples) == 2 * RATE_HZ
    assert np.sqrt(np.mean(samples**2)) > 0.01
    assert np.abs(samples).max() <= 0.9 + 1e-6
    assert abs(samples.mean()) < 1e-3


@pytest.mark.parametrize(("speaker", "emotion"), [(1, "neutral"), (2, "sad"), (3, "angry"), (4, "fearful")])
def test_an_independent_pitch_tracker_hears_the_designed_f0(speaker: int, emotion: str) -> None:
    spoken = utterance(speaker, emotion)
    hop = RATE_HZ // 100
    heard = librosa.yin(spoken.samples, fmin=65, fmax=700, sr=RATE_HZ, frame_length=4096, hop_length=hop)
    at_s = np.arange(len(heard)) * hop / RATE_HZ
    voiced = np.interp(at_s, spoken.times_s, spoken.envelope) > 0.5
    error = heard[voiced] / np.interp(at_s, spoken.times_s, spoken.f0_hz)[voiced] - 1
    assert np.median(np.abs(error)) < 0.05


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_high_arousal_voices_are_higher_and_louder_than_low_ones(speaker: int) -> None:
    high = [utterance(speaker, emotion) for emotion in ("happy", "angry", "fearful", "surprised")]
    low = [utterance(speaker, emotion) for emotion in ("calm", "sad")]
    assert min(map(median_f0_hz, high)) > 1.08 * max(map(median_f0_hz, low))
    assert min(spoken.samples.std() for spoken in high) > max(spoken.samples.std() for spoken in low)


def test_women_speak_higher_than_men() -> None:
    men, women = ([median_f0_hz(utterance(speaker, "neutral")) for speaker in group] for group in ((1, 3), (2, 4)))
    assert min(women) > 1.2 * max(men)


def test_resonators_ring_at_the_formants() -> None:
    formants_hz = np.array([[500.0, 1500.0, 2500.0, 3500.0, 4500.0]])
    for section, formant_hz in zip(_resonators(formants_hz)[0], formants_hz[0], strict=True):
        frequencies_hz, response = freqz_sos(section[None], worN=24_000, fs=RATE_HZ)
        level = np.abs(response)
        assert frequencies_hz[np.argmax(level)] == pytest.approx(formant_hz, abs=5)
        assert level[0] == pytest.approx(1.0)


def test_the_statement_fits_into_a_short_clip_and_fills_a_long_one() -> None:
    for seconds in (1.0, 5.0):
        spoken = speak(cast_speaker(1), "sad", "normal", 1, seconds, np.random.default_rng(0))
        sounding_s = spoken.times_s[spoken.envelope > 0.05]
        assert len(spoken.samples) == seconds * RATE_HZ
        assert sounding_s[0] > 0.15
        assert 0.7 * seconds < sounding_s[-1] < seconds


def test_statements_differ() -> None:
    first, second = (speak(cast_speaker(1), "calm", "normal", n, 2.0, np.random.default_rng(0)).jaw for n in (1, 2))
    assert not np.allclose(first, second)
