"""Weights into the package: what is copied, what the card says, and what is refused. And what the package holds now."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ship_weights
from made_checkpoint import write_checkpoint, write_hum
from made_up_run import made_up_metrics, write_run
from model_card import model_card
from typer.testing import CliRunner

from omsn.cli import app
from omsn.errors import CheckpointError, InputError
from omsn.models.checkpoint import (
    CONFIG_NAME,
    MAX_SHIPPED_BYTES,
    WEIGHTS_NAME,
    load_checkpoint,
    save_checkpoint,
    shipped_checkpoint,
)
from omsn.recipes import to_dict
from omsn.weights import shipped_folder

FACTS = {
    "recipe": "/home/somebody/default",
    "corpus": ["ravdess"],
    "clips": 1140,
    "sexes": {"01": "male", "02": "female", "04": "female"},
    "seeds": [7],
    "held_out_speakers": ["03"],
    "calibrated_by": {"run": "judged", "protocol": "actors-4", "seeds": [0, 1]},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What omsn train leaves, with an untrained network in it."""
    folder = tmp_path / "model"
    trained = load_checkpoint(write_checkpoint(folder / "checkpoint"))
    facts = replace(trained, facts=FACTS, speakers=("01", "02", "04"), temperature=0.625)
    save_checkpoint(folder / "checkpoint", facts)
    return write_run(made_up_metrics(), folder)


@pytest.fixture
def judged(run: Path, tmp_path: Path) -> Path:
    """A cross-validation with the settings of the checkpoint."""
    (tmp_path / "judged").mkdir()
    config = to_dict(load_checkpoint(run / "checkpoint").config)
    return write_run(of_ravdess() | {"config": config}, tmp_path / "judged")


def of_ravdess() -> dict[str, Any]:
    made_up = made_up_metrics()
    return made_up | {"data": made_up["data"] | {"corpus": "ravdess"}}


def shipped(run: Path, judged: Sequence[Path], folder: Path) -> str:
    ship_weights.ship(run, judged, folder)
    return (folder / ship_weights.CARD_NAME).read_text(encoding="utf-8")


# ---------------------------------------------------------------- what is shipped


def test_the_checkpoint_is_copied_without_the_paths_of_a_machine(run: Path, tmp_path: Path) -> None:
    shipped(run, (), tmp_path / "weights")
    names = sorted(path.name for path in (tmp_path / "weights").iterdir())
    assert names == [ship_weights.CARD_NAME, CONFIG_NAME, WEIGHTS_NAME]
    weights = [(folder / WEIGHTS_NAME).read_bytes() for folder in (run / "checkpoint", tmp_path / "weights")]
    assert weights[0] == weights[1]
    loaded = load_checkpoint(tmp_path / "weights")
    assert (loaded.temperature, loaded.facts["recipe"]) == (0.625, "default")


def test_a_card_without_a_judge_says_so(run: Path, tmp_path: Path) -> None:
    card = shipped(run, (), tmp_path / "weights")
    assert "No cross-validation with these settings was on record" in card
    assert "120 clips of 4 held-out speakers rightly" in card


def test_a_card_of_weights_that_nobody_was_held_out_of(run: Path, tmp_path: Path) -> None:
    trained = load_checkpoint(run / "checkpoint")
    save_checkpoint(run / "checkpoint", replace(trained, facts=FACTS | {"held_out_speakers": []}))
    (run / "metrics.json").unlink()
    card = shipped(run, (), tmp_path / "weights")
    assert "Nobody was held out of the training, so these very weights have no score." in card
    assert "Kept out of the training" not in card


def test_the_card_tells_people_licence_scores_and_limits(run: Path, judged: Path, tmp_path: Path) -> None:
    card = shipped(run, [judged], tmp_path / "weights")
    for wanted in (
        "1,140 clips of 3 speakers of ravdess (2 female, 1 male): 01, 02, 04.",
        "Kept out of the training, to score it: 03.",
        "Livingstone, S. R., & Russo, F. A. (2018)",
        "CC BY-NC-SA 4.0",
        "**Code**: Apache-2.0",
        "| temperature | 0.625, from the cross-validation `judged` |",
        "| actors-4: Groups of four actors | network | none | 2 |",
        "### By class, actors-4",
        "| angry | 40 |",
        "### By sex, actors-4",
        "negative log-likelihood, nats",
        "Acted emotion is not felt emotion",
        "hiring",
        "policing",
        "it diagnoses nothing",
        "aged 21 to 33",
        "children",
    ):
        assert wanted in card, wanted


