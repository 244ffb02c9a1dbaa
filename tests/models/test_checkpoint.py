from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_checkpoint import AUDIO, VIDEO, change, made_up, write
from safetensors.torch import load_file, save_file
from tiny_models import awake, batch_of

import omsn
from omsn.errors import CheckpointError
from omsn.models.checkpoint import (
    CHECKPOINT_FORMAT,
    CONFIG_NAME,
    WEIGHTS_NAME,
    check_columns,
    describe,
    load_checkpoint,
    save_checkpoint,
    shipped_checkpoint,
)
from omsn.types import Floats
from omsn.version import __version__
from omsn.weights import shipped_folder

# ---------------------------------------------------------------- what comes back


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write(tmp_path / "checkpoint")


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
    change(saved, weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest())
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
