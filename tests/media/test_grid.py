"""Pictures that nobody looks at are left out, and those that are looked at stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_media import cut_short, grey_levels, write_media

from omsn.errors import MediaError
from omsn.media.container import find_picture, open_container
from omsn.media.deinterlace import TimedFrame
from omsn.media.grid import Grid, decode_for
from omsn.media.video import Frame, read_frames

TICKS_HZ = 1000
STEADY_MS = tuple(range(0, 2000, 33))
B_PICTURES = {"bf": "3", "b-pyramid": "none", "b-adapt": "0", "g": "20", "preset": "ultrafast"}
ORDERS = {
    "no B-pictures": B_PICTURES | {"bf": "0"},
    "B-pictures": B_PICTURES,
    "B-pictures made from B-pictures": B_PICTURES | {"bf": "7", "b-pyramid": "normal"},
    "groups that need the one before": B_PICTURES | {"x264-params": "open-gop=1"},
}


def write_h264(path: Path, stamps_ms: Iterable[int], options: dict[str, str]) -> Path:
    """A grey film whose level tells the number of each picture."""
    stamps = list(stamps_ms)
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        track = container.add_stream("libx264", rate=30, options=options)
        assert isinstance(track, av.VideoStream)
        track.height, track.width, track.pix_fmt = 48, 64, "yuv420p"
        track.time_base = track.codec_context.time_base = Fraction(1, TICKS_HZ)
        for image, stamp in zip(grey_levels(len(stamps)), stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = stamp, Fraction(1, TICKS_HZ)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path


def n_decoded(path: Path, grid: Grid) -> int:
    with open_container(path) as container:
        track = find_picture(container)
        assert track is not None
        assert track.time_base is not None
        tick_s = float(track.time_base)
        return len(list(decode_for(grid, container, track, lambda stamp: stamp * tick_s)))


def check_same(path: Path, grid: Grid) -> None:
    """The pictures at a rate are those that ``Grid.nearest`` picks of all."""
    blank = av.VideoFrame(2, 2, "gray")
    images = {frame.time_s: frame.image for frame in read_frames(path, None, grid.start_s, grid.end_s)}
    expected = [one.time_s for one in grid.nearest(TimedFrame(time_s, time_s, blank) for time_s in images)]
    for threads in (1, 2):
        seen: list[Frame] = list(read_frames(path, grid.rate_hz, grid.start_s, grid.end_s, threads=threads))
        assert [frame.time_s for frame in seen] == expected
        for frame in seen:
            np.testing.assert_array_equal(frame.image, images[frame.time_s])


def test_nothing_is_nearest_to_nothing() -> None:
    assert list(Grid(15).nearest([])) == []


@given(gaps=st.lists(st.floats(0.001, 0.5), min_size=1, max_size=40), rate_hz=st.floats(1, 60))
def test_nearest_frame_of_every_time(gaps: list[float], rate_hz: float) -> None:
    """Against brute force: the best frame of each place of the grid, whatever the frames' spacing."""
    times = np.cumsum(gaps)
    blank = av.VideoFrame(2, 2, "gray")
    frames = [TimedFrame(float(time_s), float(time_s) + 0.5, blank) for time_s in times]
    seen = list(Grid(rate_hz).nearest(frames))
    got = [one.time_s for one in seen]
    places = np.round(times * rate_hz)
    distances = np.abs(times * rate_hz - places)
    expected = [times[places == place][np.argmin(distances[places == place])] for place in np.unique(places)]
    assert got == pytest.approx(expected)
    assert [one.end_s for one in seen] == [frames[np.flatnonzero(places == p)[-1]].end_s for p in np.unique(places)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("order", ORDERS)
def test_pictures_that_are_looked_at_stay_the_same(tmp_path: Path, order: str, suffix: str) -> None:
    path = write_h264(tmp_path / f"a{suffix}", STEADY_MS, ORDERS[order])
    for grid in (Grid(15), Grid(7), Grid(60), Grid(15, 0.7, 1.4)):
        check_same(path, grid)


@given(
    gaps_ms=st.lists(st.integers(1, 200), min_size=1, max_size=40),
    rate_hz=st.floats(1, 60),
    start_s=st.floats(0, 1),
    b_pictures=st.sampled_from(["0", "2", "7"]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_they_stay_the_same_however_far_apart(
    tmp_path: Path, gaps_ms: list[int], rate_hz: float, start_s: float, b_pictures: str
) -> None:
    stamps_ms = np.cumsum([0, *gaps_ms]).tolist()
    path = write_h264(tmp_path / "a.mkv", stamps_ms, B_PICTURES | {"bf": b_pictures})
    check_same(path, Grid(rate_hz, start_s))


def test_others_are_not_decoded_where_none_is_made_from_them(tmp_path: Path) -> None:
    """Of every four pictures three are B-pictures, half of which lie between those that are looked at."""
    path = write_h264(tmp_path / "a.mp4", STEADY_MS, B_PICTURES)
    assert n_decoded(path, Grid(60)) == len(STEADY_MS)
    assert n_decoded(path, Grid(15)) < 0.75 * len(STEADY_MS)
    assert n_decoded(path, Grid(1)) < 0.4 * len(STEADY_MS)


def test_all_are_decoded_where_others_are_made_from_them(tmp_path: Path) -> None:
    path = write_h264(tmp_path / "a.mp4", STEADY_MS, ORDERS["no B-pictures"])
    assert n_decoded(path, Grid(1)) == len(STEADY_MS)
    assert n_decoded(write_media(tmp_path / "b.mp4", images=grey_levels(20)), Grid(1)) == 20  # MPEG-4


def test_all_of_an_interlaced_film_are_decoded(tmp_path: Path) -> None:
    path = write_h264(tmp_path / "a.mp4", STEADY_MS, B_PICTURES | {"x264-params": "tff=1"})
    assert n_decoded(path, Grid(1)) == len(STEADY_MS)


def test_all_are_decoded_from_where_time_stamps_start_anew(tmp_path: Path) -> None:
    once = write_h264(tmp_path / "a.ts", STEADY_MS, B_PICTURES)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(2 * once.read_bytes())
    assert len(STEADY_MS) < n_decoded(twice, Grid(1)) < 2 * len(STEADY_MS)
    check_same(twice, Grid(15))


def test_all_without_time_stamps_are_decoded(tmp_path: Path) -> None:
    path = write_h264(tmp_path / "a.h264", STEADY_MS, B_PICTURES)
    assert len(list(read_frames(path, 60.0))) >= len(STEADY_MS) - 1
    check_same(path, Grid(15))


def read_to_the_break(path: Path, rate_hz: float | None) -> tuple[float, str]:
    """When the last picture is shown, and the error that comes after it."""
    times_s: list[float] = []
    with pytest.raises(MediaError, match=r"broke off; decoded [01]\.\d\d s of 2\.01 s") as told:
        times_s.extend(frame.time_s for frame in read_frames(path, rate_hz))
    return times_s[-1], str(told.value)


def test_a_film_that_breaks_off_is_told_where_it_does(tmp_path: Path) -> None:
    path = cut_short(write_h264(tmp_path / "a.mkv", STEADY_MS, B_PICTURES))
    last_s, message = read_to_the_break(path, None)
    last_seen_s, same_message = read_to_the_break(path, 15.0)
    assert same_message == message
    assert last_seen_s == pytest.approx(last_s, abs=0.1)


def test_pictures_that_the_file_hides_take_no_place(tmp_path: Path) -> None:
    """Those before 0 are decoded and not shown: another film was cut there without coding it anew."""
    path = write_h264(tmp_path / "a.mp4", range(-520, 1000, 40), B_PICTURES)
    with av.open(str(path)) as container:
        assert any(packet.is_discard for packet in container.demux(video=0))
    check_same(path, Grid(15))
    check_same(path, Grid(4))
