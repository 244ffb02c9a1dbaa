"""What the command line shows, on a terminal of 80 columns and into a file."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_run import made_up_metrics
from rich.console import Console

from omsn.batch import Batch
from omsn.data.prepare import Prepared
from omsn.labels import LabelSet
from omsn.terminal import (
    MAX_NAMED,
    predictions_table,
    print_batch,
    print_facts,
    print_json,
    print_predictions,
    print_prepared,
    print_profile,
    print_scores,
    print_search,
    times_smaller,
)
from omsn.types import Clip, Prediction, Window

LABELS = LabelSet(("calm", "surprised"))
SURE = (0.0, 1.0)
WHOLE = Window(3590.0, 3594.0, SURE, ("audio", "video"))
TWO_FACES = (Window(0.0, 1.0, SURE, ("audio",), 0, True), Window(0.0, 1.0, SURE, ("video",), 1))


def on_a_terminal(predictions: list[Prediction]) -> list[str]:
    shown = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with shown.capture() as captured:
        shown.print(predictions_table(predictions))
    return captured.get().splitlines()


def test_nothing_is_shown_where_there_is_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    print_predictions([])
    print_batch(Batch((), (), (), ()), None)
    assert capsys.readouterr() == ("", "")


def test_clips_without_sound_or_face_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    clips = (Clip("one", "anna", "sad"), Clip("two", "ben", "glad"))
    prepared = Prepared(Path("cache"), 2, 0, (), clips, former=0, dropped=0, without_sound=0, without_face=2)
    print_prepared(prepared, (), None)
    assert capsys.readouterr().out.splitlines()[1] == "emotions: glad 1, sad 1; speakers: 2; 2 clips without a face"
    print_prepared(replace(prepared, without_sound=1, without_face=0), (), None)
    assert capsys.readouterr().out.splitlines()[1].endswith("speakers: 2; 1 clips without sound")


def test_a_profile_ends_with_its_total_and_how_it_compares_with_the_media(capsys: pytest.CaptureFixture[str]) -> None:
    print_profile({"network": 1.0, "rest": 3.0}, 10.0)
    *table, speed = capsys.readouterr().err.splitlines()
    assert [line.split("│")[1].strip() for line in table if "│" in line] == ["rest", "network", "total"]
    assert "4.00" in table[-2]
    assert speed == "10.0 s of media, 2.50 times real time with all loading"
    print_profile({}, 0.0)
    assert "real time" not in capsys.readouterr().err


def test_a_usual_row_fits_80_columns() -> None:
    name = "01-01-03-01-01-01-03.mp4"
    *_, row, _ = on_a_terminal([Prediction(name, LABELS, (WHOLE,))])
    assert len(row) <= 80
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        name,
        "3590.0 s",
        "3594.0 s",
        "surprised",
        "1.00",
        "both",
    ]


def test_only_a_long_name_is_broken_on_a_terminal() -> None:
    name = "a_very_long_name_of_a_film_that_no_terminal_of_80_columns_can_show_in_one_line.mp4"
    _, header, _, *rows, _ = on_a_terminal([Prediction(name, LABELS, (WHOLE, *TWO_FACES))])
    cells = [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]
    assert [cell.strip() for cell in header.strip("┃").split("┃")][1:] == [
        "start",
        "end",
        "face",
        "emotion",
        "prob.",
        "given",
    ]
    assert "".join(row[0] for row in cells) == name
    assert [row[1:] for row in cells if row[1]] == [
        ["3590.0 s", "3594.0 s", "0", "surprised", "1.00", "both"],
        ["0.0 s", "1.0 s", "0, speaks", "surprised", "1.00", "audio"],
        ["0.0 s", "1.0 s", "1", "surprised", "1.00", "video"],
    ]


def test_nothing_is_broken_where_the_output_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{'long ' * 60}name.mp4"
    print_predictions([Prediction(name, LABELS, (WHOLE,))])
    told = capsys.readouterr().out
    assert name in told
    assert len({len(line) for line in told.splitlines()}) == 1


def test_a_copy_that_grew_is_called_larger() -> None:
    assert [times_smaller(times) for times in (33.04, 1.0, 0.9, 0.0)] == [
        *("33.0 times smaller", "1.0 times smaller"),
        *("1.1 times larger", "0.0 times smaller"),
    ]


def test_a_table_shows_faces_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    print_predictions([Prediction("a.mp4", LABELS, TWO_FACES)])
    told = capsys.readouterr().out
    assert "face" in told
    assert "0, speaks" in told
    print_predictions([Prediction("a.mp4", LABELS, TWO_FACES[:1])])
    assert "speaks" not in capsys.readouterr().out


def test_a_table_of_two_files_of_one_name_shows_their_paths(capsys: pytest.CaptureFixture[str]) -> None:
    print_predictions([Prediction(f"{folder}/a.mp4", LABELS, (WHOLE,)) for folder in ("x", "y")])
    told = capsys.readouterr().out
    assert "x/a.mp4" in told
    assert "y/a.mp4" in told


@pytest.mark.parametrize(("count", "end"), [(1, ""), (MAX_NAMED, ""), (MAX_NAMED + 2, " and 2 more")])
def test_the_first_files_that_were_passed_over_are_named(
    count: int, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_batch(Batch((), (), (), tuple(f"[b]{number}.txt" for number in range(count))), None)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"passed over: {', '.join(f'[b]{number}.txt' for number in range(min(count, MAX_NAMED)))}{end}"
    assert told[1:] == ([f"{count} passed over"] if count > 1 else [])


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    prediction = Prediction("cam:100:take.mp4", LABELS, (WHOLE,))
    print_json({"source": prediction.source})
    print_predictions([prediction])
    print_batch(Batch((prediction,), (), ((":smile:.mp4", "no :fire:"),), ()), None)
    shown, told = capsys.readouterr()
    assert shown.count("cam:100:take.mp4") == 2
    assert told.splitlines()[0] == "failed :smile:.mp4: no :fire:"


def test_what_is_answered_in_part_is_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    part = Prediction("a.mp4", LABELS, (WHOLE,), broke_off="broke off")
    whole = Prediction("b.mp4", LABELS, (WHOLE,))
    print_batch(Batch((part, whole), (), (("a.mp4", "why"), ("c.mp4", "why")), ()), None)
    assert capsys.readouterr().err.splitlines()[-1] == "1 answered, 1 answered in part, 1 failed"


def test_names_in_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """rich would take them for styles, and break off at one that closes nothing."""
    names = ["Ann [left]", "Bob [/right]"]
    print_facts({"speakers": ", ".join(names), "trained_on": names})
    found: dict[str, object] = {"found": {}, "loss": 0.4, "usual_loss": 0.5, "finalists": None}
    print_search(found, Path("run[1]/tuned.toml"), Path("run[1]/report.html"))
    metrics = {"scores": made_up_metrics()["scores"], "protocol": {"name": "loso", "leaks": ["take[b]1"]}}
    print_scores(metrics | {"model": "svm", "normalisation": "none", "data": {"corpus": "[x]"}}, Path("[a]/r.html"))
    told, warned = capsys.readouterr()
    assert "note: 4 speakers are few: the intervals are narrower than they should be" in warned
    for name in ("Ann [left], Bob [/right]", "recipe: run[1]/tuned.toml", "report: run[1]/", "report: [a]/r.html"):
        assert name in told
    assert "leak: take[b]1" in warned


def test_facts_are_told_short_and_empty_ones_not_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"temperature": 0.982571746429369, "held_out_scores": {}, "seeds": [], "recipe": "late"})
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["temperature", "0.9826"],
        ["recipe", "late"],
    ]
