"""Many files in, answers and failures out: as in one process, whatever is wrong with a file, whenever it is killed."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from made_checkpoint import write_checkpoint, write_hum

from omsn.batch import KILLED, Batch, Model, Output, _load, predict_batch
from omsn.data.synthetic import render_corpus
from omsn.errors import CheckpointError, InputError
from omsn.export.csv import write_csv
from omsn.export.folder import FAILURES_NAME, INDEX_NAME
from omsn.export.formats import Format, parse_formats
from omsn.recognizer import Recognizer
from omsn.types import Prediction, Window

JSON = parse_formats("json")
WITHOUT_RIGHTS = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return Model.of(checkpoint)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("film")
    return render_corpus(root, speakers=1, clips_per_emotion=1, seconds=1.0, size=(240, 180))[0]


@pytest.fixture
def hums(tmp_path: Path) -> Path:
    """A folder of four short sounds."""
    for number in range(4):
        write_hum(tmp_path / "hums" / f"{number}.wav", 0.3, hz=100 + 50 * number)
    return tmp_path / "hums"


def outputs(folder: Path) -> dict[str, bytes]:
    """All that a run leaves but the order of its index."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    index = sorted(files.pop(INDEX_NAME).read_bytes().splitlines())
    whole = {name: path.read_bytes() for name, path in files.items() if not name.endswith(".part")}
    return whole | {INDEX_NAME: b"\n".join(index)}


def names(batch: Batch) -> list[str]:
    return [Path(prediction.source).name for prediction in batch.predictions]


def test_no_names_give_an_empty_batch(model: Model) -> None:
    assert predict_batch([], model) == Batch((), (), (), ())
    assert Batch((), (), (), ()).to_dict() == {"predictions": [], "done_before": [], "failed": [], "passed_over": []}


def test_answers_are_those_of_the_recognizer_in_the_order_of_the_names(
    model: Model, checkpoint: Path, film: Path, hums: Path
) -> None:
    steps: list[tuple[float, int, str]] = []
    (hums / "notes.txt").write_text("x")
    batch = predict_batch([hums / "3.wav", film, hums], model, on_step=lambda *step: steps.append(step))
    assert names(batch) == ["3.wav", film.name, "0.wav", "1.wav", "2.wav"]
    assert batch.predictions[1] == Recognizer(checkpoint).predict(film)
    assert (batch.failures, batch.done_before, batch.passed_over) == ((), (), (str(hums / "notes.txt"),))
    at_the_ends = [step for step in steps if step[2] in names(batch)]
    assert at_the_ends == [(number, 5, name) for number, name in enumerate(names(batch), start=1)]


def test_the_mode_of_normalisation_is_passed_on(model: Model, film: Path) -> None:
    enrolled = predict_batch([film], replace(model, normalisation="enrolled")).predictions
    assert enrolled == (Recognizer(model.checkpoint, "enrolled").predict(film),)


def test_two_processes_give_the_same_answers_in_the_same_order(
    model: Model, film: Path, hums: Path, tmp_path: Path
) -> None:
    shutil.copy(film, hums)
    (hums / "broken.wav").write_bytes(b"RIFF0000WAVE")
    one = predict_batch([hums], model, Output(tmp_path / "one", JSON))
    two = predict_batch([hums], model, Output(tmp_path / "two", JSON), jobs=2)
    assert one == two
    assert (len(one.predictions), len(one.failures)) == (5, 1)
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")


def test_every_format_is_written_where_the_file_is_in_its_folder(model: Model, tmp_path: Path) -> None:
    name = "Ärger mit  Leerzeichen [1] 怒り.wav"
    write_hum(tmp_path / "films" / "a" / name, 0.3)
    predict_batch([tmp_path / "films"], model, Output(tmp_path / "out", parse_formats("json,csv,webvtt,srt,eaf")))
    written = sorted(path.name for path in (tmp_path / "out" / "a").iterdir())
    assert written == sorted(f"{name}{suffix}" for suffix in (".csv", ".eaf", ".json", ".srt", ".vtt"))


