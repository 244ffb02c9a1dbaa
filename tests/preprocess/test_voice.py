from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch

from omsn.config import Speech
from omsn.data.synthetic.render import Trial, perform
from omsn.data.synthetic.voice import RATE_HZ as VOICE_HZ
from omsn.errors import InputError
from omsn.media.sound import read_sound
from omsn.preprocess.speech import trim_silence
from omsn.preprocess.voice import _load, voice_span_s
from omsn.types import Floats, Sound

RATE_HZ = 16000
SILERO = Speech(method="silero", margin_s=0.1)
WITH_DATA = pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real clips in OMSN_DATA")


@pytest.fixture(scope="module")
def voice() -> Floats:
    """Two seconds of a rendered voice at ``RATE_HZ``."""
    samples = perform(Trial(1, 5, 2, 1, 1), seconds=2.0).utterance.samples
    resampled: Floats = soxr.resample(samples, VOICE_HZ, RATE_HZ).astype(np.float32)
    return resampled


@pytest.mark.parametrize("n_samples", [0, 1, 100, RATE_HZ])
def test_nobody_speaks_in_silence(n_samples: int) -> None:
    sound = Sound(np.zeros(n_samples, np.float32), RATE_HZ, 1.5)
    assert voice_span_s(sound) is None
    kept = trim_silence(sound, SILERO)
    assert (len(kept.samples), kept.start_s) == (0, 1.5)


def test_a_loud_hum_is_no_voice_and_stays_out(voice: Floats) -> None:
    """The level would keep all of it."""
    hum = (0.5 * np.sin(2 * np.pi * 100 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.float32)
    sound = Sound(np.concatenate([hum, voice, hum]), RATE_HZ, -0.5)
    assert trim_silence(sound, Speech()).duration_s == pytest.approx(sound.duration_s, abs=0.02)
    kept = trim_silence(sound, SILERO)
    assert 1.2 < kept.start_s < 2.5
    assert 1.0 < kept.duration_s < 2.5
    first = round((kept.start_s + 0.5) * RATE_HZ)
    np.testing.assert_array_equal(kept.samples, sound.samples[first : first + len(kept.samples)])


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
def test_the_rate_of_the_sound_does_not_matter(voice: Floats, rate_hz: int) -> None:
    padded = np.concatenate([np.zeros(RATE_HZ, np.float32), voice])
    other = Sound(soxr.resample(padded, RATE_HZ, rate_hz).astype(np.float32), rate_hz)
    expected, got = voice_span_s(Sound(padded, RATE_HZ)), voice_span_s(other)
    assert expected is not None
    assert got == pytest.approx(expected, abs=0.2)


def test_the_same_sound_gives_the_same_span_and_stays_as_it_is(voice: Floats) -> None:
    before = voice.copy()
    assert voice_span_s(Sound(voice, RATE_HZ)) == voice_span_s(Sound(voice, RATE_HZ))
    np.testing.assert_array_equal(voice, before)


def test_threads_stay_as_they_are(voice: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "silero_vad"]:
        monkeypatch.delitem(sys.modules, name)
    _load.cache_clear()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    voice_span_s(Sound(voice, RATE_HZ))
    threads = torch.get_num_threads()
    torch.set_num_threads(before)
    assert threads == 2


def test_a_missing_package_is_told(voice: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    _load.cache_clear()
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(InputError, match=r'silero-vad is not installed; pip install "omsn\[silero\]", or set level'):
        trim_silence(Sound(voice, RATE_HZ), SILERO)


@pytest.mark.slow
@WITH_DATA
def test_real_speech_is_kept_where_the_level_finds_it() -> None:
    """RAVDESS has quiet studios: the middle of what is loud is speech, and nobody speaks at the very ends."""
    for actor in ("Actor_01", "Actor_02", "Actor_14"):
        for path in sorted((Path(os.environ["OMSN_DATA"]) / "ravdess" / "audio" / actor).glob("*.flac"))[5::20]:
            sound = read_sound(path, RATE_HZ)
            by_level = trim_silence(sound, Speech(margin_s=0.0, range_db=20.0))
            by_voice = trim_silence(sound, SILERO)
            assert by_voice.start_s <= by_level.start_s + 0.3
            assert by_voice.start_s + by_voice.duration_s >= by_level.start_s + by_level.duration_s - 0.3
            assert by_voice.duration_s < 0.85 * sound.duration_s
