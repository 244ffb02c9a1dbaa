from __future__ import annotations

import re
from pathlib import Path

import pytest

from omsn.errors import InputError
from omsn.export.formats import FORMATS, parse_formats
from omsn.labels import RAVDESS_EMOTIONS
from omsn.types import Prediction, Window

TEXTS = ("json", "csv", "webvtt", "srt", "eaf")
"""Formats that need nothing but the prediction; the others have tests of their own."""
WINDOW = Window(0.0, 4.0, (0.125,) * 8, ("audio", "video"))


@pytest.mark.parametrize("windows", [(), (WINDOW,)], ids=["no windows", "one window"])
@pytest.mark.parametrize("name", TEXTS)
def test_every_format_writes_one_whole_file_and_replaces_an_older_one(
    tmp_path: Path, name: str, windows: tuple[Window, ...]
) -> None:
    path = tmp_path / "new" / f"ünï code.mp4{FORMATS[name].suffix}"
    for _ in range(2):
        FORMATS[name].write(Prediction("ünï code.mp4", RAVDESS_EMOTIONS, windows), path)
    assert list((tmp_path / "new").iterdir()) == [path]
    assert b"\0" not in path.read_bytes()


@pytest.mark.parametrize("name", TEXTS)
def test_every_format_writes_a_name_that_is_no_utf8(tmp_path: Path, name: str) -> None:
    FORMATS[name].write(Prediction("a\udcff.mp4", RAVDESS_EMOTIONS, (WINDOW,)), tmp_path / "a")
    assert (tmp_path / "a").read_bytes().decode("utf-8")


@pytest.mark.parametrize("name", TEXTS)
def test_every_format_tells_of_a_folder_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OSError, match="file"):
        FORMATS[name].write(Prediction("a.mp4", RAVDESS_EMOTIONS), tmp_path / "file" / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_suffixes_differ() -> None:
    assert len({form.suffix for form in FORMATS.values()}) == len(FORMATS)


def test_names_with_commas_between() -> None:
    assert parse_formats("json,csv,webvtt,srt,eaf,overlay,plot") == tuple(FORMATS.values())
    assert parse_formats(" eaf, eaf ,") == (FORMATS["eaf"],)


@pytest.mark.parametrize("name", FORMATS)
def test_a_suffix_stands_for_its_format(name: str) -> None:
    suffix = FORMATS[name].suffix
    assert parse_formats(f"{suffix},{name},{suffix.removeprefix('.')}") == (FORMATS[name],)


@pytest.mark.parametrize(("text", "got"), [("", "none"), (" , ", "none"), ("json,doc,CSV,doc", "'doc', 'CSV'")])
def test_unknown_names(text: str, got: str) -> None:
    with pytest.raises(
        InputError, match=re.escape(f"got {got}, expected one or more of json, csv, webvtt, srt, eaf, overlay")
    ):
        parse_formats(text)
