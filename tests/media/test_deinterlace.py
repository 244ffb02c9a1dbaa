from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from omsn.media.deinterlace import TimedFrame, deinterlaced
from omsn.media.video import Image, read_frames

RATE_HZ = 25
CODERS = {"h264": ("libx264", {"x264-params": "tff=1"}), "mpeg2": ("mpeg2video", {"flags": "+ilme+ildct"})}


def bar(step: int, width: int = 128) -> Image:
    """A white bar on black that moves to the right with each step."""
    image = np.full((96, width, 3), 30, np.uint8)
    image[:, 8 + 4 * step : 20 + 4 * step] = 220
    return image


def two_fields(number: int) -> Image:
    """Every other line half a picture's time later than those between, as a camera for television takes them."""
    image = bar(2 * number)
    image[1::2] = bar(2 * number + 1)[1::2]
    return image


def write_film(path: Path, images: Sequence[Image], coder: str = "h264") -> Path:
    """A film whose pictures are all flagged as interlaced."""
    name, options = CODERS[coder]
    with av.open(str(path), "w") as container:
        track = container.add_stream(name, rate=RATE_HZ, options=options)
        assert isinstance(track, av.VideoStream)
        track.height, track.width = images[0].shape[:2]
        track.pix_fmt = "yuv420p"
        track.codec_context.thread_count = 1
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            # Without mixing the colours of two lines: they are of different fields.
            frame = frame.reformat(format="yuv420p", interpolation="POINT")
            frame.pts, frame.time_base = number, Fraction(1, RATE_HZ)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path


def combing(image: Image) -> float:
    """How much a line differs from the next one on average."""
    return float(np.abs(np.diff(image[:, :, 1].astype(float), axis=0)).mean())


def timed(place: int, frame: av.VideoFrame) -> TimedFrame:
    return TimedFrame(place / RATE_HZ, (place + 1) / RATE_HZ, frame)


def decoded(path: Path) -> list[TimedFrame]:
    with av.open(str(path)) as container:
        return [timed(number, frame) for number, frame in enumerate(container.decode(video=0))]


def in_bgr(frame: av.VideoFrame) -> Image:
    return frame.to_ndarray(format="bgr24").astype(np.uint8)


def test_no_pictures() -> None:
    assert list(deinterlaced([])) == []


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("n_frames", [2, 12])
def test_interlaced_pictures_are_made_whole(tmp_path: Path, coder: str, n_frames: int) -> None:
    path = write_film(tmp_path / "a.mkv", [two_fields(number) for number in range(n_frames)], coder)
    raw = [in_bgr(one.frame) for one in decoded(path)]
    frames = list(read_frames(path))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(n_frames) / RATE_HZ, atol=2e-3)
    np.testing.assert_allclose([frame.duration_s for frame in frames], 1 / RATE_HZ, atol=2e-3)
    assert min(map(combing, raw)) > 5
    assert max(combing(frame.image) for frame in frames) < 1


def test_each_picture_shows_the_moment_of_one_of_its_fields(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", [two_fields(number) for number in range(12)])
    places = [np.flatnonzero(frame.image[:, :, 1].mean(axis=0) > 125).mean() for frame in read_frames(path)]
    assert min(abs(places[0] - first) for first in (13.5, 17.5)) < 1
    np.testing.assert_allclose(np.diff(places), 8, atol=0.5)


def test_a_picture_alone_is_read(tmp_path: Path) -> None:
    (frame,) = read_frames(write_film(tmp_path / "a.mp4", [two_fields(0)]))
    assert frame.time_s == 0


def test_a_still_picture_stays_as_it_is(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", [bar(3)] * 6)
    for raw, frame in zip(decoded(path), read_frames(path), strict=True):
        np.testing.assert_allclose(frame.image.astype(int), in_bgr(raw.frame).astype(int), atol=4)


def test_pictures_in_one_piece_go_by_untouched(tmp_path: Path) -> None:
    """Before the first interlaced one and after it; the times of all are kept."""
    woven = decoded(write_film(tmp_path / "a.mp4", [two_fields(number) for number in range(4)]))
    grey = [av.VideoFrame.from_ndarray(in_bgr(one.frame)[..., 1], format="gray") for one in woven]
    plain = [one._replace(frame=frame) for one, frame in zip(woven, grey, strict=True)]
    assert list(deinterlaced(plain)) == plain
    same_size = [frame.reformat(format="yuv420p") for frame in grey]
    mixed = [timed(*one) for one in enumerate([*same_size[:2], *(one.frame for one in woven[2:]), *same_size[:2]])]
    times_s, ends_s, frames = zip(*deinterlaced(mixed), strict=True)
    np.testing.assert_allclose(times_s, np.arange(6) / RATE_HZ)
    np.testing.assert_allclose(ends_s, np.arange(1, 7) / RATE_HZ)
    for place in (0, 1, 4, 5):
        np.testing.assert_array_equal(in_bgr(frames[place]), in_bgr(mixed[place].frame))
    assert max(combing(in_bgr(frame)) for frame in frames[2:4]) < 1


def test_pictures_may_change_their_size_part_way(tmp_path: Path) -> None:
    small = decoded(write_film(tmp_path / "a.mp4", [two_fields(number) for number in range(3)]))
    large_images = [np.repeat(two_fields(number), 2, axis=1) for number in range(3)]
    large = decoded(write_film(tmp_path / "b.mp4", large_images))
    frames = [one.frame for one in deinterlaced([*small, *large, *small])]
    assert [frame.width for frame in frames] == [128] * 3 + [256] * 3 + [128] * 3
    assert max(combing(in_bgr(frame)) for frame in frames) < 1
