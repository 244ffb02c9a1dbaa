"""Pictures come in order of time, each once, whatever the time stamps do."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_media import grey_levels, tone, write_media

from omsn.media.sound import read_sound
from omsn.media.video import RESTART_S, Frame, read_frames

TICKS_HZ = 1000


def write_stamped(path: Path, stamps_ms: Sequence[int]) -> Path:
    """Pictures that need no others to be decoded, with these time stamps, however they jump."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"g": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv444p"
        stream.codec_context.time_base, stream.codec_context.thread_count = Fraction(1, TICKS_HZ), 1
        for number, (image, stamp) in enumerate(zip(grey_levels(len(stamps_ms)), stamps_ms, strict=True)):
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
                packet.pts, packet.dts, packet.time_base = stamp, number - len(stamps_ms), Fraction(1, TICKS_HZ)
                container.mux(packet)
    return path


def numbers(frames: list[Frame]) -> list[int]:
    return [round((float(frame.image.mean()) - 10) / 2) for frame in frames]


def test_a_frame_that_comes_late_is_left_out(tmp_path: Path) -> None:
    frames = list(read_frames(write_stamped(tmp_path / "a.mkv", [0, 40, 120, 80, 160, 160, 200])))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.12, 0.16, 0.2])
    assert numbers(frames) == [0, 1, 2, 4, 6]


def test_time_that_starts_anew_goes_on_from_where_it_was(tmp_path: Path) -> None:
    """With the same distances as in the file: they may be uneven."""
    frames = list(read_frames(write_stamped(tmp_path / "a.mkv", [0, 500, 1000, 20, 60, 200])))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.5, 1, 1.04, 1.08, 1.22])
    assert numbers(frames) == list(range(6))


@given(stamps_ms=st.lists(st.integers(0, 2000), min_size=1, max_size=30))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_time_always_rises(tmp_path: Path, stamps_ms: list[int]) -> None:
    frames = list(read_frames(write_stamped(tmp_path / "a.mkv", stamps_ms)))
    assert (np.diff([frame.time_s for frame in frames]) > 0).all()
    in_order = [n for n, stamp in enumerate(stamps_ms) if not any(earlier >= stamp for earlier in stamps_ms[:n])]
    fallen = max((max(stamps_ms[: n + 1]) - stamp for n, stamp in enumerate(stamps_ms)), default=0)
    if fallen <= RESTART_S * TICKS_HZ:
        assert numbers(frames) == in_order


@pytest.mark.parametrize("rate_hz", [25, Fraction(30000, 1001)])
def test_an_avi_with_pictures_coded_out_of_order(tmp_path: Path, rate_hz: Fraction) -> None:
    """AVI stamps pictures in the order of coding alone."""
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate_hz, options={"bf": "2"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for image in grey_levels(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    frames = list(read_frames(tmp_path / "a.avi"))
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(30) / float(rate_hz))
    assert np.all(np.diff([frame.image.mean() for frame in frames]) > -1)


def test_time_stamps_that_fall_back_go_on_from_where_they_were(tmp_path: Path) -> None:
    """Two recordings of a camera, copied into one file: each has a clock of its own."""
    path = write_media(tmp_path / "a.ts", tone(1.0), grey_levels(25))
    (tmp_path / "twice.ts").write_bytes(2 * path.read_bytes())
    times_s = [frame.time_s for frame in read_frames(tmp_path / "twice.ts")]
    assert times_s == pytest.approx(np.arange(50) / 25, abs=1e-3)
    assert read_sound(tmp_path / "twice.ts", 16000).duration_s == pytest.approx(2.0, abs=0.08)
