from __future__ import annotations

import json
import pickle
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import NETWORK, SIZES, awake, batch_of

import omsn
from omsn.config import Config, TrainingConfig
from omsn.errors import CheckpointError
from omsn.labels import LabelSet
from omsn.models.checkpoint import (
    CHECKPOINT_FORMAT,
    CONFIG_NAME,
    WEIGHTS_NAME,
    Checkpoint,
    check_columns,
    describe,
    load_checkpoint,
    save_checkpoint,
    shipped_checkpoint,
)
from omsn.types import Floats
from omsn.version import __version__
from omsn.weights import shipped_folder

AUDIO = tuple(f"sound_{i}" for i in range(SIZES.audio_features))
VIDEO = tuple(f"face_{i}" for i in range(SIZES.video_features))


def made_up() -> Checkpoint:
    return Checkpoint(
        networks=(awake(),),
        config=Config(network=NETWORK, training=TrainingConfig(epochs=3)),
        labels=LabelSet(("angry", "calm", "sad")),
        audio_columns=AUDIO,
        video_columns=VIDEO,
        statistics={
            "audio.mean": np.linspace(-1, 1, 5, dtype=np.float32),
            "audio.std": np.linspace(1, 2, 5, dtype=np.float32),
            "video.mean": np.zeros(4, np.float32),
            "video.std": np.full(4, np.pi, np.float32),
        },
        speakers=("1", "Åsa"),
        facts={"protocol": "loso", "metrics": {"war": 0.5, "auc": None}, "licence": "CC BY-NC-SA 4.0"},
        temperature=0.8,
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "checkpoint", made_up())
    return tmp_path / "checkpoint"


def change(folder: Path, **facts: Any) -> None:
    """Write other facts into a checkpoint's config.json."""
    described = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    (folder / CONFIG_NAME).write_text(json.dumps(described | facts), encoding="utf-8")


# ---------------------------------------------------------------- what comes back


def test_a_saved_network_answers_the_same_bit_for_bit(saved: Path) -> None:
    network, batch = load_checkpoint(saved).networks[0], batch_of()
    assert not network.training
    assert torch.equal(network(batch), made_up().networks[0](batch))


def test_everything_else_comes_back_too(saved: Path) -> None:
    first, second = made_up(), load_checkpoint(saved)
    for name in ("config", "labels", "audio_columns", "video_columns", "speakers", "facts", "temperature"):
        assert getattr(second, name) == getattr(first, name)
    assert first.statistics.keys() == second.statistics.keys()
    for name, array in first.statistics.items():
        assert second.statistics[name].dtype == np.float32
        np.testing.assert_array_equal(second.statistics[name], array)


def test_what_makes_clips_alike_comes_back_where_there_is_such(saved: Path, tmp_path: Path) -> None:
    assert load_checkpoint(saved).wccn is None
    wccn = np.linspace(-1, 1, 45 * 3, dtype=np.float32).reshape(45, 3)
    save_checkpoint(tmp_path / "enrolled", replace(made_up(), wccn=wccn))
    np.testing.assert_array_equal(load_checkpoint(tmp_path / "enrolled").wccn, wccn)


