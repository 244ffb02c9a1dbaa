from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_media import RATE_HZ, cut_short, grey_levels, tone, write_media

from omsn.errors import MediaError
from omsn.media.sound import read_sound, sound_blocks
from omsn.media.sound_track import PIECE_S
from omsn.types import Floats


def _write(path: Path, samples: Floats, rate_hz: int = RATE_HZ, subtype: str | None = None) -> Path:
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def _level_at(samples: Floats, hz: float, rate_hz: int) -> float:
    """Amplitude of one frequency, away from the edges."""
    inner = samples[rate_hz // 10 : -rate_hz // 10].astype(np.float64)
    turning = np.exp(-2j * np.pi * hz * np.arange(len(inner)) / rate_hz)
    return float(2 * np.abs((inner * turning).mean()))


def test_missing_folder_and_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    with pytest.raises(MediaError, match=r"gone\.wav: no such file"):
        read_sound(tmp_path / "gone.wav", 16000)
    with pytest.raises(MediaError, match="is a folder; expected a media file"):
        read_sound(tmp_path, 16000)
    with pytest.raises(MediaError, match=r"empty\.wav: is empty \(0 bytes\)"):
        read_sound(tmp_path / "empty.wav", 16000)


@pytest.mark.parametrize("contents", [b"RIFF\x24\x00\x00\x00WAVE", b"fLaC", b"fLaC" + bytes(100)])
def test_headers_without_sound(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "head.wav").write_bytes(contents)
    with pytest.raises(MediaError, match=r"head\.wav: not a readable WAV or FLAC file"):
        read_sound(tmp_path / "head.wav", 16000)


@given(contents=st.binary(min_size=1, max_size=400))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "noise.bin").write_bytes(contents)
    with pytest.raises(MediaError):
        read_sound(tmp_path / "noise.bin", 16000)


