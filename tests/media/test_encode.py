"""Films written with other pictures: as long, as loud and as timely as before."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_media import grey_levels, tone, write_media

from omsn.errors import MediaError
from omsn.media.encode import COMPACT, copies_sound, write_film
from omsn.media.probe import probe
from omsn.media.sound import read_sound
from omsn.media.video import Frame, read_frames


def darker(path: Path) -> Iterator[Frame]:
    return (Frame(frame.image // 2, frame.time_s, frame.duration_s) for frame in read_frames(path))


def test_no_pictures_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    source = write_media(tmp_path / "a.mp4", tone(1.0))
    with pytest.raises(MediaError, match=r"a\.mp4: no picture to write; give a file"):
        write_film(tmp_path / "b.mp4", source, [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(("codec", "sound_start_s"), [("aac", 0.0), ("aac", 0.4), ("libmp3lame", 0.0)])
def test_pictures_change_and_sound_and_times_stay(tmp_path: Path, codec: str, sound_start_s: float) -> None:
    source = write_media(
        tmp_path / "a.mp4",
        tone(2.0),
        grey_levels(48),
        codec=codec,
        frame_rate=Fraction(24000, 1001),
        sound_start_s=sound_start_s,
    )
    assert copies_sound(source)
    write_film(tmp_path / "new" / "b.mp4", source, darker(source))
    before, after = list(read_frames(source)), list(read_frames(tmp_path / "new" / "b.mp4"))
    assert [frame.time_s for frame in after] == pytest.approx([frame.time_s for frame in before], abs=1e-4)
    assert [frame.duration_s for frame in after] == pytest.approx([frame.duration_s for frame in before], abs=1e-4)
    levels = [float(frame.image.mean()) for frame in after]
    assert levels == pytest.approx([float(frame.image.mean()) / 2 for frame in before], abs=6)
    sound, copied = read_sound(source, 48000), read_sound(tmp_path / "new" / "b.mp4", 48000)
    assert copied.start_s == pytest.approx(sound.start_s, abs=1e-3)
    np.testing.assert_array_equal(copied.samples, sound.samples)


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "pcm_s16le"), ("mkv", "pcm_f32le")])
def test_sound_that_mp4_cannot_hold_is_encoded_anew_in_step(tmp_path: Path, suffix: str, codec: str) -> None:
    samples = np.concatenate([np.zeros(24000, np.float32), tone(0.5), np.zeros(24000, np.float32)])
    source = write_media(tmp_path / f"a.{suffix}", np.stack([samples, samples]), grey_levels(36), codec=codec)
    assert not copies_sound(source)
    write_film(tmp_path / "b.mp4", source, darker(source))
    sound, copied = read_sound(source, 48000).samples, read_sound(tmp_path / "b.mp4", 48000).samples
    loud = [np.flatnonzero(np.abs(one) > 0.1) / 48000 for one in (sound, copied)]
    assert loud[1][0] == pytest.approx(loud[0][0], abs=0.03)
    assert loud[1][-1] == pytest.approx(loud[0][-1], abs=0.03)


def test_pictures_alone_on_a_clock_of_their_own(tmp_path: Path) -> None:
    source = write_media(tmp_path / "a.mp4", tone(1.0), grey_levels(25))
    later = (Frame(frame.image, frame.time_s - 0.4) for frame in read_frames(source, start_s=0.4))
    write_film(tmp_path / "b.mp4", source, later, with_sound=False, x264=COMPACT)
    assert [frame.time_s for frame in read_frames(tmp_path / "b.mp4")] == pytest.approx(np.arange(15) / 25, abs=1e-4)
    assert not probe(tmp_path / "b.mp4").has_audio
    assert not copies_sound(tmp_path / "b.mp4")


def test_a_film_without_sound_and_with_odd_sides(tmp_path: Path) -> None:
    source = write_media(tmp_path / "a.mkv", images=grey_levels(5))
    pictures = [Frame(np.full((47, 61, 3), 90, np.uint8), number / 25) for number in range(5)]
    write_film(tmp_path / "b.mp4", source, pictures)
    written = list(read_frames(tmp_path / "b.mp4"))
    assert [frame.image.shape for frame in written] == [(46, 60, 3)] * 5


def test_a_picture_for_a_sound_and_two_of_one_time(tmp_path: Path) -> None:
    source = write_media(tmp_path / "a.m4a", tone(1.0))
    pictures = [Frame(np.zeros((48, 64, 3), np.uint8), time_s) for time_s in (0.0, 0.0, 0.5)]
    write_film(tmp_path / "b.mp4", source, pictures)
    assert len(list(read_frames(tmp_path / "b.mp4"))) == 3
    assert read_sound(tmp_path / "b.mp4", 48000).duration_s == pytest.approx(1.0, abs=0.03)
