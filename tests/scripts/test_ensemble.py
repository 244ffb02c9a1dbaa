"""The ensemble of a run's seeds: what it says of each clip, its run folder, and runs that have none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import ensemble
import numpy as np
import pytest
from made_up_run import made_up_metrics, write_run
from scipy.special import log_softmax, softmax
from tiny_corpus import samples, write_cache
from tiny_recipe import write_recipe

from omsn.data.dataset import load_features
from omsn.errors import InputError
from omsn.models.network import count_parameters
from omsn.options import plan_of
from omsn.recipes import load_config
from omsn.report.html import write_report
from omsn.report.run import BY_ITSELF_FILE, read_metrics
from omsn.report.tables import headline_table
from omsn.training.crossval import cross_validate
from omsn.training.neighbours import fit_wccn, with_neighbours
from omsn.training.out_of_fold import OutOfFold, read_predictions, write_predictions
from omsn.training.rounds import build_network


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A cross-validation with two seeds."""
    (tmp_path / "judged").mkdir()
    return write_run(made_up_metrics(), tmp_path / "judged")


def predictions_of(run: Path) -> OutOfFold:
    return read_predictions(run / "predictions.csv")


def test_an_ensemble_is_a_run_with_one_answer_a_clip(run: Path) -> None:
    made = ensemble.ensemble(run)
    metrics, members = read_metrics(made), read_metrics(run)
    assert made == run.with_name("judged-ensemble")
    assert len(predictions_of(made)) == len(predictions_of(run)) / 2 == metrics.scores.clips
    assert (metrics.model_name, metrics.seeds, metrics.parameters) == ("2 networks together", (0, 1), 2 * 12345)
    assert metrics.scores.war.pooled is not None
    assert members.scores.war.pooled is not None
    assert metrics.scores.war.pooled > members.scores.war.pooled  # mistakes of the two are independent here
    assert metrics.baseline is None
    assert metrics.calibrated is not None
    assert write_report(made).exists()


def test_an_ensemble_has_one_value_of_all_seeds_and_not_the_difference_of_single_networks(run: Path) -> None:
    content = json.loads((run / "metrics.json").read_text())
    content["against"] = {"run": "full", "difference": {}}
    (run / "metrics.json").write_text(json.dumps(content))
    metrics = read_metrics(ensemble.ensemble(run))
    assert metrics.against is None
    assert (metrics.seeds_named, read_metrics(run).seeds_named) == ("seeds 0, 1 together", "seeds 0, 1")
    assert headline_table(metrics).header[3] == "seeds 0, 1 together"


def test_the_mean_is_that_of_the_logits_whatever_the_order_of_the_rows(run: Path) -> None:
    said = predictions_of(run)
    shuffled = said.take(np.random.default_rng(1).permutation(len(said)))
    first, second = said.take(said.seeds == 0), said.take(said.seeds == 1)
    expected = softmax((log_softmax(np.log(first.probabilities), 1) + np.log(second.probabilities)) / 2, 1)
    together = ensemble.mean_over_seeds(shuffled, "run")
    by_clip = dict(zip(together.clips.tolist(), together.probabilities, strict=True))
    np.testing.assert_allclose([by_clip[clip] for clip in first.clips.tolist()], expected, atol=1e-12)


def test_a_probability_of_0_is_no_veto_without_a_number(run: Path) -> None:
    said = predictions_of(run)
    sure = np.where(said.seeds[:, None] == 0, np.eye(len(said.labels))[said.truth], said.probabilities)
    assert np.isfinite(ensemble.mean_over_seeds(replace(said, probabilities=sure), "run").probabilities).all()


def test_clips_that_are_answered_together_are_so_by_the_ensemble(tmp_path: Path) -> None:
    cache, run = write_cache(tmp_path / "cache", samples(("1", "2", "3"))), tmp_path / "runs" / "enrolled"
    recipe = str(write_recipe(tmp_path / "tiny.toml"))
    plan = plan_of(cache, "loso", "0,1", recipe=recipe, settings=["training.normalisation=enrolled"])
    cross_validate(plan, run, baseline=False)
    made = ensemble.ensemble(run)
    by_itself, corpus, together = read_predictions(made / BY_ITSELF_FILE), load_features(cache), predictions_of(made)
    assert read_metrics(made).by_itself is not None
    for speaker in ("1", "2", "3"):
        wccn = fit_wccn([one for one in corpus.samples if one.clip.speaker != speaker], plan.config)
        own = by_itself.take(by_itself.speakers == speaker)
        expected = with_neighbours(own, corpus, plan.config, wccn)
        rows = [together.clips.tolist().index(clip) for clip in own.clips.tolist()]
        np.testing.assert_allclose(together.probabilities[rows], expected.probabilities, atol=1e-6)


def test_what_networks_know_in_common_counts_once(tmp_path: Path) -> None:
    cache, run = write_cache(tmp_path / "cache", samples(("1", "2", "3"))), tmp_path / "runs" / "knowing"
    recipe = str(write_recipe(tmp_path / "tiny.toml"))
    plan = plan_of(cache, "loso", "0,1,2", recipe=recipe, settings=["network.statistics.enabled=true"])
    cross_validate(plan, run, baseline=False)
    single = read_metrics(run).parameters
    learnt = count_parameters([build_network(load_config(recipe), load_features(cache), 0)])
    assert single is not None
    assert single > learnt
    assert read_metrics(ensemble.ensemble(run)).parameters == single + 2 * learnt


def test_an_ensemble_of_clips_answered_together_wants_the_features_of_the_run(tmp_path: Path) -> None:
    cache, run = write_cache(tmp_path / "cache", samples(("1", "2"))), tmp_path / "runs" / "enrolled"
    recipe = str(write_recipe(tmp_path / "tiny.toml"))
    plan = plan_of(cache, "loso", "0,1", recipe=recipe, settings=["training.normalisation=enrolled"])
    cross_validate(plan, run, baseline=False)
    write_cache(cache, samples(("1", "2"))[:-1])
    with pytest.raises(InputError, match="has other features than the run was of; prepare it as it was"):
        ensemble.ensemble(run)


def test_one_seed_is_no_ensemble(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = predictions_of(run)
    write_predictions(said.take(said.seeds == 0), run / "predictions.csv")
    assert ensemble.main([str(run)]) == 1
    assert "got predictions of 1 seed; an ensemble takes at least 2" in capsys.readouterr().err
    assert not run.with_name("judged-ensemble").exists()


def test_seeds_with_other_folds_have_no_ensemble(run: Path) -> None:
    said = predictions_of(run)
    other = np.where(said.seeds == 1, np.char.add(said.folds, " b"), said.folds)
    for differing in (replace(said, folds=other), said.take(np.arange(len(said) - 1))):
        write_predictions(differing, run / "predictions.csv")
        with pytest.raises(InputError, match="do not test the same clips in the same folds"):
            ensemble.ensemble(run)


def test_the_command_tells_the_scores(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ensemble.main([str(run)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{run}-ensemble: WAR ")
    assert json.loads((run.with_name("judged-ensemble") / "metrics.json").read_text())["members"] == 2
