import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

from omsn.config import AudioFeatures, PipelineConfig, VideoFeatures
from omsn.errors import CacheError
from omsn.features import cache
from omsn.features.cache import entry_key, read_entry, uses_picture, write_entry
from omsn.types import Clip, Sample, Stream

CONFIG = PipelineConfig()


def make_stream(n_frames: int, names: str, seed: int = 0) -> Stream:
    rng = np.random.default_rng(seed)
    mask = rng.random(n_frames) < 0.8
    values = rng.normal(size=(n_frames, len(names))).astype(np.float32) * mask[:, None]
    return Stream(values, mask, np.arange(n_frames, dtype=np.float64) * 0.02, tuple(names))


def make_sample(seed: int = 0) -> Sample:
    return Sample("clip/ü 1", make_stream(20, "abcdef", seed), make_stream(7, "xyz", seed))


def same(one: Stream, other: Stream) -> bool:
    parts = (one.values, other.values), (one.mask, other.mask), (one.times_s, other.times_s)
    return one.columns == other.columns and all(np.array_equal(a, b) for a, b in parts)


def write(path: Path, content: bytes, modified_s: float = 1e9) -> str:
    path.write_bytes(content)
    os.utime(path, (modified_s, modified_s))
    return str(path)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    path = tmp_path / "entry.safetensors"
    write_entry(path, make_sample())
    return path


def test_a_sample_without_anything_comes_back(tmp_path: Path) -> None:
    write_entry(tmp_path / "a", Sample("", Stream.absent(("a",)), Stream.absent(())))
    sample = read_entry(tmp_path / "a")
    assert (sample.clip, sample.audio.present, sample.video.columns) == ("", False, ())


def test_a_sample_comes_back(entry: Path) -> None:
    expected, sample = make_sample(), read_entry(entry)
    assert sample.clip == expected.clip
    assert same(sample.audio, expected.audio)
    assert same(sample.video, expected.video)


def test_the_sound_at_other_speeds_comes_back_in_order(tmp_path: Path) -> None:
    copies = tuple(make_stream(n_frames, "abcdef", n_frames) for n_frames in range(5, 17))
    write_entry(tmp_path / "a", replace(make_sample(), copies=copies))
    sample = read_entry(tmp_path / "a")
    assert all(same(one, other) for one, other in zip(sample.copies, copies, strict=True))
    assert same(sample.audio, make_sample().audio)


def test_an_entry_that_says_nothing_of_copies_has_none(entry: Path) -> None:
    with safe_open(entry, framework="numpy") as file:
        header = json.loads(file.metadata()["omsn"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    assert header.pop("copies") == 0
    del header["sha256"]
    header["sha256"] = cache._digest(header, tensors)
    entry.write_bytes(save(tensors, metadata={"omsn": json.dumps(header)}))
    assert read_entry(entry).copies == ()


def test_the_same_sample_gives_the_same_bytes(entry: Path, tmp_path: Path) -> None:
    for number in range(5):
        write_entry(tmp_path / f"deep/er/{number}", make_sample())
        assert (tmp_path / f"deep/er/{number}").read_bytes() == entry.read_bytes()
    write_entry(tmp_path / "other", make_sample(seed=1))
    assert (tmp_path / "other").read_bytes() != entry.read_bytes()


def test_strided_arrays_give_the_same_bytes(entry: Path, tmp_path: Path) -> None:
    audio = make_sample().audio
    strided = Stream(np.asfortranarray(audio.values), audio.mask, np.repeat(audio.times_s, 2)[::2], audio.columns)
    write_entry(tmp_path / "strided", replace(make_sample(), audio=strided))
    assert (tmp_path / "strided").read_bytes() == entry.read_bytes()


def test_a_missing_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"gone: damaged cache entry \(.*No such file.*Run omsn prepare again"):
        read_entry(tmp_path / "gone")


def test_a_folder_is_no_entry(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="damaged cache entry"):
        read_entry(tmp_path)


@pytest.mark.parametrize("name", ["a.npz", "A.NPZ"])
def test_the_key_is_of_an_entry_and_of_the_archives_bytes(tmp_path: Path, name: str) -> None:
    archive = write(tmp_path / name, b"one")
    first, other = (entry_key(Clip("1", "", "", landmarks=f"{archive}#{entry}"), CONFIG) for entry in "ab")
    write(tmp_path / name, b"two", modified_s=2e9)
    assert len({first, other, entry_key(Clip("1", "", "", landmarks=f"{archive}#a"), CONFIG)}) == 3


def test_an_entry_cut_anywhere_is_refused(entry: Path) -> None:
    content = entry.read_bytes()
    for length in [*range(0, len(content), 37), len(content) - 1]:
        entry.write_bytes(content[:length])
        with pytest.raises(CacheError, match="damaged cache entry"):
            read_entry(entry)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_entry_altered_anywhere_is_refused_or_reads_the_same(entry: Path, data: st.DataObject) -> None:
    content = bytearray(entry.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    altered = entry.with_name("altered")
    altered.write_bytes(content)
    try:
        sample = read_entry(altered)
    except CacheError:
        return
    assert (sample.clip, same(sample.audio, make_sample().audio)) == ("clip/ü 1", True)
    assert same(sample.video, make_sample().video)


@pytest.mark.parametrize(("found", "put"), [(b'\\"a\\"', b'\\"q\\"'), (b"clip/", b"clap/")])
def test_altered_names_are_noticed(entry: Path, found: bytes, put: bytes) -> None:
    content = entry.read_bytes()
    assert content.count(found) == 1
    entry.write_bytes(content.replace(found, put))
    with pytest.raises(CacheError, match="checksum differs; the entry was altered"):
        read_entry(entry)


def test_altered_values_are_noticed(entry: Path) -> None:
    content = bytearray(entry.read_bytes())
    content[-3] ^= 1
    entry.write_bytes(content)
    with pytest.raises(CacheError, match=r"checksum differs; the entry was altered. Run omsn prepare again"):
        read_entry(entry)


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"omsn": "no json"}, {"omsn": "[]"}, {"omsn": "1"}, {"omsn": "{}"}, {"omsn": '{"sha256": null}'}],
)
def test_a_file_of_another_program_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save({"weight": np.zeros(3, np.float32)}, metadata=metadata))
    with pytest.raises(CacheError, match=r"damaged cache entry|checksum differs"):
        read_entry(path)


