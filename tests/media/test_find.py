from __future__ import annotations

from pathlib import Path

from omsn.media.find import find_media


def test_nothing_named_gives_nothing() -> None:
    assert find_media([]) == ([], [])


def test_folders_are_looked_through_and_files_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/b.MP4", "a/c.txt", "a/d.wav", "e.bin"):
        (tmp_path / name).write_bytes(b"x")
    found, failures = find_media([tmp_path / "e.bin", tmp_path / "a", tmp_path / "a" / "d.wav"])
    assert [path.name for path in found] == ["e.bin", "b.MP4", "d.wav"]
    assert failures == []


def test_missing_files_and_folders_without_media_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found, failures = find_media([tmp_path / "missing.mp4", tmp_path / "empty"])
    assert found == []
    assert [reason.split(";")[0] for _, reason in failures] == [
        "no such file or folder",
        "no media file in this folder",
    ]
