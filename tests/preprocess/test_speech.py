import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.config import Speech
from omsn.preprocess.speech import BLOCK_S, trim_silence
from omsn.types import Floats, Sound

RATE_HZ = 16000
BLOCK = round(BLOCK_S * RATE_HZ)


def tone(seconds: float, loudness: float = 0.5) -> Floats:
    samples: Floats = (loudness * np.cos(2 * np.pi * 200 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(
        np.float32
    )
    return samples


def silence(seconds: float) -> Floats:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def sound_of(*parts: Floats, start_s: float = 0.0) -> Sound:
    return Sound(np.concatenate(parts), RATE_HZ, start_s)


@pytest.mark.parametrize("n_samples", [0, 1, BLOCK - 1, BLOCK, RATE_HZ])
def test_empty_short_and_silent_sounds_come_back(n_samples: int) -> None:
    sound = Sound(np.zeros(n_samples, np.float32), RATE_HZ, 2.0)
    assert trim_silence(sound, Speech()) is sound


def test_a_loud_sound_shorter_than_a_block_comes_back() -> None:
    sound = sound_of(np.ones(BLOCK - 1, np.float32))
    assert trim_silence(sound, Speech()) is sound


def test_the_silence_around_speech_goes_and_the_clock_stays() -> None:
    sound = sound_of(silence(1.0), tone(0.5), silence(0.3), tone(0.2), silence(2.0), start_s=-0.25)
    speech = trim_silence(sound, Speech(margin_s=0.1))
    assert speech.duration_s == pytest.approx(0.1 + 0.5 + 0.3 + 0.2 + 0.1)
    assert speech.start_s == pytest.approx(-0.25 + 0.9)
    np.testing.assert_array_equal(speech.samples, sound.samples[round(0.9 * RATE_HZ) : round(2.1 * RATE_HZ)])


def test_a_margin_stops_at_the_ends() -> None:
    sound = sound_of(silence(0.06), tone(0.5), silence(0.05))
    speech = trim_silence(sound, Speech(margin_s=1.0))
    assert (len(speech.samples), speech.start_s) == (len(sound.samples), 0.0)


def test_speech_throughout_stays_whole() -> None:
    sound = sound_of(tone(0.507))
    speech = trim_silence(sound, Speech(margin_s=0.1))
    np.testing.assert_array_equal(speech.samples, sound.samples)


@pytest.mark.parametrize(("quieter_db", "kept"), [(39.0, True), (41.0, False)])
def test_sound_within_the_range_of_the_loudest_is_speech(quieter_db: float, kept: bool) -> None:
    quiet = tone(0.4, 0.5 * 10 ** (-quieter_db / 20))
    speech = trim_silence(sound_of(quiet, tone(0.4)), Speech(range_db=40.0, margin_s=0.0))
    assert speech.duration_s == pytest.approx(0.8 if kept else 0.4)


def test_the_loudness_of_the_recording_does_not_matter() -> None:
    sound = sound_of(silence(0.5), tone(0.5), silence(0.5))
    faint = Sound(sound.samples * np.float32(1e-4), RATE_HZ)
    assert trim_silence(faint, Speech()).start_s == trim_silence(sound, Speech()).start_s > 0


@given(parts=st.lists(st.tuples(st.booleans(), st.integers(0, 5 * BLOCK)), max_size=6), margin_s=st.floats(0, 2))
def test_every_loud_block_is_kept(parts: list[tuple[bool, int]], margin_s: float) -> None:
    samples = np.concatenate([np.zeros(0), *(np.full(n, float(loud)) for loud, n in parts)]).astype(np.float32)
    speech = trim_silence(Sound(samples, RATE_HZ), Speech(margin_s=margin_s))
    start = round(speech.start_s * RATE_HZ)
    np.testing.assert_array_equal(samples[start : start + len(speech.samples)], speech.samples)
    whole = len(samples) // BLOCK * BLOCK
    assert samples[:whole].sum() == samples[start : min(start + len(speech.samples), whole)].sum()
