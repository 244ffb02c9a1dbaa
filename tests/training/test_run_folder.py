"""The clock of a run's folder: what several starts took in all."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from omsn.errors import InputError
from omsn.training.run_folder import CLOCK_FILE, WallClock


def test_a_run_that_never_started_has_taken_nothing(tmp_path: Path) -> None:
    clock = WallClock(tmp_path / "run")
    assert not (tmp_path / "run").exists()  # nothing is claimed before anything is noted
    assert 0 <= clock.note() < 5


def test_starts_add_up(tmp_path: Path) -> None:
    (tmp_path / CLOCK_FILE).write_text('{"seconds": 1000.5}')
    clock = WallClock(tmp_path)
    time.sleep(0.01)
    first, second = clock.note(), clock.note()
    assert 1000.51 <= first <= second < 1005  # not twice what came before
    assert json.loads((tmp_path / CLOCK_FILE).read_text()) == {"seconds": second}
    assert WallClock(tmp_path).note() >= second


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"seconds": "long"}', '{"seconds": null}'])
def test_a_damaged_clock_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / CLOCK_FILE).write_text(content)
    with pytest.raises(InputError, match=r"wall_clock\.json: damaged .*; delete it, and the clock starts at 0"):
        WallClock(tmp_path)
