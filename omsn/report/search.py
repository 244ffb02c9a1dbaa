"""The page of one search for settings, and its figures: how fast it got there, and where the losses lie."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.report.page import write_page
from omsn.report.style import BLUE, INK, LINE, ORANGE, caption, clean, figure_style, new_figure
from omsn.report.tables import GIVEN, NONE, Table

Reals = NDArray[np.float64]

SEARCH_FILE, EVALUATIONS_FILE = "search.json", "evaluations.csv"

SHOWN_SHARE = 0.9
"""The landscape's frame holds this share of the losses; diverging candidates would press the rest flat."""

_DESCRIPTIONS = {
    "convergence": "Lowest loss so far after each evaluation",
    "landscape": "Loss of every candidate over each setting that was varied",
}


@dataclass(frozen=True, eq=False)
class SearchRun:
    """What a search's folder holds.

    Attributes:
        facts: ``search.json``.
        values: (n, D) value of each setting, in the order of ``facts["axes"]``.
        losses: (n,) NaN where training diverged.
    """

    facts: Mapping[str, Any]
    values: Reals
    losses: Reals


def read_search(folder: Path) -> SearchRun:
    """Read ``search.json`` and ``evaluations.csv``.

    Raises:
        InputError: one is missing or damaged.
    """
    try:
        facts = json.loads((folder / SEARCH_FILE).read_text(encoding="utf-8"))
        with (folder / EVALUATIONS_FILE).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = [axis["setting"] for axis in facts["axes"]]
        values = np.array([[float(row[name]) for name in names] for row in rows]).reshape(len(rows), len(names))
        losses = np.array([float(row["loss"] or "nan") for row in rows])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: no finished search in it ({error}); run omsn tune to the end first") from error
    return SearchRun(facts, values, losses)


def write_search_report(folder: Path) -> Path:
    """Write ``report.html`` and ``figures/*.png`` of a search; returns the path of the page.

    Raises:
        InputError: the folder holds no finished search.
    """
    run = read_search(folder)
    with figure_style():
        figures = {"convergence": draw_convergence(run), "landscape": draw_landscape(run)}
        for figure in figures.values():
            caption(figure, caption_of(run.facts))
    return write_page(folder, "search.html", figures, _DESCRIPTIONS, facts=run.facts, table=found_table(run))


def caption_of(facts: Mapping[str, Any]) -> str:
    """What the figures are of, on one line; searches of before it was noted do not say in which mode they were."""
    search = facts["search"]
    told = (
        f"search with recipe “{PurePath(facts['recipe']).name}”",
        f"normalisation {facts.get('normalisation', NONE)}",
        GIVEN.get(facts.get("modality", ""), NONE),
        f"SMGCNN, {search['steps']} steps of {search['batch_size']} clips",
        f"{search['held_out']:.0%} of the speakers kept out, seed {facts['seed']}",
    )
    return " · ".join(told)


def found_table(run: SearchRun) -> Table:
    """Each setting: its range, what the recipe has, what was found."""
    rows = tuple(
        (
            axis["setting"],
            f"{axis['low']:g} to {axis['high']:g}{', logarithmic' if axis['log'] else ''}",
            _number(run.facts["usual"].get(axis["setting"])),
            _number(run.facts["found"][axis["setting"]]),
        )
        for axis in run.facts["axes"]
    )
    return Table(("setting", "searched", "in the recipe", "found"), rows)


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}"


def draw_convergence(run: SearchRun) -> Figure:
    """The lowest loss so far, on a logarithmic axis of evaluations, beside the recipe's own settings."""
    figure = new_figure(3.0)
    axes = clean(figure.subplots())
    lowest = np.fmin.accumulate(run.losses)
    axes.step(np.arange(1, len(lowest) + 1), lowest, where="post", color=BLUE, linewidth=2)
    usual = float(run.facts["usual_loss"])
    axes.axhline(usual, color=ORANGE, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.text(len(lowest), usual, "the recipe's own", color=ORANGE, fontsize=8.5, ha="right", va="bottom")
    axes.set(xscale="log", xlabel="evaluations", ylabel="lowest loss so far")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.tick_params(which="minor", length=0)
    return figure


def draw_landscape(run: SearchRun) -> Figure:
    """One panel a setting: the loss of every candidate over its value."""
    count = len(run.facts["axes"])
    figure = new_figure(3.2)
    panels = np.atleast_1d(figure.subplots(1, count, sharey=True))
    finite = run.losses[np.isfinite(run.losses)]
    low, high = float(finite.min()), float(np.quantile(finite, SHOWN_SHARE))
    room = 0.08 * (high - low) or 0.1
    for axes, axis, values in zip(panels, run.facts["axes"], run.values.T, strict=True):
        _draw_losses(axes, values, run.losses)
        axes.set(xscale="log" if axis["log"] else "linear", ylim=(low - room, high + room))
        axes.set_xlabel(axis["setting"].rpartition(".")[2].replace("_", " "))
    panels[0].set_ylabel("loss")
    return figure


def _draw_losses(axes: Axes, values: Reals, losses: Reals) -> None:
    """Points from the first, light, to the last, dark; a cross on the best."""
    clean(axes, grid="both")
    order = LinearSegmentedColormap.from_list("order", [LINE, BLUE])
    axes.scatter(values, losses, c=np.arange(len(losses)), cmap=order, s=7, linewidths=0, rasterized=len(losses) > 2000)
    best = int(np.nanargmin(losses))
    axes.plot(values[best], losses[best], marker="x", markersize=9, markeredgewidth=2, color=ORANGE)
    axes.annotate(
        f"{values[best]:.3g}",
        (values[best], losses[best]),
        (6, -4),
        textcoords="offset points",
        color=INK,
        fontsize=8.5,
    )
    axes.tick_params(which="minor", length=0)
