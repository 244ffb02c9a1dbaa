from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from made_media import grey_levels, tone, write_media

from omsn.errors import MediaError
from omsn.media.probe import probe


def test_missing_file_and_no_media(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no film\n" * 100)
    with pytest.raises(MediaError, match="no such file"):
        probe(tmp_path / "gone.mp4")
    with pytest.raises(MediaError, match="not a media file"):
        probe(tmp_path / "a.mp4")


def test_sound_and_picture(tmp_path: Path) -> None:
    info = probe(write_media(tmp_path / "a.mp4", tone(1.0), grey_levels(30), frame_rate=Fraction(30000, 1001)))
    assert (info.has_audio, info.has_video, info.audio_rate_hz) == (True, True, 48000)
    assert info.duration_s == pytest.approx(1.001, abs=0.01)


def test_sound_only(tmp_path: Path) -> None:
    info = probe(write_media(tmp_path / "a.wav", tone(0.5, rate_hz=8000), codec="pcm_s16le", rate_hz=8000))
    assert (info.has_audio, info.has_video, info.audio_rate_hz) == (True, False, 8000)
    assert info.duration_s == pytest.approx(0.5)


def test_picture_only(tmp_path: Path) -> None:
    info = probe(write_media(tmp_path / "a.mp4", images=grey_levels(5)))
    assert (info.has_audio, info.has_video, info.audio_rate_hz) == (False, True, None)


def test_webm_of_a_browser_has_no_length(tmp_path: Path) -> None:
    """A live muxer cannot go back and write the length, as in a browser's recording."""
    path = write_media(tmp_path / "a.webm", tone(0.5), codec="libopus", options={"live": "1"})
    assert probe(path).duration_s is None
