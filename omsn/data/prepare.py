"""Corpus -> feature cache: many clips on many processes, resumable at any moment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from omsn.config import PipelineConfig
from omsn.data.corpora import Skipped
from omsn.data.manifest import write_manifest
from omsn.errors import CacheError, InputError, in_words
from omsn.features.cache import FEATURES_VERSION, entry_key, read_entry, write_entry
from omsn.files import replace_file
from omsn.pipeline import make_sample
from omsn.recipes import to_dict
from omsn.types import Clip, Sample
from omsn.workers import check_backend, run_tasks

INDEX_NAME = "cache.json"
MANIFEST_NAME = "manifest.csv"
ENTRIES_FOLDER = "entries"
CACHE_FORMAT = 1

KILLED = "killed its process, often for want of memory; run the same command again with fewer jobs to try it again"
"""Why a clip was left out whose process ended before it was done."""


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` did.

    Attributes:
        cache: the folder.
        made: clips whose features were computed.
        reused: clips whose features were there already.
        skipped: clips left out, with the reason.
        clips: those in the index now.
        former: how many clips the index held before; 0 where there was none.
        dropped: how many of those are no longer in it.
        without_sound: clips in the index that are a face alone.
        without_face: clips in the index that are sound alone.
    """

    cache: Path
    made: int
    reused: int
    skipped: tuple[Skipped, ...]
    clips: tuple[Clip, ...]
    former: int
    dropped: int
    without_sound: int
    without_face: int


@dataclass(frozen=True)
class _Outcome:
    """One clip: its entry's key and what is in it, or the reason why it has none."""

    clip: str
    key: str = ""
    reused: bool = False
    sound: bool = False
    face: bool = False
    reason: str = ""


