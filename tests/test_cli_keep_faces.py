"""omsn prepare --keep-faces: the compact copy beside the cache, and what is said of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from made_media import cut_short, tone, write_media
from portrait import scene
from typer.testing import CliRunner, Result

from omsn.cli import app
from omsn.errors import InputError


def prepare(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["prepare", *map(str, arguments), "--corpus", "folder"])


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """One film of each of two emotions, and a broken one."""
    root = tmp_path / "films"
    for emotion in ("happy", "sad"):
        (root / emotion).mkdir(parents=True)
        images = [scene((40 + number, 10), height=180, width=320, side=150) for number in range(8)]
        write_media(root / emotion / "a.mp4", tone(0.32), images)
    cut_short(root / "sad" / "a.mp4")
    return root


def test_the_copy_and_how_much_smaller_it_is(films: Path, tmp_path: Path) -> None:
    result = prepare(films, "--out", tmp_path / "cache", "--keep-faces", tmp_path / "copy")
    assert result.exit_code == 1  # for the broken one
    told = " ".join(result.stdout.split())
    assert f"faces: 2 clips copied, 0 reused, 0 skipped -> {tmp_path / 'copy'}" in told
    assert re.search(r"0\.0 MB -> 0\.0 MB, \d+\.\d times (smaller|larger)", told)
    (films / "sad" / "cut_a.mp4").unlink()
    again = prepare(films, "--out", tmp_path / "cache", "--keep-faces", tmp_path / "copy", "--json")
    assert again.exit_code == 0
    facts = json.loads(again.stdout)["kept_faces"]
    assert (facts["copied"], facts["reused"], facts["skipped_clips"]) == (0, 2, [])
    assert facts["times_smaller"] == round(facts["original_bytes"] / facts["copied_bytes"], 2)
    of_the_copy = prepare(tmp_path / "copy", "--out", tmp_path / "cache of copy", "--json")
    assert json.loads(of_the_copy.stdout)["prepared"] == 2


def test_a_folder_that_cannot_take_the_copy_is_refused_before_the_work(films: Path, tmp_path: Path) -> None:
    for place in (films / "copy", tmp_path / "cache" / "copy", tmp_path / "cache"):
        result = prepare(films, "--out", tmp_path / "cache", "--keep-faces", place)
        assert isinstance(result.exception, InputError)
        assert "a copy needs a folder of its own" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["films"]
