"""Fetch ELAN's published schema of .eaf files for the tests; does nothing where it is right already.

Run by ``make setup``. The schema (http://www.mpi.nl/tools/elan/EAFv3.0.xsd) names no licence and is not kept here; the
source archive of pympi-ling carries it.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fetch_face_models import is_right, put

SCHEMA = Path(__file__).resolve().parent.parent / "tests" / "export" / "EAFv3.0.xsd"

ARCHIVE = "pympi-ling==1.71"
ENTRY = "pympi_ling-1.71/test/EAFv3.0.xsd"
SHA256 = "59e76f90d5840813314b1e635480d044287b811ebd63a40e25cb4e73c6ad72bb"


def main() -> int:
    """Fetch the schema if it is missing or wrong; returns the exit code."""
    if is_right(SCHEMA, SHA256):
        print(f"ELAN's schema: already in {SCHEMA}")
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            put(read_schema(download_archive(Path(folder))), SHA256, SCHEMA, ENTRY)
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError, tarfile.TarError) as error:
        print(f"ELAN's schema: could not be fetched: {error}. Check the network and run it again", file=sys.stderr)
        return 1
    print(f"ELAN's schema: put into {SCHEMA}")
    return 0


def download_archive(folder: Path) -> Path:
    """Download the source archive with pip.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary=pympi-ling", "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, ARCHIVE], check=True)
    return next(folder.glob("*.tar.gz"))


def read_schema(archive: Path) -> bytes:
    """The schema out of the archive.

    Raises:
        KeyError: the archive has none.
        tarfile.TarError: the archive is damaged.
    """
    with tarfile.open(archive, "r:gz") as files:
        file = files.extractfile(ENTRY)
        if file is None:
            raise KeyError(f"{archive.name}: {ENTRY} is not a file")
        return file.read()


if __name__ == "__main__":
    sys.exit(main())
