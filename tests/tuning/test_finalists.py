from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from omsn.errors import InputError
from omsn.tuning.finalists import Finals, spacing, train_again, well_spread
from omsn.tuning.fitness import SEARCHABLE
from omsn.tuning.space import dimensions
from omsn.tuning.study import Reals, Tried

AXES = dimensions(SEARCHABLE)
OF = {"search": "made up", "points": [[-3.0]]}


def tried_of(cube: Reals, losses: Reals) -> Tried:
    """Candidates at positions in the unit cube of the first axes."""
    axes = AXES[: cube.shape[1]]
    low, high = np.array([axis.bounds for axis in axes]).T
    return Tried(axes, np.zeros(len(losses), dtype=np.int64), low + cube * (high - low), losses)


@st.composite
def searches(draw: st.DrawFn) -> tuple[Reals, Reals]:
    """Positions, some at the same place or at the bounds, and losses, some equal or not finite, one finite."""
    n, n_axes = draw(st.integers(1, 40)), draw(st.integers(1, 3))
    cube = draw(arrays(np.float64, (n, n_axes), elements=st.floats(0, 1, width=16)))
    losses = draw(arrays(np.float64, n, elements=st.sampled_from([0.1, 0.5, 0.5, 2.0, 9.0, np.nan, np.inf])))
    losses[draw(st.integers(0, n - 1))] = draw(st.floats(0, 10))
    return cube, losses


def distances(cube: Reals, rows: list[int]) -> Reals:
    apart: Reals = np.abs(cube[:, None] - cube[rows]).max(axis=2)
    return apart


@given(searches(), st.integers(1, 25))
def test_finalists_are_good_few_and_apart(search: tuple[Reals, Reals], count: int) -> None:
    cube, losses = search
    tried = tried_of(cube, losses)
    rows = well_spread(tried, count).tolist()
    assert 1 <= len(rows) <= count
    assert rows[0] == tried.best
    assert np.isfinite(losses[rows]).all()
    assert losses[rows].tolist() == sorted(losses[rows])
    room = spacing(count, cube.shape[1])
    apart = distances(cube, rows)
    assert (apart[rows] + np.eye(len(rows)) * 2 >= room - 1e-12).all()
    worst = losses[rows[-1]] if len(rows) == count else np.inf
    passed_over = np.isfinite(losses) & (losses < worst)
    assert (apart[passed_over].min(axis=1, initial=np.inf) <= room + 1e-12).all()  # for its nearness, not for nothing
    assert well_spread(tried, count).tolist() == rows


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_finalists_can_cover_half_of_the_room(n_axes: int) -> None:
    assert 40 * spacing(20, n_axes) ** n_axes == pytest.approx(1)


def test_no_finalist_where_all_diverged() -> None:
    with pytest.raises(InputError, match="none of 2 candidates has a finite loss"):
        well_spread(tried_of(np.array([[0.2], [0.8]]), np.array([np.nan, np.inf])), 3)


def bowl_with_a_lucky_spike(cube: Reals, seed: int) -> Reals:
    """Lowest at 0.3; from 0.8 on, noise that the seed and the position's last digits decide, around a higher mean."""
    rough = cube[:, 0] > 0.8
    noise = np.sin(1e5 * cube[:, 0] * (seed + 1))
    losses: Reals = 0.5 + (cube[:, 0] - 0.3) ** 2 + np.where(rough, 0.1 + 0.6 * noise, 0)
    return losses


def test_a_lucky_spike_is_not_chosen() -> None:
    cube = np.random.default_rng(0).random((2000, 1))
    tried = tried_of(cube, bowl_with_a_lucky_spike(cube, 0))
    assert cube[tried.best, 0] > 0.8
    rows = well_spread(tried, 20)
    seeds = tuple(range(1, 9))
    losses = np.stack([bowl_with_a_lucky_spike(cube[rows], seed) for seed in seeds])
    finals = Finals(rows, seeds, losses, np.full(8, 0.6))
    assert cube[finals.winner, 0] == pytest.approx(0.3, abs=spacing(20, 1))
    assert finals.means.min() < 0.502


