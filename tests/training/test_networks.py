from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import samples, write_cache
from tiny_run import FAST, half_a_round, plan_of, same_results, without_times

from omsn.errors import ConfigError
from omsn.models.answers import together
from omsn.report.run import parse_metrics, read_history
from omsn.training.crossval import cross_validate
from omsn.training.out_of_fold import read_predictions


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("corpus") / "cache", samples(("1", "2", "3")))


@pytest.fixture(scope="module")
def pair(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks a fold, which answer together."""
    run = tmp_path_factory.mktemp("pair")
    cross_validate(plan_of(cache, networks=2), run)
    return run


def test_networks_of_a_fold_answer_together(cache: Path, tmp_path: Path) -> None:
    nobody_validates = plan_of(cache, training=replace(FAST, validation_share=0.0, keep="last"))  # same folds, any seed
    cross_validate(replace(nobody_validates, seeds=(0, 1)), tmp_path / "singly")
    cross_validate(replace(nobody_validates, networks=2), tmp_path / "pair")
    singly, said = (read_predictions(tmp_path / run / "predictions.csv") for run in ("singly", "pair"))
    first, second = (singly.take(singly.seeds == seed) for seed in (0, 1))
    assert first.clips.tolist() == second.clips.tolist() == said.clips.tolist()
    expected = together(torch.from_numpy(np.stack([first.probabilities, second.probabilities])))
    np.testing.assert_allclose(said.probabilities, expected.numpy(), rtol=1e-5)
    assert {row.seed for row in read_history(tmp_path / "pair")} == {0, 1}


def test_the_metrics_tell_how_many_networks_answer(cache: Path, pair: Path, tmp_path: Path) -> None:
    cross_validate(plan_of(cache), tmp_path)
    one, two = without_times(tmp_path), without_times(pair)
    assert (one["members"], two["members"]) == (1, 2)
    assert two["parameters"] == 2 * one["parameters"]
    told = parse_metrics(two | {"seconds": 1.0})
    assert (told.model_name, told.seeds_named) == ("2 networks together", "seeds 0")


def test_networks_of_different_rounds_have_nothing_in_common(cache: Path) -> None:
    plan = plan_of(cache, networks=3)
    assert [plan.network_seeds(seed) for seed in (0, 1)] == [(0, 1, 2), (3, 4, 5)]


def test_a_fold_interrupted_between_networks_goes_on(cache: Path, pair: Path, tmp_path: Path) -> None:
    state = half_a_round(plan_of(cache, networks=2), tmp_path)
    cross_validate(plan_of(cache, networks=2), tmp_path)
    assert same_results(tmp_path, pair)
    assert not list(state.parent.glob("state*"))


def test_a_run_of_another_number_of_networks_is_refused(cache: Path, pair: Path) -> None:
    with pytest.raises(ConfigError, match=r"networks: got 3, the run has 2"):
        cross_validate(plan_of(cache, networks=3), pair)
    with pytest.raises(ConfigError, match=r"networks: got 1, the run has 2"):
        cross_validate(plan_of(cache), pair)


@pytest.mark.parametrize(("model", "networks"), [("network", 0), ("svm", 2), ("network", -1)])
def test_no_networks_or_several_svms_are_refused(cache: Path, model: str, networks: int) -> None:
    with pytest.raises(ConfigError, match=f"--networks: got {networks} for the {model}, expected at least 1"):
        plan_of(cache, model=model, networks=networks)
