"""Files that tell of a person, for a whole batch: passed on, read once, told apart, refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky import get_reusable_executor
from made_checkpoint import write_checkpoint, write_hum

from omsn.batch import Model, Output, predict_batch
from omsn.data.synthetic import render_corpus
from omsn.errors import InputError
from omsn.export.formats import parse_formats
from omsn.recognizer import Recognizer
from omsn.workers import run_tasks


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"), normalisation="enrolled")


@pytest.fixture
def hums(tmp_path: Path) -> Path:
    """A folder of four short sounds."""
    for number in range(4):
        write_hum(tmp_path / "hums" / f"{number}.wav", 0.3, hz=100 + 50 * number)
    return tmp_path / "hums"


def test_an_enrolment_is_passed_on(checkpoint: Path, hums: Path) -> None:
    model = Model.of(checkpoint, enrol=[hums / "1.wav", hums / "[23].wav"])
    assert model.enrolment == tuple(hums / f"{number}.wav" for number in (1, 2, 3))
    answers = predict_batch([hums / "0.wav"], model).predictions
    assert answers == (Recognizer(checkpoint, enrolment=model.enrolment).predict(hums / "0.wav"),)
    assert predict_batch([hums], model, jobs=2) == predict_batch([hums], model)


def test_files_of_the_person_are_read_by_one_process_only(
    checkpoint: Path, hums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, *_ = render_corpus(tmp_path / "films", speakers=1, clips_per_emotion=1, seconds=1.0, size=(240, 180))
    neutral = Path(shutil.copy(film, tmp_path / "neutral.mp4"))
    model = Model.of(checkpoint, enrol=[hums / "2.wav", hums / "3.wav"], baseline=neutral)
    names = [hums / "0.wav", hums / "1.wav", film]
    alone = predict_batch(names, model)

    def without_the_files(*arguments: Any, **options: Any) -> Iterator[tuple[int, Any]]:
        for file in (*model.enrolment, neutral):
            file.unlink()
        return run_tasks(*arguments, **options)

    monkeypatch.setattr("omsn.batch.run_tasks", without_the_files)
    get_reusable_executor().shutdown()
    batch = predict_batch(names, model, jobs=2)
    assert batch.failures == ()
    assert batch == alone


def test_resume_does_not_mix_enrolments(checkpoint: Path, hums: Path, tmp_path: Path) -> None:
    out = Output(tmp_path / "out", parse_formats("json"), resume=True)

    def answered(*enrol: Path) -> list[str]:
        batch = predict_batch([hums / "0.wav"], Model.of(checkpoint, enrol=enrol), out)
        return [Path(prediction.source).name for prediction in batch.predictions]

    assert answered() == ["0.wav"]
    assert answered(hums / "1.wav", hums / "2.wav") == ["0.wav"]
    assert answered(hums / "2.wav", hums / "1.wav") == []
    assert answered(hums / "1.wav") == ["0.wav"]
    write_hum(hums / "1.wav", 0.4)
    assert answered(hums / "1.wav") == ["0.wav"]
    assert answered(hums / "1.wav") == []


def test_an_enrolment_that_stands_for_nothing_ends_the_run(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"enrolment: .*missing\.wav: no such file or folder"):
        Model.of(checkpoint, enrol=[tmp_path / "missing.wav"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_enrolment_that_may_not_be_read_is_told(checkpoint: Path, hums: Path) -> None:
    (hums / "1.wav").chmod(0)
    with pytest.raises(InputError, match=r"enrolment: .*1\.wav: cannot be read \(Permission denied"):
        Model.of(checkpoint, enrol=[hums])
