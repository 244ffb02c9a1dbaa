from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_media import RATE_HZ, corner_mark, cut_short, grey_levels, shifted, tone, write_media

from omsn.errors import MediaError
from omsn.media.container import RUN_IN_S, open_container
from omsn.media.probe import probe
from omsn.media.sound import read_sound
from omsn.media.video import read_frames

TURNS = {  # 16.16 fixed point a, b, u, c, d, v, x, y, w of the track header's display matrix
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}
"""Degrees clockwise by which a player turns the picture, and the matrix that says so."""


def test_missing_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError, match=r"gone\.mp4: no such file"):
        next(read_frames(tmp_path / "gone.mp4"))
    with pytest.raises(MediaError, match=r"empty\.mp4: is empty"):
        next(read_frames(tmp_path / "empty.mp4"))


def test_wrong_requests(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", images=grey_levels(2))
    with pytest.raises(MediaError, match=r"asked for 2 s to 1 s"):
        next(read_frames(path, None, 2, 1))
    with pytest.raises(MediaError, match="asked for 0 frames per second; expected a positive number"):
        next(read_frames(path, 0))


def test_sound_only(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"no video stream; found audio \(mp3float\)"):
        next(read_frames(write_media(tmp_path / "a.mp3", tone(0.2), codec="libmp3lame")))


def test_every_frame_with_its_time(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", images=grey_levels(30), frame_rate=Fraction(30000, 1001))
    frames = list(read_frames(path))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(30) * 1001 / 30000, atol=1e-6)
    levels = np.array([frame.image.mean() for frame in frames])
    np.testing.assert_allclose(np.diff(levels[::5]), 10, atol=5)
    np.testing.assert_allclose([frame.duration_s for frame in frames], 1001 / 30000, atol=1e-4)
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8


def test_from_an_open_file_the_same_pictures_and_it_stays_open(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", tone(1.0), grey_levels(30))
    with open_container(path) as container:
        found = list(read_frames(path, 10.0, container=container))
        container.seek(0)
        assert next(container.decode(video=0)).pts == 0
    for one, other in zip(found, read_frames(path, 10.0), strict=True):
        assert (one.time_s, one.duration_s) == (other.time_s, other.duration_s)
        np.testing.assert_array_equal(one.image, other.image)


def test_odd_sizes_and_channel_order(tmp_path: Path) -> None:
    blue = np.zeros((47, 63, 3), np.uint8)
    blue[:, :, 0] = 200
    image = next(read_frames(write_media(tmp_path / "a.mkv", images=[blue] * 3))).image
    assert image.shape == (47, 63, 3)
    assert image[:, :, 0].mean() > 150
    assert image[:, :, 1:].mean() < 50


def test_part_of_a_file(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", images=grey_levels(100))
    whole = {frame.time_s: float(frame.image.mean()) for frame in read_frames(path)}
    part = list(read_frames(path, None, 2.0, 3.0))
    assert [frame.time_s for frame in part] == pytest.approx(np.arange(50, 75) / 25)
    assert [float(frame.image.mean()) for frame in part] == [whole[frame.time_s] for frame in part]
    assert list(read_frames(path, None, 9.0, 10.0)) == []


@pytest.mark.parametrize(("rate_hz", "expected"), [(25, 50), (12.5, 25), (10, 20), (5, 10), (60, 50)])
def test_rate_picks_frames_near_a_grid(tmp_path: Path, rate_hz: float, expected: int) -> None:
    times = [frame.time_s for frame in read_frames(write_media(tmp_path / "a.mp4", images=grey_levels(50)), rate_hz)]
    assert abs(len(times) - expected) <= 1
    assert len(set(times)) == len(times)
    if rate_hz <= 25:
        off_grid = np.abs(np.array(times) * rate_hz - np.round(np.array(times) * rate_hz)) / rate_hz
        assert off_grid[:-1].max() <= 0.02 + 1e-9  # the last frame may stand for a time just after the end


@pytest.mark.parametrize(
    ("by_s", "start_s"), [(0.4, 0.4), (RUN_IN_S + 0.01, RUN_IN_S + 0.01), (RUN_IN_S - 0.01, 0.0), (0.0, 0.0)]
)
def test_clock_starts_with_the_sound_where_that_is_well_before_the_picture(
    tmp_path: Path, by_s: float, start_s: float
) -> None:
    path = write_media(tmp_path / "a.mkv", tone(1.0), grey_levels(25), sound_start_s=0.0, codec="pcm_s16le")
    late = shifted(path, tmp_path / "late.mkv", "video", by_s)
    assert next(read_frames(late)).time_s == pytest.approx(start_s, abs=1e-3)
    assert probe(late).picture_start_s == pytest.approx(start_s, abs=1e-3)
    sound = read_sound(late, RATE_HZ)
    assert sound.start_s + sound.duration_s == pytest.approx(1.0 - by_s + start_s, abs=2e-3)
    (part,) = read_frames(late, None, start_s + 0.5, start_s + 0.53)
    assert part.time_s == pytest.approx(start_s + 0.52, abs=1e-3)


def test_pictures_left_out_count_as_those_before_them(tmp_path: Path) -> None:
    frames = list(read_frames(write_media(tmp_path / "a.mp4", images=grey_levels(50)), 5.0))
    assert frames[-1].time_s + frames[-1].duration_s == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize(("turn", "corner"), [(90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_display_matrix_is_honoured(tmp_path: Path, turn: int, corner: tuple[int, int]) -> None:
    """The white top left quarter ends up top right, bottom right and bottom left as the picture turns clockwise."""
    path = write_media(tmp_path / "a.mp4", images=[corner_mark()] * 5)
    contents = bytearray(path.read_bytes())
    matrix = contents.index(b"tkhd") + 4 + 40
    a, b, c, d = TURNS[turn]
    rows = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    contents[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in rows)
    path.write_bytes(contents)
    image = next(read_frames(path)).image
    assert image.shape == ((48, 64, 3) if turn == 180 else (64, 48, 3))
    quarters = image.reshape(2, image.shape[0] // 2, 2, image.shape[1] // 2, 3).mean(axis=(1, 3, 4))
    assert quarters[corner] == quarters.max()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_file_that_breaks_off(tmp_path: Path, name: str) -> None:
    options = {"movflags": "faststart"} if name == "a.mp4" else {}
    path = cut_short(write_media(tmp_path / name, tone(2.0), grey_levels(50), options=options))
    with pytest.raises(MediaError, match=r"broke off; decoded [01]\.\d\d s of 2\.00 s"):
        list(read_frames(path))


def test_first_picture_that_cannot_be_decoded(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", images=grey_levels(50), options={"movflags": "faststart"})
    header = path.read_bytes().index(b"mdat") + 4
    short = cut_short(path, header / path.stat().st_size)
    with pytest.raises(MediaError, match=r"broke off; decoded 0\.00 s"):
        next(read_frames(short))


def test_damage_part_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(50)]
    path = write_media(tmp_path / "a.mp4", images=images)
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 3 : len(contents) // 2] = bytes(len(contents) // 2 - len(contents) // 3)
    path.write_bytes(contents)
    with pytest.raises(MediaError, match=r"broke off; decoded"):
        list(read_frames(path))


def test_threads_change_nothing(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", images=grey_levels(20))
    for one, two in zip(read_frames(path), read_frames(path, threads=2), strict=True):
        assert one.time_s == two.time_s
        np.testing.assert_array_equal(one.image, two.image)
