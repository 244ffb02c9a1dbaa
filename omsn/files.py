"""Writing files whole or not at all, and saying why the system refuses."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that nobody ever sees half of it.

    Raises:
        OSError: the disk is full or the folder cannot be written to; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        error.filename = str(path)  # the name that the user knows
        raise
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """A temporary name beside a file, of nobody else's, and short: names may be as long as the system allows."""
    return path.with_name(f".omsn-{os.getpid()}-{secrets.token_hex(4)}.part")


def explain(error: OSError) -> str:
    """Where the system refused to read or write, why, and what to do."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{error.filename}: a file where a folder is needed; choose another folder, or move it away"
    if error.filename is None:
        return f"the system refused: {error}; look to the room on the disk and to permissions, then run it again"
    return (
        f"{error.filename}: cannot be read or written ({error.strerror}); "
        "choose another place, or look to its permissions and the room on its disk, then run it again"
    )
