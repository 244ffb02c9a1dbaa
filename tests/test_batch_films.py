"""Films and timelines among the answers, files named once in reasons, and films that break off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_checkpoint import write_checkpoint, write_hum
from made_media import cut_short, grey_levels, tone, write_media

from omsn.batch import Model, Output, predict_batch
from omsn.errors import InputError
from omsn.export.formats import Format, parse_formats
from omsn.files import replace_file
from omsn.media.sound import read_sound
from omsn.media.video import read_frames
from omsn.recognizer import Recognizer
from omsn.timing import profiling
from omsn.types import Prediction, Window

FASTSTART = {"movflags": "faststart"}
"""The table of contents goes to the start of the file, so that what is there of a broken copy can be read."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.of(write_checkpoint(tmp_path_factory.mktemp("checkpoint")))


@pytest.fixture
def hum(tmp_path: Path) -> Path:
    return write_hum(tmp_path / "sounds" / "hum.wav", 1.0)


def test_overlay_and_plot_are_outputs_like_others(model: Model, hum: Path, tmp_path: Path) -> None:
    out = Output(tmp_path / "out", parse_formats("json,overlay,plot"), resume=True)
    assert len(predict_batch([hum], model, out).predictions) == 1
    written = {path.name for path in out.folder.iterdir()}
    assert written == {"hum.wav.json", "hum.wav.overlay.mp4", "hum.wav.png", "predictions.jsonl"}
    assert predict_batch([hum], model, out).done_before == (str(hum),)
    (out.folder / "hum.wav.overlay.mp4").unlink()
    assert len(predict_batch([hum], model, out).predictions) == 1
    assert {path.name for path in out.folder.iterdir()} == written


def test_films_of_an_earlier_run_are_no_files_to_answer(model: Model, hum: Path) -> None:
    out = Output(hum.parent / "out", parse_formats("overlay"))
    for passed_over in ([], ["predictions.jsonl", "hum.wav.overlay.mp4"]):
        batch = predict_batch([hum.parent], model, out)
        assert [prediction.source for prediction in batch.predictions] == [str(hum)]
        assert [Path(name).name for name in batch.passed_over] == passed_over
    (film,) = out.folder.glob("*.overlay.mp4")
    assert [one.source for one in predict_batch([hum.parent, film], model, out).predictions] == [str(hum), str(film)]
    next(out.folder.rglob(f"{film.name}.overlay.mp4")).unlink()
    for other in (replace(out, folder=hum.parent.parent / "elsewhere"), None):
        batch = predict_batch([hum.parent], model, other)
        assert ([one.source for one in batch.predictions], str(film) in batch.passed_over) == ([str(hum)], True)


def test_a_reason_does_not_name_the_file_again(model: Model, tmp_path: Path) -> None:
    silent = write_hum(tmp_path / "silent.wav", 1.0, level=0.0)
    ((name, reason),) = predict_batch([silent], model).failures
    assert name == str(silent)
    assert reason.startswith("neither sound nor a face in it: its sound is silent, and it has no picture")


def test_a_baseline_is_passed_on_and_answers_with_another_are_not_reused(hum: Path, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "checkpoint", normalisation="enrolled")
    neutral = write_hum(tmp_path / "neutral.wav", 1.5, hz=220.0)
    out = Output(tmp_path / "out", parse_formats("json"), resume=True)
    alone, known = Model.of(checkpoint), Model.of(checkpoint, baseline=neutral)
    assert predict_batch([hum], known).predictions == (Recognizer(checkpoint, baseline=neutral).predict(hum),)
    assert len(predict_batch([hum], alone, out).predictions) == 1
    assert len(predict_batch([hum], known, out).predictions) == 1
    assert predict_batch([hum], known, out).done_before == (str(hum),)
    write_hum(neutral, 2.0, hz=220.0)
    assert len(predict_batch([hum], Model.of(checkpoint, baseline=neutral), out).predictions) == 1


def test_a_missing_baseline_ends_the_run(model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"baseline: .*gone\.wav: no such file"):
        Model.of(model.checkpoint, baseline=tmp_path / "gone.wav")
    with pytest.raises(InputError, match=r"baseline: .*: is a folder; expected a media file"):
        Model.of(model.checkpoint, baseline=tmp_path)


