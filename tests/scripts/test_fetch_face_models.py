from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import fetch_face_models
import pytest

CONTENTS = {"mediapipe/a/one.tflite": b"first model", "mediapipe/b/two.tflite": b"second model"}


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, told to expect two small models in a folder of its own."""
    hashes = {entry: hashlib.sha256(contents).hexdigest() for entry, contents in CONTENTS.items()}
    monkeypatch.setattr(fetch_face_models, "SHA256", hashes)
    monkeypatch.setattr(fetch_face_models, "MODEL_FOLDER", tmp_path / "models")
    return fetch_face_models


def _wheel(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "some.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in contents.items():
            archive.writestr(entry, data)
    return path


def test_models_are_put_in_place_and_then_left_alone(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch, "download_wheel", lambda folder: _wheel(folder, CONTENTS))
    assert fetch.main() == 0
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["one.tflite", "two.tflite"]
    assert (tmp_path / "models" / "one.tflite").read_bytes() == b"first model"
    monkeypatch.delattr(fetch, "download_wheel")
    assert fetch.main() == 0
    assert "already in" in capsys.readouterr().out


def test_damaged_model_is_fetched_again(fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch.extract_models(_wheel(tmp_path, CONTENTS), fetch.MODEL_FOLDER)
    (fetch.MODEL_FOLDER / "two.tflite").write_bytes(b"half")
    assert fetch.missing_models(fetch.MODEL_FOLDER) == ["mediapipe/b/two.tflite"]
    monkeypatch.setattr(fetch, "download_wheel", lambda folder: _wheel(folder, CONTENTS))
    assert fetch.main() == 0
    assert fetch.missing_models(fetch.MODEL_FOLDER) == []


def test_wrong_contents_are_refused(fetch: ModuleType, tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, CONTENTS | {"mediapipe/a/one.tflite": b"something else"})
    with pytest.raises(ValueError, match=r"some\.whl: mediapipe/a/one\.tflite has SHA-256 [0-9a-f]{64}, expected"):
        fetch.extract_models(wheel, fetch.MODEL_FOLDER)
    assert not (fetch.MODEL_FOLDER / "one.tflite").exists()


@pytest.mark.parametrize(
    "error", [subprocess.CalledProcessError(1, "pip"), OSError("disk full"), zipfile.BadZipFile("not a zip")]
)
def test_failure_is_told_and_counts(
    fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(folder: Path) -> Path:
        raise error

    monkeypatch.setattr(fetch, "download_wheel", fail)
    assert fetch.main() == 1
    assert "could not be fetched" in capsys.readouterr().err


def test_installed_models_are_the_right_ones() -> None:
    """The real table against the real folder, as `make setup` left it."""
    assert fetch_face_models.missing_models(fetch_face_models.MODEL_FOLDER) == []