def test_wrong_requests(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.wav", tone(0.1))
    with pytest.raises(MediaError, match=r"asked for 2 s to 1 s; expected the end after the start"):
        read_sound(path, 16000, 2, 1)
    with pytest.raises(MediaError, match="asked for 0 samples per second; expected a positive number"):
        read_sound(path, 0)


def test_no_samples(tmp_path: Path) -> None:
    sound = read_sound(_write(tmp_path / "none.wav", np.zeros(0, np.float32)), 16000)
    assert len(sound.samples) == 0
    assert sound.rate_hz == 16000


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_same_rate_is_exact(tmp_path: Path, suffix: str) -> None:
    written = (np.round(tone(1.0, rate_hz=16000) * 2**15) / 2**15).astype(np.float32)
    sound = read_sound(_write(tmp_path / f"a.{suffix}", written, 16000), 16000)
    assert sound.samples.dtype == np.float32
    np.testing.assert_array_equal(sound.samples, written)
    assert sound.start_s == 0


def test_two_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(0.5, rate_hz=16000)
    path = _write(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], axis=1), 16000, "FLOAT")
    np.testing.assert_allclose(read_sound(path, 16000).samples, left / 2, atol=1e-7)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_full_scale_does_not_wrap(tmp_path: Path, subtype: str) -> None:
    square = np.where(np.arange(1600) // 100 % 2, 1.0, -1.0).astype(np.float32)
    samples = read_sound(_write(tmp_path / "a.wav", square, 16000, subtype), 16000).samples
    np.testing.assert_allclose(samples, square, atol=0.02)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s32le", "pcm_f32le"])
def test_full_scale_through_ffmpeg_does_not_wrap(tmp_path: Path, codec: str) -> None:
    square = np.where(np.arange(1600) // 100 % 2, 0.999, -1.0).astype(np.float32)
    path = write_media(tmp_path / "a.mkv", np.stack([square, square]), codec=codec, rate_hz=16000)
    np.testing.assert_allclose(read_sound(path, 16000).samples, square, atol=0.02)


@pytest.mark.parametrize("from_hz", [8000, 22050, 44100, 48000])
def test_resampling_keeps_length_level_and_pitch(tmp_path: Path, from_hz: int) -> None:
    sound = read_sound(_write(tmp_path / "a.wav", tone(1.0, rate_hz=from_hz), from_hz, "FLOAT"), 16000)
    assert len(sound.samples) == 16000
    assert _level_at(sound.samples, 440, 16000) == pytest.approx(0.5, abs=1e-3)


def test_tone_above_the_new_nyquist_vanishes(tmp_path: Path) -> None:
    samples = read_sound(_write(tmp_path / "a.wav", tone(1.0, hz=11000), subtype="FLOAT"), 16000).samples
    assert np.abs(samples[800:-800]).max() < 1e-4


@pytest.mark.parametrize("suffix", ["wav", "flac", "m4a", "mp3", "webm"])
def test_part_of_a_file_equals_that_part_of_the_whole(tmp_path: Path, suffix: str) -> None:
    """A rising tone tells places apart. WebM has time stamps in whole milliseconds: the part may be off by one."""
    codec = {"mp3": "libmp3lame", "webm": "libopus"}.get(suffix, "aac")
    seconds = np.arange(3 * RATE_HZ) / RATE_HZ
    rising = (0.5 * np.sin(2 * np.pi * (200 * seconds + 200 * seconds**2))).astype(np.float32)
    path = tmp_path / f"a.{suffix}"
    _write(path, rising) if suffix in ("wav", "flac") else write_media(path, rising, codec=codec)
    whole, part = read_sound(path, RATE_HZ), read_sound(path, RATE_HZ, 1.25, 2.0)
    assert part.start_s == pytest.approx(1.25, abs=1 / RATE_HZ)
    assert len(part.samples) == pytest.approx(0.75 * RATE_HZ, abs=1)
    first = round(part.start_s * RATE_HZ)
    lags = range(-RATE_HZ // 1000, RATE_HZ // 1000 + 1) if suffix == "webm" else (0,)
    differences = [np.abs(part.samples - whole.samples[first + lag :][: len(part.samples)]).max() for lag in lags]
    assert min(differences) < 2e-3


@pytest.mark.parametrize("suffix", ["wav", "m4a", "mp3"])
def test_part_beyond_the_end_has_no_samples(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    codec = "libmp3lame" if suffix == "mp3" else "aac"
    _write(path, tone(1.0)) if suffix == "wav" else write_media(path, tone(1.0), codec=codec)
    assert len(read_sound(path, 16000, 7.0, 8.0).samples) == 0
    assert len(read_sound(path, 16000, 0.5, 8.0).samples) == pytest.approx(8000, abs=1)


def test_parts_of_a_browser_recording(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.webm", tone(1.0), codec="libopus", options={"live": "1"})
    assert read_sound(path, 16000).duration_s == pytest.approx(1.0, abs=0.01)
    part = read_sound(path, 16000, 0.6, 0.9)
    assert [part.start_s, part.duration_s] == pytest.approx([0.6, 0.3], abs=1e-3)
    assert len(read_sound(path, 16000, 7.0, 8.0).samples) == 0


def test_aac_is_trimmed_to_the_length_of_its_stream(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", tone(1.01), grey_levels(25))
    assert len(read_sound(path, RATE_HZ).samples) == round(1.01 * RATE_HZ)


def test_sound_that_starts_late(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", tone(1.0), grey_levels(50), sound_start_s=0.5, codec="pcm_s16le")
    sound = read_sound(path, 16000)
    assert sound.start_s == pytest.approx(0.5, abs=1e-3)
    assert sound.duration_s == pytest.approx(1.0, abs=1e-3)
    assert len(read_sound(path, 16000, 0.0, 0.25).samples) == 0


def test_onset_of_late_aac_is_where_it_was_written(tmp_path: Path) -> None:
    sound = read_sound(write_media(tmp_path / "a.mp4", tone(1.0), grey_levels(50), sound_start_s=0.5), 16000)
    onset_s = sound.start_s + np.flatnonzero(np.abs(sound.samples) > 0.25)[0] / 16000
    assert onset_s == pytest.approx(0.5, abs=0.005)


def test_pause_in_the_time_stamps_becomes_silence(tmp_path: Path) -> None:
    path = _with_pause(tmp_path / "a.mkv", pause_s=0.4)
    samples = read_sound(path, 16000).samples
    assert len(samples) == pytest.approx(1.4 * 16000, abs=20)
    assert not samples[int(0.55 * 16000) : int(0.85 * 16000)].any()
    assert _level_at(samples[int(0.92 * 16000) :], 440, 16000) == pytest.approx(0.5, abs=0.01)


def _with_pause(path: Path, pause_s: float) -> Path:
    """Half a second of tone, a pause without packets, and half a second more."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        for start_s in (0.0, 0.5 + pause_s):
            piece = (tone(0.5, rate_hz=16000) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
            frame.rate, frame.pts = 16000, round(start_s * 16000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_a_track_comes_in_pieces_that_follow_each_other(tmp_path: Path, seconds: float) -> None:
    path = write_media(tmp_path / "a.mp4", tone(seconds))
    *pieces, last = sound_blocks(path, RATE_HZ)
    assert all(PIECE_S <= piece.duration_s < PIECE_S + 0.05 for piece in pieces)
    assert last.duration_s < PIECE_S
    for piece, following in pairwise([*pieces, last]):
        assert following.start_s == pytest.approx(piece.start_s + piece.duration_s)
    assert sum(len(piece.samples) for piece in [*pieces, last]) == pytest.approx(seconds * RATE_HZ, abs=1)


def test_no_sound_track(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", images=grey_levels(5))
    with pytest.raises(MediaError, match=r"no audio stream; found video \(mpeg4\)"):
        read_sound(path, 16000)


def test_not_media(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("this is no film\n" * 50)
    with pytest.raises(MediaError, match=r"a\.mp4: not a media file, or cut short before its table of contents"):
        read_sound(tmp_path / "a.mp4", 16000)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.wav", "", {}),
        ("a.flac", "", {}),
        ("a.mp4", "aac", {"movflags": "faststart"}),
        ("a.webm", "libopus", {}),
        ("a.mkv", "pcm_s16le", {}),
        ("a.flv", "aac", {}),
    ],
)
def test_file_that_breaks_off(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    path = tmp_path / name
    if codec:
        images = grey_levels(50) if name in ("a.mp4", "a.mkv") else None
        write_media(path, tone(2.0), images, codec=codec, options=options)
    else:
        _write(path, tone(2.0))
    with pytest.raises(MediaError, match=r"broke off; decoded [01]\.\d\d s of 2\.0\d s\. Copy it again"):
        read_sound(cut_short(path), 16000)


def test_mp4_without_its_table_of_contents(tmp_path: Path) -> None:
    path = cut_short(write_media(tmp_path / "a.mp4", tone(1.0)))
    with pytest.raises(MediaError, match="cut short before its table of contents"):
        read_sound(path, 16000)


def test_damage_in_a_stream_of_unknown_length(tmp_path: Path) -> None:
    path = cut_short(write_media(tmp_path / "a.aac", tone(1.0)), 0.61)
    with pytest.raises(MediaError, match=r"broke off; decoded 0\.\d\d s of an unknown length"):
        read_sound(path, 16000)


def test_track_that_says_that_it_is_empty(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", np.zeros(0, np.float32), grey_levels(50), codec="pcm_s16le")
    assert len(read_sound(path, 16000).samples) == 0


def test_track_of_unknown_length_without_a_single_frame(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.mkv", np.zeros(0, np.float32), grey_levels(50), codec="pcm_s16le", options={"live": "1"}
    )
    with pytest.raises(MediaError, match=r"a\.mkv: broke off; decoded 0\.00 s of an unknown length"):
        read_sound(path, 16000)
    assert len(read_sound(path, 16000, 1.0, 2.0).samples) == 0  # may just as well lie beyond the end


def test_change_of_rate_part_way(tmp_path: Path) -> None:
    first, second = (write_media(tmp_path / f"{hz}.aac", tone(0.5, rate_hz=hz), rate_hz=hz) for hz in (16000, 48000))
    (tmp_path / "both.aac").write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(MediaError, match=r"the sample rate changes part-way, among \[16000, 48000\] Hz"):
        read_sound(tmp_path / "both.aac", 16000)


def test_samples_that_are_no_numbers(tmp_path: Path) -> None:
    samples = tone(0.1)
    samples[7] = np.nan
    with pytest.raises(MediaError, match=r"a\.wav: holds samples that are NaN or infinite"):
        read_sound(_write(tmp_path / "a.wav", samples, subtype="FLOAT"), 16000)
    with pytest.raises(MediaError, match=r"a\.mkv: holds samples that are NaN or infinite"):
        read_sound(write_media(tmp_path / "a.mkv", samples, codec="pcm_f32le"), 16000)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_wav_from_a_pipe_has_no_size(tmp_path: Path, size: int) -> None:
    path = _write(tmp_path / "a.wav", tone(0.5))
    contents = path.read_bytes()
    path.write_bytes(contents[:4] + struct.pack("<I", size) + contents[8:])
    assert len(read_sound(path, RATE_HZ).samples) == RATE_HZ // 2


def test_kind_is_told_by_contents_not_by_name(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.wav", tone(0.1)).rename(tmp_path / "a.mp4")
    assert len(read_sound(path, RATE_HZ).samples) == RATE_HZ // 10
