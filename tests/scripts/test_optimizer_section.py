from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from optimizer_section import RECORD, optimizer_section

from omsn.errors import InputError


def row(kind: str, function: str, optimizer: str, median: float, microseconds: float = 10.0) -> dict[str, Any]:
    facts = {"kind": kind, "dimensions": 2, "function": function, "optimizer": optimizer, "evaluations": 410}
    return facts | {"quartile_1": median / 2, "median": median, "quartile_3": 2 * median, "microseconds": microseconds}


def write(root: Path, rows: list[dict[str, Any]]) -> Path:
    (root / RECORD).parent.mkdir(parents=True)
    (root / RECORD).write_text(json.dumps({"seeds": 20, "population": 10, "rows": rows}))
    return root


def test_nothing_measured(tmp_path: Path) -> None:
    assert optimizer_section(tmp_path) == ""


def test_every_number_and_who_is_best(tmp_path: Path) -> None:
    rows = [
        row("moved", "sphere", "MGO", 0.4, 12),
        row("moved", "sphere", "TPE", 0.2, 6000),
        row("moved", "Levy", "MGO", 3.0, 12),
        row("moved", "Levy", "TPE", 1.0, 6000),
        row("plain", "sphere", "MGO", 0.0, 12),
        row("plain", "sphere", "TPE", 0.2, 6000),
        row("plain", "Levy", "MGO", 3.0, 12),
        row("plain", "Levy", "TPE", 5.0, 6000),
    ]
    page = optimizer_section(write(tmp_path, rows))
    assert "the lowest value found in 410 evaluations above" in page
    assert "median [quartiles] over 20 seeds" in page
    assert "| sphere | 2 | 0.4 [0.2, 0.8] | **0.2 [0.1, 0.4]** |" in page
    assert "| sphere | 2 | **0 [0, 0]** | 0.2 [0.1, 0.4] |" in page
    assert "| Shifted and rotated | 2 | 2 | 2.0 | **1.0** |" in page
    assert "| As they stand | 2 | 2 | **1.0** | 2.0 |" in page
    assert "| 2 | 12 | 6,000 | 500 | - |" in page


def test_a_budget_that_depends_on_the_dimensions(tmp_path: Path) -> None:
    rows = [row("moved", "sphere", "MGO", 0.4)]
    rows += [rows[0] | {"dimensions": n, "evaluations": 210} for n in (30, 10)]
    page = optimizer_section(write(tmp_path, rows))
    assert "in 410 (D = 2) or 210 (D = 10, 30) evaluations above" in page


@pytest.mark.parametrize("medians", [(0.0, 0.0), (0.0, -1e-15), (0.121, 0.119)])
def test_what_is_printed_alike_shares_its_rank_and_is_bold_alike(tmp_path: Path, medians: tuple[float, float]) -> None:
    rows = [
        row("moved", function, name, median)
        for function in ("sphere", "Levy")
        for name, median in zip(("MGO", "TPE"), medians, strict=True)
    ]
    page = optimizer_section(write(tmp_path, rows))
    assert "| Shifted and rotated | 2 | 2 | **1.5** | **1.5** |" in page
    assert page.count(f"**{abs(medians[0]):.2g} [") == 4


def test_one_function_makes_no_mean_rank(tmp_path: Path) -> None:
    page = optimizer_section(write(tmp_path, [row("moved", "sphere", name, 0.1) for name in ("MGO", "TPE")]))
    assert "Mean rank" not in page
    assert "| sphere | 2 | **0.1 [0.05, 0.2]** | **0.1 [0.05, 0.2]** |" in page


def test_the_time_of_the_sampler_and_the_goal(tmp_path: Path) -> None:
    times = {"MGO": 12, "MGO, Optuna": 800, "TPE": 6000}
    page = optimizer_section(write(tmp_path, [row("moved", "sphere", name, 0.1, time) for name, time in times.items()]))
    assert "The goal: TPE takes at least 20 times as long as MGO. Inside Optuna" in page
    assert "| D | MGO | MGO, Optuna | TPE | TPE / MGO | TPE / MGO, Optuna |" in page
    assert "| 2 | 12 | 800 | 6,000 | 500 | 7.5 |" in page


def measured(**medians: float) -> list[dict[str, Any]]:
    return [row("measured", "rate", name, median) for name, median in medians.items()]


def test_a_measured_fitness_is_told_to_where_it_differs(tmp_path: Path) -> None:
    page = optimizer_section(write(tmp_path, measured(MGO=0.0703853, TPE=0.0703854, QMC=0.0703927)))
    assert page.count("**0.070385 [") == 2
    assert "| 0.070393 [" in page


@pytest.mark.parametrize(
    ("medians", "told"),
    [
        ({"MGO": 0.01, "TPE": 0.02}, "No optimizer's median reached it."),
        ({"MGO": 0.0, "TPE": 0.0, "QMC": 0.1}, "It was reached by the median of MGO, TPE."),
    ],
)
def test_whose_landscape_the_measured_fitness_is(tmp_path: Path, medians: dict[str, float], told: str) -> None:
    page = optimizer_section(write(tmp_path, measured(**medians)))
    assert f"densest where MGO went; 0 is the lowest of them. {told}" in page


def test_what_has_not_been_run_is_told(tmp_path: Path) -> None:
    rows = [row("moved", function, "MGO", 0.4) for function in ("sphere", "Levy", "Ackley")]
    rows += [row("moved", function, "TPE", 1.0) for function in ("sphere", "Levy")]
    page = optimizer_section(write(tmp_path, rows))
    assert "| Ackley | 2 | **0.4 [0.2, 0.8]** | - |" in page
    assert "| functions | D | how many | MGO | TPE |" in page
    assert "| Shifted and rotated | 2 | 2 | **1.0** | 2.0 |" in page


def test_a_damaged_record(tmp_path: Path) -> None:
    (tmp_path / RECORD).parent.mkdir(parents=True)
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(InputError, match=r"optimizers.json: cannot be read .*run benchmarks/optimizers.py again"):
        optimizer_section(tmp_path)
