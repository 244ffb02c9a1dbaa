"""A prepared corpus in memory: features of each clip beside what its manifest says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from omsn.config import PipelineConfig
from omsn.data.leakage import Content
from omsn.data.manifest import read_manifest
from omsn.data.prepare import CACHE_FORMAT, ENTRIES_FOLDER, INDEX_NAME, MANIFEST_NAME
from omsn.errors import CacheError
from omsn.features.cache import FEATURES_VERSION, read_entry
from omsn.labels import LabelSet, label_set_for
from omsn.recipes import from_dict
from omsn.types import Clip, LabelledSample, Stream


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Labelled samples with one set of feature columns.

    Attributes:
        samples: in the manifest's order.
        labels: the label set of the corpus.
        pipeline: the settings that made the features.
        source: where they come from.
    """

    samples: tuple[LabelledSample, ...]
    labels: LabelSet
    pipeline: PipelineConfig
    source: str

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The manifest's rows."""
        return tuple(sample.clip for sample in self.samples)

    def at(self, indices: Iterable[int]) -> tuple[LabelledSample, ...]:
        """The samples at these positions."""
        return tuple(self.samples[index] for index in indices)

    @cached_property
    def contents(self) -> tuple[tuple[Content, ...], ...]:
        """What each clip holds, to find copies of it under another name: sound and face, each with a digest.

        Neither counts where it is missing or never changes: silence is like any other silence.
        """
        return tuple(tuple(_digests({"sound": one.sample.audio, "face": one.sample.video})) for one in self.samples)


def load_features(cache: Path) -> FeatureSet:
    """Read a cache that ``omsn prepare`` wrote; the corpus itself is not needed any more.

    Raises:
        CacheError: no cache there, unfinished, damaged, or made by another version of the features.
        ManifestError: its manifest was altered and has problems.
    """
    index = _read_index(cache)
    clips = read_manifest(cache / MANIFEST_NAME, check_files=False)
    missing = [clip.clip for clip in clips if clip.clip not in index.entries]
    if missing:
        raise CacheError(
            f"{cache}: {len(missing)} clips of the manifest have no entry, first {missing[0]}; prepare again"
        )
    paths = (cache / ENTRIES_FOLDER / f"{index.entries[clip.clip]}.safetensors" for clip in clips)
    samples = tuple(LabelledSample(read_entry(path), clip) for path, clip in zip(paths, clips, strict=True))
    return FeatureSet(samples, label_set_for(clip.emotion for clip in clips), index.pipeline, str(cache))


def _digests(streams: Mapping[str, Stream]) -> Iterator[Content]:
    for name, stream in streams.items():
        values = stream.values[stream.mask]
        if len(values) and (values != values[0]).any():
            yield name, hashlib.sha256(values.tobytes()).hexdigest()


@dataclass(frozen=True)
class _Index:
    """What a cache says of itself: the entry of each clip, and the settings that made the features."""

    entries: Mapping[str, str]
    pipeline: PipelineConfig


def _read_index(cache: Path) -> _Index:
    path = cache / INDEX_NAME
    if not path.exists():
        raise CacheError(f"{cache}: no finished feature cache here (no {INDEX_NAME}); run omsn prepare first")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        versions = index["format"], index["features_version"]
        if versions == (CACHE_FORMAT, FEATURES_VERSION):
            return _Index(dict(index["entries"]), from_dict(PipelineConfig, index["pipeline"]))
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path}: damaged ({error}); run omsn prepare again") from error
    raise CacheError(
        f"{path}: made by cache format and features version {versions}, this is "
        f"{(CACHE_FORMAT, FEATURES_VERSION)}; run omsn prepare again"
    )
