"""A user's own clips, one folder an emotion."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from omsn.data.corpora.corpus import Corpus, Skipped, file_problem, one_clip, to_corpus, walk
from omsn.data.manifest import read_manifest
from omsn.media.find import MEDIA_SUFFIXES
from omsn.types import Clip

MANIFEST = "manifest.csv"
_EXPECTED = f"EMOTION/anything.mp4 (or another media file), or a {MANIFEST}"


def find(root: Path) -> Corpus:
    """Read ``EMOTION/file`` below ``root``; where a ``manifest.csv`` stands in it, that is read instead.

    The first folder below ``root`` names the emotion; folders below it are free. Files of one folder that differ in
    their suffix only are one clip: sound from the sound file, picture from the video. Speakers stay unknown (""),
    so protocols that keep speakers apart refuse such a corpus: give speakers in a ``manifest.csv``, or
    through their names with the pattern corpus.

    Raises:
        ManifestError: the folder is missing or holds no usable clip, or its manifest has problems.
    """
    root = Path(os.path.abspath(root))
    if (root / MANIFEST).is_file():
        named = (replace(clip, corpus=clip.corpus or root.name) for clip in read_manifest(root / MANIFEST))
        return Corpus(tuple(named), ())
    files: dict[str, list[Path]] = defaultdict(list)
    skipped: list[Skipped] = []
    for path in walk(root):
        if path.suffix.lower() not in MEDIA_SUFFIXES:
            continue
        problem = file_problem(path) or ("stands in no emotion's folder" if path.parent == root else "")
        if problem:
            skipped.append(Skipped(str(path), problem))
        else:
            files[path.relative_to(root).with_suffix("").as_posix()].append(path)
    clips = []
    for name, paths in files.items():
        clip, copies = one_clip(Clip(name, "", emotion=name.split("/")[0], corpus=root.name), paths)
        clips.append(clip)
        skipped.extend(copies)
    return to_corpus(root, clips, skipped, _EXPECTED)
