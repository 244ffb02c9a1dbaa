"""The manifest: a CSV with one row a clip, checked as a whole when it is read or written.

Columns are the fields of ``Clip``. ``clip``, ``speaker``, ``emotion`` and at least one of ``audio``, ``video`` and
``landmarks`` must be there, in any order; a missing or empty other one is an unknown fact. Files stand as paths
relative to the manifest's folder, with "/" between folders, and do not leave it; files elsewhere (a cache whose corpus
lies on another disk) stand as absolute paths.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from omsn.errors import ManifestError
from omsn.files import replace_file
from omsn.labels import LabelSet
from omsn.media.landmark_file import split_reference
from omsn.types import Clip

COLUMNS = tuple(field.name for field in fields(Clip))
REQUIRED = ("clip", "speaker", "emotion")
FILES = ("audio", "video", "landmarks")
TIMES = ("start_s", "end_s")

_DELETE = 127


@dataclass(frozen=True)
class _Row:
    """Values of one clip by column, and where they stand in the manifest."""

    line: int
    values: Mapping[str, str]


def read_manifest(path: Path, labels: LabelSet | None = None, *, check_files: bool = True) -> tuple[Clip, ...]:
    """Read and check a manifest (UTF-8, with or without a byte-order mark, any line ends).

    Args:
        path: the CSV.
        labels: the emotions allowed; any by default.
        check_files: whether every file must be there. False suits a cache, whose features are taken already.

    Returns:
        The clips in the order of the rows, with absolute paths.

    Raises:
        ManifestError: the manifest cannot be read or has problems; all are listed with their lines.
    """
    folder = Path(os.path.abspath(path)).parent
    header, rows, problems = _parse(path)
    problems += [f"line 1: {problem}" for problem in _header_problems(header)]
    problems += _all_problems(rows, labels)
    if check_files:
        problems += [f"line {row.line}: {problem}" for row in rows for problem in _missing_files(row.values, folder)]
        problems += _contradictions(rows)
    if not rows and not problems:
        problems.append("has no clips, only a header")
    _raise_if_any(path, problems)
    return tuple(_to_clip(row.values, folder) for row in rows)


def write_manifest(path: Path, clips: Sequence[Clip], *, allow_outside: bool = False) -> None:
    """Write a manifest whole or not at all (to a temporary name beside it, then renamed).

    Args:
        path: the CSV; its folder exists.
        clips: paths are absolute, or relative to the manifest's folder.
        allow_outside: write files that are not below the manifest's folder as absolute paths instead of refusing them.

    Raises:
        ManifestError: there is no clip, or some cannot be read back; all problems are listed with their lines.
    """
    folder = Path(os.path.abspath(path)).parent
    rows = [_Row(line, _to_values(clip, folder)) for line, clip in enumerate(clips, start=2)]
    problems = _all_problems(rows, None)
    if not allow_outside:
        problems += [f"line {row.line}: {problem}" for row in rows for problem in _outside(row.values, folder)]
    if not rows:
        problems.append("no clips to write")
    _raise_if_any(path, problems)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.values for row in rows)
    replace_file(path, text.getvalue().encode())


def _parse(path: Path) -> tuple[list[str], list[_Row], list[str]]:
    """Header, rows and the problems of rows with too few or too many values.

    Raises:
        ManifestError: the file cannot be read as a CSV at all.
    """
    rows, problems = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            for values in reader:
                if len(values) == len(header) and any(values):
                    rows.append(_Row(reader.line_num, dict(zip(header, values, strict=True))))
                elif any(values):
                    problems.append(f"line {reader.line_num}: got {len(values)} values, expected {len(header)}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        advice = "; save it as CSV UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise ManifestError(f"{path}: cannot be read as a CSV in UTF-8: {error}{advice}") from error
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and sign in header[0]:
            raise ManifestError(f"{path}: its columns are separated by {name}; save it as CSV with commas, in UTF-8")
    return header, rows, problems


def _header_problems(header: Sequence[str]) -> Iterator[str]:
    if not header:
        yield f"is empty; expected the columns {', '.join(COLUMNS)}, separated by commas"
        return
    for name in sorted({name for name in header if header.count(name) > 1}):
        yield f"column {name!r} stands there twice"
    for name in header:
        if name not in COLUMNS:
            yield f"unknown column {name!r}; expected some of {', '.join(COLUMNS)}, separated by commas"
    for name in REQUIRED:
        if name not in header:
            yield f"missing column {name!r}"
    if not set(FILES) & set(header):
        yield f"missing column: at least one of {', '.join(FILES)}"


def _all_problems(rows: Sequence[_Row], labels: LabelSet | None) -> list[str]:
    """Problems that need no look at any file, with their lines."""
    problems, first_lines = [], dict[str, int]()
    for row in rows:
        found = [*_text_problems(row.values), *_file_problems(row.values), *_time_problems(row.values)]
        clip, emotion = row.values.get("clip", ""), row.values.get("emotion", "")
        first = first_lines.setdefault(clip, row.line)
        if clip and first != row.line:
            found.append(f"clip {clip!r} stands on line {first} too")
        if labels is not None and emotion and emotion not in labels.names:
            found.append(f"unknown emotion {emotion!r}, expected one of {', '.join(labels.names)}")
        problems += [f"line {row.line}: {problem}" for problem in found]
    return problems


def _contradictions(rows: Sequence[_Row]) -> Iterator[str]:
    """Emotions that differ in nothing but capitals, and people with two sexes: slips that make groups of their own."""
    spelt, sexes = dict[str, str](), dict[tuple[str, str], str]()
    for row in rows:
        emotion, speaker, sex = (row.values.get(name, "") for name in ("emotion", "speaker", "sex"))
        first = spelt.setdefault(emotion.casefold(), emotion)
        if first != emotion:
            yield f"line {row.line}: emotion {emotion!r} is {first!r} elsewhere; write it one way"
        known = sexes.setdefault((row.values.get("corpus", ""), speaker), sex) if speaker and sex else sex
        if known != sex:
            yield f"line {row.line}: speaker {speaker!r} is {sex!r} here and {known!r} elsewhere"


def _text_problems(values: Mapping[str, str]) -> Iterator[str]:
    for name in ("clip", "emotion"):
        if not values.get(name, name).strip():
            yield f"{name} is empty"
    for name, value in values.items():
        if any(ord(letter) < ord(" ") or ord(letter) == _DELETE for letter in value):
            yield f"{name} {value!r} has a control character in it"
        elif name not in FILES + TIMES and value.strip() and value != value.strip():
            yield f"{name} {value!r} has spaces around it"
        if not value.isascii() and value.encode(errors="ignore").decode() != value:
            yield f"{name} {value!r} is no valid text; rename the file"


def _file_problems(values: Mapping[str, str]) -> Iterator[str]:
    given = [name for name in FILES if name in values]
    if given and not any(values[name] for name in given):
        yield f"has none of {', '.join(FILES)}; give at least one"
    for name in given:
        relative = os.path.normpath(split_reference(values[name])[0])
        if relative.split(os.sep)[0] == os.pardir:
            yield f"{name} {values[name]!r} leaves the manifest's folder; give an absolute path"


def _time_problems(values: Mapping[str, str]) -> Iterator[str]:
    bad = [name for name in TIMES if values.get(name) and not _is_time(values[name])]
    for name in bad:
        yield f"{name} is {values[name]!r}, expected seconds from the start of the file, such as 1.5"
    start, end = values.get("start_s") or "0", values.get("end_s")
    if end and not bad and float(end) <= float(start):
        yield f"end_s {end} is not after start_s {start}"


def _is_time(text: str) -> bool:
    try:
        seconds = float(text)
    except ValueError:
        return False
    return math.isfinite(seconds) and seconds >= 0


def _missing_files(values: Mapping[str, str], folder: Path) -> Iterator[str]:
    for name in FILES:
        value = values.get(name)
        if value and not (folder / split_reference(value)[0]).is_file():
            yield f"{name} {value!r} is no file in {folder}"


def _outside(values: Mapping[str, str], folder: Path) -> Iterator[str]:
    for name in FILES:
        if os.path.isabs(values[name]):
            yield f"{name} {values[name]!r} is not below {folder}; allow files outside, or put the manifest above them"


def _to_clip(values: Mapping[str, str], folder: Path) -> Clip:
    columns: dict[str, Any] = dict(values)
    columns |= {name: os.path.normpath(folder / value) for name in FILES if (value := values.get(name))}
    columns.setdefault("audio", columns.get("video", ""))  # without a column for sound, it is the film's own
    columns["start_s"] = float(values.get("start_s") or 0)
    columns["end_s"] = float(values["end_s"]) if values.get("end_s") else None
    return Clip(**columns)


def _to_values(clip: Clip, folder: Path) -> dict[str, str]:
    values = {name: "" if value is None else str(value) for name, value in vars(clip).items()}
    return values | {name: _relative(values[name], folder) for name in FILES}


def _relative(reference: str, folder: Path) -> str:
    """The reference as it stands in a manifest of this folder: relative where it is below, else as it is."""
    if not os.path.isabs(reference):
        return reference
    path = Path(os.path.normpath(reference))
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _raise_if_any(path: Path, problems: Iterable[str]) -> None:
    found = list(problems)
    if found:
        count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        raise ManifestError(f"{path}: {count}\n  " + "\n  ".join(found))
