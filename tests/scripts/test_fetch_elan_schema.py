from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from types import ModuleType

import fetch_elan_schema
import pytest

CONTENTS = b"<schema/>"


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, told to expect a small schema in a folder of its own."""
    monkeypatch.setattr(fetch_elan_schema, "SHA256", hashlib.sha256(CONTENTS).hexdigest())
    monkeypatch.setattr(fetch_elan_schema, "SCHEMA", tmp_path / "tests" / "schema.xsd")
    return fetch_elan_schema


def _archive(folder: Path, entry: tarfile.TarInfo, contents: bytes) -> Path:
    path = folder / "some.tar.gz"
    entry.size = len(contents)
    with tarfile.open(path, "w:gz") as files:
        files.addfile(entry, io.BytesIO(contents))
    return path


def test_the_schema_is_put_in_place_and_then_left_alone(
    fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = tarfile.TarInfo(fetch.ENTRY)
    monkeypatch.setattr(fetch, "download_archive", lambda folder: _archive(folder, entry, CONTENTS))
    assert fetch.main() == 0
    assert fetch.SCHEMA.read_bytes() == CONTENTS
    monkeypatch.delattr(fetch, "download_archive")
    assert fetch.main() == 0
    assert "already in" in capsys.readouterr().out


def _pip_fails(folder: Path) -> Path:
    raise subprocess.CalledProcessError(1, ["pip"])


def _damaged(folder: Path) -> Path:
    (folder / "some.tar.gz").write_bytes(b"no archive")
    return folder / "some.tar.gz"


def _without_it(folder: Path) -> Path:
    return _archive(folder, tarfile.TarInfo("else"), CONTENTS)


def _with_a_folder_in_its_place(folder: Path) -> Path:
    entry = tarfile.TarInfo(fetch_elan_schema.ENTRY)
    entry.type = tarfile.DIRTYPE
    return _archive(folder, entry, b"")


def _with_other_contents(folder: Path) -> Path:
    return _archive(folder, tarfile.TarInfo(fetch_elan_schema.ENTRY), b"<other/>")


@pytest.mark.parametrize(
    ("download", "told"),
    [
        (_pip_fails, "returned non-zero exit status 1"),
        (_damaged, "not a gzip file"),
        (_without_it, "not found"),
        (_with_a_folder_in_its_place, "is not a file"),
        (_with_other_contents, "has SHA-256"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(
    download: object, told: str, fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch, "download_archive", download)
    assert fetch.main() == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not fetch.SCHEMA.exists()
