"""Predictions as subtitles that players show over the video: WebVTT and SubRip."""

from __future__ import annotations

from html import escape
from pathlib import Path

from omsn.files import replace_file
from omsn.segments import Segment
from omsn.types import Prediction


def write_webvtt(prediction: Prediction, path: Path) -> None:
    """Write one file's prediction as WebVTT (W3C, 2019); the file appears whole or not at all.

    The source stands in a NOTE, and in another why the answers end before the file does, where they do. Where there
    are several faces, each is a voice, ``<v face 1>``, and the one that speaks is marked.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    found = prediction.segments()
    several = _several_faces(found)
    blocks = ["WEBVTT", f"NOTE source: {escape(_one_line(prediction.source), quote=False)}"]
    if prediction.broke_off:
        blocks.append(f"NOTE broke off: {escape(_one_line(prediction.broke_off), quote=False)}")
    for segment in found:
        text = escape(_answer(segment), quote=False)  # also turns the forbidden "-->" into "--&gt;"
        blocks.append(f"{_span(segment, '.')}\n" + (f"<v face {segment.track}>{text}</v>" if several else text))
    _write("\n\n".join(blocks) + "\n", path)


def write_srt(prediction: Prediction, path: Path) -> None:
    """Write one file's prediction as SubRip; the file appears whole or not at all.

    SubRip has no comments and no escapes: the source is left out and text stands as it is. Where there are several
    faces, each line begins with its own, and the one that speaks is marked. No windows give an empty file.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    found = prediction.segments()
    several = _several_faces(found)
    blocks = []
    for number, segment in enumerate(found, start=1):
        text = _answer(segment).replace("-->", "→")
        blocks.append(
            f"{number}\n{_span(segment, ',')}\n" + (f"face {segment.track}: {text}" if several else text) + "\n"
        )
    _write("\n".join(blocks), path)


def _several_faces(found: tuple[Segment, ...]) -> bool:
    return len({segment.track for segment in found}) > 1


def _answer(segment: Segment) -> str:
    speaks = ", speaks" if segment.speaking else ""
    return f"{_one_line(segment.emotion)} {100 * segment.probability:.0f} %{speaks}"


def _one_line(text: str) -> str:
    """The text without line breaks: a blank line would end a segment or a comment."""
    return text.replace("\r", " ").replace("\n", " ")


def _span(segment: Segment, decimal_mark: str) -> str:
    return f"{_clock(segment.start_ms, decimal_mark)} --> {_clock(segment.end_ms, decimal_mark)}"


def _clock(time_ms: int, decimal_mark: str) -> str:
    """Hours, minutes, seconds and milliseconds.

    >>> _clock(3_723_004, ".")
    '01:02:03.004'
    """
    time_s, milliseconds = divmod(time_ms, 1000)
    time_min, seconds = divmod(time_s, 60)
    hours, minutes = divmod(time_min, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"


def _write(text: str, path: Path) -> None:
    # File names may hold bytes that are no UTF-8; Python keeps them as lone surrogates.
    replace_file(path, text.encode(errors="backslashreplace"))
