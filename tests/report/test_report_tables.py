from __future__ import annotations

from copy import deepcopy

import pytest
from made_up_run import made_up_metrics, ravdess_metrics

from omsn.labels import RAVDESS_EMOTIONS
from omsn.report.paper_numbers import PAPER_METHOD, PAPER_ONE_VS_REST_ACCURACY, PAPER_WAR, TABLE_1, TABLE_2
from omsn.report.run import RunMetrics, parse_metrics
from omsn.report.scores import Metric
from omsn.report.tables import (
    Table,
    calibration_table,
    interval,
    percent,
    protocol_table,
    published_tables,
    results_markdown,
    split_table,
    table_1,
    table_2,
    to_markdown,
    with_interval,
)


@pytest.fixture
def run() -> RunMetrics:
    return parse_metrics(ravdess_metrics())


def test_unknown_numbers_are_dashes() -> None:
    unknown = Metric(mean_over_folds=None, pooled=None, interval=(None, None), per_seed=(None,))
    assert percent(None) == with_interval(unknown) == "-"
    assert interval(unknown) == "no interval"


def test_numbers_as_text() -> None:
    metric = Metric(mean_over_folds=0.5, pooled=0.7889, interval=(0.75, 0.8261), per_seed=(0.7889,))
    assert with_interval(metric) == "78.9% [75.0, 82.6]"
    assert interval(metric) == "95% interval 75.0 to 82.6"


def test_paper_identity() -> None:
    """The printed numbers of the paper's own row all follow from 11 mistakes in 300 clips of 8 classes."""
    printed = TABLE_1[-1]
    assert f"{PAPER_WAR:.4f}" == printed.recall == "0.9633"
    assert f"{PAPER_ONE_VS_REST_ACCURACY:.4f}" == printed.accuracy == "0.9908"
    by_class = [float(value) for value in TABLE_2[PAPER_METHOD].values()]
    assert sum(by_class) / 8 == pytest.approx(PAPER_ONE_VS_REST_ACCURACY, abs=5e-4)


def test_table_1_keeps_the_two_readings_apart(run: RunMetrics) -> None:
    table = table_1(run)
    war, one_vs_rest = run.scores.war.pooled, run.scores.mean_one_vs_rest_accuracy.pooled
    assert table.header[-3:] == ("accuracy as printed", "8-class accuracy (WAR)", "mean one-vs-rest accuracy")
    assert table.rows[-1][-3:] == ("-", f"{war:.4f}", f"{one_vs_rest:.4f}")
    assert table.rows[-2][-3:] == ("0.9908", "0.9633", "0.9908")
    assert table.rows[-3][4] == "99.45"
    assert "289/300 = 0.9633" in table.notes[0]
    assert all(len(row) == len(table.header) for row in table.rows)


def test_table_2_sets_recall_beneath_one_vs_rest_accuracy(run: RunMetrics) -> None:
    table = table_2(run)
    assert table.header == ("method", *RAVDESS_EMOTIONS.names)
    assert table.rows[len(TABLE_2) - 1][:5] == (PAPER_METHOD, "0.99", "0.99", "0.993", "0.983")
    assert table.marked == (len(TABLE_2), len(TABLE_2) + 1)
    assert table.rows[-1][1] == f"{run.scores.per_class[0].recall:.3f}"


def test_only_runs_of_the_papers_corpus_and_classes_stand_beside_the_paper(run: RunMetrics) -> None:
    assert set(published_tables(run)) == {"table_1", "table_2", "protocols"}
    elsewhere = run.data.model_copy(update={"corpus": "ours, ravdess"})
    assert published_tables(run.model_copy(update={"data": elsewhere})) == {}
    fewer = parse_metrics(made_up_metrics())
    assert published_tables(fewer.model_copy(update={"data": run.data})) == {}


def test_a_run_stands_in_the_row_of_its_own_protocol_only(run: RunMetrics) -> None:
    metrics = made_up_metrics()
    table = protocol_table(run)
    assert [row[0] for row in table.rows if row[3]] == ["actors-4"]
    assert [table.rows[k][0] for k in table.marked] == ["actors-4"]
    metrics["protocol"]["name"] = "my-own"
    assert protocol_table(parse_metrics(metrics)).marked == ()


def test_split_table_says_where_speakers_are_unknown() -> None:
    metrics = made_up_metrics()
    for fold in metrics["protocol"]["folds"]:
        fold |= {"train_speakers": [], "validation_speakers": [], "test_speakers": []}
    assert {row[-1] for row in split_table(parse_metrics(metrics)).rows} == {"unknown"}


def test_split_table_names_shared_speakers() -> None:
    metrics = made_up_metrics()
    assert [row[-1] for row in split_table(parse_metrics(metrics)).rows] == ["none", "none"]
    metrics["protocol"]["folds"][0]["train_speakers"] = ["1", "2", "3"]
    assert split_table(parse_metrics(metrics)).rows[0][-1] == "1, 2"


def test_markdown_escapes_bars_and_ends_with_notes() -> None:
    table = Table(("a", "b"), (("x|y", "1"),), notes=("A note.",))
    assert to_markdown(table) == "| a | b |\n| --- | --- |\n| x\\|y | 1 |\n\nA note.\n"


def test_results_of_no_runs_are_a_header() -> None:
    assert results_markdown({}).count("\n") == 2


def test_results_are_ordered_by_protocol_and_say_what_leaks() -> None:
    metrics = made_up_metrics()
    leaky = deepcopy(metrics) | {"baseline": None, "model": "svm", "recipe": "paper"}
    leaky["protocol"] |= {"name": "random-80-20", "speaker_independent": False}
    lines = results_markdown({"b": parse_metrics(leaky), "a": parse_metrics(metrics)}).splitlines()
    assert lines[2].startswith("| a | default | network | actors-4 | none | both | 2 | ")
    assert lines[3].startswith("| b | paper | svm | random-80-20 (leaks) | none | both | 2 | ")
    assert lines[3].split(" | ")[10] == "-"


def test_calibration_before_and_after_stand_side_by_side() -> None:
    run = parse_metrics(made_up_metrics())
    table, found = calibration_table(run), run.calibrated
    assert table is not None
    assert found is not None
    assert table.header[1:] == ("as it answers", "seeds 0, 1", "temperature-scaled", "seeds 0, 1")
    error, loss = table.rows
    assert (error[1], error[3]) == (percent(run.scores.ece.pooled), percent(found.after.ece.pooled))
    assert (loss[1], loss[3]) == (f"{found.before.nll.pooled:.3f}", f"{found.after.nll.pooled:.3f}")
    assert f"takes, is {found.temperature:.3f}: " in table.notes[0]
    hot = run.model_copy(update={"calibrated": found.model_copy(update={"temperature": 2.0})})
    assert "above 1, it makes answers less sure" in to_markdown(calibration_table(hot) or table)
    row = results_markdown({"a": run}).splitlines()[2]
    assert row.endswith(f"| {error[1]} | {error[3]} |")


def test_a_run_without_a_temperature_has_no_such_table() -> None:
    run = parse_metrics(made_up_metrics() | {"calibrated": None})
    assert calibration_table(run) is None
    assert results_markdown({"a": run}).splitlines()[2].endswith("| - |")
