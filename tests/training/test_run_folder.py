"""A run's folder: what it is of, and the clock of what several starts took in all."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tiny_corpus import config, samples, write_cache

from omsn.data.dataset import load_features
from omsn.errors import ConfigError, InputError
from omsn.training.plan import Plan
from omsn.training.run_folder import CLOCK_FILE, WallClock, claim


@pytest.mark.parametrize("left", ["folds", "metrics.json", "checkpoint", "state-0.safetensors", "study.json"])
def test_results_that_do_not_say_of_what_are_nobodys(tmp_path: Path, left: str) -> None:
    cache = write_cache(tmp_path / "cache", samples(("1", "2")))
    plan, features, run = Plan(cache, "loso", (0,), "svm", config(), ""), load_features(cache), tmp_path / "run"
    claim(run, plan, features)
    (run / left).touch()
    claim(run, plan, features)
    (run / "run.json").unlink()
    with pytest.raises(
        ConfigError, match=rf"run: holds {left} and no run\.json that says of what; .* delete the folder"
    ):
        claim(run, plan, features)
    assert not (run / "run.json").exists()


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
