from __future__ import annotations

import re
from pathlib import Path

import omsn.report
from omsn.report.protocols import ProtocolScores, draw_protocols
from omsn.report.scores import Metric
from omsn.report.style import DARK, THEMED, new_figure, to_svg_file


def metric(pooled: float | None, low: float | None = None, high: float | None = None) -> Metric:
    return Metric(mean_over_folds=pooled, pooled=pooled, interval=(low, high), per_seed=(pooled,))


def words(rows: list[ProtocolScores]) -> list[str]:
    return [text.get_text() for text in draw_protocols(rows, 0.14).axes[0].texts]


def test_no_rows_leave_an_empty_picture() -> None:
    assert words([]) == [" chance", "network"]


def test_each_row_shows_both_models_where_there_are_two() -> None:
    alone = ProtocolScores("loso", "sentences", metric(0.75, 0.7, 0.8), None)
    both = ProtocolScores("statement", "people", metric(0.9), metric(None))
    assert words([alone]) == [" chance", "75.0%", "network"]
    assert words([both, alone]) == [" chance", "90.0%", "75.0%", "network", "SVM"]


def test_dark_colours_are_those_of_the_pages() -> None:
    sheet = (Path(omsn.report.__file__).parent / "style.html").read_text(encoding="utf-8")
    dark = sheet.partition("prefers-color-scheme: dark")[2]
    assert {name: re.search(rf"--{name}: (#\w+);", dark)[1] for name in DARK} == DARK  # type: ignore[index]
    assert set(DARK) == set(THEMED.values())


def test_a_picture_in_a_file_of_its_own_says_what_it_shows() -> None:
    svg = to_svg_file(new_figure(1.0), "nothing at all")
    assert "<title>nothing at all</title>" in svg
    assert svg.count("<svg") == 1