def test_a_wav_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(100))
    with pytest.raises(CacheError, match="damaged cache entry"):
        read_entry(path)


def test_the_key_is_of_the_content_and_not_of_the_time(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    clip = Clip("a", "", "", audio=write(path, b"one", modified_s=1e9))
    key = entry_key(clip, CONFIG)
    write(path, b"one", modified_s=1.1e9)
    assert entry_key(clip, CONFIG) == key
    write(path, b"two", modified_s=1.2e9)
    assert entry_key(clip, CONFIG) != key
    copy = replace(clip, audio=write(tmp_path / "copy.wav", b"one"))
    assert entry_key(copy, CONFIG) == key


def test_the_key_changes_with_everything_that_features_depend_on(tmp_path: Path) -> None:
    sound, picture = write(tmp_path / "a.wav", b"sound"), write(tmp_path / "a.mp4", b"picture")
    faces = write(tmp_path / "a.npz", b"faces")
    clip = Clip("a", "01", "sad", audio=sound, video=picture)
    other = PipelineConfig(audio=AudioFeatures(n_mels=41))
    keys = [
        entry_key(clip, CONFIG),
        entry_key(clip, other),
        entry_key(replace(clip, clip="b"), CONFIG),
        entry_key(replace(clip, start_s=1.0), CONFIG),
        entry_key(replace(clip, end_s=1.0), CONFIG),
        entry_key(replace(clip, audio=""), CONFIG),
        entry_key(replace(clip, video=sound), CONFIG),
        entry_key(replace(clip, landmarks=faces), CONFIG),
        entry_key(replace(clip, landmarks=f"{faces}#one"), CONFIG),
        entry_key(replace(clip, landmarks=f"{faces}#two"), CONFIG),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 32 and set(key) <= set("0123456789abcdef") for key in keys)


def test_the_key_does_not_change_with_what_features_do_not_depend_on(tmp_path: Path) -> None:
    clip = Clip("a", "01", "sad", audio=write(tmp_path / "a.wav", b"sound"))
    relabelled = replace(clip, emotion="happy", speaker="02", intensity="strong", corpus="mine")
    assert entry_key(relabelled, CONFIG) == entry_key(clip, CONFIG)


def test_another_way_of_finding_faces_changes_no_key_of_given_landmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Clip("a", "", "", video=write(tmp_path / "a.mp4", b"picture"))
    given = replace(found, landmarks=write(tmp_path / "a.npz", b"faces"))
    before = [entry_key(clip, CONFIG) for clip in (found, given)]
    monkeypatch.setattr(cache, "PICTURES_VERSION", cache.PICTURES_VERSION + 1)
    after = [entry_key(clip, CONFIG) for clip in (found, given)]
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_the_film_counts_where_its_pictures_are_not_looked_at_too(tmp_path: Path) -> None:
    faces = write(tmp_path / "a.npz", b"faces")
    clip = Clip("a", "", "", video=write(tmp_path / "a.mp4", b"one"), landmarks=faces)
    geometry, hog = PipelineConfig(), PipelineConfig(video=VideoFeatures(hog=True))
    assert [uses_picture(clip, geometry), uses_picture(clip, hog)] == [False, True]
    assert uses_picture(replace(clip, landmarks=""), geometry)
    assert not uses_picture(replace(clip, video=""), hog)
    other = replace(clip, video=write(tmp_path / "b.mp4", b"two"))
    assert entry_key(clip, geometry) != entry_key(other, geometry)  # when its picture starts, given landmarks do
    assert entry_key(clip, hog) != entry_key(other, hog)


@pytest.mark.parametrize("reference", ["gone.wav", "gone.npz#one"])
def test_a_file_that_is_not_there_has_no_key(tmp_path: Path, reference: str) -> None:
    clip = Clip("a", "", "", landmarks=str(tmp_path / reference))
    with pytest.raises(FileNotFoundError, match="gone"):
        entry_key(clip, CONFIG)
