"""The picture of one model under several protocols: its scores as its test shares more or less with its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from omsn.report.scores import Metric
from omsn.report.style import BLUE, INK, MUTED, ORANGE, clean, figure_style, new_figure, percent_axis, title

_ROW_IN, _ROOM_IN = 0.62, 1.0
_SIDES = (("network", BLUE, "o", -0.13), ("SVM", ORANGE, "D", 0.2))
"""What a row shows: name, colour, marker, and how far below the row's middle it lies, in rows."""


@dataclass(frozen=True)
class ProtocolScores:
    """One row of the picture.

    Attributes:
        name: of the protocol.
        shared: what its test part shares with the training part, in words.
        network: the network's WAR.
        svm: the SVM's on the same folds; None where it was not trained.
    """

    name: str
    shared: str
    network: Metric
    svm: Metric | None


def draw_protocols(rows: Sequence[ProtocolScores], chance: float) -> Figure:
    """WAR of the network and of the SVM under each protocol, with 95% intervals, against chance."""
    with figure_style():
        figure = new_figure(_ROOM_IN + _ROW_IN * len(rows))
        axes = clean(figure.subplots(), grid="x")
        title(axes, "WAR, by what the test shares with the training")
        axes.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axes.text(chance, -0.72, " chance", color=MUTED, fontsize=8.5, va="center")
        for position, row in enumerate(rows):
            for (_, colour, mark, shift), metric in zip(_SIDES, (row.network, row.svm), strict=True):
                _draw_score(axes, position + shift, metric, colour, mark)
        axes.set(xlim=(0, 1.02), ylim=(len(rows) - 0.42, -0.98))
        percent_axis(axes, "x")
        axes.set_yticks(range(len(rows)), [f"{row.shared}\n{row.name}" for row in rows], color=INK)
        _draw_key(axes, rows[0].svm is not None if rows else False)
    return figure


def _draw_score(axes: Axes, height: float, metric: Metric | None, colour: str, mark: str) -> None:
    """A dot at the pooled value, a line over its interval, and the value to the left of both."""
    if metric is None or metric.pooled is None:
        return
    low, high = (metric.pooled if edge is None else edge for edge in metric.interval)
    axes.plot([low, high], [height, height], color=colour, linewidth=2.6, alpha=0.45, solid_capstyle="round")
    axes.plot(metric.pooled, height, mark, color=colour, markersize=7 if mark == "o" else 6)
    axes.text(low - 0.018, height, f"{metric.pooled:.1%}", ha="right", va="center", color=INK, fontsize=9)


def _draw_key(axes: Axes, with_svm: bool) -> None:
    """What the markers stand for, above the right end of the plot."""
    for (name, colour, mark, _), place in zip(_SIDES[: 1 + with_svm], (0.76, 0.91), strict=False):
        axes.plot(place, 1.045, mark, color=colour, markersize=6, transform=axes.transAxes, clip_on=False)
        axes.text(place + 0.018, 1.045, name, color=INK, va="center", fontsize=9, transform=axes.transAxes)
