from __future__ import annotations

import os
import socket
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_media import cut_short, grey_levels, shifted, tone, write_media

from omsn.errors import MediaError
from omsn.media.container import MAX_JUMP_S, check_jump, check_readable, open_container, riff_share
from omsn.media.probe import probe
from omsn.media.sound import read_sound
from omsn.media.video import read_frames


def test_an_empty_or_missing_file_or_a_folder_is_not_readable(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError, match=r"empty\.mp4: is empty \(0 bytes\)"):
        check_readable(tmp_path / "empty.mp4")
    with pytest.raises(MediaError, match=r"gone\.mp4: no such file"):
        check_readable(tmp_path / "gone.mp4")
    with pytest.raises(MediaError, match="is a folder; expected a media file"):
        check_readable(tmp_path)


def test_a_name_that_no_disk_can_hold_is_told() -> None:
    with pytest.raises(MediaError, match=r"cannot be read \(File name too long\)"):
        check_readable("n" * 300)


@pytest.mark.parametrize("name", ["12:30.wav", "pipe:0", "http:a.wav", "-a.wav", "a%03d.mkv"])
def test_a_name_with_a_colon_is_no_protocol(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_media(tmp_path / "a.mkv", tone(0.1), codec="pcm_s16le").rename(name)
    with open_container(name) as container:
        assert container.format.name == "matroska,webm"


def test_a_list_of_films_is_no_film(tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp4", tone(0.2), grey_levels(5))
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    with pytest.raises(MediaError, match=r"list\.mp4: a list of other files \(concat\); name those files themselves"):
        probe(tmp_path / "list.mp4")


def test_a_playlist_asks_nobody_in_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        (tmp_path / "a.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n")
        with pytest.raises(MediaError, match=r"a\.m3u8: "):
            probe(tmp_path / "a.m3u8")
        with pytest.raises(TimeoutError):
            server.accept()


def test_time_may_not_jump_by_hours() -> None:
    check_jump("a.mp4", 1.0, 1.0 + MAX_JUMP_S)
    check_jump("a.mp4", 1.0, -1e9)
    with pytest.raises(MediaError, match=r"a\.mp4: the time stamps jump from 1\.00 s to 9999\.00 s; re-encode it"):
        check_jump("a.mp4", 1.0, 9999.0)


@pytest.mark.parametrize("from_s", [0.0, 0.5])
def test_sound_that_jumps_by_hours_is_refused_before_it_becomes_silence(tmp_path: Path, from_s: float) -> None:
    path = write_media(tmp_path / "a.mkv", tone(1.0), grey_levels(25), codec="pcm_s16le")
    far = shifted(path, tmp_path / "far.mkv", "audio", 40 * MAX_JUMP_S, from_s)
    with pytest.raises(MediaError, match=r"far\.mkv: the time stamps jump from [0-9.]+ s to 14400\d\.\d\d s"):
        read_sound(far, 16000)


def test_pictures_that_jump_by_hours_are_refused(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", tone(1.0), grey_levels(25), codec="pcm_s16le")
    far = shifted(path, tmp_path / "far.mkv", "video", 40 * MAX_JUMP_S, 0.5)
    with pytest.raises(MediaError, match=r"far\.mkv: the time stamps jump from 0\.5\d s to 14400\d\.\d\d s"):
        list(read_frames(far))


def test_pictures_that_begin_hours_after_the_sound_are_refused(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", tone(1.0), grey_levels(25), codec="pcm_s16le")
    far = shifted(path, tmp_path / "far.mkv", "video", 40 * MAX_JUMP_S)
    with pytest.raises(MediaError, match=r"far\.mkv: the time stamps jump from 0\.00 s to 144000\.\d\d s"):
        list(read_frames(far))


def test_a_part_that_begins_after_hours_is_no_jump(tmp_path: Path) -> None:
    late_s = 2 * MAX_JUMP_S
    levels = [np.full((16, 16, 3), 128, np.uint8)] * (int(late_s) + 4)
    path = write_media(tmp_path / "a.mkv", images=levels, frame_rate=Fraction(1))
    assert [frame.time_s for frame in read_frames(path, None, late_s, late_s + 2)] == [late_s, late_s + 1]


def test_share_of_a_riff_file(tmp_path: Path) -> None:
    whole = write_media(tmp_path / "a.avi", tone(1.0), grey_levels(25), codec="pcm_s16le")
    assert riff_share(whole) == 1.0
    assert riff_share(cut_short(whole, 0.25)) == pytest.approx(0.25, abs=0.001)
    content = whole.read_bytes()
    for size in (0, 0xFFFFFFFF):  # of programs that cannot go back and write it
        (tmp_path / "pipe.avi").write_bytes(content[:4] + struct.pack("<I", size) + content[8:])
        assert riff_share(tmp_path / "pipe.avi") == 1.0
    assert riff_share(write_media(tmp_path / "a.mp4", tone(0.1))) == 1.0


def test_an_avi_that_breaks_off_is_told(tmp_path: Path) -> None:
    path = cut_short(write_media(tmp_path / "a.avi", tone(2.0), grey_levels(50), codec="pcm_s16le"))
    with pytest.raises(MediaError, match=r"cut_a\.avi: broke off; 60% of it is there\. Copy it again or re-encode it"):
        probe(path)


@pytest.mark.parametrize(("fourcc", "kind"), [(b"mp4a", "audio"), (b"mp4v", "video")])
def test_a_track_that_cannot_be_decoded_is_told(tmp_path: Path, fourcc: bytes, kind: str) -> None:
    path = write_media(tmp_path / "a.mp4", tone(0.2), grey_levels(5))
    path.write_bytes(path.read_bytes().replace(fourcc, b"what").replace(b"esds", b"what"))
    message = rf"a\.mp4: its {kind} is damaged, or of a kind that cannot be read; re-encode it"
    with pytest.raises(MediaError, match=message):
        probe(path)


def test_sound_is_read_beside_a_picture_that_cannot_be(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", tone(0.5), grey_levels(5), codec="alac")
    path.write_bytes(path.read_bytes().replace(b"mp4v", b"what").replace(b"esds", b"what"))
    assert read_sound(path, 16000).duration_s == pytest.approx(0.5)


def test_a_track_that_can_be_decoded_goes_before_one_that_cannot(tmp_path: Path) -> None:
    """As in the films of phones with spatial sound."""
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        for _ in range(2):
            container.add_stream("aac", rate=16000, layout="mono")
        for stream in container.streams.audio:
            frame = av.AudioFrame.from_ndarray(tone(0.5, rate_hz=16000)[None], format="fltp", layout="mono")
            frame.rate, frame.pts = 16000, 0
            container.mux(stream.encode(frame) + stream.encode(None))
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content.replace(b"mp4a", b"what", 1).replace(b"esds", b"what", 1))
    with open_container(tmp_path / "a.mp4") as container:
        assert [stream.codec_context is None for stream in container.streams] == [True, False]
    assert probe(tmp_path / "a.mp4").audio_rate_hz == 16000
    assert read_sound(tmp_path / "a.mp4", 16000).duration_s == pytest.approx(0.5)


def test_nothing_stays_open(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", tone(0.2), grey_levels(5))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        next(read_frames(path))
        read_sound(path, 16000)
        probe(path)
    assert len(os.listdir("/proc/self/fd")) <= before + 1
