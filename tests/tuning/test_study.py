from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from omsn.errors import ConfigError, InputError
from omsn.tuning.gazelle import GazelleSettings
from omsn.tuning.space import dimensions
from omsn.tuning.study import Reals, Study, Tried

AXES = dimensions(["training.classifier_learning_rate", "training.weight_decay"])
SMALL = GazelleSettings(population=4, iterations=3)


def study(folder: Path, *, resume: bool = False, seed: int = 1, **purpose: object) -> Study:
    return Study(folder, AXES, SMALL, seed, dict(purpose), resume=resume)


def bowl(points: Reals) -> Reals:
    """Lowest at a learning rate of 0.001 and a weight decay of 0.5."""
    losses: Reals = ((points - [-3, 0.5]) ** 2).sum(axis=1)
    return losses


class StopError(Exception):
    """What a user's Ctrl-C is in a test."""


def stop_after(count: int, seen: list[Tried]) -> object:
    def heard(tried: Tried) -> None:
        seen.append(tried)
        if len(seen) == count:
            raise StopError

    return heard


def same(first: Tried, second: Tried) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
        for name in ("iterations", "points", "losses")
    )


def test_every_evaluation_is_kept_in_order(tmp_path: Path) -> None:
    seen: list[Tried] = []
    tried = study(tmp_path).run(bowl, seen.append)
    assert len(tried.losses) == SMALL.n_evaluations == 4 + 4 * 4 * 3
    assert np.bincount(tried.iterations).tolist() == [4, 16, 16, 16]
    assert [len(one.losses) for one in seen] == [4, 20, 36, 52]
    assert np.array_equal(bowl(tried.points), tried.losses)
    assert tried.losses[tried.best] == tried.losses.min()


def test_a_candidate_as_settings(tmp_path: Path) -> None:
    tried = study(tmp_path).run(bowl)
    found = tried.settings(tried.best)
    assert list(found) == [axis.setting for axis in AXES]
    position, decay = tried.points[tried.best]
    assert found["training.classifier_learning_rate"] == pytest.approx(10**position)
    assert found["training.weight_decay"] == decay


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_search_that_was_stopped_goes_on(tmp_path: Path, count: int) -> None:
    whole = study(tmp_path / "whole").run(bowl)
    with pytest.raises(StopError):
        study(tmp_path / "cut").run(bowl, stop_after(count, []))  # type: ignore[arg-type]
    calls: list[int] = []

    def counted(points: Reals) -> Reals:
        calls.append(len(points))
        return bowl(points)

    assert same(study(tmp_path / "cut", resume=True).run(counted), whole)
    assert len(calls) == 4 - count  # nothing is evaluated twice


def test_a_cut_within_an_iteration_repeats_that_iteration_only(tmp_path: Path) -> None:
    whole = study(tmp_path / "whole").run(bowl)

    def failing(points: Reals) -> Reals:
        if len(points) > 4:
            raise StopError
        return bowl(points)

    with pytest.raises(StopError):
        study(tmp_path / "cut").run(failing)
    assert same(study(tmp_path / "cut", resume=True).run(bowl), whole)


def test_resuming_where_there_is_none_starts_one(tmp_path: Path) -> None:
    assert same(study(tmp_path / "new", resume=True).run(bowl), study(tmp_path / "other").run(bowl))


def test_candidates_that_diverged_are_kept_as_such(tmp_path: Path) -> None:
    def some(points: Reals) -> Reals:
        return np.where(points[:, 0] > -3, np.nan, bowl(points))

    tried = study(tmp_path).run(some)
    assert np.isnan(tried.losses).any()
    assert tried.points[tried.best, 0] <= -3
    json.loads((tmp_path / "study.json").read_text(), parse_constant=pytest.fail)  # strict JSON
    assert same(study(tmp_path, resume=True).tried, tried)


def test_nothing_but_divergence(tmp_path: Path) -> None:
    tried = study(tmp_path).run(lambda points: np.full(len(points), np.inf))
    with pytest.raises(InputError, match=r"none of 52 candidates has a finite loss; narrow the search's range"):
        _ = tried.best


def test_a_search_is_not_overwritten(tmp_path: Path) -> None:
    study(tmp_path).run(bowl)
    before = (tmp_path / "study.json").read_bytes()
    with pytest.raises(ConfigError, match=r"study\.json: a search is there already; go on with --resume"):
        study(tmp_path)
    assert (tmp_path / "study.json").read_bytes() == before


def test_a_search_of_other_settings(tmp_path: Path) -> None:
    study(tmp_path, recipe="paper").run(bowl)
    for change in ({"seed": 2, "recipe": "paper"}, {"recipe": "default"}):
        with pytest.raises(ConfigError, match=r"study\.json: a search with other settings"):
            study(tmp_path, resume=True, **change)
    with pytest.raises(InputError, match="state is of another search"):
        Study(tmp_path, AXES, GazelleSettings(population=5, iterations=3), 1, {"recipe": "paper"}, resume=True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "of": {}, "state": 3, "batches": []}'])
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(InputError, match=r"study\.json: damaged .* delete it to start again"):
        study(tmp_path, resume=True)
