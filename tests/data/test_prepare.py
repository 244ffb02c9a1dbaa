from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from joblib.externals.loky import get_reusable_executor
from made_clips import RATE_HZ, contents, voice, write_clip, write_clips

from omsn.config import AudioFeatures, PipelineConfig
from omsn.data.corpora import Skipped
from omsn.data.dataset import load_features
from omsn.data.manifest import read_manifest
from omsn.data.prepare import ENTRIES_FOLDER, INDEX_NAME, MANIFEST_NAME, prepare
from omsn.errors import CacheError, InputError
from omsn.features.cache import entry_key, read_entry
from omsn.pipeline import make_sample
from omsn.types import Clip, Sample

CONFIG = PipelineConfig()

PREPARE_IN_A_PROCESS = """
import sys
import time
from pathlib import Path
from omsn.config import PipelineConfig
from omsn.data.manifest import read_manifest
from omsn.data.prepare import prepare

def stay_alive(done, n):
    if done > n / 2:
        time.sleep(60)

prepare(read_manifest(Path(sys.argv[1])), Path(sys.argv[2]), PipelineConfig(), on_step=stay_alive)
"""
"""Stops half-way, so that it can be killed at leisure; the kill comes long before."""


def entry_path(cache: Path, clip: Clip) -> Path:
    return cache / ENTRIES_FOLDER / f"{entry_key(clip, CONFIG)}.safetensors"


def modified_ns(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (cache / ENTRIES_FOLDER).glob("*.safetensors")}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return write_clips(tmp_path_factory.mktemp("corpus"), 6)