def prepare(
    clips: Sequence[Clip],
    cache: Path,
    config: PipelineConfig,
    *,
    jobs: int = 1,
    backend: str | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Compute the features of each clip that the cache does not hold yet.

    An entry is written whole under a name made of content and settings, so a run that is killed and started again
    goes on where it was, and a damaged entry is made anew. Clips that cannot be read, or that kill the process that
    works on them, are left out and listed.

    Args:
        clips: with absolute paths.
        cache: folder to write; made where missing.
        config: what the features are.
        jobs: processes.
        backend: a name in ``omsn.workers.BACKENDS``; None takes processes of this machine.
        on_step: called with (clips done, clips in all).

    Raises:
        CacheError: the cache cannot be written; what was finished is kept.
        InputError: no clip could be read, two clips share a name, a clip has no emotion, or the backend cannot be used.
    """
    _check(clips, jobs, backend)
    outcomes: list[_Outcome] = []
    try:
        for outcome in _outcomes(clips, cache / ENTRIES_FOLDER, config, jobs, backend):
            outcomes.append(outcome)
            if on_step is not None:
                on_step(len(outcomes), len(clips))
        keys = {outcome.clip: outcome.key for outcome in outcomes if outcome.key}
        kept, former = tuple(clip for clip in clips if clip.clip in keys), _indexed(cache)
        _write_index(cache, kept, keys, config)
    except OSError as error:
        raise CacheError(
            f"{cache}: cannot write the cache ({error}); {len(outcomes)} of {len(clips)} clips are finished and kept. "
            "Make room or choose another folder, then run the same command again to go on"
        ) from error
    skipped = tuple(Skipped(outcome.clip, outcome.reason) for outcome in outcomes if not outcome.key)
    if not kept:
        reasons = "; ".join(f"{skip.path}: {skip.reason}" for skip in skipped[:3])
        raise InputError(f"{cache}: none of {len(clips)} clips could be prepared: {reasons}")
    made = [outcome for outcome in outcomes if outcome.key]
    reused = sum(outcome.reused for outcome in made)
    return Prepared(
        cache,
        len(made) - reused,
        reused,
        tuple(sorted(skipped, key=lambda skip: skip.path)),
        kept,
        former=len(former),
        dropped=len(former - keys.keys()),
        without_sound=sum(not outcome.sound for outcome in made),
        without_face=sum(not outcome.face for outcome in made),
    )


def check_place(cache: Path, corpus: Path) -> None:
    """Check, before the long work, that a cache does not take the place of a manifest of the user's own.

    Args:
        cache: folder to write.
        corpus: folder that is read.

    Raises:
        InputError: the cache would be written into the corpus' folder, or over a manifest that no cache has left.
    """
    if cache.resolve() == corpus.resolve():
        raise InputError(f"{cache}: is the folder of the recordings, which stays as it is; give the cache its own")
    manifest = cache / MANIFEST_NAME
    if manifest.exists() and not ((cache / INDEX_NAME).exists() or (cache / ENTRIES_FOLDER).exists()):
        raise InputError(f"{manifest}: would be replaced, and is not of a cache; choose another folder for the cache")


def _check(clips: Sequence[Clip], jobs: int, backend: str | None) -> None:
    """Refuse before the long work what the manifest would refuse after it."""
    repeated = sorted(name for name, count in Counter(clip.clip for clip in clips).items() if count > 1)
    nameless = sorted(clip.clip for clip in clips if not clip.emotion)
    if repeated or nameless:
        raise InputError(
            f"clips to prepare: {len(repeated)} names stand twice ({', '.join(repeated[:3])}), "
            f"{len(nameless)} have no emotion ({', '.join(nameless[:3])}); name each clip once, with its emotion"
        )
    if jobs == 0:
        raise InputError("jobs: got 0, expected at least 1 (or -1 for one process a core)")
    if backend is not None:
        check_backend(backend)


def _outcomes(
    clips: Sequence[Clip], folder: Path, config: PipelineConfig, jobs: int, backend: str | None
) -> Iterator[_Outcome]:
    work = partial(_prepare_clip, folder=folder, config=config)
    for number, outcome in run_tasks(work, clips, jobs=jobs, backend=backend):
        yield outcome or _Outcome(clips[number].clip, reason=KILLED)


def _prepare_clip(clip: Clip, folder: Path, config: PipelineConfig) -> _Outcome:
    """Make one entry unless a whole one is there."""
    try:
        key = entry_key(clip, config)
    except OSError as error:
        return _Outcome(clip.clip, reason=f"cannot read {error.filename}: {error.strerror}")
    path = folder / f"{key}.safetensors"
    former = _whole(path)
    if former is not None:
        return _made(former, key, reused=True)
    cv2.setNumThreads(1)  # of processes side by side, OpenCV's threads would fight for the same cores
    try:
        sample = make_sample(clip, config)
    except Exception as error:  # whatever a file does to the decoders must not end the corpus
        return _Outcome(clip.clip, reason=in_words(error))
    if not (sample.audio.present or sample.video.present):
        where = f" from {clip.start_s:g} s on; does the recording last that long?" if clip.start_s else ""
        return _Outcome(clip.clip, reason=f"neither sound nor a face in it{where}")
    write_entry(path, sample)
    return _made(sample, key, reused=False)


def _made(sample: Sample, key: str, *, reused: bool) -> _Outcome:
    return _Outcome(sample.clip, key, reused, sound=sample.audio.present, face=sample.video.present)


def _whole(path: Path) -> Sample | None:
    """The entry that an earlier start has left; None where there is none, or a damaged one."""
    try:
        return read_entry(path) if path.exists() else None
    except CacheError:
        return None


def _indexed(cache: Path) -> set[str]:
    """Names of the clips in the index that is about to be replaced; none where there is no whole one."""
    try:
        return set(json.loads((cache / INDEX_NAME).read_text(encoding="utf-8"))["entries"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _write_index(cache: Path, clips: Sequence[Clip], keys: dict[str, str], config: PipelineConfig) -> None:
    index: dict[str, Any] = {
        "format": CACHE_FORMAT,
        "features_version": FEATURES_VERSION,
        "pipeline": to_dict(config),
        "entries": {clip.clip: keys[clip.clip] for clip in clips},
    }
    if clips:
        write_manifest(cache / MANIFEST_NAME, clips, allow_outside=True)
        replace_file(cache / INDEX_NAME, (json.dumps(index, indent=1) + "\n").encode())
