"""The pictures of a report, each a function of what ``metrics.json`` and ``history.csv`` hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from omsn.report.run import HistoryRow, RunMetrics
from omsn.report.scores import CalibrationBin, ClassRow, Metric, RocCurve, SpeakerRow
from omsn.report.style import (
    BLUE,
    HEAT,
    INK,
    LINE,
    MUTED,
    ON_HEAT,
    ORANGE,
    SURFACE,
    caption,
    clean,
    figure_style,
    new_figure,
    percent_axis,
    title,
)
from omsn.report.tables import GIVEN

_PARTS: tuple[tuple[Literal["training", "validation"], str], ...] = (("training", BLUE), ("validation", ORANGE))
_SEX_MARKS = (("male", BLUE, "o"), ("female", ORANGE, "D"))
_MAX_NAMED_SPEAKERS = 40
_MAX_UPRIGHT_NAME = 3
_TEXT_APART = 0.06
"""Share of an axis that two words beside each other's lines need between them."""
_DARK_CELL = 0.5
"""Above this share of its row a cell is so dark that light text reads better than dark text."""


def draw_figures(run: RunMetrics, history: Sequence[HistoryRow]) -> dict[str, Figure]:
    """Every figure that the run has data for, by the name of its file."""
    scores = run.scores
    with figure_style():
        figures = {"scores": draw_scores(run), "confusion": draw_confusion(run.labels, scores.confusion)}
        if history:
            figures["history"] = draw_history(history)
        if scores.roc:
            figures["roc"] = draw_roc(scores.roc, scores.per_class)
        if len(scores.per_speaker) > 1:
            figures["speakers"] = draw_speakers(scores.per_speaker, scores.war.pooled or 0.0, scores.chance.war)
        figures["calibration"] = draw_calibration(scores.calibration, run.calibrated.bins if run.calibrated else ())
        for figure in figures.values():
            caption(figure, caption_of(run))
    return figures


def caption_of(run: RunMetrics) -> str:
    """What the figures are of, on one line: a picture that is taken out of its page still says it."""
    model = "SVM" if run.model == "svm" else f"network “{PurePath(run.recipe).name}”"
    split = f"{run.data.corpus}, {run.protocol.name}{' (leaks)' if run.protocol.leaky else ''}"
    return " · ".join((split, f"normalisation {run.normalisation}", GIVEN[run.modality], model))


def draw_scores(run: RunMetrics) -> Figure:
    """WAR and UAR with their intervals, the baseline beside them, against chance."""
    rows = [("SVM" if run.model == "svm" else "network", run.scores.war, run.scores.uar, BLUE, "o")]
    if run.baseline:
        rows.append(
            (f"{run.baseline.name.upper()} baseline", run.baseline.scores.war, run.baseline.scores.uar, ORANGE, "D")
        )
    figure = new_figure(1.15 + 0.42 * len(rows))
    panels = figure.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.09})
    chances = (run.scores.chance.war, run.scores.chance.uar)
    for column, (axes, name, chance) in enumerate(zip(panels, ("WAR (accuracy)", "UAR"), chances, strict=True)):
        clean(axes, grid="x")
        title(axes, name)
        axes.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axes.text(chance, -0.62, " chance", color=MUTED, fontsize=8.5, va="center")
        for position, row in enumerate(rows):
            _dot_with_interval(axes, position, (row[1], row[2])[column], row[3], row[4])
        axes.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.85))
        percent_axis(axes, "x")
    panels[0].set_yticks(range(len(rows)), [row[0] for row in rows], color=INK)
    return figure


def draw_confusion(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> Figure:
    """Who is taken for whom (the paper's figure 3): clips, and the share of each true class."""
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(min(6.2, 0.9 + 0.68 * len(labels)))
    axes = clean(figure.subplots(), grid=None)
    for row, column in np.ndindex(counts.shape):
        _confusion_cell(axes, row, column, int(counts[row, column]), float(shares[row, column]), len(labels))
    axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(len(labels) - 0.5, -0.5))
    axes.set_xticks(range(len(labels)), labels, color=INK, rotation=0 if len(labels) <= 8 else 45)
    axes.set_yticks(range(len(labels)), labels, color=INK)
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    axes.set_xlabel("predicted class", color=MUTED, labelpad=8)
    axes.set_ylabel("true class", color=MUTED, labelpad=8)
    return figure


def draw_history(history: Sequence[HistoryRow]) -> Figure:
    """Accuracy and loss by epoch (the paper's figure 4): thin lines are folds, thick ones their mean."""
    figure = new_figure(3.0)
    panels = figure.subplots(1, 2)
    measures: tuple[tuple[str, Callable[[HistoryRow], float]], ...] = (
        ("Accuracy (WAR)", lambda row: row.war),
        ("Loss", lambda row: row.loss),
    )
    for axes, (name, measure) in zip(panels, measures, strict=True):
        clean(axes)
        title(axes, name)
        axes.set_xlabel("epoch")
        ends = [_draw_curves(axes, history, part, colour, measure) for part, colour in _PARTS]
        axes.set_ylim(0, 1 if name.startswith("Accuracy") else None)
        axes.margins(x=0.02)
        _label_ends(axes, ends)
    percent_axis(panels[0], "y")
    return figure


