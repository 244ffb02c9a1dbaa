"""The answers for many files in one folder: where each goes, and an index that tells which are there already."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from omsn.errors import InputError
from omsn.export.formats import Format
from omsn.files import replace_file
from omsn.media.find import MediaFile
from omsn.timing import timed
from omsn.types import Prediction

INDEX_NAME = "predictions.jsonl"
"""One line a file that is answered to its end. A line is added once all outputs are there, and taken out before they
change."""
FAILURES_NAME = "failures.csv"
RESERVED = ("predictions", "failures")
"""Names that files without a suffix could have and that would write over the two above."""


Outputs = tuple[tuple[Format, Path], ...]
"""Each with the absolute path that it goes to."""


@dataclass(frozen=True)
class _Answered:
    """A line of the index: whose answers stand at a place, of what state of the file, made how, in which formats."""

    place: str
    source: str
    size: int
    modified_ns: int
    made_by: Mapping[str, str]
    suffixes: tuple[str, ...]

    def covers(self, wanted: _Answered) -> bool:
        """True where nothing needs to be made again."""
        same = (self.source, self.size, self.modified_ns, self.made_by)
        other = (wanted.source, wanted.size, wanted.modified_ns, wanted.made_by)
        return same == other and set(wanted.suffixes) <= set(self.suffixes)


class AnswerFolder:
    """Outputs and index of one run over some files."""

    def __init__(
        self, folder: Path, files: Sequence[MediaFile], formats: Sequence[Format], made_by: Mapping[str, str]
    ) -> None:
        """Look at what the folder holds; nothing is written yet.

        Args:
            folder: made where missing, by ``begin``.
            files: all files of the run.
            formats: what to write for each.
            made_by: version, checkpoint and settings; answers made by others are not reused.

        Raises:
            InputError: the index cannot be read.
        """
        self._folder, self._formats, self._made_by = folder, tuple(formats), dict(made_by)
        self._places = places_of(files)
        self._index = _read_index(folder / INDEX_NAME)
        # Before the long work: a file that changes meanwhile does not match its line, and is made again.
        self._wanted = {file: self._describe(file) for file in files}

    def has(self, file: MediaFile) -> bool:
        """True where all outputs of the file are there, made of the same file in the same way."""
        wanted = self._wanted[file]
        there = self._index.get(wanted.place)
        return there is not None and there.covers(wanted) and all(map(os.path.isfile, self._paths(file)))

    def refusal(self, file: MediaFile) -> str:
        """Why the file may not be written: its place holds the answers for another one. Empty where it may."""
        wanted = self._wanted[file]
        there = self._index.get(wanted.place)
        if there is None or there.source == wanted.source or not os.path.exists(there.source):
            return ""
        return f"{self._folder / there.place} holds the answers for {there.source}; choose another folder with --out"

    def begin(self, files: Sequence[MediaFile]) -> None:
        """Write the index without the files that are about to be made, so that no line ever tells too much.

        Raises:
            InputError: the folder cannot be written to.
        """
        for file in files:
            self._index.pop(self._wanted[file].place, None)
        try:
            replace_file(self._folder / INDEX_NAME, b"".join(map(_line, self._index.values())))
        except OSError as error:
            raise InputError(
                f"{self._folder}: cannot be written to ({error.strerror}); choose another folder"
            ) from error

    def outputs(self, file: MediaFile) -> Outputs:
        """What ``write_outputs`` is to write for one file."""
        return tuple(zip(self._formats, self._paths(file), strict=True))

    def record(self, file: MediaFile) -> None:
        """Add the line of a file whose outputs are written, all of them and to its end.

        Raises:
            OSError: the disk is full or the folder cannot be written to; it names the index.
        """
        with _blamed_on(self._folder / INDEX_NAME), (self._folder / INDEX_NAME).open("ab") as index:
            index.write(_line(self._wanted[file]))

    def write_failures(self, failures: Sequence[tuple[str, str]]) -> None:
        """Write names and reasons as a table, or take away that of an earlier run where there are none.

        Raises:
            OSError: the disk is full or the folder cannot be written to; it names the table.
        """
        path = self._folder / FAILURES_NAME
        table = io.StringIO(newline="")
        csv.writer(table).writerows([("file", "reason"), *failures])
        with _blamed_on(path):
            if failures:
                # File names may hold bytes that are no UTF-8; Python keeps them as lone surrogates.
                replace_file(path, table.getvalue().encode(errors="backslashreplace"))
            else:
                path.unlink(missing_ok=True)

    def _paths(self, file: MediaFile) -> list[Path]:
        return [self._folder.absolute() / f"{self._places[file]}{form.suffix}" for form in self._formats]

    def _describe(self, file: MediaFile) -> _Answered:
        try:
            status = file.path.stat()
            size, modified_ns = status.st_size, status.st_mtime_ns
        except OSError:  # gone since it was found: reading it will tell
            size, modified_ns = -1, -1
        suffixes = tuple(form.suffix for form in self._formats)
        return _Answered(str(self._places[file]), str(file.identity), size, modified_ns, self._made_by, suffixes)


def write_outputs(outputs: Outputs, prediction: Prediction) -> None:
    """Write one file's answers, each whole or not at all, in whatever process.

    Raises:
        OSError: the disk is full or the folder cannot be written to; it names the output, never a temporary file.
    """
    for form, path in outputs:
        with timed(f"write {form.suffix.removeprefix('.')}"), _blamed_on(path):
            form.write(prediction, path)


def places_of(files: Sequence[MediaFile]) -> dict[MediaFile, PurePath]:
    """Where each file's answers go in the folder, without suffix of a format; no two share a place.

    A file keeps its path below the folder that the user named, or its name. Where that is another file's too, both
    get the name of the folder above them in front, as often as it takes.

    >>> a, b, c = (
    ...     MediaFile(Path(path), PurePath(Path(path).name)) for path in ("/x/1/a.mp4", "/x/2/a.mp4", "/x/c.mp4")
    ... )
    >>> [place.as_posix() for place in places_of([a, b, c]).values()]
    ['1/a.mp4', '2/a.mp4', 'c.mp4']
    """
    lengths = {file: len(file.below.parts) for file in files}
    whole = {file: file.identity.parts for file in files}
    while True:
        places = {file: PurePath(*whole[file][-lengths[file] :]) for file in files}
        count = Counter(places.values()) + Counter(map(PurePath, RESERVED))
        shared = [file for file in files if count[places[file]] > 1 and lengths[file] < len(whole[file]) - 1]
        if not shared:
            return places
        for file in shared:
            lengths[file] += 1


@contextmanager
def _blamed_on(path: Path) -> Iterator[None]:
    """A refusal of the system names the file that was to be written, in place of a temporary one or of none.

    Where a file stands in the way of a folder, it keeps that file's name.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _line(answered: _Answered) -> bytes:
    return (json.dumps(vars(answered)) + "\n").encode()


def _read_index(path: Path) -> dict[str, _Answered]:
    """The lines by place; what a killed run left half-written is passed over, and its file made again."""
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); choose another folder") from error
    found = (_parse(line) for line in lines)
    return {answered.place: answered for answered in found if answered is not None}


def _parse(line: bytes) -> _Answered | None:
    try:
        facts: dict[str, Any] = json.loads(line)
        return _Answered(**facts | {"suffixes": tuple(facts["suffixes"])})
    except (ValueError, TypeError, KeyError):
        return None
