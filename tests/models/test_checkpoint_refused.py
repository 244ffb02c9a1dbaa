"""Checkpoints that are damaged, incomplete, of other code, or not what they say."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up_checkpoint import AUDIO, VIDEO, change, made_up, write
from safetensors.torch import load_file, save_file

from omsn.errors import CheckpointError
from omsn.models.checkpoint import (
    CHECKPOINT_FORMAT,
    CONFIG_NAME,
    WEIGHTS_NAME,
    load_checkpoint,
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write(tmp_path / "checkpoint")


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "warm", None])
def test_a_temperature_that_is_none(saved: Path, temperature: object) -> None:
    change(saved, temperature=temperature)
    with pytest.raises(CheckpointError, match=r"config\.json: does not fit this version of OMSN: "):
        load_checkpoint(saved)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none: no checkpoint; expected .* found no such folder"):
        load_checkpoint(tmp_path / "none")


def test_the_folder_of_a_run(saved: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(saved, run / "checkpoint")
    with pytest.raises(CheckpointError, match=r"no checkpoint; .* found checkpoint; did you mean .*run/checkpoint\?"):
        load_checkpoint(run)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="found nothing; name a folder that omsn train wrote"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(("lost", "left"), [(CONFIG_NAME, WEIGHTS_NAME), (WEIGHTS_NAME, CONFIG_NAME)])
def test_missing_file(saved: Path, lost: str, left: str) -> None:
    (saved / lost).unlink()
    with pytest.raises(CheckpointError, match=f"expected {WEIGHTS_NAME} and {CONFIG_NAME}, found {left}"):
        load_checkpoint(saved)


def test_a_folder_in_the_place_of_the_weights(saved: Path) -> None:
    (saved / WEIGHTS_NAME).unlink()
    (saved / WEIGHTS_NAME).mkdir()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(saved)


def test_a_file_instead_of_a_folder(saved: Path) -> None:
    with pytest.raises(CheckpointError, match=f"a checkpoint is a folder with {WEIGHTS_NAME}.*got a file"):
        load_checkpoint(saved / WEIGHTS_NAME)


def test_weights_that_are_not_those_that_were_saved(saved: Path) -> None:
    """They can be read, and fit: a flipped bit, or those of another training."""
    path = saved / WEIGHTS_NAME
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged weights \(SHA-256 .*config\.json was saved with .*train again"):
        load_checkpoint(saved)
    change(saved, weights_sha256=None)  # as before there was one
    assert load_checkpoint(saved).labels.names == made_up().labels.names


@pytest.mark.parametrize("kept", [0, 4, 100, 2000])
def test_truncated_weights(saved: Path, kept: int) -> None:
    path = saved / WEIGHTS_NAME
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        CheckpointError, match=f"{WEIGHTS_NAME}: damaged weights .*; copy the whole folder again .* or train again"
    ):
        load_checkpoint(saved)


@pytest.mark.parametrize("kept", [0, 1, 300])
def test_truncated_config(saved: Path, kept: int) -> None:
    path = saved / CONFIG_NAME
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=f"{CONFIG_NAME}: damaged"):
        load_checkpoint(saved)


@pytest.mark.parametrize("content", ["[]", "3", "{}", '"text"', "\x00", "null"])
def test_config_that_is_something_else(saved: Path, content: str) -> None:
    (saved / CONFIG_NAME).write_text(content)
    with pytest.raises(CheckpointError, match=f"{CONFIG_NAME}: damaged"):
        load_checkpoint(saved)


def test_pickles_are_never_loaded(saved: Path) -> None:
    torch.save(made_up().networks[0].state_dict(), saved / WEIGHTS_NAME)
    with pytest.raises(CheckpointError, match=r"a pickle .* never loaded"):
        load_checkpoint(saved)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_pickles_are_never_loaded(saved: Path, protocol: int) -> None:
    (saved / WEIGHTS_NAME).write_bytes(pickle.dumps({"weights": [1.0]}, protocol))
    with pytest.raises(CheckpointError, match=r"a pickle .* never loaded"):
        load_checkpoint(saved)


@pytest.mark.parametrize("number", [0, CHECKPOINT_FORMAT + 1, "one", None])
def test_other_format(saved: Path, number: object) -> None:
    change(saved, format=number)
    with pytest.raises(CheckpointError, match=f"checkpoint format {number}, this version of OMSN reads"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"config": {"network": {"brain": 1}}}, r"unknown setting network\.brain"),
        ({"config": {"training": {"epochs": -1}}}, r"epochs: got -1, expected 1 to"),
        ({"config": []}, "items"),
        ({"config": None}, "NoneType"),
        ({"labels": []}, "at least one name"),
        ({"labels": ["sad", "sad", "calm"]}, "repeated: sad"),
        ({"labels": None}, "NoneType"),
        ({"audio_columns": 5}, "int"),
        ({"speakers": 1.5}, "float"),
    ],
)
def test_facts_that_this_code_does_not_know(saved: Path, facts: dict[str, Any], problem: str) -> None:
    change(saved, **facts)
    with pytest.raises(CheckpointError, match=f"does not fit this version of OMSN: .*{problem}"):
        load_checkpoint(saved)


@pytest.mark.parametrize("name", ["config", "labels", "audio_columns", "video_columns", "speakers", "facts"])
def test_missing_facts(saved: Path, name: str) -> None:
    described = json.loads((saved / CONFIG_NAME).read_text(encoding="utf-8"))
    del described[name]
    (saved / CONFIG_NAME).write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match=f"does not fit this version of OMSN: '{name}'"):
        load_checkpoint(saved)


@pytest.mark.parametrize("labels", [["sad"], ["a", "b", "c", "d"]])
def test_other_label_count(saved: Path, labels: list[str]) -> None:
    change(saved, labels=labels)
    with pytest.raises(CheckpointError, match=f"(?s)weights of another network than {CONFIG_NAME}: .*classify"):
        load_checkpoint(saved)


def test_other_column_count(saved: Path) -> None:
    change(saved, audio_columns=[*AUDIO, "pitch"])
    with pytest.raises(CheckpointError, match=r"(?s)weights of another network.*audio_encoder") as raised:
        load_checkpoint(saved)
    assert "\n" not in str(raised.value)
    change(saved, audio_columns=[f"pitch-{number}" for number in range(9)], video_columns=[*VIDEO, "x"])
    with pytest.raises(CheckpointError, match=r"\.\.\.; copy the whole folder again .*, or train again"):
        load_checkpoint(saved)


def test_weights_with_a_tensor_missing(saved: Path) -> None:
    weights = load_file(saved / WEIGHTS_NAME)
    del weights["networks.0.classifier.attention.gamma"]
    save_file(weights, saved / WEIGHTS_NAME)
    with pytest.raises(CheckpointError, match=r"Missing key.*classifier\.attention\.gamma"):
        load_checkpoint(saved)