def test_the_card_tells_what_answers_and_what_is_kept_of_the_clips(run: Path, tmp_path: Path) -> None:
    kept = "The weights hold a description of the clips learnt from"
    card = shipped(run, (), tmp_path / "weights")
    assert "| recipe | default: an encoder each for voice and face, fusion mpdrf, SMGCNN |" in card
    assert kept not in card
    trained = load_checkpoint(run / "checkpoint")
    network = replace(trained.config.network, fusion=replace(trained.config.network.fusion, kind="late"))
    network = replace(network, statistics=replace(network.statistics, enabled=True))
    late = replace(trained, config=replace(trained.config, network=network), facts=FACTS | {"recipe": "late"})
    card = model_card(late, None, (), 1)
    assert (
        "| recipe | late: an encoder each for voice and face, fusion late; statistics of the clip count 0.7 |" in card
    )
    assert kept in card
    assert "| recipe | settings of its own: " in model_card(replace(late, facts={"recipe": "mine"}), None, (), 1)


def test_the_commands_of_the_card_are_commands_with_the_settings_of_the_checkpoint(run: Path, tmp_path: Path) -> None:
    card = shipped(run, (), tmp_path / "weights")
    prepare, crossval, train = card.partition("```sh\n")[2].partition("\n```")[0].splitlines()
    assert prepare.startswith("omsn prepare RAVDESS --corpus ravdess --set pipeline.audio.frames_per_row=1")
    assert crossval.startswith("omsn crossval cache --protocol actors-4 --seeds 0,1 --normalise none")
    assert crossval.endswith("--out runs/judged")
    commands: dict[str, Any] = {name: command for name, command in _commands().items()}
    for line in (prepare, crossval, train):
        name, *arguments = shlex.split(line)[1:]
        values = commands[name].make_context(name, arguments).params
    wanted = load_checkpoint(run / "checkpoint").config
    assert (values["seeds"], values["calibrate_by"]) == ("7", Path("runs/judged"))
    assert _config_of(values) == wanted


def test_the_commands_of_adapted_weights_prepare_their_own_corpus_and_name_what_they_started_from(
    run: Path, tmp_path: Path
) -> None:
    facts = FACTS | {"corpus": ["films", "ravdess"], "started_from": {"digest": "0", "corpus": ["ravdess"]}}
    save_checkpoint(run / "checkpoint", replace(load_checkpoint(run / "checkpoint"), facts=facts))
    card = shipped(run, (), tmp_path / "weights")
    prepare, crossval, train = card.partition("```sh\n")[2].partition("\n```")[0].splitlines()
    assert prepare.startswith("omsn prepare FOLDER --corpus folder --set")
    assert all("--start-from CHECKPOINT" in line for line in (crossval, train))


def _commands() -> dict[str, Any]:
    from typer.main import get_command

    return get_command(app).commands  # type: ignore[attr-defined,no-any-return]


def _config_of(values: dict[str, Any]) -> object:
    from omsn.options import with_options
    from omsn.recipes import load_config

    return load_config(values["recipe"], with_options(values["settings"], values["normalise"], values["modality"]))


def test_a_corpus_that_nobody_knows_has_no_licence(run: Path, tmp_path: Path) -> None:
    trained = load_checkpoint(run / "checkpoint")
    save_checkpoint(run / "checkpoint", replace(trained, facts={"corpus": [""]}))
    card = shipped(run, (), tmp_path / "weights")
    assert "No licence of a corpus without a name is on record: do not pass these weights on" in card
    assert "| temperature | 0.625, not fitted |" in card
    assert "omsn prepare FOLDER" in card


def test_a_run_of_other_recordings_cannot_judge(run: Path, judged: Path, tmp_path: Path) -> None:
    content = json.loads((judged / "metrics.json").read_text())
    content["data"]["corpus"] = "films"
    (judged / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"cannot tell how well this checkpoint does: it is of films, not of ravdess"):
        ship_weights.ship(run, [judged], tmp_path / "weights")


def test_a_leak_is_told(run: Path, judged: Path, tmp_path: Path) -> None:
    content = json.loads((judged / "metrics.json").read_text())
    content["protocol"] |= {"name": "random-80-20", "speaker_independent": False}
    recorded = tmp_path / "random.json"
    recorded.write_text(json.dumps(content))
    card = shipped(run, [judged, recorded], tmp_path / "weights")
    assert "**random-80-20 leaks:** The protocol does not keep speakers apart." in card


# ---------------------------------------------------------------- what is refused


def test_a_run_without_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ship_weights.main([str(tmp_path), "--to", str(tmp_path / "weights")]) == 1
    assert "ship_weights: " in capsys.readouterr().err
    assert not (tmp_path / "weights").exists()


