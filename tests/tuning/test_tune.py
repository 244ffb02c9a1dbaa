from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tiny_corpus import config, write_cache

from omsn.errors import ConfigError
from omsn.recipes import load_config
from omsn.report.search import write_search_report
from omsn.training.plan import Plan
from omsn.training.state import Epoch
from omsn.tuning.fitness import LEARNING_RATE, WEIGHT_DECAY
from omsn.tuning.gazelle import GazelleSettings
from omsn.tuning.study import Tried
from omsn.tuning.tune import Search, recipe_text, tune

SEARCH = Search(
    (LEARNING_RATE,),
    GazelleSettings(population=3, iterations=2),
    steps=2,
    batch_size=8,
    held_out=0.25,
    finalists=4,
    finalist_seeds=3,
)
N_EVALUATIONS = 3 + 4 * 3 * 2


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    cache = write_cache(tmp_path_factory.mktemp("cache"))
    return Plan(cache, "held-out", (0,), "network", config(epochs=2), "tiny")


@pytest.fixture(scope="module")
def run(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "run"
    tune(plan, SEARCH, folder)
    return folder


def test_every_evaluation_is_written_and_the_lowest_loss_told(run: Path) -> None:
    facts = json.loads((run / "search.json").read_text())
    with (run / "evaluations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == facts["evaluations"] == N_EVALUATIONS
    assert min(float(row["loss"]) for row in rows) == facts["loss"]
    assert [row["iteration"] for row in rows] == ["0"] * 3 + ["1"] * 12 + ["2"] * 12


def test_what_was_found_is_the_finalist_with_the_lowest_mean_in_fresh_orders(run: Path) -> None:
    facts = json.loads((run / "search.json").read_text())
    finals = facts["finalists"]
    means = [one["mean_loss"] for one in finals["candidates"]]
    assert finals["seeds"] == [1, 2, 3]
    assert 1 < len(means) <= 4
    assert means == sorted(np.mean(one["losses"]) for one in finals["candidates"])
    assert finals["usual_mean_loss"] == np.mean(finals["usual_losses"])
    assert facts["found"] == finals["candidates"][0]["settings"]
    assert min(one["search_loss"] for one in finals["candidates"]) == facts["loss"]
    assert facts["usual_loss"] not in finals["usual_losses"]  # the orders are others


def test_without_finalists_the_lowest_loss_is_what_was_found(plan: Plan, run: Path, tmp_path: Path) -> None:
    """A finished search takes other finalists, or none, without a new evaluation."""
    shutil.copytree(run, tmp_path / "run")
    heard: list[object] = []
    facts = tune(
        plan,
        replace(SEARCH, finalists=0),
        tmp_path / "run",
        resume=True,
        on_iteration=heard.append,
        on_round=lambda done, seeds: heard.append((done, seeds)),
    )
    assert not heard
    assert facts["finalists"] is None
    with (run / "evaluations.csv").open(newline="") as file:
        best = min(csv.DictReader(file), key=lambda row: float(row["loss"]))
    assert facts["found"] == {LEARNING_RATE: float(best[LEARNING_RATE])}


def test_finalists_that_were_cut_go_on(plan: Plan, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "finalists.json").unlink()

    def stop(done: int, seeds: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(plan, SEARCH, tmp_path / "run", resume=True, on_round=stop)
    kept = json.loads((tmp_path / "run" / "finalists.json").read_text())
    assert list(kept["losses"]) == ["1", "2"]
    tune(plan, SEARCH, tmp_path / "run", resume=True)
    for name in ("finalists.json", "search.json", "tuned.toml"):
        assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()


def test_the_recipe_holds_every_setting_and_what_was_found(plan: Plan, run: Path) -> None:
    tuned = load_config(str(run / "tuned.toml"))
    found = json.loads((run / "search.json").read_text())["found"]
    training = replace(plan.config.training, classifier_learning_rate=found[LEARNING_RATE])
    assert tuned == replace(plan.config, training=training)


def test_a_search_that_was_cut_goes_on(plan: Plan, run: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []

    def stop(tried: Tried) -> None:
        if len(tried.losses) > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(plan, SEARCH, tmp_path / "cut", on_iteration=stop)
    tune(plan, SEARCH, tmp_path / "cut", resume=True, on_epoch=epochs.append)
    assert not epochs  # the encoders are not trained again
    for name in ("search.json", "evaluations.csv", "tuned.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (run / name).read_bytes()


def test_a_finished_search_is_not_done_again(plan: Plan, run: Path) -> None:
    with pytest.raises(ConfigError, match="go on with --resume"):
        tune(plan, SEARCH, run)
    heard: list[Tried] = []
    kept = (run / "finalists.json").stat().st_mtime_ns
    tune(plan, SEARCH, run, resume=True, on_iteration=heard.append)
    assert not heard
    assert (run / "finalists.json").stat().st_mtime_ns == kept


def test_evaluations_are_kept_in_a_storage_of_optuna(plan: Plan, run: Path, tmp_path: Path) -> None:
    storage = f"journal:{tmp_path / 'search.log'}"
    facts = tune(plan, SEARCH, tmp_path / "kept", storage=storage)
    journal = JournalStorage(JournalFileBackend(str(tmp_path / "search.log")))
    study = optuna.load_study(storage=journal, study_name="kept")
    assert len(study.trials) == N_EVALUATIONS
    assert study.best_value == facts["loss"]
    assert (tmp_path / "kept" / "search.json").read_bytes() == (run / "search.json").read_bytes()


def test_a_finished_search_can_still_be_added_to_a_storage(plan: Plan, run: Path, tmp_path: Path) -> None:
    tune(plan, SEARCH, run, resume=True, storage=f"sqlite:///{tmp_path / 'search.db'}")
    assert len(optuna.load_study(storage=f"sqlite:///{tmp_path / 'search.db'}", study_name="run").trials) == 27


def test_another_search_in_the_same_folder(plan: Plan, run: Path) -> None:
    with pytest.raises(ConfigError, match="a search with other settings"):
        tune(plan, replace(SEARCH, steps=3), run, resume=True)


def test_spaces_around_the_names_of_settings_do_not_matter(plan: Plan, run: Path) -> None:
    tune(plan, replace(SEARCH, settings=(f" {LEARNING_RATE} ",)), run, resume=True)
    facts = json.loads((run / "search.json").read_text())
    assert facts["search"]["settings"] == [LEARNING_RATE]
    assert list(facts["usual"]) == [LEARNING_RATE]


def test_two_settings_at_once(plan: Plan, tmp_path: Path) -> None:
    facts = tune(plan, replace(SEARCH, settings=(LEARNING_RATE, WEIGHT_DECAY)), tmp_path / "two")
    assert set(facts["found"]) == {LEARNING_RATE, WEIGHT_DECAY}
    page = write_search_report(tmp_path / "two").read_text()
    assert "training.weight_decay" in page


def test_a_network_without_what_is_searched(plan: Plan, tmp_path: Path) -> None:
    network = replace(plan.config.network, fusion=replace(plan.config.network.fusion, kind="late"))
    late = replace(plan, config=replace(plan.config, network=network))
    with pytest.raises(ConfigError, match=r"network.fusion.kind: got late, which has no SMGCNN to search settings for"):
        tune(late, SEARCH, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("steps", "batch_size"), [(0, 8), (2, 0)])
def test_a_training_of_nothing(steps: int, batch_size: int) -> None:
    with pytest.raises(ConfigError, match=f"got {steps} steps of {batch_size} clips, expected at least 1 of each"):
        Search(steps=steps, batch_size=batch_size)


@pytest.mark.parametrize(("finalists", "seeds"), [(-1, 8), (20, 0)])
def test_a_final_round_of_nothing(finalists: int, seeds: int) -> None:
    with pytest.raises(ConfigError, match=f"got {finalists} finalists under {seeds} seeds, expected at least 0"):
        Search(finalists=finalists, finalist_seeds=seeds)


def test_a_recipe_as_text_is_the_same_recipe(tmp_path: Path) -> None:
    for name in ("default", "paper"):
        (tmp_path / "written.toml").write_text(recipe_text(load_config(name)))
        assert load_config(str(tmp_path / "written.toml")) == load_config(name)
