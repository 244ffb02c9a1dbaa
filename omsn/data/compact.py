"""Corpus -> compact copy: for each clip a small film of its face, with the sound as it was, in the same layout.

The copy is a corpus itself: ``manifest.csv`` names every clip, and files keep their places and names but for their
suffixes, so that the reader of the original reads the copy too. Of a film that holds several clips each clip becomes a
film of its own, which only the manifest tells of.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2

from omsn.config import PipelineConfig
from omsn.data.compact_clip import FILM_PX, CopiedClip, Places, copy_clip
from omsn.data.corpora import Skipped
from omsn.data.manifest import FILES, write_manifest
from omsn.data.prepare import KILLED, MANIFEST_NAME
from omsn.errors import InputError, in_words
from omsn.files import replace_file
from omsn.media.landmark_file import split_reference
from omsn.recipes import to_dict
from omsn.types import Clip
from omsn.workers import run_tasks

NOTE_NAME = "compact.json"
"""What the films were made with; a copy that was made with something else is not mixed with them."""
COPY_FORMAT = 1
ELSEWHERE = "elsewhere"
"""Folder of the copy for files of the corpus that lie outside of its own folder."""
DIGEST_LETTERS = 8


@dataclass(frozen=True)
class FaceCopy:
    """What ``keep_faces`` did.

    Attributes:
        folder: the copy.
        made: clips of which files were written.
        reused: clips whose files were all there already.
        skipped: clips left out, with the reason.
        clips: those in the copy, with its files.
        original_bytes: size of all files that these clips have in the corpus.
        copied_bytes: size of all files that they have in the copy.
    """

    folder: Path
    made: int
    reused: int
    skipped: tuple[Skipped, ...]
    clips: tuple[Clip, ...]
    original_bytes: int
    copied_bytes: int

    @property
    def times_smaller(self) -> float:
        """Size of the original files as a multiple of the copy's."""
        return self.original_bytes / self.copied_bytes


