from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import optimizers
import pytest
from functions import Problem, Reals

ASKED = ["--dimensions", "2", "--functions", "sphere", "--seeds", "2", "--evaluations", "50"]


def run(monkeypatch: pytest.MonkeyPatch, record: Path, *more: str) -> list[dict[str, object]]:
    monkeypatch.setattr(sys, "argv", ["optimizers.py", *ASKED, "--out", str(record), *more])
    optimizers.main()
    rows: list[dict[str, object]] = json.loads(record.read_text())["rows"]
    return rows


def test_the_usual_run_gives_all_optimizers_equal_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["optimizers.py"])
    wanted = optimizers._wanted(optimizers._parse(), None)
    assert len(wanted) == 2 * 4 * 12 * len(optimizers.OPTIMIZERS)
    assert {(cell[1], evaluations) for cell, evaluations in wanted.items()} == set(optimizers.EVALUATIONS.items())
    assert all(optimizers._settings(evaluations).n_evaluations == evaluations for evaluations in wanted.values())
    assert [cell[1] for cell in wanted] == sorted(cell[1] for cell in wanted)  # the cheapest first


@pytest.mark.parametrize("evaluations", [10, 49, 51])
def test_a_budget_that_gazelles_cannot_spend(evaluations: int) -> None:
    with pytest.raises(SystemExit, match=rf"--evaluations: got {evaluations}, expected 10 \+ 40 an iteration"):
        optimizers.gazelles(Problem.plain("sphere", 1), evaluations, 0)


def test_a_budget_for_each_number_of_dimensions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--optimizers", "random", "--dimensions", "1", "3", "--evaluations", "50", "90"]
    rows = run(monkeypatch, tmp_path / "r.json", *asked)
    assert [(row["dimensions"], row["evaluations"]) for row in rows] == [(1, 50), (3, 90), (1, 50), (3, 90)]
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, tmp_path / "r.json", "--dimensions", "1", "3")
    assert "--evaluations: got 1, expected one for each of --dimensions" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(optimizers.OPTIMIZERS))
def test_every_optimizer_spends_the_budget_and_finds_something_low(name: str) -> None:
    asked = 0

    class Counted(Problem):
        def __call__(self, points: Reals) -> Reals:
            nonlocal asked
            asked += len(points)
            return super().__call__(points)

    result = optimizers.OPTIMIZERS[name](Counted.plain("sphere", 2), 50, 0)
    assert asked == 50
    assert 0 <= result.regret < 5.12**2
    assert result.seconds > 0


def test_what_the_record_has_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "record.json"
    first = run(monkeypatch, record, "--optimizers", "random")
    both = run(monkeypatch, record, "--optimizers", "MGO", "random")
    assert [(row["kind"], row["optimizer"]) for row in both] == [
        ("moved", "MGO"), ("moved", "random"), ("plain", "MGO"), ("plain", "random"),
    ]  # fmt: skip
    assert [row for row in both if row["optimizer"] == "random"] == first  # with the times of the first run


def test_a_record_of_another_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, tmp_path / "record.json", "--optimizers", "random")
    with pytest.raises(SystemExit, match=r"made with .* and evaluations \{2: 50\} by dimensions, not with"):
        run(monkeypatch, tmp_path / "record.json", "--evaluations", "90")
    with pytest.raises(SystemExit, match=r"made with \{'seeds': 2, .* not with \{'seeds': 3, "):
        run(monkeypatch, tmp_path / "record.json", "--seeds", "3")


def test_quartiles_are_over_the_seeds() -> None:
    row = optimizers._cell("moved", 1, "sphere", "MGO", 5, 50)
    runs = [optimizers.gazelles(Problem.moved("sphere", 1, seed), 50, seed).regret for seed in range(5)]
    assert (row["quartile_1"], row["median"], row["quartile_3"]) == tuple(np.quantile(runs, (0.25, 0.5, 0.75)))
