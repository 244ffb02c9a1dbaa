from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from made_media import RATE_HZ, grey_levels, tone, write_media

from omsn.errors import MediaError
from omsn.media.flac import fits_flac, part_as_flac, wav_as_flac
from omsn.media.sound import read_sound
from omsn.types import Floats


def decoded(flac: bytes) -> tuple[Floats, int]:
    samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="float32")
    return samples, rate_hz


def test_flac_cannot_be_empty(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000, subtype="PCM_16")
    assert not fits_flac(tmp_path / "a.wav")
    film = write_media(tmp_path / "a.mp4", tone(0.5), grey_levels(50))
    assert decoded(part_as_flac(film, 1.0, 1.5))[0].tolist() == [0.0]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_nothing_is_lost(tmp_path: Path, subtype: str, n_channels: int) -> None:
    path = tmp_path / "a.wav"
    full_scale = np.clip(2.2 * tone(1.2, rate_hz=22050), -1, 1)
    soundfile.write(path, np.stack([full_scale, full_scale[::-1]], axis=1)[:, :n_channels], 22050, subtype=subtype)
    assert fits_flac(path)
    samples, rate_hz = decoded(wav_as_flac(path))
    assert rate_hz == 22050
    np.testing.assert_array_equal(samples, soundfile.read(path, dtype="float32")[0])


@given(samples=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=50), rate_hz=st.integers(1, 192000))
def test_whatever_fits_comes_back(tmp_path_factory: pytest.TempPathFactory, samples: list[int], rate_hz: int) -> None:
    path = tmp_path_factory.getbasetemp() / "any.wav"
    soundfile.write(path, np.array(samples, np.int16), rate_hz, subtype="PCM_16")
    assert fits_flac(path) == (rate_hz < 2**16 or rate_hz % 10 == 0)
    if fits_flac(path):
        back, back_hz = soundfile.read(io.BytesIO(wav_as_flac(path)), dtype="int16")
        assert (back.tolist(), back_hz) == (samples, rate_hz)


def test_what_flac_would_change_or_is_no_wav_does_not_fit(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "float.wav", tone(0.1), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "many.wav", np.zeros((100, 9)), RATE_HZ, subtype="PCM_16")
    soundfile.write(tmp_path / "a.flac", tone(0.1), RATE_HZ)
    (tmp_path / "text.wav").write_text("no samples")
    assert not any(fits_flac(path) for path in [*tmp_path.iterdir(), tmp_path / "gone.wav"])


def test_a_part_of_a_film(tmp_path: Path) -> None:
    film = write_media(tmp_path / "a.mp4", tone(2.0), grey_levels(50))
    samples, rate_hz = decoded(part_as_flac(film, 0.5, 1.25))
    expected = read_sound(film, RATE_HZ, 0.5, 1.25)
    assert rate_hz == RATE_HZ
    np.testing.assert_allclose(samples, expected.samples, atol=2**-15)


def test_silence_until_a_late_sound_starts(tmp_path: Path) -> None:
    film = write_media(tmp_path / "a.mp4", tone(1.0), grey_levels(50), sound_start_s=0.4)
    samples, _ = decoded(part_as_flac(film))
    loud = np.flatnonzero(np.abs(samples) > 0.1)[0] / RATE_HZ
    assert loud == pytest.approx(0.4, abs=0.03)
    assert len(samples) / RATE_HZ == pytest.approx(1.4, abs=0.03)


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    film = write_media(tmp_path / "a.mp4", images=grey_levels(5))
    with pytest.raises(MediaError, match=r"a\.mp4: no sound to write; name a file with a sound track"):
        part_as_flac(film)