def test_a_judge_of_other_settings(run: Path, judged: Path, tmp_path: Path) -> None:
    content = json.loads((judged / "metrics.json").read_text())
    content["config"]["training"]["epochs"] = 1
    (judged / "metrics.json").write_text(json.dumps(content | {"model": "svm"}))
    with pytest.raises(
        InputError, match=r"cannot tell how well this checkpoint does: it is of the svm; training\.epochs"
    ):
        ship_weights.ship(run, [judged], tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_a_judge_from_before_clips_were_answered_together(run: Path, judged: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoint"
    write_checkpoint(checkpoint, normalisation="enrolled")
    save_checkpoint(checkpoint, replace(load_checkpoint(checkpoint), facts=FACTS, speakers=("01", "02", "04")))
    content = json.loads((judged / "metrics.json").read_text()) | {
        "config": to_dict(load_checkpoint(checkpoint).config)
    }
    (judged / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="cannot tell how well this checkpoint does: it answers each clip by itself"):
        ship_weights.ship(run, [judged], tmp_path / "weights")


def test_several_networks_are_judged_together_first(run: Path, judged: Path, tmp_path: Path) -> None:
    trained = load_checkpoint(run / "checkpoint")
    other = deepcopy(trained.networks[0])
    by = {"run": "judged-ensemble", "protocol": "actors-4", "seeds": [0, 1]}
    facts = FACTS | {"seeds": [0, 1], "calibrated_by": by}
    save_checkpoint(run / "checkpoint", replace(trained, networks=(*trained.networks, other), facts=facts))
    with pytest.raises(InputError, match=r"judged: judges 1 at a time, and .* has 2 networks; name a run first"):
        shipped(run, [judged], tmp_path / "weights")
    together = tmp_path / "judged-ensemble"
    together.mkdir()
    metrics = json.loads((judged / "metrics.json").read_text(encoding="utf-8"))
    (together / "metrics.json").write_text(json.dumps(metrics | {"members": 2}), encoding="utf-8")
    card = shipped(run, [together, judged], tmp_path / "weights")
    for wanted in (
        "| networks | 2, trained alike under different seeds, which answer together |",
        "| actors-4: Groups of four actors | 2 networks together | none | 2 |",
        "| actors-4: Groups of four actors | network | none | 2 |",
        "--out runs/judged\npython scripts/ensemble.py runs/judged\n",
        "omsn train cache --seeds 0,1 ",
        "--calibrate-by runs/judged-ensemble",
    ):
        assert wanted in card


def test_a_record_that_is_not_json(run: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match=r"bad\.json: not JSON"):
        ship_weights.ship(run, [tmp_path / "bad.json"], tmp_path / "weights")


def test_a_checkpoint_that_is_too_large(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ship_weights, "MAX_SHIPPED_BYTES", 1000)
    with pytest.raises(InputError, match=r"its checkpoint has .* bytes, and a package carries at most 1,000"):
        ship_weights.ship(run, (), tmp_path / "weights")


def test_a_file_in_the_place_of_the_folder(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert ship_weights.main([str(run), "--to", str(tmp_path / "file")]) == 1
    assert "a file where a folder is needed" in capsys.readouterr().err


# ---------------------------------------------------------------- the commands without a checkpoint


def test_predict_and_info_use_what_was_shipped(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ship_weights.main([str(run), "--to", str(tmp_path / "weights")]) == 0
    monkeypatch.setattr("omsn.models.checkpoint.shipped_folder", lambda: tmp_path / "weights")
    told = json.loads(CliRunner().invoke(app, ["info", "--json"]).stdout)
    assert (told["temperature"], told["trained_on_speakers"]) == (0.625, ["01", "02", "04"])
    hum = str(write_hum(tmp_path / "hum.wav", 1.0))
    own, named = (
        CliRunner().invoke(app, ["predict", hum, "--json", *where])
        for where in ((), ("--checkpoint", str(tmp_path / "weights")))
    )
    assert (own.exit_code, own.stdout) == (0, named.stdout)


def test_predict_and_info_without_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omsn.models.checkpoint.shipped_folder", lambda: tmp_path / "nothing")
    for arguments in (["info"], ["predict", "clip.mp4"]):
        error = CliRunner().invoke(app, arguments).exception
        assert isinstance(error, CheckpointError)
        assert "carries no weights" in str(error)


def test_the_package_carries_weights_that_work_and_a_card_or_none_at_all() -> None:
    """True of a release and of a build for development, each in its own way."""
    names = {path.name for path in shipped_folder().iterdir()} if shipped_folder().exists() else set()
    if not names:
        with pytest.raises(CheckpointError, match="carries no weights"):
            shipped_checkpoint()
        return
    assert names == {ship_weights.CARD_NAME, CONFIG_NAME, WEIGHTS_NAME}
    assert sum(path.stat().st_size for path in shipped_folder().iterdir()) <= MAX_SHIPPED_BYTES
    assert load_checkpoint(shipped_checkpoint()).facts["licence"]
