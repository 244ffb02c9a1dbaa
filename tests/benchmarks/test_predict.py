from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import predict
import pytest
from made_checkpoint import write_checkpoint

from omsn.data.synthetic import render_corpus
from omsn.export.formats import FORMATS
from omsn.media.sound import read_sound
from omsn.media.video import read_frames


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clip")
    return render_corpus(root, speakers=1, clips_per_emotion=1, seconds=1.0, size=(160, 120))[0]


def test_a_film_of_a_clip_again_and_again_is_that_clip_again_and_again(clip: Path, tmp_path: Path) -> None:
    film = predict.repeat_film(clip, tmp_path / "film.mp4", 5.0)
    times_s = np.array([frame.time_s for frame in read_frames(film)])
    assert len(times_s) == pytest.approx(5 * len(list(read_frames(clip))), abs=5)
    assert times_s[-1] == pytest.approx(5.0, abs=0.2)
    assert np.diff(times_s).max() < 0.15
    assert read_sound(film, 16000).duration_s == pytest.approx(5.0, abs=0.2)
    assert predict.duration_s(film) == pytest.approx(5.0, abs=0.2)


def test_a_film_is_the_clip_once_at_least(clip: Path, tmp_path: Path) -> None:
    film = predict.repeat_film(clip, tmp_path / "film.mp4", 0.0)
    assert len(list(read_frames(film))) == len(list(read_frames(clip)))


@pytest.mark.parametrize(
    ("row", "met", "shown"),
    [
        (predict.Row("speed", 9.0, "x", 8.0), True, "goal 8 x: met"),
        (predict.Row("speed", 7.0, "x", 8.0), False, "goal 8 x: MISSED"),
        (predict.Row("memory", 2048.0, "MiB", 1024.0), False, "goal 1024 MiB: MISSED"),
        (predict.Row("time", 6.0, "s", 6.0), True, "goal 6 s: met"),
        (predict.Row("anything", 1.0, "x"), None, "1.00 x"),
    ],
)
def test_a_figure_stands_beside_its_goal(row: predict.Row, met: bool | None, shown: str) -> None:
    assert row.met is met
    assert str(row).endswith(shown)
    assert "\n" not in str(row)


def test_a_report_is_json_with_every_figure_and_the_machine() -> None:
    told = json.loads(json.dumps(predict.report([predict.Row("speed", 9.0, "x", 8.0)])))
    assert told["figures"] == [{"name": "speed", "value": 9.0, "unit": "x", "goal": 8.0, "met": True}]
    assert {"python", "torch", "opencv", "machine"} < set(told)


def test_stages_and_the_rest_make_up_the_whole(clip: Path, tmp_path: Path) -> None:
    whole, *rows = predict.stage_rows(write_checkpoint(tmp_path / "checkpoint"), [clip])
    stages = [row for row in rows if not {"writing", "processor"} & set(row.name.split())]
    assert len(rows) - len(stages) == len(FORMATS) + 2
    assert sum(1 / row.value for row in stages) == pytest.approx(1 / whole.value, rel=0.05)
    assert "rest" in {row.name.strip() for row in stages}


def test_what_others_do_is_measured(clip: Path) -> None:
    assert predict.capture(clip) == len(list(read_frames(clip)))
    assert predict.count_haar_faces(clip) >= 0


@pytest.mark.slow
def test_what_others_do_is_a_row_each(clip: Path) -> None:
    assert all(row.value > 0 for row in predict.other_rows([clip]))


@pytest.mark.slow
def test_the_command_is_measured_in_processes_of_its_own(clip: Path, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "checkpoint")
    ran = predict.run_predict(checkpoint, [clip])
    assert 100 < ran.peak_mib < 4096
    assert ran.processor_s > 0
    assert ran.wall_s > 0
    rows = [predict.first_answer_row(checkpoint, clip), predict.job_row(checkpoint, clip, 2)]
    rows += predict.memory_rows(checkpoint, [clip, clip])
    assert all(row.value > 0 for row in rows)
    assert rows[-1].value == pytest.approx(1.0, abs=0.1)
    with pytest.raises(subprocess.CalledProcessError):
        predict.run_predict(checkpoint, [tmp_path / "missing.mp4"])


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real clips in OMSN_DATA")
def test_the_whole_benchmark_on_one_clip(tmp_path: Path) -> None:
    checkpoint, out = write_checkpoint(tmp_path / "checkpoint"), tmp_path / "figures.json"
    command = [sys.executable, predict.__file__, str(checkpoint), "--minutes", "0.1", "0.2", "--clips", "1"]
    ran = subprocess.run([*command, "--jobs", "1", "--out", str(out)], capture_output=True, text=True, check=True)
    figures = json.loads(out.read_text(encoding="utf-8"))["figures"]
    assert len(ran.stdout.splitlines()) == len(figures) > 10
    assert sum(figure["goal"] is not None for figure in figures) == 12


def test_without_data_the_option_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMSN_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["predict.py", "checkpoint"])
    with pytest.raises(SystemExit):
        predict.main()
    assert "the following arguments are required: --data" in capsys.readouterr().err
