"""Adapting trained weights to another corpus, by commands alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from called import omsn
from tiny_corpus import LABELS, labelled, write_cache
from tiny_recipe import write_recipe

from omsn.errors import CheckpointError, LeakError


def write_corpus(folder: Path, name: str, speakers: str) -> Path:
    clips = [labelled(one, emotion, n, corpus=name) for one in speakers for emotion in LABELS.names for n in (1, 2)]
    return write_cache(folder / name, clips)


def test_weights_of_one_corpus_are_adapted_to_another(tmp_path: Path) -> None:
    old, new = write_corpus(tmp_path, "old", "789"), write_corpus(tmp_path, "new", "123")
    recipe: list[str | Path] = ["--recipe", write_recipe(tmp_path / "tiny.toml")]
    omsn("train", old, "--out", tmp_path / "first", *recipe)
    start: list[str | Path] = ["--start-from", tmp_path / "first" / "checkpoint", *recipe]
    told = omsn("crossval", new, "--protocol", "loso", "--out", tmp_path / "judged", *start)
    assert "from weights of old" in " ".join(told.split())
    omsn("train", new, "--out", tmp_path / "second", "--calibrate-by", tmp_path / "judged", *start)
    facts = json.loads(omsn("info", tmp_path / "second" / "checkpoint", "--json"))
    assert facts["trained_on_speakers"] == ["1", "2", "3", "7", "8", "9"]
    assert facts["started_from"]["corpus"] == ["old"]
    with pytest.raises(LeakError, match=r"3 speakers of .* trained .*: 7, 8, 9"):
        omsn("crossval", old, "--protocol", "loso", "--out", tmp_path / "leaking", *start)


def test_default_is_the_packages_own(tmp_path: Path) -> None:
    new = write_corpus(tmp_path, "new", "123")
    recipe = write_recipe(tmp_path / "tiny.toml")
    with pytest.raises(CheckpointError, match="built otherwise: in the checkpoint, audio"):
        omsn("train", new, "--out", tmp_path / "run", "--start-from", "default", "--recipe", recipe)
