"""Feature cache: one safetensors file a clip, named after its content and settings, with a checksum inside."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from omsn.config import PipelineConfig
from omsn.errors import CacheError
from omsn.files import replace_file
from omsn.media.landmark_file import split_reference
from omsn.recipes import to_json
from omsn.types import Clip, Sample, Stream

FEATURES_VERSION = 1
"""Counts changes of the code that change features under unchanged settings; entries of another version are rebuilt."""

PICTURES_VERSION = 2
"""The same of the features that are found in pictures; entries of given landmarks stay as they are."""

_HEADER = "omsn"  # one metadata key only: the format keeps several in no fixed order, and entries must not differ


def entry_key(clip: Clip, config: PipelineConfig) -> str:
    """Name of a clip's cache entry: a digest of its files' bytes, its span, the settings and the features' version.

    Raises:
        OSError: a file of the clip cannot be read.
    """
    facts = [clip.clip, FEATURES_VERSION, to_json(config), clip.start_s, clip.end_s]
    landmarks = split_reference(clip.landmarks)
    for file, entry in ((clip.audio, ""), (clip.video, ""), landmarks):  # the film times given landmarks, too
        facts += [_file_digest(file) if file else "", entry]
    facts += [PICTURES_VERSION] if uses_picture(clip, config) else []
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def uses_picture(clip: Clip, config: PipelineConfig) -> bool:
    """True when the clip's features need its pictures, not only its landmark file."""
    return bool(clip.video) and (config.video.hog or not clip.landmarks)


def write_entry(path: Path, sample: Sample) -> None:
    """Write a sample; the file appears whole or not at all, and the same sample always gives the same bytes.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    streams = {"audio": sample.audio, "video": sample.video}
    tensors = {
        f"{name}.{part}": np.ascontiguousarray(getattr(stream, part))
        for name, stream in (streams | dict(zip(_copy_names(len(sample.copies)), sample.copies, strict=True))).items()
        for part in ("values", "mask", "times_s")
    }
    names: dict[str, Any] = {
        "clip": sample.clip,
        "columns": {name: stream.columns for name, stream in streams.items()},
        "copies": len(sample.copies),
    }
    header = names | {"sha256": _digest(names, tensors)}
    replace_file(path, save(tensors, metadata={_HEADER: json.dumps(header, sort_keys=True)}))


def read_entry(path: Path) -> Sample:
    """Read a sample.

    Raises:
        CacheError: the entry is missing, truncated or altered.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if header.pop("sha256") != _digest(header, tensors):
            raise CacheError(f"{path}: checksum differs; the entry was altered. Run omsn prepare again to rebuild it")
        audio, video = (_stream(tensors, name, header["columns"][name]) for name in ("audio", "video"))
        copies = (_stream(tensors, name, header["columns"]["audio"]) for name in _copy_names(header.get("copies", 0)))
        return Sample(header["clip"], audio, video, tuple(copies))
    except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path}: damaged cache entry ({error}). Run omsn prepare again to rebuild it") from error


def _copy_names(n_copies: int) -> tuple[str, ...]:
    """What the sound at other speeds is called, in order."""
    return tuple(f"audio_copy_{number}" for number in range(n_copies))


def _stream(tensors: Mapping[str, NDArray[np.generic]], name: str, columns: list[str]) -> Stream:
    values, mask, times_s = (tensors[f"{name}.{part}"] for part in ("values", "mask", "times_s"))
    return Stream(values.astype(np.float32), mask.astype(np.bool_), times_s.astype(np.float64), tuple(columns))


def _digest(names: Mapping[str, object], tensors: Mapping[str, NDArray[np.generic]]) -> str:
    digest = hashlib.sha256(json.dumps(names, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def _file_digest(path: str) -> str:
    status = os.stat(path)
    return _digest_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest_of(path: str, size: int, modified_ns: int) -> str:
    """Digest of a file's bytes; size and time stand in the arguments so that a changed file is read again."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
