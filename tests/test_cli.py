"""The commands end to end on a small corpus that the package renders: files in, answers and reports out."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from called import omsn
from typer.testing import CliRunner

from omsn.cli import app, main
from omsn.data.synthetic import render_corpus
from omsn.errors import OmsnError
from omsn.labels import RAVDESS_EMOTIONS
from omsn.options import BackendName
from omsn.workers import BACKENDS

RUNNER = CliRunner()
TINY = ["--recipe", "demo", "--set", "training.epochs=2", "--set", "network.fusion.width=4"]


def run_main(*arguments: str | Path) -> tuple[str, int]:
    """Run a command in a process of its own; what it wrote on its error stream, in one line, and its exit code."""
    command = [sys.executable, "-m", "omsn", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return " ".join(ran.stderr.replace("│", " ").split()), ran.returncode


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, eight emotions, one second each."""
    root = tmp_path_factory.mktemp("films")
    render_corpus(root, speakers=3, clips_per_emotion=1, seconds=1.0, size=(240, 180))
    return root


@pytest.fixture(scope="module")
def cache(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    told = json.loads(omsn("prepare", films, "--out", folder, "--recipe", "demo", "--jobs", "2", "--json"))
    assert (told["prepared"], told["reused"], told["skipped"]) == (24, 0, 0)
    return folder


@pytest.fixture(scope="module")
def run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    told = omsn("train", cache, "--out", folder, *TINY, "--set", "training.validation_share=0.34")
    assert "WAR" in told
    return folder


def test_prepare_again_reuses_everything(films: Path, cache: Path) -> None:
    told = json.loads(omsn("prepare", films, "--out", cache, "--recipe", "demo", "--jobs", "1", "--json"))
    assert (told["prepared"], told["reused"], told["skipped"]) == (0, 24, 0)
    assert (told["former_clips"], told["dropped_clips"], told["speakers"]) == (24, 0, 3)
    assert (told["without_sound"], told["without_face"]) == (0, 0)
    assert told["emotions"] == dict.fromkeys(sorted(RAVDESS_EMOTIONS.names), 3)


def test_prepare_tells_what_a_cache_held_and_holds_now(films: Path, tmp_path: Path) -> None:
    one, two = sorted(path for path in films.iterdir() if path.is_dir())[:2]
    arguments: list[str | Path] = ["--out", tmp_path / "cache", "--recipe", "demo", "--jobs", "1"]
    first = omsn("prepare", one, *arguments)
    assert "replaces" not in first
    assert "emotions: angry 1, calm 1" in first
    assert "speakers: 1" in first
    again = omsn("prepare", two, *arguments, "--backend", "threading")
    assert "replaces an index of 8 clips, 8 of which are no longer in it" in again


def test_scores_are_printed_though_the_predictions_cannot_be_written(run: Path, cache: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", run / "checkpoint", cache, "--allow-leaks", "--predictions", tmp_path]
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert "WAR" in result.stdout
    assert isinstance(result.exception, IsADirectoryError)
    assert result.exception.filename == str(tmp_path)


def test_prepare_lists_what_it_skips_and_exits_with_1(films: Path, cache: Path, tmp_path: Path) -> None:
    broken = tmp_path / "corpus"
    broken.mkdir()
    whole = sorted(films.rglob("*.mp4"))
    shutil.copy(whole[0], broken / whole[0].name)
    (broken / whole[1].name).write_bytes(whole[1].read_bytes()[:20000])
    (broken / "03-01-09-01-01-01-01.wav").write_bytes(b"RIFF0000WAVE")
    result = RUNNER.invoke(app, ["prepare", str(broken), "--out", str(tmp_path / "cache"), "--jobs", "1", "--json"])
    told = json.loads(result.stdout)
    assert (told["prepared"], told["skipped"], result.exit_code) == (1, 2, 1)
    assert all(item["reason"] for item in told["skipped_files"])


def test_crossval_writes_metrics_predictions_and_a_report(cache: Path, tmp_path: Path) -> None:
    told = omsn("crossval", cache, "--protocol", "loso", "--out", tmp_path, "--normalise", "enrolled", *TINY)
    assert "SVM baseline" in told
    assert "loso: network demo, normalisation enrolled" in " ".join(told.split())
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["normalisation"] == "enrolled"
    assert metrics["scores"]["clips"] == 24
    assert metrics["baseline"]["name"] == "svm"
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 25
    assert "<svg" in (tmp_path / "report.html").read_text()
    assert sorted(path.stem for path in (tmp_path / "figures").glob("*.png"))


def test_crossval_of_the_svm_on_one_modality(cache: Path, tmp_path: Path) -> None:
    svm = ["--model", "svm", "--modality", "audio", "--recipe", "demo"]
    omsn("crossval", cache, "--protocol", "loso", "--out", tmp_path, *svm)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["model"], metrics["modality"], metrics["parameters"]) == ("svm", "audio", None)


def test_tune_leaves_a_recipe_and_a_report_and_goes_on(cache: Path, tmp_path: Path) -> None:
    small = ["--population", "3", "--iterations", "1", "--steps", "2", "--jobs", "1", *TINY]
    small += ["--finalists", "3", "--finalist-seeds", "2"]
    told = json.loads(omsn("tune", cache, "--out", tmp_path, "--json", *small))
    assert told["evaluations"] == 3 + 4 * 3
    assert told["finalists"]["seeds"] == [1, 2]
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 2
    (tmp_path / "report.html").unlink()
    again = omsn("tune", cache, "--out", tmp_path, "--resume", *small)
    assert "mean loss in 2 fresh orders" in again
    assert "tuned.toml" in again
    none = omsn("tune", cache, "--out", tmp_path, "--resume", *small, "--finalists", "0")
    assert "fresh orders" not in none
    omsn("tune", cache, "--out", tmp_path, "--resume", *small)
    assert omsn("report", tmp_path).strip().endswith("report.html")
    assert (tmp_path / "report.html").read_text() == page


def test_train_leaves_a_checkpoint_that_info_describes(run: Path) -> None:
    told = json.loads(omsn("info", run / "checkpoint", "--json"))
    assert told["labels"][0] == "neutral"
    assert len(told["trained_on_speakers"]) == 2
    assert "parameters" in omsn("info", run / "checkpoint")
    assert (run / "report.html").exists()


def test_evaluate_refuses_speakers_that_trained_the_checkpoint(run: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(OmsnError, match=r"of its speakers trained.*--allow-leaks"):
        omsn("evaluate", run / "checkpoint", cache)
    table = tmp_path / "predictions.csv"
    told = json.loads(omsn("evaluate", run / "checkpoint", cache, "--allow-leaks", "--json", "--predictions", table))
    assert told["scores"]["clips"] == 24
    assert len(told["speakers_that_trained_it"]) == 2
    assert table.exists()
    result = RUNNER.invoke(app, ["evaluate", str(run / "checkpoint"), str(cache), "--allow-leaks"])
    assert "leak: 2 speakers of" in result.stderr
    assert ", ".join(told["speakers_that_trained_it"]) in " ".join(result.stderr.split())


def test_predict_goes_on_after_a_bad_file(run: Path, films: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a film")
    film = sorted(films.rglob("*.mp4"))[0]
    arguments: list[str | Path] = [film, text, tmp_path / "missing.mp4", "--checkpoint", run / "checkpoint"]
    told = json.loads(omsn("predict", *arguments, "--json", "--out", tmp_path / "out", code=1))
    window = told["predictions"][0]["windows"][0]
    assert sum(window["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert window["emotion"] == max(window["probabilities"], key=window["probabilities"].__getitem__)
    assert window["modalities"] == ["audio", "video"]
    assert {Path(item["path"]).name for item in told["failed"]} == {"text.mp4", "missing.mp4"}
    assert json.loads((tmp_path / "out" / f"{film.name}.json").read_text()) == told["predictions"][0]


def test_predict_shows_a_table_and_exits_with_0(run: Path, films: Path) -> None:
    told = omsn("predict", sorted(films.rglob("*.mp4"))[0], "--checkpoint", run / "checkpoint")
    assert "both" in told


def test_the_help_of_predict_fills_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    _, _, told = omsn("predict", "--help").partition("A file of more than")
    lines = [line.strip() for line in told.partition("Example:")[0].splitlines() if line.strip()]
    assert len(lines) > 3
    for line, following in pairwise(lines[1:]):
        assert len(f" {line} {following.split()[0]}") >= 80


def test_predict_names_what_it_passes_over_in_a_folder(run: Path, films: Path, tmp_path: Path) -> None:
    shutil.copy(sorted(films.rglob("*.mp4"))[0], tmp_path / "film.mp4")
    (tmp_path / "notes.txt").touch()
    arguments = ["predict", str(tmp_path), "--checkpoint", str(run / "checkpoint")]
    result = RUNNER.invoke(app, arguments)
    assert result.stderr.splitlines() == [f"passed over: {tmp_path / 'notes.txt'}", "1 answered, 1 passed over"]
    assert json.loads(omsn(*arguments, "--json"))["passed_over"] == [str(tmp_path / "notes.txt")]


def test_predict_draws_the_answers_and_tells_where_the_time_went(run: Path, films: Path, tmp_path: Path) -> None:
    film = sorted(films.rglob("*.mp4"))[0]
    command = [
        "predict",
        film,
        "--checkpoint",
        run / "checkpoint",
        "--out",
        tmp_path,
        "--overlay",
        "--plot",
        "--profile",
    ]
    result = RUNNER.invoke(app, [*map(str, command), "--baseline", str(film)])
    assert result.exit_code == 0, result.output
    names = {path.name.removeprefix(film.name) for path in tmp_path.iterdir()}
    assert names == {".json", ".overlay.mp4", ".png", "predictions.jsonl"}
    assert all(stage in result.stderr for stage in ("decode picture", "landmarks", "network", "write json", "rest"))
    assert re.search(r"total +│ +\d+\.\d\d │ +│", result.stderr)
    assert re.search(r"\d\.\d s of media, \d+\.\d\d times real time", result.stderr)


def test_predict_standardises_by_the_files_that_enrol_the_person(run: Path, films: Path, tmp_path: Path) -> None:
    first, second, *_ = sorted(films.rglob("*.mp4"))
    command: list[str | Path] = [
        "predict",
        first,
        "--checkpoint",
        run / "checkpoint",
        "--normalise",
        "enrolled",
        "--json",
    ]
    alone, enrolled = omsn(*command), omsn(*command, "--enrol", first, "--enrol", second.parent)
    assert alone != enrolled
    with pytest.raises(OmsnError, match="normalisation none has no use for"):
        omsn("predict", first, "--checkpoint", run / "checkpoint", "--enrol", second)


def test_predict_writes_every_format_on_two_processes_and_resumes(run: Path, films: Path, tmp_path: Path) -> None:
    for film in sorted(films.rglob("*.mp4"))[:2]:
        (tmp_path / "films" / film.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(film, tmp_path / "films" / film.parent.name)
    arguments: list[str | Path] = [tmp_path / "films", "--checkpoint", run / "checkpoint", "--out", tmp_path / "out"]
    arguments += ["--format", "json,csv,webvtt,srt,eaf", "--normalise", "enrolled"]
    first = json.loads(omsn("predict", *arguments, "--jobs", "2", "--json"))
    assert (len(first["predictions"]), first["failed"], first["done_before"]) == (2, [], [])
    assert len([path for path in (tmp_path / "out").rglob("*.mp4.*") if path.is_file()]) == 10
    again = json.loads(omsn("predict", *arguments, "--backend", "loky", "--resume", "--json"))
    assert (again["predictions"], len(again["done_before"])) == ([], 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "OUT", "--format", "docx"], "unknown format: got 'docx', expected one or more of json, csv"),
        (["--out", "OUT", "--format", ""], "unknown format: got none"),
        (["--format", "csv"], "--format, --overlay, --plot and --resume need --out"),
        (["--resume"], "--format, --overlay, --plot and --resume need --out"),
        (["--overlay"], "--format, --overlay, --plot and --resume need --out"),
        (["--plot"], "--format, --overlay, --plot and --resume need --out"),
        (["--profile", "--jobs", "2"], "--profile measures one process"),
        (["--profile", "--backend", "loky"], "--profile measures one process"),
        (["--backend", "spark"], "'spark' is not one of 'loky', 'threading', 'dask', 'ray'"),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
    ],
)
def test_wrong_usage_of_predict_is_exit_code_2(arguments: list[str], message: str, run: Path, tmp_path: Path) -> None:
    places = {"OUT": str(tmp_path / "OUT")}
    command = ["predict", "a.mp4", "--checkpoint", str(run / "checkpoint")]
    result = RUNNER.invoke(app, command + [places.get(argument, argument) for argument in arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "OUT").exists()


@pytest.mark.parametrize(
    ("backend", "code", "message"),
    [("bogus", 2, "'bogus' is not one of 'loky', 'threading'"), ("dask", 1, "error: backend dask: ")],
)
def test_prepare_with_a_backend_that_cannot_be_used(
    films: Path, tmp_path: Path, backend: str, code: int, message: str
) -> None:
    told, ended = run_main("prepare", films, "--out", tmp_path / "OUT", "--backend", backend)
    assert (ended, message in told) == (code, True)
    assert not (tmp_path / "OUT").exists()


def test_predict_names_every_backend_that_there_is() -> None:
    assert tuple(BackendName) == BACKENDS


def test_predict_counts_and_lists_failures(run: Path, tmp_path: Path) -> None:
    (tmp_path / "[").mkdir()
    for number in range(25):
        (tmp_path / "[" / f"b]{number:02}.mp4").write_text("not a film")
    (tmp_path / "notes.txt").touch()
    result = RUNNER.invoke(app, ["predict", str(tmp_path), "--checkpoint", str(run / "checkpoint")])
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len([line for line in lines if line.startswith("failed") and "[/b]" in line]) == 20
    assert lines[-3].startswith("... and 5 more")
    assert lines[-2] == f"passed over: {tmp_path / 'notes.txt'}"
    assert lines[-1] == "25 failed, 1 passed over"
    assert "Traceback" not in result.stderr


def test_predict_of_odd_names_in_a_process_of_its_own(run: Path, films: Path, tmp_path: Path) -> None:
    """Names with markup, line breaks and bytes that are no UTF-8, on streams that take nothing but UTF-8."""
    film = sorted(films.rglob("*.mp4"))[0]
    odd = os.fsdecode(b"[b] \xff\n.mp4")
    shutil.copy(film, tmp_path / odd)
    (tmp_path / "[").mkdir()
    (tmp_path / "[" / "b].mp4").symlink_to("gone.mp4")
    command = [sys.executable, "-m", "omsn", "predict", str(tmp_path), "--checkpoint", str(run / "checkpoint")]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict", "COLUMNS": "200"}
    ran = subprocess.run([*command, "--out", str(tmp_path / "out")], env=environment, capture_output=True, check=False)
    assert (ran.returncode, b"Traceback" in ran.stderr) == (1, False)
    assert b"[b] \\udcff\\n.mp4" in ran.stdout
    assert ran.stderr.splitlines()[0].endswith(b"/[/b].mp4: a link to a file that is not there")
    assert (tmp_path / "out" / f"{odd}.json").exists()


def test_report_is_written_again(run: Path) -> None:
    (run / "report.html").unlink()
    omsn("report", run)
    assert (run / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["crossval", "CACHE", "--out", "OUT", "--protocol", "actors-5", "--recipe", "demo"],
            "unknown protocol 'actors-5'.*actors-4",
        ),
        (["crossval", "CACHE", "--out", "OUT"], "prepared with other settings than recipe default.*frames_per_row"),
        (["crossval", "CACHE", "--out", "OUT", "--recipe", "papr"], "unknown recipe 'papr'.*paper"),
        (["crossval", "CACHE", "--out", "OUT", "--set", "training.epoch=3"], "unknown setting training.epoch.*epochs"),
        (["crossval", "CACHE", "--out", "OUT", "--seeds", "a"], "--seeds: got 'a'"),
        (["crossval", "CACHE", "--out", "OUT", "--seeds", "0,0"], "--seeds: got '0,0', expected .* each once"),
        (["crossval", "CACHE", "--out", "OUT", "--seeds=-1"], "--seeds: got '-1', expected numbers from 0"),
        (["crossval", "OUT", "--out", "OUT"], "no finished feature cache"),
        (
            ["tune", "CACHE", "--out", "OUT", "--search", "training.epochs"],
            "cannot search over 'training.epochs'; .*classifier_learning_rate",
        ),
        (
            ["tune", "CACHE", "--out", "OUT", "--search", "network.audio.dropout"],
            "cannot search over 'network.audio.dropout'",
        ),
        (["tune", "CACHE", "--out", "OUT", "--population", "2"], "population"),
        (["tune", "CACHE", "--out", "OUT", "--steps", "0"], "got 0 steps"),
        (["tune", "CACHE", "--out", "OUT", "--finalist-seeds", "0"], "got 20 finalists under 0 seeds"),
        (["prepare", "OUT", "--out", "OUT", "--corpus", "pattern"], "--template belongs to"),
        (["prepare", "EMPTY", "--out", "OUT"], "EMPTY"),
        (["predict", "CACHE", "--checkpoint", "EMPTY"], "no checkpoint"),
        (["predict", "CACHE", "--checkpoint", "EMPTY", "--backend", "dask"], "no checkpoint"),
    ],
)
def test_wrong_input_is_told_in_one_line(arguments: list[str], message: str, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "EMPTY").mkdir()
    places = {"CACHE": cache, "OUT": tmp_path / "OUT", "EMPTY": tmp_path / "EMPTY"}
    with pytest.raises(OmsnError, match=message):
        omsn(*(str(places.get(argument, argument)) for argument in arguments))


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    looks_like_markup = str(tmp_path / "[" / "red]")
    done = subprocess.run(
        [sys.executable, "-m", "omsn", "info", looks_like_markup], capture_output=True, text=True, check=False
    )
    assert looks_like_markup in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["crossval", "--protocol", "loso"], ["train"], ["tune"]], ids=lambda one: one[0])
def test_a_file_in_place_of_the_output_folder(
    command: list[str],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "OUT").touch()
    share = ["--set", "training.validation_share=0.34"]
    monkeypatch.setattr(sys, "argv", ["omsn", *command, str(cache), "--out", str(tmp_path / "OUT"), *TINY, *share])
    with pytest.raises(SystemExit, match="1"):
        main()
    told = capsys.readouterr().err.strip()
    assert told == f"error: {tmp_path / 'OUT'}: a file where a folder is needed; choose another folder, or move it away"


def test_version() -> None:
    assert omsn("--version").startswith("omsn ")
