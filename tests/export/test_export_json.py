from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from omsn.export.json import prediction_to_dict, write_json
from omsn.labels import LabelSet
from omsn.types import FacePath, Prediction, Window

LABELS = LabelSet(("calm", "happy"))


def test_a_prediction_without_windows() -> None:
    told = prediction_to_dict(Prediction("a.mp4", LABELS))
    assert told == {
        "source": "a.mp4",
        "broke_off": None,
        "made_by": {},
        "labels": ["calm", "happy"],
        "segments": [],
        "windows": [],
    }


def test_what_is_written_is_what_is_told(tmp_path: Path) -> None:
    windows = (Window(0.0, 4.0, (0.25, 0.75), ("audio",)), Window(2.0, 6.0, (1.0, 0.0), ("audio", "video")))
    prediction = Prediction("ünïcode name.mp4", LABELS, windows)
    write_json(prediction, tmp_path / "new" / "a.json")
    told = json.loads((tmp_path / "new" / "a.json").read_text(encoding="utf-8"))
    assert told == prediction_to_dict(prediction)
    assert [window["emotion"] for window in told["windows"]] == ["happy", "calm"]
    assert told["windows"][0]["probabilities"] == {"calm": 0.25, "happy": 0.75}


def test_segments_are_told_one_answer_at_a_time() -> None:
    windows = (Window(0.0, 4.0, (0.1, 0.9), ()), Window(2.0, 6.0, (1.0, 0.0), (), 1, True))
    assert prediction_to_dict(Prediction("a.mp4", LABELS, windows))["segments"] == [
        {"start_s": 0.0, "end_s": 4.0, "face": 0, "speaking": False, "emotion": "happy", "probability": 0.9},
        {"start_s": 2.0, "end_s": 6.0, "face": 1, "speaking": True, "emotion": "calm", "probability": 1.0},
    ]


def test_every_file_has_the_same_keys_whoever_is_in_it() -> None:
    path = FacePath(np.array([0.0, 0.1]), np.array([[10, 20, 30, 40], [11, 20.5, 30, 50]], np.float32))
    seen = Window(0.0, 4.0, (0.1, 0.9), ("video",), 1, True, path)
    unseen = Window(0.0, 4.0, (0.1, 0.9), ("audio",), path=FacePath(np.zeros(0), np.zeros((0, 4), np.float32)))
    several, one = (
        prediction_to_dict(Prediction("a.mp4", LABELS, windows))["windows"] for windows in ((seen, unseen), (unseen,))
    )
    assert set(several[0]) == set(one[0])
    assert [(window["face"], window["speaking"], window["box_px"]) for window in several] == [
        (1, True, [10.5, 20.2, 30.0, 45.0]),
        (0, False, None),
    ]


def test_who_made_it_is_told() -> None:
    made_by = {"omsn": "1", "checkpoint": "abc", "normalisation": "none"}
    assert prediction_to_dict(Prediction("a.mp4", LABELS, made_by=made_by))["made_by"] == made_by


def test_a_name_that_is_no_utf8_comes_back(tmp_path: Path) -> None:
    write_json(Prediction("a\udcff.mp4", LABELS), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["source"] == "a\udcff.mp4"
