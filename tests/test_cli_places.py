"""Names and folders that a command must not take for others: what is said, and that nothing is changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from called import omsn
from made_up_run import made_up_metrics, write_run

from omsn.data.synthetic import render_corpus
from omsn.errors import OmsnError


def test_an_empty_argument_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "omsn", "predict", ""]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 1
    assert " ".join(ran.stderr.split()) == (
        "error: an argument is empty; is a variable of the shell unset? An empty name would mean the current folder"
    )


def test_a_training_that_held_nobody_out_has_no_report(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(
        OmsnError, match=r"held nobody out to score it, so that there is nothing to report; omsn crossval"
    ):
        omsn("report", tmp_path)


def test_a_run_without_a_report_does_not_keep_the_others_from_theirs(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    run = write_run(made_up_metrics(), tmp_path / "run")
    page = run / "report.html"
    page.unlink(missing_ok=True)
    with pytest.raises(OmsnError) as caught:
        omsn("report", tmp_path / "gone", run, tmp_path)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        str(tmp_path / folder / "metrics.json") for folder in ("gone", "")
    ]
    assert page.exists()


def test_prepare_leaves_the_recordings_and_their_manifest_as_they_are(tmp_path: Path) -> None:
    films = tmp_path / "films"
    render_corpus(films, speakers=1, clips_per_emotion=1, seconds=1.0, size=(240, 180))
    with pytest.raises(
        OmsnError, match=r"is the folder of the recordings, which stays as it is; give the cache its own"
    ):
        omsn("prepare", films, "--out", films, "--recipe", "demo")
    mine = tmp_path / "own" / "manifest.csv"
    mine.parent.mkdir()
    mine.write_text("clip,speaker,emotion\n")
    with pytest.raises(
        OmsnError, match=r"manifest\.csv: would be replaced, and is not of a cache; choose another folder"
    ):
        omsn("prepare", films, "--out", mine.parent, "--recipe", "demo")
    assert [path.name for path in mine.parent.iterdir()] == ["manifest.csv"]
    assert not (films / "manifest.csv").exists()


def test_default_is_the_name_of_the_package_s_own_weights_everywhere(tmp_path: Path) -> None:
    assert omsn("info", "default", "--json") == omsn("info", "--json")
    with pytest.raises(OmsnError, match="no finished feature cache here"):
        omsn("evaluate", "default", tmp_path)
