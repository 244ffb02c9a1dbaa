"""Files that a user names -> media files: folders are looked through, everything else is taken as it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MEDIA_SUFFIXES = frozenset(
    {".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".wav", ".flac", ".mp3", ".ogg", ".m4a", ".opus"}
)


def find_media(paths: Iterable[Path]) -> tuple[list[Path], list[tuple[str, str]]]:
    """Media files in order, each once, and what could not be used: (path, reason).

    A folder stands for the media files below it by their suffix; a file is taken whatever its name.
    """
    found: dict[Path, None] = {}
    failures = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                item for item in path.rglob("*") if item.is_file() and item.suffix.lower() in MEDIA_SUFFIXES
            )
            found.update(dict.fromkeys(inside))
            if not inside:
                failures.append(
                    (str(path), f"no media file in this folder; expected {', '.join(sorted(MEDIA_SUFFIXES))}")
                )
        elif path.exists():
            found[path] = None
        else:
            failures.append((str(path), "no such file or folder"))
    return list(found), failures
