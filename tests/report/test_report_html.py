from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_up_run import made_up_metrics, ravdess_metrics, write_run

from omsn.errors import InputError
from omsn.report.html import judge_baseline, leak_warnings, write_report
from omsn.report.run import parse_metrics

VOID = {"meta", "br", "link", "img"}
LEAK = "This split leaks"


class Outline(HTMLParser):
    """Checks that every tag is closed in turn, and collects the visible headings."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def test_folder_without_metrics(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.json: no such file"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_page_of_a_network(tmp_path: Path) -> None:
    metrics = made_up_metrics()
    metrics["recipe"] = "<script>alert(1)</script>"
    folder = write_run(metrics, tmp_path)
    page = write_report(folder).read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(outline.headings) == 7
    assert page.startswith("<!doctype html>")
    assert LEAK not in page
    assert "<script" not in page
    assert "prefers-color-scheme: dark" in page
    assert "after temperature scaling" in page
    assert "negative log-likelihood, nats" in page
    loaded = re.findall(r"(?:src|href)=\"([^#\"][^\"]*)\"|url\(([^#)][^)]*)\)", page)
    assert loaded == []
    names = {"scores", "confusion", "history", "roc", "speakers", "calibration"}
    assert {path.stem for path in (folder / "figures").iterdir()} == names
    assert page.count("<svg ") == len(names)


def test_the_page_says_what_made_the_run_where_that_is_known(tmp_path: Path) -> None:
    metrics = made_up_metrics()
    assert '<p class="facts">omsn 0.1.0 · recipe' in write_report(write_run(metrics, tmp_path)).read_text("utf-8")
    metrics["made_with"] = {"torch": "2.13.0", "machine": "x86_64", "instructions": "AVX512"}
    page = write_report(write_run(metrics, tmp_path)).read_text("utf-8")
    assert "omsn 0.1.0, torch 2.13.0, x86_64 with AVX512 · recipe" in page


def test_only_a_run_of_ravdess_stands_beside_the_paper(tmp_path: Path) -> None:
    page = write_report(write_run(ravdess_metrics(), tmp_path)).read_text(encoding="utf-8")
    assert page.count("<h2>Beside the") == 3
    assert "OMSN-DER (proposed)" in page
    page = write_report(write_run(made_up_metrics(), tmp_path)).read_text(encoding="utf-8")
    assert "Beside the" not in page
    assert "OMSN-DER" not in page


def test_predictions_that_were_cut_short_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = write_run(made_up_metrics(), tmp_path)
    rows = (folder / "predictions.csv").read_text().splitlines(keepends=True)
    (folder / "predictions.csv").write_text("".join(rows[:-1]))
    with pytest.raises(InputError, match=r"predictions\.csv: got 239 rows, 239 of them whole; expected 240"):
        write_report(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "metrics.json", "predictions.csv"]


def test_page_of_an_svm_on_a_split_that_leaks(tmp_path: Path) -> None:
    metrics = made_up_metrics()
    metrics |= {"model": "svm", "baseline": None, "parameters": None, "calibrated": None, "normalisation": "enrolled"}
    metrics["protocol"] |= {"speaker_independent": False, "leaks": ["Clips of one trial stand on both sides."]}
    metrics["scores"] |= {"interval_over": "clips", "roc": [], "per_speaker": [], "per_sex": []}
    page = write_report(write_run(metrics, tmp_path)).read_text(encoding="utf-8")
    assert page.index(LEAK) < page.index("<figure>")
    assert "Clips of one trial stand on both sides." in page
    assert "there are no epochs to draw" in page
    assert "bootstrap over clips; fewer than two speakers are known, so that intervals are over clips: on new" in page
    assert "Compare only with other results obtained in this way" in page
    assert "earn its keep" not in page
    assert "after temperature scaling" not in page
    assert "negative log-likelihood" not in page


def test_nothing_leaks() -> None:
    metrics = made_up_metrics()
    assert leak_warnings(parse_metrics(metrics)) == ()


def test_leaks_are_found_in_the_folds_themselves() -> None:
    metrics = made_up_metrics()
    metrics["protocol"]["folds"][1]["train_speakers"] = ["1", "2", "3"]
    (warning,) = leak_warnings(parse_metrics(metrics))
    assert warning.startswith("1 of 4 speakers are both learnt from and tested on within a fold: 3.")


def test_a_protocol_that_shares_speakers_is_warned_of_without_folds() -> None:
    metrics = made_up_metrics()
    metrics["protocol"] |= {"speaker_independent": False, "folds": []}
    assert leak_warnings(parse_metrics(metrics)) == ("The protocol does not keep speakers apart.",)


@pytest.mark.parametrize(
    ("span", "answer"),
    [([0.01, 0.04], "Yes"), ([-0.02, 0.03], "Undecided"), ([-0.04, -0.01], "No"), ([None, None], "Undecided")],
)
def test_the_paired_interval_judges_the_network(span: list[float | None], answer: str) -> None:
    metrics = made_up_metrics()
    metrics["baseline"]["difference"]["war"]["interval"] = span
    verdict = judge_baseline(parse_metrics(metrics))
    assert verdict is not None
    assert verdict.answer == answer


@pytest.mark.parametrize(
    ("ours", "theirs", "answer"),
    [([0.8, 0.9], [0.6, 0.7], "Yes"), ([0.6, 0.8], [0.7, 0.9], "Undecided"), ([0.1, 0.2], [0.6, 0.7], "No")],
)
def test_without_it_only_intervals_apart_do(ours: list[float], theirs: list[float], answer: str) -> None:
    metrics = made_up_metrics()
    metrics["baseline"]["difference"] = None
    metrics["scores"]["war"]["interval"], metrics["baseline"]["scores"]["war"]["interval"] = ours, theirs
    verdict = judge_baseline(parse_metrics(metrics))
    assert verdict is not None
    assert verdict.answer == answer


def test_no_interval_at_all_decides_nothing() -> None:
    metrics = made_up_metrics()
    metrics["baseline"]["difference"] = None
    metrics["scores"]["war"]["interval"] = [None, None]
    verdict = judge_baseline(parse_metrics(metrics))
    assert verdict is not None
    assert "there is no interval to judge it by" in verdict.reason


def test_no_baseline_no_verdict() -> None:
    metrics = made_up_metrics()
    assert judge_baseline(parse_metrics(metrics | {"baseline": None})) is None
