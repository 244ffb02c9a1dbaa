import os
from pathlib import Path

import pytest

from omsn.data.corpora.corpus import Skipped, file_problem, one_clip, to_corpus, walk
from omsn.errors import ManifestError
from omsn.media.find import MEDIA_SUFFIXES
from omsn.types import Clip


def test_walk_of_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    assert list(walk(tmp_path)) == []


def test_walk_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere: does not exist; expected the folder of a corpus"):
        list(walk(tmp_path / "nowhere"))


def test_walk_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ManifestError, match="is a file; expected the folder"):
        list(walk(tmp_path / "a.wav"))


def test_walk_refuses_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "b").mkdir()
    paths = walk(tmp_path)
    next(paths)
    (tmp_path / "b").rmdir()
    with pytest.raises(ManifestError, match="b: the folder cannot be listed: No such file"):
        next(paths)


def test_walk_is_sorted_leaves_hidden_out_and_follows_links_once(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/1.wav", "a.wav", ".hidden/3.wav", "__MACOSX/4.wav", "b/._1.wav"):
        (tmp_path / "corpus" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "corpus" / name).touch()
    (tmp_path / "corpus" / "b" / "up").symlink_to(tmp_path / "corpus")
    names = [str(path.relative_to(tmp_path / "corpus")) for path in walk(tmp_path / "corpus")]
    assert names == ["a.wav", "b/1.wav", "b/2.wav"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.wav", b"", "is empty (0 bytes)"),
        ("a.wav", b"version https://git-lfs", "is no .wav file: it begins with b'version '"),
        ("a.mp4", b"<!DOCTYPE html>", "is no .mp4 file"),
        ("a.FLAC", b"RIFF....", "is no .flac file"),
        ("a.wav", b"RIFF....WAVE", ""),
        ("a.flac", b"fLaC....", ""),
        ("a.mp4", b"\0\0\0\x20ftypisom", ""),
        ("a.mp3", b"\xff\xfb", ""),
    ],
)
def test_file_problem(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    found = file_problem(tmp_path / name)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


def test_file_problem_of_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to(tmp_path / "gone.wav")
    assert file_problem(tmp_path / "a.wav") == f"cannot be read: {os.strerror(2)}"


def test_one_clip_takes_sound_from_the_sound_file_and_reports_copies() -> None:
    bare = Clip("a", "", "happy")
    clip, copies = one_clip(bare, [Path("/c/a.flac"), Path("/c/a.mp4"), Path("/c/a.wav")])
    assert (clip.audio, clip.video) == ("/c/a.flac", "/c/a.mp4")
    assert copies == (Skipped("/c/a.wav", "is a duplicate of /c/a.flac"),)
    assert one_clip(bare, [Path("/c/a.mp4")])[0].audio == "/c/a.mp4"
    assert one_clip(bare, [Path("/c/a.wav")])[0].video == ""


def test_a_corpus_without_clips_says_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no usable clip; found nothing; expected talking faces"):
        to_corpus(tmp_path, [], [], "talking faces")
    for name in ("a.txt", "b.txt", "readme"):
        (tmp_path / name).touch()
    skipped = [Skipped(f"{number}.wav", "is empty (0 bytes)") for number in range(7)]
    with pytest.raises(ManifestError) as caught:
        to_corpus(tmp_path, [], skipped, "talking faces")
    assert "found 2 .txt, 1 no suffix" in str(caught.value)
    assert "0.wav: is empty (0 bytes)" in str(caught.value)
    assert str(caught.value).endswith("and 2 more")


def test_clips_come_by_speaker_then_name(tmp_path: Path) -> None:
    clips = [Clip("b", "01", "x"), Clip("a", "02", "x"), Clip("a", "01", "x")]
    assert [(clip.speaker, clip.clip) for clip in to_corpus(tmp_path, clips, [], "").clips] == [
        ("01", "a"),
        ("01", "b"),
        ("02", "a"),
    ]


def test_suffixes_are_lower_case() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in MEDIA_SUFFIXES)
