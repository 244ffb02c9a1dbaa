from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from omsn.files import explain, replace_file


def test_an_empty_file(tmp_path: Path) -> None:
    replace_file(tmp_path / "empty", b"")
    assert (tmp_path / "empty").read_bytes() == b""


def test_folders_are_made(tmp_path: Path) -> None:
    replace_file(tmp_path / "a" / "b" / "file.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "file.bin").read_bytes() == b"\x00\xff"


def test_an_older_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    for content in (b"a longer first text", b"second"):
        replace_file(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "name").mkdir()
    with pytest.raises(IsADirectoryError, match="name"):
        replace_file(tmp_path / "name", b"text")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OSError, match="file"):
        replace_file(tmp_path / "file" / "inside", b"text")
    assert (tmp_path / "file").read_bytes() == b"kept"


@pytest.mark.parametrize("trouble", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt("Ctrl-C")])
def test_trouble_half_way_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: BaseException
) -> None:
    replace_file(tmp_path / "file", b"older")
    write_bytes = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        write_bytes(path, content[: len(content) // 2])
        raise trouble

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(type(trouble), match=r"No space left|Ctrl-C"):
        replace_file(tmp_path / "file", b"newer")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"older")]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileExistsError(errno.EEXIST, "File exists", "run"), "run: a file where a folder is needed"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "run/x"), "run/x: a file where a folder is needed"),
        (PermissionError(errno.EACCES, "Permission denied", "run"), r"run: .* \(Permission denied\); choose another"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "system refused: .*No space left on device; look to the room",
        ),
        (OSError(), "the system refused: "),
    ],
)
def test_trouble_is_explained(error: OSError, told: str) -> None:
    assert re.search(told, explain(error))
