from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.export.csv import write_csv
from omsn.labels import LabelSet
from omsn.types import FacePath, Prediction, Window

LABELS = LabelSet(("calm", "happy"))
PATH = FacePath(np.array([0.0, 0.1]), np.array([[10, 20, 30, 40], [11, 20.5, 30, 50]], np.float32))
WINDOWS = (
    Window(0.0, 4.0, (0.25, 0.75), ("audio", "video"), speaking=True, path=PATH),
    Window(2.5, 6.0, (1.0, 0.0), ("audio",), 1),
)
HEADER = (
    "source,face,start_s,end_s,emotion,probability,modalities,speaking,left_px,top_px,right_px,bottom_px,"
    "p_calm,p_happy\r\n"
)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_no_windows_give_the_header_alone(tmp_path: Path) -> None:
    write_csv(Prediction("a.mp4", LABELS), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == HEADER.encode()


def test_one_row_a_window(tmp_path: Path) -> None:
    write_csv(Prediction("a.mp4", LABELS, WINDOWS), tmp_path / "new" / "a.csv")
    assert (tmp_path / "new" / "a.csv").read_bytes().decode() == (
        HEADER + "a.mp4,0,0.0,4.0,happy,0.75,audio+video,true,10.5,20.2,30.0,45.0,0.25,0.75\r\n"
        "a.mp4,1,2.5,6.0,calm,1.0,audio,false,,,,,1.0,0.0\r\n"
    )


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_name_comes_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    labels = LabelSet((name, name + "2"))
    write_csv(Prediction(name, labels, WINDOWS), path)
    rows = read(path)
    assert [(row["source"], row["emotion"]) for row in rows] == [(name, name + "2"), (name, name)]
    assert [float(row[f"p_{name}"]) for row in rows] == [0.25, 1.0]


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    write_csv(Prediction("a\udcff.mp4", LABELS, WINDOWS), tmp_path / "a.csv")
    assert read(tmp_path / "a.csv")[0]["source"] == "a\\udcff.mp4"
