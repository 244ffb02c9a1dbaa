from pathlib import Path

import pytest

from omsn.data.corpora import CORPORA
from omsn.data.corpora.folder import find
from omsn.errors import ManifestError


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"\xff\xfb" if name.endswith(".mp3") else b"\0\0\0\x20ftypisom")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"found nothing; expected EMOTION/anything.mp4"):
        CORPORA["folder"](tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist"):
        find(tmp_path / "clips")


def test_a_folder_an_emotion(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    _touch(root, "happy/a.mp4", "happy/a.mp3", "happy/deep/a.mov", "sad/ä b.MP4", "loose.mp4", "happy/notes.txt")
    corpus = find(root)
    assert [(clip.clip, clip.emotion) for clip in corpus.clips] == [
        ("happy/a", "happy"),
        ("happy/deep/a", "happy"),
        ("sad/ä b", "sad"),
    ]
    assert {(clip.speaker, clip.corpus) for clip in corpus.clips} == {("", "mine")}
    assert corpus.clips[0].audio == str(root / "happy/a.mp3")
    assert corpus.clips[0].video == str(root / "happy/a.mp4")
    assert [(item.path, item.reason) for item in corpus.skipped] == [
        (str(root / "loose.mp4"), "stands in no emotion's folder")
    ]


def test_empty_files_and_copies_are_listed(tmp_path: Path) -> None:
    _touch(tmp_path, "happy/a.mp4", "happy/a.mov")
    (tmp_path / "happy/b.wav").touch()
    corpus = find(tmp_path)
    assert len(corpus.clips) == 1
    assert sorted(item.reason.split(" of ")[0] for item in corpus.skipped) == ["is a duplicate", "is empty (0 bytes)"]


def test_only_loose_files_are_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4")
    with pytest.raises(ManifestError, match=r"(?s)no usable clip; found 1 .mp4.*stands in no emotion's folder"):
        find(tmp_path)


def test_a_manifest_is_read_instead(tmp_path: Path) -> None:
    _touch(tmp_path, "happy/a.mp4", "b.mp4")
    (tmp_path / "manifest.csv").write_text("clip,speaker,emotion,video\nb,anna,sad,b.mp4\n")
    corpus = find(tmp_path)
    assert [(clip.clip, clip.speaker, clip.emotion, clip.video) for clip in corpus.clips] == [
        ("b", "anna", "sad", str(tmp_path / "b.mp4"))
    ]
    assert corpus.skipped == ()


def test_a_manifest_without_names_of_sounds_or_corpora_takes_the_films_and_the_folders(tmp_path: Path) -> None:
    _touch(tmp_path, "b.mp4", "c.mp4")
    (tmp_path / "manifest.csv").write_text(
        "clip,speaker,emotion,video,corpus\nb,anna,sad,b.mp4,\nc,anna,sad,c.mp4,own\n"
    )
    first, second = find(tmp_path).clips
    assert (first.audio, first.corpus, second.corpus) == (first.video, tmp_path.name, "own")
    (tmp_path / "manifest.csv").write_text("clip,speaker,emotion,audio,video\nb,anna,sad,,b.mp4\n")
    assert find(tmp_path).clips[0].audio == ""


def test_problems_of_the_manifest_are_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("clip,speaker,emotion,video\nb,anna,sad,gone.mp4\n")
    with pytest.raises(ManifestError, match=r"line 2: video 'gone.mp4' is no file"):
        find(tmp_path)