def keep_faces(
    clips: Sequence[Clip],
    root: Path,
    folder: Path,
    config: PipelineConfig,
    *,
    jobs: int = 1,
    backend: str | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> FaceCopy:
    """Copy a corpus, its pictures cut down to one upright square around the face.

    A film has all pictures of its clip at their times. The square stays in its place for the whole clip, black where
    it leaves the picture; a picture without a face shows what is there, and a clip without any face becomes a black
    film. Sound is copied as it is where an MP4 file can hold it; WAV becomes FLAC, and other sound of films, or of
    parts of files, FLAC beside the film. Landmarks that are given are moved into the film.

    Files appear whole or not at all, and those that are there are not made again, so a run that is killed and started
    again goes on where it was. Clips that cannot be copied are left out and listed.

    Args:
        clips: with absolute paths.
        root: the corpus's folder, below which files keep their places.
        folder: the copy; made where missing, and not the corpus or in it.
        config: how faces are found.
        jobs: processes.
        backend: a name in ``omsn.workers.BACKENDS``; None takes processes of this machine.
        on_step: called with (clips done, clips in all).

    Raises:
        InputError: the folder cannot take the copy, or no clip could be copied.
        OSError: the disk is full or the folder cannot be written to; what was finished is kept.
    """
    check_folder(folder, (root,), config)
    _check_sources(clips, folder)
    replace_file(folder / NOTE_NAME, (json.dumps(_note(config), indent=1) + "\n").encode())
    names = _Namer(Path(os.path.abspath(root)), Path(os.path.abspath(folder)))
    tasks = [(clip, names.of(clip)) for clip in clips]
    outcomes: dict[int, CopiedClip | str] = {}
    for number, outcome in run_tasks(partial(_copy, config=config), tasks, jobs=jobs, backend=backend):
        outcomes[number] = KILLED if outcome is None else outcome
        if on_step is not None:
            on_step(len(outcomes), len(clips))
    return _finished(clips, folder, [outcomes[number] for number in range(len(clips))])


def check_folder(folder: Path, apart_from: Iterable[Path], config: PipelineConfig) -> None:
    """Check, before the long work, that a copy may be written into a folder.

    Args:
        folder: of the copy.
        apart_from: folders that it must not be, lie in, or hold: of the corpus, and of a cache.
        config: how faces are found.

    Raises:
        InputError: it may not; nothing was changed.
    """
    place = folder.resolve()
    for other in apart_from:
        if place.is_relative_to(other.resolve()) or other.resolve().is_relative_to(place):
            raise InputError(f"{folder}: is, holds or lies in {other}; a copy needs a folder of its own, outside of it")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        note = json.loads((folder / NOTE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: holds something that is no compact copy ({NOTE_NAME}: {error}); choose an empty or new folder"
        ) from error
    if note != _note(config):
        raise InputError(
            f"{folder}: holds a copy made with other settings: got {json.dumps(note)}, now asked for "
            f"{json.dumps(_note(config))}; choose another folder"
        )


def _note(config: PipelineConfig) -> dict[str, object]:
    return {"format": COPY_FORMAT, "film_px": FILM_PX, "faces": to_dict(config.faces)}


def _check_sources(clips: Sequence[Clip], folder: Path) -> None:
    """Refuse to overwrite what is copied."""
    inside = sorted(path for path in _files_of(clips) if Path(path).resolve().is_relative_to(folder.resolve()))
    if inside:
        raise InputError(f"{inside[0]}: lies in the folder of the copy, {folder}; choose another folder")


@dataclass
class _Namer:
    """Gives the files of each clip their places; no two clips share a file unless they share all of them.

    Attributes:
        root: the corpus's folder.
        folder: the copy's.
        taken: name of each place given, and of which clip's files.
    """

    root: Path
    folder: Path
    taken: dict[Path, str] = field(default_factory=dict)

    def of(self, clip: Clip) -> Places:
        """Where the files of a clip go."""
        landmarks, entry = split_reference(clip.landmarks)
        mark = f"#{entry}" if entry else ""
        return Places(
            film=self._place(clip, clip.video, ".mp4"),
            sound=self._place(clip, clip.audio, Path(clip.audio).suffix),
            flac=self._place(clip, clip.audio, ".flac"),
            landmarks=self._place(clip, landmarks, ".npz", entry) + mark if landmarks else "",
        )

    def _place(self, clip: Clip, source: str, suffix: str, entry: str = "") -> str:
        """The source's own place with another suffix, or one beside it where that is taken."""
        if not source:
            return ""
        path = Path(source)
        below = path.relative_to(self.root) if path.is_relative_to(self.root) else Path(ELSEWHERE, path.name)
        stem = below.with_suffix("") / entry.replace("/", "_") if entry else below.with_suffix("")
        stem = stem.with_name(stem.name + _span_mark(clip))
        files = repr([clip.audio, clip.video, clip.landmarks, clip.start_s, clip.end_s])
        if self.taken.setdefault(stem.with_name(stem.name + suffix), files) != files:
            stem = stem.with_name(f"{stem.name}-{hashlib.sha256(files.encode()).hexdigest()[:DIGEST_LETTERS]}")
        return str(self.folder / stem.with_name(stem.name + suffix))


def _span_mark(clip: Clip) -> str:
    """What tells the parts of one file from each other in names."""
    if clip.end_s is not None:
        return f"_{clip.start_s:g}-{clip.end_s:g}"
    return f"_{clip.start_s:g}" if clip.start_s else ""


def _copy(task: tuple[Clip, Places], config: PipelineConfig) -> CopiedClip | str:
    """A clip of the copy, or the reason why there is none."""
    cv2.setNumThreads(1)  # of processes side by side, OpenCV's threads would fight for the same cores
    try:
        return copy_clip(*task, config)
    except OSError:
        raise
    except Exception as error:  # whatever a file does to the decoders must not end the corpus
        return in_words(error)


def _finished(clips: Sequence[Clip], folder: Path, outcomes: Sequence[CopiedClip | str]) -> FaceCopy:
    """Write the manifest, and count."""
    both = list(zip(clips, outcomes, strict=True))
    skipped = sorted((Skipped(clip.clip, one) for clip, one in both if isinstance(one, str)), key=lambda one: one.path)
    copied = [(clip, one) for clip, one in both if isinstance(one, CopiedClip)]
    if not copied:
        reasons = "; ".join(f"{skip.path}: {skip.reason}" for skip in skipped[:3])
        raise InputError(f"{folder}: none of {len(clips)} clips could be copied: {reasons}")
    copies = tuple(one.clip for _, one in copied)
    write_manifest(folder / MANIFEST_NAME, copies)
    reused = sum(one.reused for _, one in copied)
    sizes = (_size_of(clip for clip, _ in copied), _size_of(copies))
    return FaceCopy(folder, len(copied) - reused, reused, tuple(skipped), copies, *sizes)


def _files_of(clips: Iterable[Clip]) -> set[str]:
    references: Iterator[str] = (getattr(clip, name) for clip in clips for name in FILES)
    return {split_reference(reference)[0] for reference in references if reference}


def _size_of(clips: Iterable[Clip]) -> int:
    """Bytes of all files of some clips, each file once."""
    return sum(Path(path).stat().st_size for path in _files_of(clips))
