from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.export.subtitles import write_srt, write_webvtt
from omsn.labels import LabelSet
from omsn.types import Prediction, Window

LABELS = LabelSet(("calm", "happy"))
ONE_FACE = Prediction(
    "my clip.mp4", LABELS, (Window(0.0, 4.0, (0.13, 0.87), ("audio",)), Window(2.0, 3723.004, (1.0, 0.0), ("audio",)))
)
TWO_FACES = Prediction("a.mp4", LABELS, (*ONE_FACE.windows, Window(1.0, 2.0, (0.5, 0.5), ("video",), 1, True)))
ODD = Prediction("<b>&-->\n\nc.mp4", LabelSet(("<b>&-->\n\nx",)), (Window(0.0, 1.0, (1.0,), ()),))

WEBVTT_CUE = re.compile(
    r"(\d\d+):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d)\.(\d{3})\n([^\n]+)(?:\n\n|\n\Z)"
)


def packets(path: Path) -> list[tuple[int, int, str]]:
    """Start, end and text of every cue, in milliseconds, as FFmpeg reads them."""
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux() if packet.size]
    return [((packet.pts or 0), (packet.pts or 0) + (packet.duration or 0), bytes(packet).decode()) for packet in found]


def test_no_windows_give_a_webvtt_file_without_cues(tmp_path: Path) -> None:
    write_webvtt(Prediction("a.mp4", LABELS), tmp_path / "a.vtt")
    assert (tmp_path / "a.vtt").read_text() == "WEBVTT\n\nNOTE source: a.mp4\n"
    assert packets(tmp_path / "a.vtt") == []


def test_no_windows_give_an_empty_srt_file(tmp_path: Path) -> None:
    write_srt(Prediction("a.mp4", LABELS), tmp_path / "a.srt")
    assert (tmp_path / "a.srt").read_bytes() == b""


def test_webvtt_of_one_face(tmp_path: Path) -> None:
    write_webvtt(ONE_FACE, tmp_path / "new" / "a.vtt")
    assert (tmp_path / "new" / "a.vtt").read_text() == (
        "WEBVTT\n\nNOTE source: my clip.mp4\n\n"
        "00:00:00.000 --> 00:00:02.000\nhappy 87 %\n\n00:00:02.000 --> 01:02:03.004\ncalm 100 %\n"
    )


def test_srt_of_one_face(tmp_path: Path) -> None:
    write_srt(ONE_FACE, tmp_path / "new" / "a.srt")
    assert (tmp_path / "new" / "a.srt").read_text() == (
        "1\n00:00:00,000 --> 00:00:02,000\nhappy 87 %\n\n2\n00:00:02,000 --> 01:02:03,004\ncalm 100 %\n"
    )


@pytest.mark.parametrize(
    ("write", "line"), [(write_webvtt, "<v face {}>{}</v>"), (write_srt, "face {}: {}")], ids=["webvtt", "srt"]
)
def test_ffmpeg_reads_every_cue_of_two_faces(
    tmp_path: Path, write: Callable[[Prediction, Path], None], line: str
) -> None:
    path = tmp_path / f"a.{'vtt' if write is write_webvtt else 'srt'}"
    write(TWO_FACES, path)
    assert packets(path) == [
        (0, 2000, line.format(0, "happy 87 %")),
        (1000, 2000, line.format(1, "calm 50 %, speaks")),
        (2000, 3723004, line.format(0, "calm 100 %")),
    ]


def test_webvtt_marks_are_escaped(tmp_path: Path) -> None:
    write_webvtt(ODD, tmp_path / "a.vtt")
    text = (tmp_path / "a.vtt").read_text()
    assert "NOTE source: &lt;b&gt;&amp;--&gt;  c.mp4\n\n00:" in text
    assert packets(tmp_path / "a.vtt") == [(0, 1000, "&lt;b&gt;&amp;--&gt;  x 100 %")]


def test_an_arrow_in_a_label_does_not_break_srt(tmp_path: Path) -> None:
    write_srt(ODD, tmp_path / "a.srt")
    assert packets(tmp_path / "a.srt") == [(0, 1000, "<b>&→  x 100 %")]


@pytest.mark.parametrize("write", [write_webvtt, write_srt])
def test_a_name_that_is_no_utf8(tmp_path: Path, write: Callable[[Prediction, Path], None]) -> None:
    write(Prediction("a\udcff.mp4", LabelSet(("b\udcff",)), (Window(0.0, 1.0, (1.0,), ()),)), tmp_path / "a")
    assert "b\\udcff 100 %" in (tmp_path / "a").read_text(encoding="utf-8")


@given(
    st.text(st.characters(exclude_characters="\0"), min_size=1),
    st.lists(st.tuples(st.floats(0.0, 500_000.0), st.floats(0.001, 20.0), st.integers(0, 1)), max_size=8),
)
def test_webvtt_is_well_formed_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, name: str, spans: list[tuple[float, float, int]]
) -> None:
    windows = tuple(Window(start, start + length, (1.0,), (), track) for start, length, track in spans)
    prediction = Prediction(name, LabelSet((name,)), windows)
    path = tmp_path_factory.mktemp("webvtt") / "a.vtt"
    write_webvtt(prediction, path)
    header, note, *rest = path.read_bytes().decode().split("\n\n", 2)
    assert header == "WEBVTT"
    assert note.startswith("NOTE source: ")
    assert "-->" not in note
    found = WEBVTT_CUE.findall("".join(rest))
    assert WEBVTT_CUE.sub("", "".join(rest)) == ""
    times = [
        tuple((int(h) * 60 + int(m)) * 60_000 + int(s) * 1000 + int(ms) for h, m, s, ms in (cue[:4], cue[4:8]))
        for cue in found
    ]
    assert times == [(cue.start_ms, cue.end_ms) for cue in prediction.segments()]
    assert not any("-->" in cue[8] or "\r" in cue[8] for cue in found)