@pytest.fixture(scope="module")
def whole(clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of these clips that nothing has disturbed; only to be read."""
    cache = tmp_path_factory.mktemp("whole")
    prepare(clips, cache, CONFIG)
    return cache


def test_no_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of 0 clips could be prepared"):
        prepare([], tmp_path / "cache", CONFIG)


def test_what_a_cache_holds(clips: list[Clip], tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    prepared = prepare(clips, tmp_path / "cache", CONFIG, on_step=lambda done, n: steps.append((done, n)))
    assert (prepared.made, prepared.reused, prepared.skipped) == (6, 0, ())
    assert steps == [(done, 6) for done in range(1, 7)]
    entries = {f"{ENTRIES_FOLDER}/{entry_key(clip, CONFIG)}.safetensors" for clip in clips}
    assert set(contents(prepared.cache)) == {INDEX_NAME, MANIFEST_NAME} | entries
    assert read_manifest(prepared.cache / MANIFEST_NAME) == tuple(clips)
    for clip in clips:
        sample = read_entry(entry_path(prepared.cache, clip))
        assert sample.clip == clip.clip
        assert sample.audio.present
        assert sample.video.present


def test_a_second_run_makes_nothing(clips: list[Clip], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepare(clips, cache, CONFIG)
    before, times = contents(cache), modified_ns(cache)
    prepared = prepare(clips, cache, CONFIG)
    assert (prepared.made, prepared.reused) == (0, 6)
    assert (contents(cache), modified_ns(cache)) == (before, times)


def test_other_settings_and_other_content_are_made_anew(tmp_path: Path) -> None:
    cache, corpus = tmp_path / "cache", write_clips(tmp_path / "corpus", 2)
    prepare(corpus, cache, CONFIG)
    soundfile.write(corpus[0].audio, voice(0.5, 77), RATE_HZ, subtype="PCM_16")
    prepared = prepare(corpus, cache, CONFIG)
    assert (prepared.made, prepared.reused) == (1, 1)
    prepared = prepare(corpus, cache, replace(CONFIG, audio=AudioFeatures(n_mels=30)))
    assert (prepared.made, prepared.reused) == (2, 0)
    assert load_features(cache).pipeline.audio.n_mels == 30


def test_two_processes_give_the_same_bytes_as_one(clips: list[Clip], whole: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    prepared = prepare(clips, tmp_path / "cache", CONFIG, jobs=2, on_step=lambda done, _: steps.append(done))
    assert (prepared.made, steps) == (6, [1, 2, 3, 4, 5, 6])
    assert contents(prepared.cache) == contents(whole)


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    corpus, undisturbed, cache = write_clips(tmp_path / "corpus", 30), tmp_path / "undisturbed", tmp_path / "cache"
    prepare(corpus, undisturbed, CONFIG)
    command = [sys.executable, "-c", PREPARE_IN_A_PROCESS, str(undisturbed / MANIFEST_NAME), str(cache)]
    process = subprocess.Popen(command, start_new_session=True)
    deadline_s = time.monotonic() + 60
    while len(list(cache.glob(f"{ENTRIES_FOLDER}/*.safetensors"))) < 3 and time.monotonic() < deadline_s:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = modified_ns(cache)
    assert 3 <= len(finished) < 30
    with pytest.raises(CacheError, match="no finished feature cache here"):
        load_features(cache)

    prepared = prepare(corpus, cache, CONFIG)
    assert (prepared.made, prepared.reused) == (30 - len(finished), len(finished))
    assert {name: time_ns for name, time_ns in modified_ns(cache).items() if name in finished} == finished
    assert {name: data for name, data in contents(cache).items() if not name.endswith(".part")} == contents(undisturbed)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data: data[:-1] + b"\xff"])
def test_a_damaged_entry_is_made_anew(
    clips: list[Clip], whole: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    cache = tmp_path / "cache"
    prepare(clips[:3], cache, CONFIG)
    damaged = entry_path(cache, clips[1])
    damaged.write_bytes(damage(damaged.read_bytes()))
    with pytest.raises(CacheError, match="Run omsn prepare again to rebuild it"):
        load_features(cache)
    prepared = prepare(clips[:3], cache, CONFIG)
    assert (prepared.made, prepared.reused) == (1, 2)
    assert damaged.read_bytes() == entry_path(whole, clips[1]).read_bytes()


def bad_clips(folder: Path) -> dict[str, tuple[Clip, str]]:
    """Clips that cannot be prepared, each with what is said of it."""
    folder.mkdir()
    good = write_clip(folder, 0)
    sounds = {
        "zero bytes": (b"", "zero bytes.wav: .*empty"),
        "cut": (Path(good.audio).read_bytes()[:9000], "cut.wav: broke off; decoded"),
        "text": (b"these are no samples" * 50, "text.wav: not a"),
    }
    for name, (data, _) in sounds.items():
        (folder / f"{name}.wav").write_bytes(data)
    soundfile.write(folder / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(folder / "short.wav", voice(0.02, 0), RATE_HZ)
    np.savez(folder / "long.npz", face=np.ones((90, 68, 2), np.int16))
    np.savez(folder / "nobody.npz", face=np.zeros((15, 68, 2), np.int16))

    def clip(name: str, **files: str) -> Clip:
        paths: dict[str, Any] = {kind: str(folder / file) for kind, file in files.items()}
        return Clip(name, "01", "sad", **paths)

    return {
        **{name: (clip(name, audio=f"{name}.wav"), reason) for name, (_, reason) in sounds.items()},
        "gone": (clip("gone", audio="gone.wav"), "cannot read .*gone.wav: No such file or directory"),
        "folder": (clip("folder", audio="."), "cannot read .*: Is a directory"),
        "silent": (clip("silent", audio="silent.wav"), "neither sound nor a face in it"),
        "20 ms": (clip("20 ms", audio="short.wav"), "neither sound nor a face in it"),
        "nobody": (clip("nobody", landmarks="nobody.npz#face"), "neither sound nor a face in it"),
        "no entry": (clip("no entry", landmarks="nobody.npz#other"), "no entry 'other'"),
        "apart": (clip("apart", audio="clip_00.wav", landmarks="long.npz#face"), "check that both are of one trial"),
        "beyond": (replace(clip("beyond", audio="clip_00.wav"), start_s=9.0), "nor a face in it from 9 s on; does the"),
    }


@pytest.mark.parametrize("jobs", [1, 2])
def test_clips_that_cannot_be_used_are_left_out_with_the_reason(clips: list[Clip], tmp_path: Path, jobs: int) -> None:
    bad = bad_clips(tmp_path / "bad")
    mixed = [clips[0], *(clip for clip, _ in bad.values()), clips[1]]
    prepared = prepare(mixed, tmp_path / "cache", CONFIG, jobs=jobs)
    assert (prepared.made, prepared.reused) == (2, 0)
    assert [skip.path for skip in prepared.skipped] == sorted(bad)
    for skip in prepared.skipped:
        assert re.search(bad[skip.path][1], skip.reason), skip
    assert load_features(prepared.cache).clips == (clips[0], clips[1])


def test_a_clip_that_breaks_the_decoders_costs_no_other(
    clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(clip: Clip, config: PipelineConfig) -> Sample:
        if clip is clips[0]:
            raise RuntimeError("no such codec")
        return make_sample(clip, config)

    monkeypatch.setattr("omsn.data.prepare.make_sample", fragile)
    prepared = prepare(clips[:2], tmp_path / "cache", CONFIG)
    assert prepared.skipped == (Skipped(clips[0].clip, "RuntimeError: no such codec"),)
    assert prepared.clips == (clips[1],)


def test_a_clip_with_one_usable_modality_is_kept(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE_HZ // 2), RATE_HZ)
    soundfile.write(tmp_path / "short.wav", voice(0.05, 0), RATE_HZ)
    good = write_clip(tmp_path, 0)
    faceless = replace(good, clip="50 ms", audio=str(tmp_path / "short.wav"), landmarks="")
    silent = replace(good, clip="silent", audio=str(tmp_path / "silent.wav"))
    for reused in (0, 2):
        prepared = prepare([faceless, silent], tmp_path / "cache", CONFIG)
        assert (prepared.reused, prepared.without_sound, prepared.without_face) == (reused, 1, 1)
    one, other = (labelled.sample for labelled in load_features(prepared.cache).samples)
    assert (one.audio.present, one.video.present) == (True, False)
    assert (other.audio.present, other.video.present) == (False, True)


def test_a_corpus_without_a_usable_clip_is_refused(tmp_path: Path) -> None:
    bad = [clip for clip, _ in bad_clips(tmp_path / "bad").values()]
    with pytest.raises(
        InputError, match=rf"none of {len(bad)} clips could be prepared: zero bytes: .*; cut: .*; text: "
    ):
        prepare(bad, tmp_path / "cache", CONFIG)
    assert contents(tmp_path / "cache") == {}


def test_a_name_that_stands_twice_is_refused_before_any_work(clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 names stand twice \(clip_00\), 1 have no emotion \(clip_01\)"):
        prepare([clips[0], clips[0], replace(clips[1], emotion="")], tmp_path / "cache", CONFIG)
    assert not (tmp_path / "cache").exists()


def test_no_jobs_are_refused(clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="jobs: got 0"):
        prepare(clips, tmp_path, CONFIG, jobs=0)


def test_a_cache_folder_that_cannot_be_made(clips: list[Clip], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"cannot write the cache \(.*\); 0 of 6 clips are finished and kept"):
        prepare(clips, tmp_path / "file" / "cache", CONFIG)


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The system refuses to write more into any one file, as it does where the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_keeps_what_is_finished(clips: list[Clip], whole: Path, tmp_path: Path) -> None:
    cache, large = tmp_path / "cache", write_clip(tmp_path, 9, seconds=3.0)
    room = max(path.stat().st_size for path in (whole / ENTRIES_FOLDER).iterdir()) + 4096
    with (
        no_file_above(room),
        pytest.raises(
            CacheError, match=r"cannot write the cache \(.*too large.*\); 3 of 5 clips are finished and kept"
        ),
    ):
        prepare([*clips[:3], large, clips[3]], cache, CONFIG)
    assert set(contents(cache)) == {f"{ENTRIES_FOLDER}/{entry_path(cache, clip).name}" for clip in clips[:3]}

    prepared = prepare([*clips[:3], large, clips[3]], cache, CONFIG)
    assert (prepared.made, prepared.reused) == (2, 3)
    assert load_features(cache).clips == (*clips[:3], large, clips[3])


def test_a_full_disk_at_the_index(clips: list[Clip], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepare(clips, cache, CONFIG)
    (cache / INDEX_NAME).unlink()
    with no_file_above(100), pytest.raises(CacheError, match="6 of 6 clips are finished and kept"):
        prepare(clips, cache, CONFIG)
    assert not [name for name in contents(cache) if name.endswith((".part", INDEX_NAME))]
    assert prepare(clips, cache, CONFIG).reused == 6


def test_workers_that_are_killed_cost_no_clip(tmp_path: Path) -> None:
    corpus = write_clips(tmp_path / "corpus", 60)

    def kill_workers(done: int, _: int) -> None:
        if done == 1:
            for pid in list(get_reusable_executor(reuse=True)._processes):
                os.kill(pid, signal.SIGKILL)

    prepared = prepare(corpus, tmp_path / "cache", CONFIG, jobs=2, on_step=kill_workers)
    assert (prepared.made + prepared.reused, prepared.skipped) == (60, ())


class Deadly(Clip):
    """Ends the process that it is handed to."""

    def __reduce__(self) -> tuple[Callable[[int], Any], tuple[int]]:
        return os._exit, (1,)


def test_a_clip_that_kills_its_process_is_left_out_with_the_reason(clips: list[Clip], tmp_path: Path) -> None:
    corpus = [clips[0], Deadly(**(vars(clips[1]) | {"clip": "deadly"})), clips[2]]
    prepared = prepare(corpus, tmp_path / "cache", CONFIG, jobs=2)
    assert [skip.path for skip in prepared.skipped] == ["deadly"]
    assert "killed its process" in prepared.skipped[0].reason
    assert load_features(prepared.cache).clips == (clips[0], clips[2])


@pytest.mark.parametrize(
    ("backend", "message"), [("bogus", "unknown backend 'bogus'"), ("dask", "backend dask: no cluster at any address")]
)
def test_a_backend_that_cannot_be_used_leaves_nothing(
    clips: list[Clip], tmp_path: Path, backend: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        prepare(clips, tmp_path / "cache", CONFIG, backend=backend)
    assert not (tmp_path / "cache").exists()


def test_threads_give_the_same_bytes(clips: list[Clip], whole: Path, tmp_path: Path) -> None:
    prepare(clips, tmp_path / "cache", CONFIG, jobs=2, backend="threading")
    assert contents(tmp_path / "cache") == contents(whole)


def test_clips_that_the_index_held_are_counted(clips: list[Clip], tmp_path: Path) -> None:
    first = prepare(clips[:4], tmp_path / "cache", CONFIG)
    assert (first.clips, first.former, first.dropped) == (tuple(clips[:4]), 0, 0)
    more = prepare(clips[:5], tmp_path / "cache", CONFIG)
    assert (more.former, more.dropped) == (4, 0)
    other = prepare(clips[3:], tmp_path / "cache", CONFIG)
    assert (other.clips, other.former, other.dropped) == (tuple(clips[3:]), 5, 3)
    (tmp_path / "cache" / INDEX_NAME).write_text("[]")
    assert prepare(clips[:1], tmp_path / "cache", CONFIG).former == 0


def test_the_index_says_what_made_the_features(whole: Path, clips: list[Clip]) -> None:
    index = json.loads((whole / INDEX_NAME).read_text(encoding="utf-8"))
    assert index["pipeline"]["audio"]["rate_hz"] == 16000
    assert index["entries"] == {clip.clip: entry_key(clip, CONFIG) for clip in clips}
