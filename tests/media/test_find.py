from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest

from omsn.media.find import MEDIA_SUFFIXES, Found, MediaFile, find_media


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a folder of films."""
    for name in ("a/b.MP4", "a/c.txt", "a/d.wav", "a/.e.mp4", "a/.f/g.mp4", "a/h/d.wav", "a/i.mp4/j.mp4", "k.bin"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(found: Found) -> list[str]:
    return [file.path.as_posix() for file in found.files]


def test_nothing_named_gives_nothing() -> None:
    assert find_media([]) == Found()


def test_folders_are_looked_through_and_files_taken_as_they_are(films: Path) -> None:
    found = find_media([Path("k.bin"), Path("a")])
    assert paths(found) == ["k.bin", "a/b.MP4", "a/d.wav", "a/h/d.wav", "a/i.mp4/j.mp4"]
    assert [file.below.as_posix() for file in found.files] == ["k.bin", "b.MP4", "d.wav", "h/d.wav", "i.mp4/j.mp4"]
    assert (found.failures, found.passed_over) == ((), ("a/.e.mp4", "a/.f/g.mp4", "a/c.txt"))


def test_hidden_files_and_any_suffix_are_taken_where_they_are_named(films: Path) -> None:
    assert paths(find_media([Path("a/.e.mp4"), Path("a/c.txt")])) == ["a/.e.mp4", "a/c.txt"]


def test_a_file_named_twice_is_taken_once_where_it_came_first(films: Path) -> None:
    (films / "link").symlink_to("a")
    names = ["a/d.wav", "k.bin", "./a/../a/d.wav", str(films / "a" / "d.wav"), "link/d.wav", "a"]
    assert paths(find_media(map(Path, names)))[:4] == ["a/d.wav", "k.bin", "a/b.MP4", "a/h/d.wav"]
    for order in (["a", "a/d.wav"], ["a/d.wav", "a"]):
        assert [file.path.name for file in find_media(map(Path, order)).files if file.named] == ["d.wav"]


def test_two_links_to_one_film_are_two_files(films: Path) -> None:
    (films / "monday.mp4").symlink_to("a/b.MP4")
    assert paths(find_media([Path("monday.mp4"), Path("a/b.MP4")])) == ["monday.mp4", "a/b.MP4"]
    assert find_media([Path("monday.mp4")]).files[0].identity == films.resolve() / "monday.mp4"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/*.wav", ["a/d.wav"]),
        ("a/**/*.wav", ["a/d.wav", "a/h/d.wav"]),
        ("[a]/h", ["a/h/d.wav"]),
        ("?/c.*", ["a/c.txt"]),
    ],
)
def test_patterns_that_no_shell_expanded_are_expanded(films: Path, pattern: str, expected: list[str]) -> None:
    assert paths(find_media([Path(pattern)])) == expected


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(films: Path) -> None:
    (films / "d[1]*.wav").write_bytes(b"x")
    assert find_media([Path("d[1]*.wav")]).files == (MediaFile(Path("d[1]*.wav"), PurePath("d[1]*.wav"), named=True),)


def test_names_that_stand_for_no_file_are_told(films: Path) -> None:
    (films / "empty.mp4").mkdir()
    (films / "broken.mp4").symlink_to("gone.mp4")
    os.mkfifo(films / "pipe.mp4")
    names = ["missing.mp4", "x*.mp4", "empty.mp4", "broken.mp4", "pipe.mp4", "k.bin/a.mp4", "n" * 300, "a\0b"]
    found = find_media(map(Path, names))
    assert found.files == ()
    assert [name for name, _ in found.failures] == names
    for (_, reason), expected in zip(
        found.failures,
        [
            "no such file or folder",
            "no file of this name, and as a pattern it matches nothing",
            "no media file in this folder; expected .3gp, .aac",
            "a link to a file that is not there",
            "neither a file nor a folder",
            "cannot be looked at (Not a directory)",
            "cannot be looked at (File name too long)",
            "cannot be looked at (embedded null byte)",
        ],
        strict=True,
    ):
        assert reason.startswith(expected)


def test_suffixes_that_cameras_and_programs_write_are_found(films: Path) -> None:
    names = [f"c/{number:02}{suffix.upper()}" for number, suffix in enumerate(sorted(MEDIA_SUFFIXES))]
    (films / "c").mkdir()
    for name in names:
        (films / name).write_bytes(b"x")
    assert {".mts", ".m2ts", ".ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".aac"} < MEDIA_SUFFIXES
    assert paths(find_media([Path("c")])) == names


def test_folders_named_like_films_are_told(films: Path) -> None:
    (films / "a" / "h" / "empty.mov").mkdir()
    (films / "a" / "notes.avi").mkdir()
    (films / "a" / "notes.avi" / "n.txt").touch()
    (films / "a" / ".hidden.mp4").mkdir()
    (films / "a" / "link.mkv").symlink_to("h")
    found = find_media([Path("a")])
    assert paths(found) == ["a/b.MP4", "a/d.wav", "a/h/d.wav", "a/i.mp4/j.mp4"]
    assert found.failures == (
        ("a/h/empty.mov", "a folder that is named like a media file, with none below it"),
        ("a/link.mkv", "a link to a folder, which is not followed; name it by itself"),
        ("a/notes.avi", "a folder that is named like a media file, with none below it"),
    )


def test_a_link_without_its_film_is_told_in_a_folder_too(films: Path) -> None:
    (films / "a" / "z.mp4").symlink_to("gone.mp4")
    found = find_media([Path("a")])
    assert len(found.files) == 4
    assert found.failures == (("a/z.mp4", "a link to a file that is not there"),)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_may_not_be_looked_into_is_told(films: Path) -> None:
    (films / "a" / "h").chmod(0)
    found = find_media([Path("a"), Path("a/h/d.wav")])
    (films / "a" / "h").chmod(0o700)
    assert paths(found) == ["a/b.MP4", "a/d.wav", "a/i.mp4/j.mp4"]
    assert found.failures == (
        ("a/h", "cannot be looked through (Permission denied)"),
        ("a/h/d.wav", "cannot be looked at (Permission denied)"),
    )