def test_a_profile_names_the_stages(model: Model, hum: Path, tmp_path: Path) -> None:
    with profiling() as profile:
        predict_batch([hum], model, Output(tmp_path / "out", parse_formats("json,webvtt")))
    assert {"decode sound", "sound features", "network", "write json", "write vtt", "rest"} <= set(profile.seconds)


def test_answers_tell_who_made_them_and_how_much_was_heard(model: Model, hum: Path, tmp_path: Path) -> None:
    batch = predict_batch([hum], model, Output(tmp_path / "out", parse_formats("json")))
    told = json.loads((tmp_path / "out" / "hum.wav.json").read_text())["made_by"]
    assert told == dict(batch.predictions[0].made_by) == model.facts() | {"normalisation": "none"}
    assert batch.media_s == batch.predictions[0].windows[-1].end_s
    assert predict_batch([], model).media_s == 0


def assert_alike(ours: Sequence[Window], theirs: Sequence[Window]) -> None:
    """Equal but for the last digits of probabilities, which on some processors depend on how many are asked for."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
        assert replace(one, probabilities=other.probabilities) == other


def test_a_film_that_breaks_off_keeps_the_answers_up_to_there(model: Model, tmp_path: Path) -> None:
    whole = write_media(tmp_path / "a.mp4", tone(20.0), grey_levels(100), frame_rate=Fraction(5), options=FASTSTART)
    film = cut_short(whole)
    out = Output(tmp_path / "out", parse_formats("json,webvtt,overlay"), resume=True)
    for _ in range(2):  # it is tried again
        batch = predict_batch([whole, film], model, out)
        last = next(one for one in batch.predictions if one.source == str(film))
        assert (last.windows[0].start_s, last.end_s) == (0.0, 10.0)
        assert_alike(last.windows, Recognizer(model.checkpoint).predict(whole).windows[: len(last.windows)])
        ((name, reason),) = batch.failures
        assert name == str(film)
        assert reason.startswith(f"answered only up to 0:10: {last.broke_off}")
        assert "broke off" in last.broke_off
        assert json.loads((out.folder / "cut_a.mp4.json").read_text())["broke_off"] == last.broke_off
    assert batch.done_before == (str(whole),)
    assert f"NOTE broke off: {last.broke_off}" in (out.folder / "cut_a.mp4.vtt").read_text()
    drawn = out.folder / "cut_a.mp4.overlay.mp4"
    np.testing.assert_allclose([frame.time_s for frame in read_frames(drawn)], np.arange(50) / 5)
    assert read_sound(drawn, 8000).duration_s == pytest.approx(10.0, abs=0.05)


def test_enrolled_a_film_that_breaks_off_keeps_as_much(model: Model, tmp_path: Path) -> None:
    whole = write_media(tmp_path / "a.mp4", tone(20.0), grey_levels(100), frame_rate=Fraction(5), options=FASTSTART)
    (answer,) = predict_batch([cut_short(whole)], replace(model, normalisation="enrolled")).predictions
    assert (answer.windows[0].start_s, answer.end_s) == (0.0, 10.0)


def test_answers_are_written_by_the_process_that_made_them(model: Model, hum: Path, tmp_path: Path) -> None:
    def write(_: Prediction, path: Path) -> None:
        replace_file(path, str(os.getpid()).encode())

    out = Output(tmp_path / "out", (Format(".pid", write),))
    for jobs, here in ((1, True), (2, False)):
        predict_batch([hum], model, out, jobs=jobs)
        assert ((out.folder / "hum.wav.pid").read_text() == str(os.getpid())) == here


def test_a_run_that_is_told_to_end_leaves_nothing_unfinished(model: Model, tmp_path: Path) -> None:
    hum = write_hum(tmp_path / "hum.wav", 120.0)
    command = [sys.executable, "-m", "omsn", "predict", str(hum), "--checkpoint", str(model.checkpoint), "--overlay"]
    (tmp_path / "tmp").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    ran = subprocess.Popen([*command, "--out", str(tmp_path / "out")], env=environment)
    deadline_s = time.monotonic() + 60
    answered = tmp_path / "out" / "hum.wav.json"
    while not (answered.exists() and list((tmp_path / "out").glob(".omsn-*.part"))):  # the film is being drawn
        assert time.monotonic() < deadline_s
        assert ran.poll() is None
        time.sleep(0.01)
    ran.terminate()
    assert ran.wait() == 128 + signal.SIGTERM
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"hum.wav.json", "predictions.jsonl"}
    assert list((tmp_path / "tmp").iterdir()) == []
