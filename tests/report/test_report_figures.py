from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from made_up_run import made_up_metrics
from matplotlib.patches import Rectangle

from omsn.report.figures import (
    caption_of,
    draw_calibration,
    draw_confusion,
    draw_figures,
    draw_history,
    draw_roc,
    draw_speakers,
)
from omsn.report.run import HistoryRow, parse_metrics
from omsn.report.scores import SpeakerRow
from omsn.report.style import THEMED, caption, figure_style, new_figure, to_svg, write_png


def row(fold: str, epoch: int, war: float) -> HistoryRow:
    return HistoryRow(seed=0, fold=fold, epoch=epoch, part="training", loss=1.0, war=war)


def test_a_run_with_next_to_nothing_still_draws() -> None:
    metrics = made_up_metrics()
    metrics |= {"calibrated": None}
    metrics["scores"] |= {"roc": [], "per_speaker": [], "calibration": []}
    metrics["scores"]["war"] = {"mean_over_folds": None, "pooled": None, "interval": [None, None], "per_seed": [None]}
    assert set(draw_figures(parse_metrics(metrics), ())) == {"scores", "confusion", "calibration"}


def test_confusion_names_every_cell_that_has_clips() -> None:
    axes = draw_confusion(("a", "b"), ((3, 1), (0, 0))).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "75%", "1", "25%"]
    assert sum(isinstance(patch, Rectangle) for patch in axes.patches) == 4


def test_mean_curve_ends_where_fewer_than_half_of_the_folds_train() -> None:
    history = [row(fold, epoch, war=k / 4) for k, fold in enumerate("abcd") for epoch in range(1, 4 if k < 3 else 7)]
    *thin, mean = draw_history(history).axes[0].lines
    assert len(thin) == 4
    assert np.array_equal(mean.get_xdata(), [1, 2, 3])
    assert mean.get_ydata()[0] == pytest.approx(0.375)  # type: ignore[index]


def test_many_speakers_are_not_named() -> None:
    speakers = [SpeakerRow(speaker=str(k), sex="", clips=1, war=0.5, uar=0.5) for k in range(60)]
    assert draw_speakers(speakers, 0.5, 0.1).axes[0].get_xticklabels() == []


def test_two_classes_leave_no_empty_panel_to_be_seen() -> None:
    run = parse_metrics(made_up_metrics())
    panels = draw_roc(run.scores.roc[:2], run.scores.per_class).axes
    assert [panel.get_visible() for panel in panels] == [True, True, False]


def test_svg_is_well_formed_and_follows_the_theme() -> None:
    metrics = made_up_metrics()
    run = parse_metrics(metrics)
    svg = to_svg(draw_confusion(run.labels, run.scores.confusion), "who is taken for whom")
    assert ElementTree.fromstring(svg).get("aria-label") == "who is taken for whom"
    assert "var(--ink)" in svg
    assert "var(--heat)" in svg
    assert not any(colour in svg for colour in THEMED)


def test_the_same_figure_gives_the_same_svg() -> None:
    assert to_svg(draw_confusion(("a",), ((1,),)), "x") == to_svg(draw_confusion(("a",), ((1,),)), "x")


def test_png_has_print_resolution_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_png(new_figure(1.0), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    size = np.frombuffer((tmp_path / "a.png").read_bytes()[16:24], ">u4")
    assert size.tolist() == [1440, 200]


def test_style_leaves_the_global_settings_alone() -> None:
    before = dict(mpl.rcParams)
    with figure_style():
        assert mpl.rcParams["svg.hashsalt"] == "omsn"
    assert dict(mpl.rcParams) == before


def test_every_figure_says_what_it_is_of() -> None:
    metrics = made_up_metrics() | {"recipe": "/home/somebody/mine.toml", "modality": "audio"}
    figures = draw_figures(parse_metrics(metrics), [row("a", 1, 0.5)])
    assert len(figures) == 6
    told = "made-up, actors-4 · normalisation none · voice only · network “mine.toml”"
    assert {figure.get_suptitle() for figure in figures.values()} == {told}


def test_what_a_figure_is_of_names_leaks_and_the_svm() -> None:
    metrics = made_up_metrics() | {"model": "svm", "normalisation": "enrolled"}
    metrics["protocol"] |= {"name": "random-80-20", "speaker_independent": False}
    told = "made-up, random-80-20 (leaks) · normalisation enrolled · face and voice · SVM"
    assert caption_of(parse_metrics(metrics)) == told


def test_a_caption_takes_no_room_from_its_figure_and_stays_within_it() -> None:
    for words, n_lines in ((5, 1), (40, 3)):
        figure = new_figure(2.0)
        caption(figure, " ".join(["corpora"] * words))
        assert figure.get_suptitle().count("\n") == n_lines - 1
        assert figure.get_figheight() > 2.0 + 0.1 * n_lines
        figure.draw_without_rendering()
        (text,) = figure.texts
        assert text.get_window_extent().x1 < figure.bbox.x1


def test_calibration_shows_both_sides_where_there_are_two() -> None:
    run = parse_metrics(made_up_metrics())
    assert run.calibrated is not None
    alone, both = (
        draw_calibration(run.scores.calibration),
        draw_calibration(run.scores.calibration, run.calibrated.bins),
    )
    named = [{text.get_text() for text in figure.axes[0].texts} for figure in (alone, both)]
    assert named[1] - named[0] == {"as it answers", "temperature-scaled"}
    assert len(both.axes[1].patches) == 2 * len(alone.axes[1].patches)
    wide, narrow = (figure.axes[1].patches[0] for figure in (alone, both))
    assert isinstance(wide, Rectangle)
    assert isinstance(narrow, Rectangle)
    assert narrow.get_width() == pytest.approx(wide.get_width() / 2)
