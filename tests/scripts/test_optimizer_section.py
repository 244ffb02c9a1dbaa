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
    ]
    page = optimizer_section(write(tmp_path, rows))
    assert "the lowest value found in 410 evaluations above" in page
    assert "median [quartiles] over 20 seeds" in page
    assert "| sphere | 2 | 0.4 [0.2, 0.8] | **0.2 [0.1, 0.4]** |" in page
    assert "| sphere | 2 | **0 [0, 0]** | 0.2 [0.1, 0.4] |" in page
    assert "| Shifted and rotated | 2 | 2 | 2.0 | **1.0** |" in page
    assert "| As they stand | 2 | 1 | **1.0** | 2.0 |" in page
    assert "| 2 | 12 | 6,000 | 500 |" in page


def test_a_budget_that_depends_on_the_dimensions(tmp_path: Path) -> None:
    rows = [row("moved", "sphere", "MGO", 0.4)]
    rows += [rows[0] | {"dimensions": n, "evaluations": 210} for n in (30, 10)]
    page = optimizer_section(write(tmp_path, rows))
    assert "in 410 (D = 2) or 210 (D = 10, 30) evaluations above" in page


def test_ties_share_their_rank(tmp_path: Path) -> None:
    page = optimizer_section(write(tmp_path, [row("moved", "sphere", name, 0.0) for name in ("MGO", "TPE")]))
    assert "| Shifted and rotated | 2 | 1 | **1.5** | **1.5** |" in page


def test_what_has_not_been_run_is_told(tmp_path: Path) -> None:
    rows = [row("moved", "sphere", "MGO", 0.4), row("moved", "Levy", "TPE", 1.0)]
    page = optimizer_section(write(tmp_path, rows))
    assert "| sphere | 2 | **0.4 [0.2, 0.8]** | - |" in page
    assert "how many" in page


def test_a_damaged_record(tmp_path: Path) -> None:
    (tmp_path / RECORD).parent.mkdir(parents=True)
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(InputError, match=r"optimizers.json: cannot be read .*run benchmarks/optimizers.py again"):
        optimizer_section(tmp_path)