@pytest.mark.parametrize("wccn", [np.ones((7, 3)), np.ones(9), np.ones((0, 3)), np.full((9, 3), np.nan)])
def test_what_cannot_make_clips_alike_is_refused(tmp_path: Path, wccn: Floats) -> None:
    save_checkpoint(tmp_path, replace(made_up(), wccn=wccn.astype(np.float32)))
    with pytest.raises(CheckpointError, match=r"weights.safetensors: wccn of shape .*, expected finite numbers"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_is_two_files_and_no_pickle(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == [CONFIG_NAME, WEIGHTS_NAME]
    described = json.loads((saved / CONFIG_NAME).read_text(encoding="utf-8"))
    assert (described["format"], described["omsn"]) == (CHECKPOINT_FORMAT, __version__)


def test_saving_twice_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "again", load_checkpoint(saved))
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_several_networks_come_back_and_answer_together(tmp_path: Path) -> None:
    made = replace(made_up(), networks=(awake(), awake(seed=1)))
    save_checkpoint(tmp_path, made)
    back, batch = load_checkpoint(tmp_path), batch_of()
    for ours, theirs in zip(back.networks, made.networks, strict=True):
        assert torch.equal(ours(batch), theirs(batch))
    logs = torch.stack([torch.log_softmax(network(batch), 1) for network in made.networks])
    torch.testing.assert_close(back.answer(batch), torch.softmax(logs.mean(0), 1))
    assert (describe(back)["networks"], describe(back)["parameters"]) == (2, 2 * describe(made_up())["parameters"])


@pytest.mark.parametrize("networks", [0, -1, 2, 10**12, "2", None])
def test_a_number_of_networks_that_cannot_be(saved: Path, networks: object) -> None:
    change(saved, networks=networks)
    with pytest.raises(
        CheckpointError, match=rf"weights of networks \[0\]; config\.json says that there are {networks!r}"
    ):
        load_checkpoint(saved)


def test_networks_that_are_not_counted_from_0(saved: Path) -> None:
    weights = load_file(saved / WEIGHTS_NAME)
    save_file(
        {name.replace("networks.0.", "networks.7."): weight for name, weight in weights.items()}, saved / WEIGHTS_NAME
    )
    with pytest.raises(
        CheckpointError, match=r"weights of networks \[7\]; config\.json says that there are 1, counted"
    ):
        load_checkpoint(saved)


def test_saving_replaces_an_older_checkpoint(saved: Path) -> None:
    save_checkpoint(saved, replace(made_up(), speakers=("7",)))
    assert load_checkpoint(saved).speakers == ("7",)


def test_a_checkpoint_describes_itself() -> None:
    told = describe(made_up())
    assert json.loads(json.dumps(told))["config"]["network"]["fusion"]["kind"] == "mpdrf"
    assert told["labels"] == ["angry", "calm", "sad"]
    assert told["trained_on_speakers"] == ["1", "Åsa"]
    assert (told["audio_columns"], told["video_columns"], told["protocol"]) == (5, 4, "loso")
    assert told["config"]["training"]["epochs"] == 3
    assert told["temperature"] == 0.8
    assert told["parameters"] == sum(weight.numel() for weight in made_up().networks[0].parameters())


def test_a_checkpoint_without_speakers_or_facts(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, replace(made_up(), speakers=(), facts={}))
    loaded = load_checkpoint(tmp_path)
    assert (loaded.speakers, dict(loaded.facts)) == ((), {})


@pytest.mark.parametrize("lost", [{}, {"video.std": np.ones(5, np.float32)}, {"voice.std": np.ones(5, np.float32)}])
def test_statistics_that_do_not_fit_the_columns(tmp_path: Path, lost: dict[str, Floats]) -> None:
    whole = dict(made_up().statistics)
    del whole["video.std"]
    save_checkpoint(tmp_path, replace(made_up(), statistics=whole | lost))
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: statistics of shapes .* config\.json asks for"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("first_bytes", [b"\x80\x02", b"\x80\x04", b"\x80\x05", b"PK"])
def test_safetensors_that_begin_like_a_pickle_are_read(saved: Path, first_bytes: bytes) -> None:
    """The format begins with the length of its header, which may be any number."""
    weights = saved / WEIGHTS_NAME
    wanted = int.from_bytes(first_bytes, "little")
    metadata = {"padding": ""}
    for _ in range(3):  # the header grows with its metadata, in steps of 8 bytes
        save_file(load_file(weights), weights, metadata)
        missing = (wanted - int.from_bytes(weights.read_bytes()[:8], "little")) % 65536
        metadata["padding"] += "." * missing
    assert weights.read_bytes()[:2] == first_bytes
    assert torch.equal(load_checkpoint(saved).networks[0](batch_of()), made_up().networks[0](batch_of()))


def test_a_checkpoint_from_before_there_was_a_temperature_has_none(saved: Path) -> None:
    described = json.loads((saved / CONFIG_NAME).read_text(encoding="utf-8"))
    del described["temperature"]
    (saved / CONFIG_NAME).write_text(json.dumps(described), encoding="utf-8")
    assert load_checkpoint(saved).temperature == 1.0


# ---------------------------------------------------------------- what the package carries


def test_a_package_without_weights_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omsn.models.checkpoint.shipped_folder", lambda: tmp_path / "default")
    with pytest.raises(CheckpointError, match=r"carries no weights; name a folder .*--checkpoint RUN/checkpoint"):
        shipped_checkpoint()


def test_the_weights_in_the_package_are_found(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omsn.models.checkpoint.shipped_folder", lambda: saved)
    assert load_checkpoint(shipped_checkpoint()).speakers == ("1", "Åsa")


def test_a_wheel_takes_the_folder_of_the_weights_along() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    package = Path(omsn.__file__).parent
    patterns = project["tool"]["setuptools"]["package-data"]["omsn"]
    assert f"{shipped_folder().relative_to(package).as_posix()}/*" in patterns


# ---------------------------------------------------------------- what is refused


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
    with pytest.raises(CheckpointError, match=r"(?s)weights of another network.*audio_encoder"):
        load_checkpoint(saved)


def test_weights_with_a_tensor_missing(saved: Path) -> None:
    weights = load_file(saved / WEIGHTS_NAME)
    del weights["networks.0.classifier.attention.gamma"]
    save_file(weights, saved / WEIGHTS_NAME)
    with pytest.raises(CheckpointError, match=r"Missing key.*classifier\.attention\.gamma"):
        load_checkpoint(saved)


# ---------------------------------------------------------------- columns


def test_the_columns_it_was_trained_on_pass() -> None:
    check_columns(made_up(), AUDIO, VIDEO)


@pytest.mark.parametrize(
    ("audio", "video", "problem"),
    [
        (
            (*AUDIO[:2], "pitch", *AUDIO[3:]),
            VIDEO,
            "audio features: got 5 .* on 5; column 2 is pitch, expected sound_2",
        ),
        ((AUDIO[1], AUDIO[0], *AUDIO[2:]), VIDEO, "column 0 is sound_1, expected sound_0"),
        (AUDIO[:3], VIDEO, "audio features: got 3 .* on 5; column 3 is nothing, expected sound_3"),
        ((*AUDIO, "pitch"), VIDEO, "audio features: got 6 .* on 5; column 5 is pitch, expected nothing"),
        (AUDIO, (), "video features: got 0 .* on 4; column 0 is nothing, expected face_0.*omsn info"),
    ],
)
def test_other_columns_are_named(audio: tuple[str, ...], video: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CheckpointError, match=problem):
        check_columns(made_up(), audio, video)