def draw_roc(curves: Sequence[RocCurve], per_class: Sequence[ClassRow]) -> Figure:
    """One panel a class (the paper's figure 5): its ROC curve against the rest, among those of the other classes."""
    areas = {row.label: row.auc for row in per_class}
    n_columns = 3 if len(curves) in (1, 2, 3, 5, 6) else 4
    n_rows = -(-len(curves) // n_columns)
    figure = new_figure((6.9 / n_columns + 0.15) * n_rows + 0.4)
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(curves) :]:
        axes.set_visible(False)
    for axes, curve in zip(panels.flat, curves, strict=False):
        clean(axes, grid="both")
        title(axes, curve.label)
        for other in curves:
            axes.plot(other.false_positive_rate, other.true_positive_rate, color=LINE, linewidth=1)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.plot(curve.false_positive_rate, curve.true_positive_rate, color=BLUE, linewidth=2)
        axes.text(0.97, 0.06, f"AUC {areas[curve.label] or 0:.3f}", ha="right", color=INK, fontsize=9.5)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    figure.supxlabel("false positive rate", color=MUTED, fontsize=9)
    figure.supylabel("true positive rate", color=MUTED, fontsize=9)
    return figure


def draw_speakers(speakers: Sequence[SpeakerRow], mean: float, chance: float) -> Figure:
    """Each speaker's WAR, from the hardest to the easiest, against all clips' WAR."""
    rows = sorted(speakers, key=lambda row: row.war)
    figure = new_figure(2.9)
    axes = clean(figure.subplots())
    axes.axhline(mean, color=INK, linewidth=1)
    axes.axhline(chance, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    for position, row in enumerate(rows):
        _, colour, mark = next((each for each in _SEX_MARKS if each[0] == row.sex), ("", MUTED, "o"))
        axes.plot([position, position], [mean, row.war], color=LINE, linewidth=1.6, zorder=1)
        axes.plot(position, row.war, mark, color=colour, markersize=7 if mark == "o" else 6, zorder=2)
    right = len(rows) - 0.3
    close = abs(mean - chance) < _TEXT_APART  # then one word stands above its line and the other below
    above, below = ("bottom", "top") if mean >= chance else ("top", "bottom")
    axes.text(right, mean, f" all {mean:.0%}", color=INK, va=above if close else "center", fontsize=9)
    axes.text(right, chance, " chance", color=MUTED, va=below if close else "center", fontsize=9)
    axes.set(xlim=(-0.7, right), ylim=(0, 1.02), ylabel="WAR")
    named = [row.speaker for row in rows] if len(rows) <= _MAX_NAMED_SPEAKERS else []
    long = any(len(name) > _MAX_UPRIGHT_NAME for name in named)
    axes.set_xticks(range(len(named)), named, rotation=90 if long else 0)
    axes.set_xlabel("speaker, hardest to easiest")
    percent_axis(axes, "y")
    _name_sexes(axes, {row.sex for row in rows})
    return figure


def draw_calibration(bins: Sequence[CalibrationBin], scaled: Sequence[CalibrationBin] = ()) -> Figure:
    """How often an answer of a given confidence is right; on the diagonal, confidence can be believed.

    Args:
        bins: as the model answers.
        scaled: after temperature scaling; empty where there was none.
    """
    most = max((each.clips for each in (*bins, *scaled)), default=0) or 1
    figure = new_figure(4.3)
    curve, shares = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    clean(curve, grid="both")
    curve.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    diagonal = {"rotation": 45, "rotation_mode": "anchor", "transform_rotates_text": True}
    curve.text(0.05, 0.06, "perfectly calibrated", color=MUTED, fontsize=8.5, **diagonal)
    clean(shares, grid=None)
    sides = (("as it answers", bins, BLUE, "o"), ("temperature-scaled", scaled, ORANGE, "D"))
    for place, (name, side, colour, mark) in enumerate(each for each in sides if each[1]):
        _draw_reliability(curve, side, most, colour, mark)
        _draw_counts(shares, side, place, 2 if scaled else 1, colour)
        if scaled:
            _name_above(curve, 0.24 * place, name, colour, mark)
    curve.set(xlim=(0, 1), ylim=(0, 1.03), ylabel="share that is right")
    percent_axis(curve, "y")
    shares.set(xlabel="confidence: probability given to the predicted class", ylabel="answers")
    shares.set_yticks([most], [f"{most:,}"])
    percent_axis(shares, "x")
    return figure


def _draw_reliability(axes: Axes, bins: Sequence[CalibrationBin], most: int, colour: str, mark: str) -> None:
    """Accuracy over confidence, with larger dots for more answers."""
    filled = [each for each in bins if each.clips]
    said, right = [each.confidence for each in filled], [each.accuracy for each in filled]
    axes.plot(said, right, color=colour, linewidth=1.6)
    sizes = [18 + 110 * each.clips / most for each in filled]
    dots = axes.scatter(said, right, s=sizes, color=colour, marker=mark, edgecolors=SURFACE, linewidths=1.2, zorder=3)
    dots.set_clip_on(False)


def _draw_counts(axes: Axes, bins: Sequence[CalibrationBin], place: int, places: int, colour: str) -> None:
    """Answers in each bin, as bars that share the bin's width with those of other places."""
    for each in bins:
        width = (each.high - each.low) * 0.86 / places
        middle = (each.low + each.high) / 2 + (place - (places - 1) / 2) * width
        axes.bar(middle, each.clips, width=width, color=colour, alpha=0.55)


def _dot_with_interval(axes: Axes, position: int, metric: Metric, colour: str, mark: str) -> None:
    """A dot at the pooled value, a line over its interval, and the value above."""
    if metric.pooled is None:
        return
    low, high = metric.interval
    if low is not None and high is not None:
        axes.plot([low, high], [position, position], color=colour, linewidth=2.4, alpha=0.45, solid_capstyle="round")
    axes.plot(metric.pooled, position, mark, color=colour, markersize=7, clip_on=False)
    value = axes.text(metric.pooled, position - 0.22, f"{metric.pooled:.1%}", ha="center", va="bottom", color=INK)
    value.set(fontsize=9, bbox={"facecolor": SURFACE, "edgecolor": "none", "alpha": 0.8, "pad": 0.6})


def _confusion_cell(axes: Axes, row: int, column: int, count: int, share: float, n_classes: int) -> None:
    """One cell: its depth is the share of the true class, its text the clips and that share."""
    axes.add_patch(
        Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, color=HEAT, alpha=0.04 + 0.96 * share, linewidth=0)
    )
    if not count:
        return
    colour, scale = (ON_HEAT if share > _DARK_CELL else INK), min(1.0, 8 / n_classes)
    for text, size, rise, alpha in ((f"{count}", 11, 4, 1.0), (f"{share:.0%}", 8, -9, 0.85)):
        shift = (0, rise * scale)
        words = axes.annotate(text, (column, row), xytext=shift, textcoords="offset points", ha="center", va="center")
        words.set(color=colour, fontsize=size * scale, alpha=alpha)


