"""From a cross-validation's temperature to a checkpoint that answers with it, by commands alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from called import omsn
from tiny_corpus import samples, write_cache
from tiny_recipe import write_recipe

from omsn.errors import ConfigError


def test_train_takes_the_temperature_of_a_cross_validation(tmp_path: Path) -> None:
    cache, judged = write_cache(tmp_path / "cache", samples(("1", "2", "3"))), tmp_path / "judged"
    recipe = write_recipe(tmp_path / "tiny.toml")
    settings: list[str | Path] = ["--recipe", recipe]
    told = omsn("crossval", cache, "--protocol", "loso", "--out", judged, *settings)
    assert "the same, temperature-scaled" in told
    found = json.loads((judged / "metrics.json").read_text())["calibrated"]["temperature"]
    checkpoint = tmp_path / "model" / "checkpoint"
    told = omsn("train", cache, "--out", tmp_path / "model", "--calibrate-by", judged, *settings)
    assert "nobody was held out to score it; omsn crossval tells how good such a model is" in told
    assert f"checkpoint: {checkpoint}" in told.replace("\n", "")
    assert json.loads(omsn("info", checkpoint, "--json"))["temperature"] == found
    scores = json.loads(omsn("evaluate", checkpoint, cache, "--allow-leaks", "--json"))
    assert scores["temperature"] == found
    with pytest.raises(ConfigError, match=r"cannot calibrate this training: training\.epochs is 1, not 2"):
        omsn(
            "train",
            cache,
            "--out",
            tmp_path / "other",
            "--calibrate-by",
            judged,
            *settings,
            "--set",
            "training.epochs=2",
        )