def made_finals() -> Finals:
    losses = np.array([[0.1, 0.6, 0.4], [np.nan, 0.4, 0.7]])
    return Finals(np.array([4, 2, 0]), (7, 8), losses, np.array([0.5, np.inf]))


def test_the_lowest_mean_wins_and_a_divergence_loses() -> None:
    finals = made_finals()
    assert finals.means.tolist() == [np.inf, 0.5, 0.55]
    assert finals.ranked.tolist() == [1, 2, 0]
    assert finals.winner == 2


def test_facts_are_plain_json_with_the_winner_first() -> None:
    tried = tried_of(np.linspace(0, 1, 5)[:, None], np.array([0.3, 9, 0.2, 9, 0.1]))
    facts = json.loads(json.dumps(made_finals().facts(tried), allow_nan=False))
    assert (facts["seeds"], facts["usual_losses"], facts["usual_mean_loss"]) == ([7, 8], [0.5, None], None)
    assert [one["settings"] for one in facts["candidates"]] == [tried.settings(row) for row in (2, 0, 4)]
    assert [one["search_loss"] for one in facts["candidates"]] == [0.2, 0.3, 0.1]
    assert [one["losses"] for one in facts["candidates"]] == [[0.6, 0.4], [0.4, 0.7], [0.1, None]]
    assert [one["mean_loss"] for one in facts["candidates"]] == [0.5, 0.55, None]


def test_no_winner_where_each_diverged_once() -> None:
    finals = Finals(np.array([0, 1]), (1, 2), np.array([[0.1, np.inf], [np.nan, 0.1]]), np.zeros(2))
    with pytest.raises(InputError, match=r"each of 2 finalists diverged in one of 2 orders .* --finalists 0"):
        _ = finals.winner


class Trainings:
    """Losses that depend on the seed, and which seeds were asked for."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seeds: list[int] = []
        self._stop_at = stop_at

    def __call__(self, seed: int) -> Reals:
        if seed == self._stop_at:
            raise KeyboardInterrupt
        self.seeds.append(seed)
        return np.array([seed / 3, np.nan])


def test_each_seed_is_told_of_and_kept(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    losses = train_again(tmp_path / "f.json", OF, (3, 4), Trainings(), lambda done, seeds: heard.append((done, seeds)))
    np.testing.assert_array_equal(losses, [[1, np.nan], [4 / 3, np.nan]])
    assert heard == [(0, 2), (1, 2), (2, 2)]
    json.loads((tmp_path / "f.json").read_text(), parse_constant=pytest.fail)  # strict JSON


def test_a_round_that_was_cut_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_again(tmp_path / "f.json", OF, (1, 2, 3), Trainings(stop_at=3))
    rest = Trainings()
    losses = train_again(tmp_path / "f.json", OF, (1, 2, 3, 4), rest)
    assert rest.seeds == [3, 4]
    np.testing.assert_array_equal(losses, train_again(tmp_path / "whole.json", OF, (1, 2, 3, 4), Trainings()))
    train_again(tmp_path / "f.json", OF, (1, 2), rest)
    assert rest.seeds == [3, 4]


def test_losses_of_something_else_are_made_again(tmp_path: Path) -> None:
    train_again(tmp_path / "f.json", OF, (1, 2), Trainings())
    again = Trainings()
    train_again(tmp_path / "f.json", OF | {"points": [[-2.0]]}, (2,), again)
    assert again.seeds == [2]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": 1, "of": OF, "losses": 3}', '{"format": 1, "of'])
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.json").write_text(text.replace("OF", json.dumps(OF)))
    with pytest.raises(InputError, match=r"f\.json: damaged .* delete it, and it is made again"):
        train_again(tmp_path / "f.json", OF, (1,), Trainings())
