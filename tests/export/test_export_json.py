from __future__ import annotations

import json
from pathlib import Path

from omsn.export.json import prediction_to_dict, write_json
from omsn.labels import LabelSet
from omsn.types import Prediction, Window

LABELS = LabelSet(("calm", "happy"))


def test_a_prediction_without_windows() -> None:
    told = prediction_to_dict(Prediction("a.mp4", LABELS))
    assert told == {"source": "a.mp4", "labels": ["calm", "happy"], "windows": []}


def test_what_is_written_is_what_is_told(tmp_path: Path) -> None:
    windows = (Window(0.0, 4.0, (0.25, 0.75), ("audio",)), Window(2.0, 6.0, (1.0, 0.0), ("audio", "video")))
    prediction = Prediction("ünïcode name.mp4", LABELS, windows)
    write_json(prediction, tmp_path / "new" / "a.json")
    told = json.loads((tmp_path / "new" / "a.json").read_text(encoding="utf-8"))
    assert told == prediction_to_dict(prediction)
    assert [window["emotion"] for window in told["windows"]] == ["happy", "calm"]
    assert told["windows"][0]["probabilities"] == {"calm": 0.25, "happy": 0.75}


def test_a_name_that_is_no_utf8_comes_back(tmp_path: Path) -> None:
    write_json(Prediction("a\udcff.mp4", LABELS), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["source"] == "a\udcff.mp4"