def _draw_curves(
    axes: Axes, history: Sequence[HistoryRow], part: str, colour: str, measure: Callable[[HistoryRow], float]
) -> tuple[str, str, float] | None:
    """Thin lines of one part's folds and their mean; its name, colour and last value, or None without rows."""
    rows = sorted((row for row in history if row.part == part), key=lambda row: (row.seed, row.fold, row.epoch))
    if not rows:
        return None
    for _, group in groupby(rows, key=lambda row: (row.seed, row.fold)):
        fold = list(group)
        axes.plot([row.epoch for row in fold], [measure(row) for row in fold], color=colour, linewidth=0.6, alpha=0.3)
    epochs, means = _mean_curve(rows, measure)
    axes.plot(epochs, means, color=colour, linewidth=2.2)
    return part, colour, float(means[-1])


def _mean_curve(
    rows: Sequence[HistoryRow], measure: Callable[[HistoryRow], float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Mean over folds by epoch, as long as at least half of the folds still train; then too few speak for all."""
    epochs, index, running = np.unique([row.epoch for row in rows], return_inverse=True, return_counts=True)
    means = np.bincount(index, weights=[measure(row) for row in rows]) / running
    kept = running >= running.max() / 2
    return epochs[kept], means[kept]


def _label_ends(axes: Axes, ends: Sequence[tuple[str, str, float] | None]) -> None:
    """Name each mean curve in the right margin at the height of its end, moved apart where two ends meet."""
    known = sorted((end for end in ends if end), key=lambda end: end[2])
    low, high = axes.get_ylim()
    last = float("-inf")
    for name, colour, value in known:
        last = max(value, last + 0.09 * (high - low))
        place = axes.get_yaxis_transform()
        axes.text(1.02, last, name, transform=place, color=colour, va="center", fontsize=9, fontweight="bold")


def _name_sexes(axes: Axes, sexes: set[str]) -> None:
    """A key above the plot, where speakers' sexes are known."""
    place = 0.0
    for sex, colour, mark in _SEX_MARKS:
        if sex in sexes:
            _name_above(axes, place, sex, colour, mark)
            place += 0.12


def _name_above(axes: Axes, place: float, name: str, colour: str, mark: str) -> None:
    """One entry of a key above the plot, from ``place`` (a share of its width) on."""
    axes.plot(place + 0.012, 1.07, mark, color=colour, markersize=6, transform=axes.transAxes, clip_on=False)
    axes.text(place + 0.03, 1.07, name, color=INK, va="center", fontsize=9, transform=axes.transAxes)
