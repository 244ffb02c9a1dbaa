from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from made_clips import write_clips

from omsn.config import PipelineConfig, VideoFeatures
from omsn.data.dataset import load_features
from omsn.data.prepare import ENTRIES_FOLDER, INDEX_NAME, MANIFEST_NAME, prepare
from omsn.errors import CacheError, ManifestError
from omsn.pipeline import make_sample

CONFIG = PipelineConfig(video=VideoFeatures(keyframes=5))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Two prepared clips; their corpus is gone."""
    corpus = tmp_path / "corpus"
    prepared = prepare(write_clips(corpus, 2), tmp_path / "cache", CONFIG)
    for path in corpus.iterdir():
        path.unlink()
    return prepared.cache


def change_index(cache: Path, change: Callable[[dict[str, Any]], object]) -> None:
    index = json.loads((cache / INDEX_NAME).read_text(encoding="utf-8"))
    change(index)
    (cache / INDEX_NAME).write_text(json.dumps(index), encoding="utf-8")


def test_an_empty_folder_and_none_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(
            CacheError, match=r"no finished feature cache here \(no cache.json\); run omsn prepare first"
        ):
            load_features(folder)


def test_features_come_back_with_labels_and_settings(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "corpus", 3)
    features = load_features(prepare(clips, tmp_path / "cache", CONFIG).cache)
    assert features.clips == tuple(clips)
    assert features.labels.names == ("neutral", "happy", "sad")
    assert features.pipeline == CONFIG
    assert features.source == str(tmp_path / "cache")
    for labelled, clip in zip(features.samples, clips, strict=True):
        fresh = make_sample(clip, CONFIG)
        assert labelled.sample.clip == clip.clip
        assert labelled.sample.audio.values.tolist() == fresh.audio.values.tolist()
        assert labelled.sample.video.values.tolist() == fresh.video.values.tolist()
        assert len(labelled.sample.video) == 5


def test_the_corpus_is_not_needed_any_more(cache: Path) -> None:
    features = load_features(cache)
    assert [clip.emotion for clip in features.clips] == ["neutral", "happy"]
    assert not Path(features.clips[0].audio).exists()


def test_samples_at_positions(cache: Path) -> None:
    features = load_features(cache)
    assert features.at([]) == ()
    assert features.at([1, 0, 1]) == (features.samples[1], features.samples[0], features.samples[1])


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", "{}", '{"format": 1}', "\x00"])
def test_an_index_that_cannot_be_read_is_refused(cache: Path, text: str) -> None:
    (cache / INDEX_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(CacheError, match=r"cache.json: damaged \(.*\); run omsn prepare again"):
        load_features(cache)


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.pop("entries"),
        lambda index: index.pop("pipeline"),
        lambda index: index.update(entries=[1]),
        lambda index: index.update(pipeline=[1]),
        lambda index: index["pipeline"].update(telepathy={}),
        lambda index: index["pipeline"]["audio"].update(n_mels=0),
    ],
)
def test_an_index_with_wrong_contents_is_refused(cache: Path, change: Callable[[dict[str, Any]], object]) -> None:
    change_index(cache, change)
    with pytest.raises(CacheError, match=r"cache.json: damaged \(.*\); run omsn prepare again"):
        load_features(cache)


@pytest.mark.parametrize("name", ["format", "features_version"])
def test_a_cache_of_another_version_is_refused(cache: Path, name: str) -> None:
    change_index(cache, lambda index: index.update({name: 99}))
    with pytest.raises(CacheError, match=r"made by cache format and features version \(.*99.*\), this is \(1, \d+\)"):
        load_features(cache)


def test_a_clip_without_an_entry_is_refused(cache: Path) -> None:
    change_index(cache, lambda index: index["entries"].pop("clip_01"))
    with pytest.raises(CacheError, match="1 clips of the manifest have no entry, first clip_01; prepare again"):
        load_features(cache)


def test_a_lost_entry_is_refused(cache: Path) -> None:
    next((cache / ENTRIES_FOLDER).iterdir()).unlink()
    with pytest.raises(CacheError, match="damaged cache entry"):
        load_features(cache)


def test_an_altered_manifest_is_refused(cache: Path) -> None:
    (cache / MANIFEST_NAME).write_text("clip,speaker\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="missing column 'emotion'"):
        load_features(cache)


def test_copies_hold_the_same_and_what_never_changes_counts_for_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    one, other = write_clips(folder, 2)
    copy = replace(one, clip="copy", audio=str(shutil.copy(one.audio, folder / "copy.wav")))
    still = replace(one, clip="still", audio=str(folder / "still.wav"))
    soundfile.write(still.audio, np.zeros(16000), 16000)
    held = load_features(prepare([one, other, copy, still], tmp_path / "cache", CONFIG).cache).contents
    of = dict(zip((one.clip, other.clip, "copy", "still"), held, strict=True))
    assert of["copy"] == of[one.clip]
    assert {name for name, _ in of[one.clip]} == {"sound", "face"}
    assert not set(of[one.clip]) & set(of[other.clip])
    assert {name for name, _ in of["still"]} == {"face"}


def test_a_stream_that_never_changes_is_no_copy_of_another(tmp_path: Path) -> None:
    features = load_features(prepare(write_clips(tmp_path / "corpus", 2), tmp_path / "cache", CONFIG).cache)
    still = [
        replace(one, sample=replace(one.sample, audio=replace(one.sample.audio, values=one.sample.audio.values * 0)))
        for one in features.samples
    ]
    assert [[name for name, _ in held] for held in replace(features, samples=tuple(still)).contents] == [["face"]] * 2
