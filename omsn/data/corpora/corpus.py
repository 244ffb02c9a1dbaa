"""What looking through a corpus folder gives: clips to use, files passed over and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omsn.errors import ManifestError
from omsn.media.find import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from omsn.types import Clip

_SIGNATURES: Mapping[str, tuple[int, tuple[bytes, ...]]] = {
    ".wav": (0, (b"RIFF", b"RF64", b"RIFX")),
    ".flac": (0, (b"fLaC", b"ID3")),
    ".ogg": (0, (b"OggS",)),
    ".avi": (0, (b"RIFF",)),
    ".mkv": (0, (b"\x1a\x45\xdf\xa3",)),
    ".webm": (0, (b"\x1a\x45\xdf\xa3",)),
    ".mp4": (4, (b"ftyp",)),
    ".m4a": (4, (b"ftyp",)),
    ".npz": (0, (b"PK",)),
}
"""Suffix -> where the format's signature stands in the file and what it may be. MP3 and old MOV files have none."""

_HEAD_BYTES = 12


@dataclass(frozen=True)
class Skipped:
    """A file, or ``file.npz#entry``, that is not used, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class Corpus:
    """The clips of a folder in a fixed order, with absolute paths, and what was passed over."""

    clips: tuple[Clip, ...]
    skipped: tuple[Skipped, ...]

    def named(self, name: str) -> Corpus:
        """The same clips under another corpus name."""
        return Corpus(tuple(replace(clip, corpus=name) for clip in self.clips), self.skipped)


def walk(root: Path) -> Iterator[Path]:
    """Every file below ``root`` in order of name; hidden files and folders (``.x``, ``__MACOSX``) are left out.

    Linked folders are followed, each real folder once, so that a link back up does not run for ever.

    Raises:
        ManifestError: ``root`` is missing or no folder, or a folder below it cannot be listed.
    """
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise ManifestError(f"{root}: {state}; expected the folder of a corpus")
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, onerror=_refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__MACOSX")))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _refuse(error: OSError) -> None:
    reason = error.strerror or error
    raise ManifestError(f"{error.filename}: the folder cannot be listed: {reason}; mend it or move it away") from error


def file_problem(path: Path) -> str:
    """Why a media or landmark file cannot be used, by its first bytes only; "" when nothing is wrong with them."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if not head:
        return "is empty (0 bytes)"
    offset, signatures = _SIGNATURES.get(path.suffix.lower(), (0, (b"",)))
    if not head.startswith(signatures, offset):
        return f"is no {path.suffix.lower()} file: it begins with {head[:8]!r}"
    return ""


def one_clip(clip: Clip, files: Sequence[Path]) -> tuple[Clip, tuple[Skipped, ...]]:
    """Give a clip its files: sound from a sound file, else from the video; what is there twice is passed over."""
    sounds = [str(path) for path in files if path.suffix.lower() in AUDIO_SUFFIXES]
    videos = [str(path) for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    copies = [Skipped(path, f"is a duplicate of {kind[0]}") for kind in (sounds, videos) for path in kind[1:]]
    return replace(clip, audio=(sounds + videos)[0], video="".join(videos[:1])), tuple(copies)


def to_corpus(root: Path, clips: Sequence[Clip], skipped: Sequence[Skipped], expected: str) -> Corpus:
    """Bring clips into the order of speaker and name; refuse a folder that has none.

    Args:
        root: the folder looked through.
        clips: what was found.
        skipped: what was passed over.
        expected: what the folder should hold, for the message.

    Raises:
        ManifestError: there is no clip; the message says what the folder holds instead.
    """
    if clips:
        return Corpus(tuple(sorted(clips, key=lambda clip: (clip.speaker, clip.clip))), tuple(skipped))
    suffixes = Counter(path.suffix.lower() or "no suffix" for path in walk(root))
    found = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5)) or "nothing"
    reasons = "".join(f"\n  {item.path}: {item.reason}" for item in skipped[:5])
    more = f"\n  and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    raise ManifestError(f"{root}: no usable clip; found {found}; expected {expected}{reasons}{more}")
