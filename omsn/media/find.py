"""Files that a user names -> media files: folders are looked through, patterns expanded, the rest taken as it is."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

VIDEO_SUFFIXES = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".mts",
        ".m2ts",
        ".ts",
        ".wmv",
        ".flv",
        ".3gp",
        ".ogv",
    }
)
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"})
MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES


@dataclass(frozen=True)
class MediaFile:
    """A file to read.

    Attributes:
        path: as the user named it, or its folder.
        below: its path below the folder that the user named; its own name where the file itself was named.
        named: the user named the file itself, or a pattern that it fits.
    """

    path: Path
    below: PurePath
    named: bool = False

    @property
    def identity(self) -> Path:
        """The absolute path, folders' links followed; a link that is a file stays the file that it is."""
        return self.path.parent.resolve() / self.path.name


@dataclass(frozen=True)
class Found:
    """What names stand for.

    Attributes:
        files: in order, each once.
        failures: names that cannot be used, each with the reason.
        passed_over: paths of files in folders that are hidden or have no suffix of a media file.
    """

    files: tuple[MediaFile, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    passed_over: tuple[str, ...] = ()


def find_media(names: Iterable[Path]) -> Found:
    """Media files that files, folders and patterns such as ``films/*.mp4`` stand for.

    A folder stands for the media files below it by their suffix, but for hidden ones; links to folders in it are not
    followed. A folder in it that is named like a media file, with none below it, is a failure. A file that is named is
    taken whatever its name. A name that is no file is a pattern (``**``: any depth).
    """
    parts = [_look_at(path) if path else _failure(name, reason) for name in names for path, reason in _expand(name)]
    files: dict[Path, MediaFile] = {}
    for file in (file for part in parts for file in part.files):
        first = files.setdefault(file.identity, file)
        files[file.identity] = replace(first, named=first.named or file.named)
    return Found(
        tuple(files.values()),
        tuple(failure for part in parts for failure in part.failures),
        tuple(path for part in parts for path in part.passed_over),
    )


def _expand(name: Path) -> Iterator[tuple[Path | None, str]]:
    """The paths that a name stands for, or why it stands for none."""
    pattern = str(name)
    if os.path.lexists(name) or glob.escape(pattern) == pattern:
        yield name, ""
        return
    matches = sorted(glob.glob(pattern, recursive=True))
    yield from ((Path(match), "") for match in matches)
    if not matches:
        yield None, "no file of this name, and as a pattern it matches nothing"


def _look_at(path: Path) -> Found:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return _failure(path, "a link to a file that is not there" if path.is_symlink() else "no such file or folder")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        return _failure(path, f"cannot be looked at ({getattr(error, 'strerror', None) or error})")
    if stat.S_ISDIR(mode):
        return _look_below(path)
    if not stat.S_ISREG(mode):
        return _failure(path, "neither a file nor a folder; expected a media file")
    return Found((MediaFile(path, PurePath(path.name), named=True),))


def _look_below(folder: Path) -> Found:
    unreadable: list[OSError] = []
    below = list(os.walk(folder, onerror=unreadable.append))
    paths = sorted(Path(root, name) for root, _, names in below for name in names)
    media = [path for path in paths if _is_media(path.relative_to(folder))]
    parts = [_look_at(path) for path in media]
    failures = [(str(error.filename), f"cannot be looked through ({error.strerror})") for error in unreadable]
    failures += [failure for part in parts for failure in part.failures]
    folders = sorted(Path(root, name) for root, names, _ in below for name in names)
    failures += _named_like_media([path for path in folders if _is_media(path.relative_to(folder))], media)
    if not media and not failures:
        failures.append((str(folder), f"no media file in this folder; expected {', '.join(sorted(MEDIA_SUFFIXES))}"))
    passed_over = tuple(str(path) for path in paths if not _is_media(path.relative_to(folder)))
    files = (MediaFile(file.path, file.path.relative_to(folder)) for part in parts for file in part.files)
    return Found(tuple(files), tuple(failures), passed_over)


def _named_like_media(folders: Sequence[Path], media: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Folders that a reader takes for films, with nothing below them, each with the reason."""
    with_media = {parent for path in media for parent in path.parents}
    for folder in folders:
        if folder.is_symlink():
            yield str(folder), "a link to a folder, which is not followed; name it by itself"
        elif folder not in with_media:
            yield str(folder), "a folder that is named like a media file, with none below it"


def _is_media(below: PurePath) -> bool:
    return below.suffix.lower() in MEDIA_SUFFIXES and not any(part.startswith(".") for part in below.parts)


def _failure(name: Path, reason: str) -> Found:
    return Found(failures=((str(name), reason),))
