from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from measured import Measured

from omsn.errors import InputError

SETTING = "training.classifier_learning_rate"
AXIS = {"setting": SETTING, "low": 1e-5, "high": 0.1, "log": True}


def write_search(folder: Path, rows: str, axes: tuple[dict[str, object], ...] = (AXIS,)) -> Path:
    (folder / "search.json").write_text(json.dumps({"axes": axes}))
    (folder / "evaluations.csv").write_text(f"iteration,{SETTING},loss\n{rows}")
    return folder


def test_losses_are_those_of_the_search_and_linear_in_between(tmp_path: Path) -> None:
    measured = Measured.read(write_search(tmp_path, "0,0.001,1.5\n0,0.00001,2.5\n1,0.001,1.5\n1,0.1,\n"))
    assert measured.bounds == ([-5.0], [-1.0])
    assert measured(np.array([[-5.0], [-4], [-3], [-2], [-1]])) == pytest.approx([1, 0.5, 0, 0.5, 1])


def test_a_search_over_two_settings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a search over 2 settings, expected one"):
        Measured.read(write_search(tmp_path, "", (AXIS, AXIS)))


def test_a_search_that_diverged_throughout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no evaluation has a finite loss"):
        Measured.read(write_search(tmp_path, "0,0.001,\n"))
