from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from omsn.errors import InputError
from omsn.report.search import (
    caption_of,
    draw_convergence,
    draw_landscape,
    finalists_table,
    found_table,
    read_search,
    write_search_report,
)
from omsn.report.style import INK, ORANGE

RATE, DECAY = "training.classifier_learning_rate", "training.weight_decay"


def made_up_finals() -> dict[str, object]:
    """Two finalists and the recipe's own settings in three fresh orders; the second diverged in one."""
    return {
        "seeds": [1, 2, 3],
        "usual_losses": [0.5, 0.6, 0.7],
        "usual_mean_loss": 0.6,
        "candidates": [
            {"settings": {RATE: 0.00123, DECAY: 0.25}, "search_loss": 0.2, "losses": [0.3, 0.4, 0.8], "mean_loss": 0.5},
            {"settings": {RATE: 0.05, DECAY: 0.5}, "search_loss": 0.1, "losses": [0.3, None, 0.9], "mean_loss": None},
        ],
    }


def with_finals(folder: Path, **changed: object) -> Path:
    path = made_up_search(folder) / "search.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finalists": made_up_finals() | changed}))
    return folder


def made_up_search(folder: Path, *, n: int = 30, diverged: int = 3) -> Path:
    """A search over two settings, the best in the middle; the last candidates diverged."""
    generator = np.random.default_rng(0)
    rates, decays = 10 ** generator.uniform(-5, -1, n), generator.uniform(0, 1, n)
    losses = [(np.log10(rate) + 3) ** 2 + decay for rate, decay in zip(rates, decays, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "evaluations.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["iteration", RATE, DECAY, "loss"])
        for row in range(n):
            writer.writerow([0, rates[row], decays[row], losses[row] if row < n - diverged else ""])
    axes = [
        {"setting": RATE, "low": 1e-5, "high": 0.1, "log": True},
        {"setting": DECAY, "low": 0.0, "high": 1.0, "log": False},
    ]
    facts = {
        "recipe": "default",
        "normalisation": "enrolled",
        "modality": "both",
        "seed": 0,
        "evaluations": n,
        "unusable": diverged,
        "loss": 0.1,
        "usual_loss": 0.5,
        "axes": axes,
        "found": {RATE: 0.00123, DECAY: 0.25},
        "usual": {RATE: None, DECAY: 0.05},
        "search": {
            "steps": 40,
            "batch_size": 8,
            "held_out": 0.2,
            "gazelles": {"population": 5, "iterations": 3},
        },
    }
    (folder / "search.json").write_text(json.dumps(facts))
    return folder


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    page = write_search_report(made_up_search(tmp_path)).read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") == 2
    assert "<h2>The finalists</h2>" not in page
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"convergence.png", "landscape.png"}


def test_the_figures_say_what_was_searched_and_how(tmp_path: Path) -> None:
    facts = dict(read_search(made_up_search(tmp_path)).facts)
    told = "SMGCNN, 40 steps of 8 clips · 20% of the speakers kept out, seed 0"
    assert caption_of(facts) == f"search with recipe “default” · normalisation enrolled · face and voice · {told}"
    del facts["normalisation"], facts["modality"]
    assert caption_of(facts) == f"search with recipe “default” · normalisation - · - · {told}"


@pytest.mark.parametrize(("usual", "warned"), [(0.5, False), (0.1, True), (0.05, True)])
def test_a_search_that_found_nothing_better_says_so(tmp_path: Path, usual: float, *, warned: bool) -> None:
    path = made_up_search(tmp_path) / "search.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"usual_loss": usual}))
    assert ("Nothing that was tried is better" in write_search_report(tmp_path).read_text()) is warned


def test_the_table_says_what_was_found(tmp_path: Path) -> None:
    table = found_table(read_search(made_up_search(tmp_path)))
    assert table.rows == (
        (RATE, "1e-05 to 0.1, logarithmic", "-", "0.00123"),
        (DECAY, "0 to 1", "0.05", "0.25"),
    )


def test_the_curve_never_rises_and_ends_at_the_best(tmp_path: Path) -> None:
    run = read_search(made_up_search(tmp_path))
    (axes,) = draw_convergence(run).axes
    heights = np.asarray(axes.lines[0].get_ydata(), dtype=float)
    assert (np.diff(heights) <= 0).all()
    assert heights[-1] == np.nanmin(run.losses)


def test_every_candidate_with_a_loss_is_a_point_and_the_cross_is_the_best(tmp_path: Path) -> None:
    run = read_search(made_up_search(tmp_path))
    panels = draw_landscape(run).axes
    assert [axes.get_xscale() for axes in panels] == ["log", "linear"]
    best = int(np.nanargmin(run.losses))
    for column, axes in enumerate(panels):
        assert np.isfinite(np.asarray(axes.collections[0].get_offsets(), dtype=float)[:, 1]).sum() == 27
        assert axes.lines[0].get_xydata() == pytest.approx(np.array([[run.values[best, column], run.losses[best]]]))


def test_the_page_tells_what_won_and_what_was_luck(tmp_path: Path) -> None:
    page = write_search_report(with_finals(tmp_path)).read_text()
    cards = re.findall(r"<b>([0-9.,]+)</b>\s*<span>([^<]*)</span>", page)
    assert cards[0] == ("0.5000", "mean of 3 fresh orders of the clips")
    assert [value for value, _ in cards] == ["0.5000", "0.6000", "0.1000", "3"]
    assert "<h2>The finalists</h2>" in page
    assert "Nothing that was tried is better" not in page


@pytest.mark.parametrize(("usual", "warned"), [(0.5, True), (None, False)])
def test_finalists_no_better_than_the_usual(tmp_path: Path, usual: float | None, *, warned: bool) -> None:
    page = write_search_report(with_finals(tmp_path, usual_mean_loss=usual)).read_text()
    assert ("Nothing that was tried is better" in page) is warned


def test_the_table_of_finalists(tmp_path: Path) -> None:
    table = finalists_table(read_search(with_finals(tmp_path)))
    assert table is not None
    assert table.header == (RATE, DECAY, "loss in the search", "mean in fresh orders", "lowest", "highest")
    assert table.rows == (
        ("0.00123", "0.25", "0.2000", "0.5000", "0.3000", "0.8000"),
        ("0.05", "0.5", "0.1000", "-", "0.3000", "-"),
        ("in the recipe", "", "0.5000", "0.6000", "0.5000", "0.7000"),
    )
    assert table.marked == (0,)
    assert finalists_table(read_search(made_up_search(tmp_path / "old"))) is None


def test_finalists_are_drawn_with_their_spread_and_the_winner_in_its_own_colour(tmp_path: Path) -> None:
    run = read_search(with_finals(tmp_path))
    for axes, value in zip(draw_landscape(run).axes, (0.00123, 0.25), strict=True):
        cross, spread, ring = axes.lines[:3]  # the finalist that diverged has no mean to draw
        assert (cross.get_marker(), cross.get_color()) == ("x", INK)
        assert spread.get_xydata() == pytest.approx(np.array([[value, 0.3], [value, 0.8]]))
        assert ring.get_xydata() == pytest.approx(np.array([[value, 0.5]]))
        assert ring.get_color() == spread.get_color() == ORANGE
        assert axes.texts[0].get_text() == f"{value:.3g}"
        assert axes.get_ylim()[1] > 0.8


def test_the_recipes_own_value_is_marked_where_it_is_known(tmp_path: Path) -> None:
    path = made_up_search(tmp_path) / "search.json"
    unknown, known = draw_landscape(read_search(tmp_path)).axes
    assert (len(unknown.lines), len(known.lines)) == (1, 2)
    assert np.asarray(known.lines[1].get_xdata()) == pytest.approx(0.05)
    assert [text.get_text() for text in known.texts] == ["0.25", "the recipe's own"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"usual": {RATE: 0.002, DECAY: 0.05}}))
    rate, _ = draw_landscape(read_search(tmp_path)).axes
    assert np.asarray(rate.lines[1].get_xdata()) == pytest.approx(0.002)


def test_a_value_that_a_logarithmic_axis_cannot_show_is_not_marked(tmp_path: Path) -> None:
    path = made_up_search(tmp_path) / "search.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"usual": {RATE: 0.0, DECAY: 0.0}}))
    rate, decay = draw_landscape(read_search(tmp_path)).axes
    assert (len(rate.lines), len(decay.lines)) == (1, 2)


@pytest.mark.parametrize("missing", ["search.json", "evaluations.csv"])
def test_an_unfinished_search(tmp_path: Path, missing: str) -> None:
    (made_up_search(tmp_path) / missing).unlink()
    with pytest.raises(InputError, match=r"no finished search in it .* run omsn tune to the end"):
        write_search_report(tmp_path)


def test_damaged_evaluations(tmp_path: Path) -> None:
    (made_up_search(tmp_path) / "evaluations.csv").write_text("iteration,loss\n0,much\n")
    with pytest.raises(InputError, match="no finished search in it"):
        read_search(tmp_path)
