from __future__ import annotations

from pathlib import Path

import pytest
from made_up_run import made_up_metrics, write_run

from omsn.errors import InputError
from omsn.report.run import check_predictions, parse_metrics, read_history, read_metrics
from omsn.report.scores import what_intervals_lack


def test_folder_without_metrics(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"metrics\.json: no such file; name a folder that omsn crossval, train or tune wrote"
    ):
        read_metrics(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputError, match=r"metrics\.json: cannot read the metrics"):
        read_metrics(tmp_path)


def test_no_object() -> None:
    with pytest.raises(InputError, match="expected a JSON object, got list"):
        parse_metrics([])


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_other_format(number: object) -> None:
    metrics = made_up_metrics()
    with pytest.raises(InputError, match=f"got format {number!r}, expected 1; use the version of omsn"):
        parse_metrics(metrics | {"format": number})


def test_every_problem_is_listed() -> None:
    metrics = made_up_metrics()
    del metrics["recipe"]
    metrics["modality"] = "smell"
    del metrics["scores"]["war"]["pooled"]
    with pytest.raises(InputError, match=r"recipe: Field required; modality: .*; scores\.war\.pooled: Field required"):
        parse_metrics(metrics, "RUN/metrics.json")


def test_scores_for_other_labels() -> None:
    metrics = made_up_metrics()
    with pytest.raises(InputError, match="per_class is for angry, calm, sad; labels are calm, angry, sad"):
        parse_metrics(metrics | {"labels": ["calm", "angry", "sad"]})


def test_confusion_of_another_size() -> None:
    metrics = made_up_metrics()
    metrics["scores"]["confusion"].pop()
    with pytest.raises(InputError, match="confusion is not 3 by 3"):
        parse_metrics(metrics)


def test_curve_of_an_unknown_class() -> None:
    metrics = made_up_metrics()
    metrics["scores"]["roc"][0]["label"] = "joy"
    with pytest.raises(InputError, match="roc has curves for joy; labels are angry, calm, sad"):
        parse_metrics(metrics)


def test_a_run_is_read(tmp_path: Path) -> None:
    metrics = made_up_metrics()
    run = read_metrics(write_run(metrics | {"added_by_a_later_version": 1}, tmp_path))
    assert run.scores.war.pooled == metrics["scores"]["war"]["pooled"]
    assert run.labels == ("angry", "calm", "sad")
    assert not run.protocol.leaky


def test_a_fold_that_shares_speakers_is_leaky_whatever_the_protocol_claims() -> None:
    metrics = made_up_metrics()
    metrics["protocol"]["folds"][0]["validation_speakers"] = ["2"]
    protocol = parse_metrics(metrics).protocol
    assert protocol.folds[0].shared_speakers == ("2",)
    assert protocol.leaky


def test_what_older_runs_lack_may_be_missing() -> None:
    content = made_up_metrics()
    found = parse_metrics(content).calibrated
    assert found is not None
    assert found.after.ece.pooled is not None
    del content["calibrated"]
    run = parse_metrics(content)
    assert (run.calibrated, run.against, dict(run.config)) == (None, None, {})


def test_no_history_is_an_empty_one(tmp_path: Path) -> None:
    assert read_history(tmp_path) == ()


def test_history_is_read(tmp_path: Path) -> None:
    metrics = made_up_metrics()
    history = read_history(write_run(metrics, tmp_path))
    assert len(history) == 20
    assert (history[0].part, history[0].epoch, history[0].loss) == ("training", 1, 1.0)


@pytest.mark.parametrize("row", ["0,f,1,test,1,1", "0,f,one,training,1,1", "0,f,1,training,1"])
def test_unreadable_history_names_the_line(tmp_path: Path, row: str) -> None:
    (tmp_path / "history.csv").write_text(f"seed,fold,epoch,part,loss,war\n0,f,1,training,1,1\n{row}\n")
    with pytest.raises(InputError, match=r"history\.csv, line 3: "):
        read_history(tmp_path)


def test_history_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"history\.csv: cannot read the history"):
        read_history(tmp_path)


def test_predictions_of_a_whole_run(tmp_path: Path) -> None:
    metrics = made_up_metrics()
    check_predictions(write_run(metrics, tmp_path), parse_metrics(metrics))


def test_no_predictions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"predictions\.csv: cannot read the predictions: .*No such file.*; run the"):
        check_predictions(tmp_path, parse_metrics(made_up_metrics()))


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (0.0, "got 0 rows, 0 of them whole; expected 240, as many as metrics.json is of"),
        (0.5, r"got 1\d\d rows, 1\d\d of them whole; expected 240"),
        (0.999, "got 240 rows, 239 of them whole; expected 240"),
        (2.0, "got 481 rows, 481 of them whole; expected 240"),
    ],
)
def test_predictions_of_another_length(tmp_path: Path, kept: float, told: str) -> None:
    path = write_run(made_up_metrics(), tmp_path) / "predictions.csv"
    content = 2 * path.read_bytes()
    path.write_bytes(content[: int(kept * len(content) / 2)])
    with pytest.raises(InputError, match=told):
        check_predictions(tmp_path, parse_metrics(made_up_metrics()))


def test_predictions_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"predictions\.csv: cannot read the predictions"):
        check_predictions(tmp_path, parse_metrics(made_up_metrics()))


@pytest.mark.parametrize(
    ("over", "speakers", "told"),
    [("clips", 1, "on new people the spread is wider"), ("speakers", 3, "3 speakers are few"), ("speakers", 20, "")],
)
def test_intervals_over_few_are_told(over: str, speakers: int, told: str) -> None:
    lack = what_intervals_lack(over, speakers)
    assert told in lack
    assert bool(told) == bool(lack)
