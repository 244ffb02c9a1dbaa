"""The page of one search for settings, and its figures: how fast it got there, and where the losses lie."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
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
from omsn.report.style import BLUE, INK, LINE, ORANGE, SURFACE, caption, clean, figure_style, new_figure
from omsn.report.tables import GIVEN, NONE, Table

Reals = NDArray[np.float64]

SEARCH_FILE, EVALUATIONS_FILE = "search.json", "evaluations.csv"

SHOWN_SHARE = 0.9
"""The landscape's frame holds this share of the losses; diverging candidates would press the rest flat."""

_DESCRIPTIONS = {
    "convergence": "Lowest loss so far after each evaluation",
    "landscape": "Loss of every candidate over each setting that was varied, and of the finalists in fresh orders, "
    "beside the recipe's own value",
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

    @property
    def finals(self) -> Mapping[str, Any] | None:
        """The round of finalists; None where there was none, as before there were any."""
        return self.facts.get("finalists")


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
    tables = {"table": found_table(run), "finalists": finalists_table(run)}
    return write_page(folder, "search.html", figures, _DESCRIPTIONS, facts=run.facts, finals=run.finals, **tables)


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


def finalists_table(run: SearchRun) -> Table | None:
    """Each finalist: its settings, its loss in the search, and in fresh orders; lowest mean first, the usual last."""
    if run.finals is None:
        return None
    names = [axis["setting"] for axis in run.facts["axes"]]
    found = [
        (
            *(_number(one["settings"][name]) for name in names),
            *_spread(one["search_loss"], one["losses"], one["mean_loss"]),
        )
        for one in run.finals["candidates"]
    ]
    usual = _spread(run.facts["usual_loss"], run.finals["usual_losses"], run.finals["usual_mean_loss"])
    own = ("in the recipe", *[""] * (len(names) - 1), *usual)
    header = (*names, "loss in the search", "mean in fresh orders", "lowest", "highest")
    return Table(header, (*found, own), marked=(0,))


def _spread(searched: float, losses: Sequence[float | None], mean: float | None) -> tuple[str, ...]:
    known = [loss for loss in losses if loss is not None]
    shown = (searched, mean, min(known, default=None), max(known, default=None) if mean is not None else None)
    return tuple(NONE if value is None else f"{value:.4f}" for value in shown)


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
    """One panel a setting: the loss of every candidate over its value, and those of the finalists in fresh orders."""
    count = len(run.facts["axes"])
    figure = new_figure(3.2)
    panels = np.atleast_1d(figure.subplots(1, count, sharey=True))
    low, high = _frame(run)
    room = 0.08 * (high - low) or 0.1
    for axes, axis, values in zip(panels, run.facts["axes"], run.values.T, strict=True):
        _draw_losses(axes, values, run.losses, INK if run.finals else ORANGE)
        if run.finals is not None:
            _draw_finalists(axes, axis["setting"], run.finals["candidates"])
        _mark_found(axes, axis["setting"], run)
        _mark_usual(axes, axis, run.facts["usual"].get(axis["setting"]))
        axes.set(xscale="log" if axis["log"] else "linear", ylim=(low - 2 * room, high + room))
        axes.set_xlabel(axis["setting"].rpartition(".")[2].replace("_", " "))
    panels[0].set_ylabel("loss")
    return figure


def _frame(run: SearchRun) -> tuple[float, float]:
    """The losses between which the landscape is drawn: most of the search's, and all of the winning finalist's."""
    finite = run.losses[np.isfinite(run.losses)]
    winning = run.finals["candidates"][0]["losses"] if run.finals else []
    return min([float(finite.min()), *winning]), max([float(np.quantile(finite, SHOWN_SHARE)), *winning])


def _draw_losses(axes: Axes, values: Reals, losses: Reals, lowest: str) -> None:
    """Points from the first, light, to the last, dark; a cross in a colour of its own on the lowest."""
    clean(axes, grid="both")
    order = LinearSegmentedColormap.from_list("order", [LINE, BLUE])
    axes.scatter(values, losses, c=np.arange(len(losses)), cmap=order, s=7, linewidths=0, rasterized=len(losses) > 2000)
    best = int(np.nanargmin(losses))
    axes.plot(values[best], losses[best], marker="x", markersize=9, markeredgewidth=2, color=lowest)
    axes.tick_params(which="minor", length=0)


def _draw_finalists(axes: Axes, setting: str, finals: Sequence[Mapping[str, Any]]) -> None:
    """Mean of each finalist in fresh orders as a ring, its lowest to its highest as a line; the winner's in orange."""
    whole = [one for one in finals if one["mean_loss"] is not None]
    for one in reversed(whole):  # the winner over the others
        value, losses, color = one["settings"][setting], one["losses"], ORANGE if one is whole[0] else INK
        axes.plot([value, value], [min(losses), max(losses)], color=color, linewidth=1)
        axes.plot(value, one["mean_loss"], marker="o", markersize=6, color=color, markerfacecolor=SURFACE)


def _mark_found(axes: Axes, setting: str, run: SearchRun) -> None:
    """The value that was found, beneath the winner or, without finalists, beneath the cross."""
    value = run.facts["found"][setting]
    lowest = min(run.finals["candidates"][0]["losses"]) if run.finals else float(np.nanmin(run.losses))
    axes.annotate(
        f"{value:.3g}",
        (value, lowest),
        (0, -6),
        textcoords="offset points",
        ha="center",
        va="top",
        color=INK,
        fontsize=8.5,
    )


def _mark_usual(axes: Axes, axis: Mapping[str, Any], value: float | None) -> None:
    """An upright line at the recipe's own value, where it is known and the axis can show it."""
    if value is None or (axis["log"] and value <= 0):
        return
    axes.axvline(value, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        "the recipe's own",
        (value, 1),
        (-2, -3),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="top",
        color=INK,
        fontsize=8.5,
    )
