from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_corpus import config, write_cache
from typer.testing import CliRunner

from omsn.cli import app
from omsn.options import plan_of
from omsn.training.run_folder import HELD_OUT
from omsn.tuning.gazelle import GazelleSettings
from omsn.tuning.tune import Search, recipe_text, tune

SEARCH = Search(gazelles=GazelleSettings(population=3, iterations=200), steps=1, finalists=0)
BUDGET = ["--population", "3", "--iterations", "200", "--steps", "1", "--finalists", "0"]


def stop_within(command: list[str], study: Path) -> int:
    """Start a process, press Ctrl-C once its first herd is on disk, and wait for its end."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, shells have it ignored
    try:
        process = subprocess.Popen([sys.executable, "-m", "omsn", *command], stderr=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGINT, inherited)
    with process:
        while process.poll() is None and not study.exists():
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        return process.wait(timeout=60)


@pytest.mark.slow
def test_a_search_that_was_stopped_by_ctrl_c_ends_as_one_that_was_not(tmp_path: Path) -> None:
    cache, recipe = write_cache(tmp_path / "cache"), tmp_path / "tiny.toml"
    recipe.write_text(recipe_text(config(epochs=1)))
    command = ["tune", str(cache), "--recipe", str(recipe), "--out", str(tmp_path / "cut"), *BUDGET]
    assert stop_within(command, tmp_path / "cut" / "study.json") != 0
    assert 1 <= len(json.loads((tmp_path / "cut" / "study.json").read_text())["batches"]) <= 200
    assert not (tmp_path / "cut" / "search.json").exists()
    resumed = CliRunner().invoke(app, [*command, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    tune(plan_of(cache, HELD_OUT, "0", recipe=str(recipe), settings=[]), SEARCH, tmp_path / "whole")
    for name in ("study.json", "evaluations.csv", "search.json", "tuned.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
