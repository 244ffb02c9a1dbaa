"""What benchmarks/optimizers.py measured, as a section of docs/results.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from omsn.errors import InputError
from omsn.report.tables import NONE, Table, to_markdown

RECORD = Path("docs", "optimizers.json")

Row = Mapping[str, Any]

KINDS = {
    "moved": "Shifted and rotated",
    "plain": "As they stand, many with the lowest point at the origin or on the diagonal",
    "measured": "The fitness of omsn tune, read off a search's evaluations",
}
DIGITS = {"moved": 2, "plain": 2, "measured": 5}
"""Significant digits of what is printed, ranked and bold: on the real fitness all that differs comes late."""
ROUNDING = 1e-12
"""A sum of a function's terms may fall below its lowest value by this much."""
TIMES_GOAL = 20
"""How many times TPE's own time is to be that of MGO."""


def optimizer_section(root: Path) -> str:
    """The section, empty where nothing has been measured yet.

    Raises:
        InputError: the record cannot be read.
    """
    path = root / RECORD
    if not path.exists():
        return ""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return "\n".join(_parts(record))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error!r}); run benchmarks/optimizers.py again") from error


def _parts(record: Mapping[str, Any]) -> Iterator[str]:
    rows = record["rows"]
    yield "## Optimizers\n"
    yield (
        f"`benchmarks/optimizers.py`: the lowest value found in {_budget(rows)} above the lowest there is, median "
        f"[quartiles] over {record['seeds']} seeds. MGO has {record['population']} gazelles, and "
        '"MGO, Optuna" is the same as an Optuna sampler; the others are Optuna\'s, TPE with `multivariate`. Each seed '
        "shifts and rotates a function in its own way. The best of a row is bold; what is printed alike ranks alike.\n"
    )
    ranks = _ranks(rows)
    if ranks.rows:
        yield "### Mean rank by median, over the functions (1 is best)\n"
        yield to_markdown(ranks)
    yield "### CPU time of the optimizer itself, microseconds an evaluation (median over functions and seeds)\n"
    yield (
        f"The goal: TPE takes at least {TIMES_GOAL} times as long as MGO. Inside Optuna every sampler also spends "
        "Optuna's own time, which is about that of random.\n"
    )
    yield to_markdown(_times(rows))
    for kind, title in KINDS.items():
        some = [row for row in rows if row["kind"] == kind]
        if some:
            yield f"### {title}\n"
            if kind == "measured":
                yield _caution(some)
            yield to_markdown(_values(some))


def _budget(rows: Sequence[Row]) -> str:
    """Evaluations, the same for every optimizer, with the numbers of dimensions where they differ."""
    by_budget: dict[int, set[int]] = {}
    for row in rows:
        by_budget.setdefault(row["evaluations"], set()).add(row["dimensions"])
    if len(by_budget) == 1:
        return f"{next(iter(by_budget))} evaluations"
    told = (f"{count} (D = {', '.join(map(str, sorted(found)))})" for count, found in by_budget.items())
    return " or ".join(told) + " evaluations"


def _ranks(rows: Sequence[Row]) -> Table:
    """A row a kind and number of dimensions: each optimizer's mean rank over the functions that all have run on.

    There are several, or there is no row.
    """
    names = _optimizers(rows)
    lines = []
    for (kind, n_dimensions), group in _grouped(rows, "kind", "dimensions"):
        medians = [
            [_printed_median(cells[name]) for name in names]
            for _, cells in _by_function(group)
            if all(name in cells for name in names)
        ]
        if len(medians) > 1:
            ranks = np.array(
                [[1 + sum(b < a for b in line) + (line.count(a) - 1) / 2 for a in line] for line in medians]
            )
            means = [f"{mean:.1f}" for mean in ranks.mean(axis=0)]
            lines.append((KINDS[kind].partition(",")[0], str(n_dimensions), str(len(medians)), *_best_bold(means)))
    return Table(("functions", "D", "how many", *names), tuple(lines))


def _times(rows: Sequence[Row]) -> Table:
    names = _optimizers(rows)
    lines = []
    for (n_dimensions,), group in _grouped(rows, "dimensions"):
        times = {
            name: float(np.median(found))
            if (found := [r["microseconds"] for r in group if r["optimizer"] == name])
            else 0
            for name in names
        }
        ratios = (_ratio(times.get("TPE", 0), times.get(name, 0)) for name in ("MGO", "MGO, Optuna"))
        lines.append((str(n_dimensions), *(f"{time:,.0f}" if time else NONE for time in times.values()), *ratios))
    return Table(("D", *names, "TPE / MGO", "TPE / MGO, Optuna"), tuple(lines))


def _ratio(over: float, under: float) -> str:
    return f"{over / under:,.{0 if over >= 10 * under else 1}f}" if over and under else NONE


def _caution(rows: Sequence[Row]) -> str:
    """What the fitness read off a search is worth, and who found its lowest value again."""
    reached = [row["optimizer"] for row in rows if _printed_median(row) <= 0]
    told = f"It was reached by the median of {', '.join(reached)}" if reached else "No optimizer's median reached it"
    return (
        "The loss is interpolated between the evaluations of one search by MGO itself, which lie densest where MGO "
        f"went; 0 is the lowest of them. {told}.\n"
    )


def _values(rows: Sequence[Row]) -> Table:
    names = _optimizers(rows)
    lines = []
    for (n_dimensions,), group in _grouped(rows, "dimensions"):
        for function, cells in _by_function(group):
            medians = [_printed_median(cells[name]) if name in cells else np.inf for name in names]
            texts = [_spread(cells[name]) if name in cells else NONE for name in names]
            best = min(medians)
            bold = [f"**{text}**" if median == best else text for text, median in zip(texts, medians, strict=True)]
            lines.append((function, str(n_dimensions), *bold))
    return Table(("function", "D", *names), tuple(lines))


def _spread(row: Row) -> str:
    low, median, high = (_printed(row, name) for name in ("quartile_1", "median", "quartile_3"))
    return f"{median} [{low}, {high}]"


def _printed_median(row: Row) -> float:
    return float(_printed(row, "median"))


def _printed(row: Row, name: str) -> str:
    value = 0.0 if -ROUNDING < row[name] < 0 else row[name]
    return f"{value:.{DIGITS[row['kind']]}g}"


def _best_bold(numbers: Sequence[str]) -> list[str]:
    best = min(numbers, key=float)
    return [f"**{number}**" if number == best else number for number in numbers]


def _by_function(rows: Sequence[Row]) -> Iterator[tuple[str, dict[str, Row]]]:
    """Each function with its rows by optimizer."""
    for (function,), group in _grouped(rows, "function"):
        yield function, {row["optimizer"]: row for row in group}


def _grouped(rows: Sequence[Row], *names: str) -> Iterator[tuple[tuple[Any, ...], list[Row]]]:
    """Rows that agree in these columns, in the record's order."""

    def key(row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in names)

    order = list(dict.fromkeys(map(key, rows)))
    for values, group in groupby(sorted(rows, key=lambda row: order.index(key(row))), key=key):
        yield values, list(group)


def _optimizers(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["optimizer"] for row in rows))