def test_files_of_one_name_do_not_write_over_each_other(model: Model, tmp_path: Path) -> None:
    low, high = write_hum(tmp_path / "low" / "a.wav", 0.3), write_hum(tmp_path / "high" / "a.wav", 0.3, hz=400)
    out = tmp_path / "out"
    batch = predict_batch([low, high], model, Output(out, JSON))
    assert [json.loads((out / name / "a.wav.json").read_text())["source"] for name in ("low", "high")] == [
        prediction.source for prediction in batch.predictions
    ]
    predict_batch([low], model, Output(out, JSON))
    again = predict_batch([high], model, Output(out, JSON))
    assert again.predictions == ()
    assert again.failures[0][1].startswith(f"{out / 'a.wav'} holds the answers for {low}")


def test_bad_files_are_failures_with_a_reason_each_and_the_rest_goes_on(
    model: Model, hums: Path, tmp_path: Path
) -> None:
    (hums / "text.mp4").write_text("not a film")
    (hums / "folder.mp4").mkdir()
    (hums / "empty.wav").touch()
    write_hum(hums / "silent.wav", 0.3, level=0.0)
    (tmp_path / "nothing").mkdir()
    asked = [hums, tmp_path / "missing.mp4", tmp_path / "nothing", tmp_path / "*.mp4"]
    batch = predict_batch(asked, model, Output(tmp_path / "out", JSON))
    assert names(batch) == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert [Path(name).name for name, _ in batch.failures] == [
        "folder.mp4",
        "missing.mp4",
        "nothing",
        "*.mp4",
        "empty.wav",
        "silent.wav",
        "text.mp4",
    ]
    assert all(reason and len(reason.splitlines()) == 1 for _, reason in batch.failures)
    with (tmp_path / "out" / FAILURES_NAME).open(newline="", encoding="utf-8") as table:
        assert list(csv.reader(table)) == [["file", "reason"], *map(list, batch.failures)]


@WITHOUT_RIGHTS
def test_a_file_that_may_not_be_read_is_a_failure(model: Model, hums: Path) -> None:
    (hums / "0.wav").chmod(0)
    batch = predict_batch([hums], model)
    assert (len(batch.predictions), batch.failures[0][0]) == (3, str(hums / "0.wav"))


