"""The formats by name, for the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from omsn.errors import InputError
from omsn.export.csv import write_csv
from omsn.export.elan import write_eaf
from omsn.export.json import write_json
from omsn.export.subtitles import write_srt, write_webvtt
from omsn.types import Prediction

OVERLAY_SUFFIX = ".overlay.mp4"


class Format(NamedTuple):
    """One way to write a prediction.

    Attributes:
        suffix: end of the file's name, with its dot.
        write: writes a prediction to a path; the file appears whole or not at all.
    """

    suffix: str
    write: Callable[[Prediction, Path], None]


def _write_overlay(prediction: Prediction, path: Path) -> None:
    from omsn.export.overlay import write_overlay  # with what draws and encodes, which nobody else needs

    write_overlay(prediction, path)


def _write_plot(prediction: Prediction, path: Path) -> None:
    from omsn.export.plot import write_plot  # with matplotlib

    write_plot(prediction, path)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "json": Format(".json", write_json),
        "csv": Format(".csv", write_csv),
        "webvtt": Format(".vtt", write_webvtt),
        "srt": Format(".srt", write_srt),
        "eaf": Format(".eaf", write_eaf),
        "overlay": Format(OVERLAY_SUFFIX, _write_overlay),
        "plot": Format(".png", _write_plot),
    }
)


def parse_formats(text: str) -> tuple[Format, ...]:
    """The formats in a comma-separated list of names or suffixes, each once.

    Raises:
        InputError: a name is unknown, or none is given.

    >>> [form.suffix for form in parse_formats("webvtt, json,vtt")]
    ['.vtt', '.json']
    """
    known = {form.suffix: form for form in FORMATS.values()} | dict(FORMATS)
    known |= {form.suffix.removeprefix("."): form for form in FORMATS.values()}
    names = [name for name in (part.strip() for part in text.split(",")) if name]
    unknown = dict.fromkeys(name for name in names if name not in known)
    if unknown or not names:
        got = ", ".join(map(repr, unknown)) or "none"
        raise InputError(
            f"unknown format: got {got}, expected one or more of {', '.join(FORMATS)}, with commas between"
        )
    return tuple(dict.fromkeys(known[name] for name in names))