def test_what_nobody_expected_is_a_failure_with_its_kind(
    model: Model, hums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(_: Recognizer, path: Path, __: object) -> Iterator[Window]:
        raise ZeroDivisionError(f"in\n{path.name}")

    monkeypatch.setattr(Recognizer, "stream", stream)
    batch = predict_batch([hums / "0.wav", hums / "1.wav"], model)
    assert [reason for _, reason in batch.failures] == ["ZeroDivisionError: in 0.wav", "ZeroDivisionError: in 1.wav"]


def test_an_output_that_cannot_be_written_is_a_failure_and_the_rest_goes_on(
    model: Model, hums: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "1.wav.json").mkdir(parents=True)
    batch = predict_batch([hums], model, Output(tmp_path / "out", JSON))
    assert names(batch) == ["0.wav", "1.wav", "2.wav", "3.wav"]
    output = tmp_path / "out" / "1.wav.json"
    reason = f"answered, but not written: {output}: cannot be read or written (Is a directory); choose another place"
    assert [(name, told[: len(reason)]) for name, told in batch.failures] == [(str(hums / "1.wav"), reason)]
    again = predict_batch([hums], model, Output(tmp_path / "out", JSON, resume=True))
    assert (len(again.done_before), len(again.failures)) == (3, 1)


def test_a_full_disk_is_a_failure_of_each_file_that_it_hits(model: Model, hums: Path, tmp_path: Path) -> None:
    """/dev/full is a disk that is always full; every other file's table goes there."""

    def write(prediction: Prediction, path: Path) -> None:
        write_csv(prediction, path)
        if int(Path(prediction.source).stem) % 2:
            Path("/dev/full").write_bytes(path.read_bytes())

    batch = predict_batch([hums], model, Output(tmp_path, (Format(".csv", write),)))
    assert names(batch) == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert [name for name, _ in batch.failures] == [str(hums / "1.wav"), str(hums / "3.wav")]
    assert all(
        f"{name}.csv: cannot be read or written (No space left on device)" in reason
        for name, (_, reason) in zip((tmp_path / "1.wav", tmp_path / "3.wav"), batch.failures, strict=True)
    )


def test_what_goes_wrong_in_a_format_is_a_failure_with_its_kind(model: Model, hums: Path, tmp_path: Path) -> None:
    def write(prediction: Prediction, path: Path) -> None:
        raise ZeroDivisionError(path.name)

    batch = predict_batch([hums / "0.wav"], model, Output(tmp_path, (Format(".x", write),)))
    assert batch.failures == ((str(hums / "0.wav"), "answered, but not written: ZeroDivisionError: 0.wav.x"),)
    assert names(batch) == ["0.wav"]


def test_a_table_of_failures_that_cannot_be_written_is_one_more_failure(model: Model, tmp_path: Path) -> None:
    (tmp_path / FAILURES_NAME).mkdir()
    batch = predict_batch([tmp_path / "missing.mp4"], model, Output(tmp_path, JSON))
    assert [name for name, _ in batch.failures] == [str(tmp_path / "missing.mp4"), FAILURES_NAME]
    assert batch.failures[1][1].startswith(f"{tmp_path / FAILURES_NAME}: cannot be read or written (Is a directory)")


def test_a_folder_that_cannot_be_written_to_is_told_before_the_work(model: Model, hums: Path) -> None:
    with pytest.raises(InputError, match="cannot be written to"):
        predict_batch([hums], model, Output(hums / "0.wav", JSON))


def test_resume_leaves_out_what_is_done_and_tries_failures_again(model: Model, hums: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (hums / "4.wav").write_bytes(b"not yet")
    predict_batch([hums], model, Output(out, JSON))
    before = outputs(out)
    modified = {path.name: path.stat().st_mtime_ns for path in out.glob("*.json")}
    write_hum(hums / "4.wav", 0.3)
    again = predict_batch([hums], model, Output(out, JSON, resume=True))
    assert names(again) == ["4.wav"]
    assert again.done_before == tuple(str(hums / f"{number}.wav") for number in range(4))
    assert not (out / FAILURES_NAME).exists()
    assert {name: (out / name).stat().st_mtime_ns for name in modified} == modified
    assert {name: data for name, data in outputs(out).items() if name in modified} == {
        name: data for name, data in before.items() if name in modified
    }
    assert len(predict_batch([hums], model, Output(out, JSON)).predictions) == 5


def test_resume_does_not_mix_checkpoints_settings_or_versions_of_a_file(
    model: Model, hums: Path, tmp_path: Path
) -> None:
    out, one = tmp_path / "out", [hums / "0.wav"]
    other = Model.of(write_checkpoint(tmp_path / "other", seed=1))
    assert names(predict_batch(one, model, Output(out, JSON, resume=True))) == ["0.wav"]
    assert names(predict_batch(one, model, Output(out, JSON, resume=True))) == []
    assert names(predict_batch(one, replace(model, normalisation="enrolled"), Output(out, JSON, resume=True)))
    assert names(predict_batch(one, other, Output(out, JSON, resume=True))) == ["0.wav"]
    assert names(predict_batch(one, other, Output(out, parse_formats("json,srt"), resume=True))) == ["0.wav"]
    write_hum(one[0], 0.4)
    assert names(predict_batch(one, other, Output(out, JSON, resume=True))) == ["0.wav"]
    assert names(predict_batch(one, other, Output(out, JSON, resume=True))) == []


def test_a_copy_of_a_checkpoint_is_the_same_checkpoint(model: Model, tmp_path: Path) -> None:
    shutil.copytree(model.checkpoint, tmp_path / "copy")
    assert Model.of(tmp_path / "copy").facts() == model.facts()


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_answer(model: Model, hums: Path) -> None:
    def kill_workers(done: float, _total: int, _name: str) -> None:
        if done == 1:
            for pid in list(get_reusable_executor(reuse=True)._processes):
                os.kill(pid, signal.SIGKILL)

    batch = predict_batch([hums], model, jobs=2, on_step=kill_workers)
    assert batch == predict_batch([hums], model)
    assert len(batch.predictions) == 4


def test_a_file_that_kills_its_worker_is_a_failure(model: Model, hums: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omsn.batch.run_tasks", lambda *_, **__: iter([(0, None)]))
    assert predict_batch([hums / "0.wav"], model).failures == ((str(hums / "0.wav"), KILLED),)


def test_a_checkpoint_that_cannot_be_loaded_ends_the_batch_not_each_file(
    model: Model, hums: Path, tmp_path: Path
) -> None:
    copy = Model.of(shutil.copytree(model.checkpoint, tmp_path / "copy"))
    predict_batch([], copy)
    shutil.rmtree(copy.checkpoint)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        predict_batch([hums], copy, jobs=2)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        predict_batch([hums], Model.of(tmp_path / "copy"))


@WITHOUT_RIGHTS
def test_a_checkpoint_that_may_not_be_read_is_told(model: Model, tmp_path: Path) -> None:
    copy = shutil.copytree(model.checkpoint, tmp_path / "copy")
    (copy / "config.json").chmod(0)
    with pytest.raises(CheckpointError, match="cannot be read \\(Permission denied"):
        Model.of(copy)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_answers_with_one_load_in_each_process(
    model: Model, hums: Path, tmp_path: Path
) -> None:
    """A scheduler and two worker processes of this machine; the command finds them by DASK_SCHEDULER_ADDRESS."""
    from distributed import Client, LocalCluster

    command = [sys.executable, "-m", "omsn", "predict", "hums", "--out", "there", "--checkpoint", str(model.checkpoint)]
    (hums / "broken.wav").write_bytes(b"RIFF0000WAVE")
    for number in range(4, 12):
        write_hum(hums / f"{number}.wav", 0.3)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,  # type: ignore[no-untyped-call]
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        here = predict_batch([hums], model, Output(tmp_path / "here", JSON), backend="dask")
        loads = client.run(lambda: (os.getpid(), _load.cache_info().misses, torch.get_num_threads()))
        environment = os.environ | {"DASK_SCHEDULER_ADDRESS": cluster.scheduler_address}
        ran = subprocess.run(
            [*command, "--backend", "dask", "--json"], cwd=tmp_path, env=environment, capture_output=True, check=False
        )
    alone = predict_batch([hums], model, Output(tmp_path / "alone", JSON))
    assert here == alone
    assert outputs(tmp_path / "here") == outputs(tmp_path / "alone")
    assert len({pid for pid, _, _ in loads.values()} - {os.getpid()}) == 2
    assert [(misses, threads) for _, misses, threads in loads.values()] == [(1, 1), (1, 1)]
    assert (ran.returncode, len(json.loads(ran.stdout)["predictions"])) == (1, 12)
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_ends_like_one_that_is_not(model: Model, tmp_path: Path, jobs: int) -> None:
    for number in range(10):
        write_hum(tmp_path / "hums" / f"{number}.wav", 0.3, hz=100 + 10 * number)
    formats, out = "json,csv,webvtt,srt", tmp_path / "out"
    whole = predict_batch([tmp_path / "hums"], model, Output(tmp_path / "whole", parse_formats(formats)))
    command = [sys.executable, "-m", "omsn", "predict", str(tmp_path / "hums"), "--out", str(out)]
    command += ["--checkpoint", str(model.checkpoint), "--format", formats, "--jobs", str(jobs), "--resume"]
    killed = subprocess.Popen(command, start_new_session=True)
    deadline_s = time.monotonic() + 60
    while not (out / INDEX_NAME).exists() or len((out / INDEX_NAME).read_bytes().splitlines()) < 3:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert len((out / INDEX_NAME).read_bytes().splitlines()) < 10
    again = predict_batch([tmp_path / "hums"], model, Output(out, parse_formats(formats), resume=True))
    assert len(again.done_before) >= 3
    assert len(again.done_before) + len(again.predictions) == len(whole.predictions) == 10
    assert outputs(out) == outputs(tmp_path / "whole")
