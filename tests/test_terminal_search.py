"""What the command line shows of a search: how long it will take, how to go on, what came of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from omsn import terminal

RATE = "training.classifier_learning_rate"
FACTS = {
    "found": {RATE: 0.000123456789012345},
    "loss": 0.45234633684158326,
    "usual_loss": 0.6013732840617497,
    "finalists": None,
}
FINALS = {"seeds": [1, 2], "candidates": [{"mean_loss": 0.5451234567890123}], "usual_mean_loss": None}


class Clock:
    """Seconds that pass where a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of an error stream that is a terminal."""
    clock = Clock()
    shown = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None, get_time=clock)
    monkeypatch.setattr(terminal, "err", shown)
    return clock


def last_frame() -> str:
    assert isinstance(terminal.err.file, io.StringIO)
    return [line for line in terminal.err.file.getvalue().splitlines() if "search" in line][-1]


def test_nothing_is_drawn_where_the_error_stream_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress("search") as step:
        step(1, 2, "half")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("step_s", "left"), [(2, "0:00:12"), (31, "0:03:06"), (290, "0:29:00")])
def test_the_time_left_is_told_from_slow_steps_too(clock: Clock, step_s: int, left: str) -> None:
    with terminal.progress("search") as step:
        for done in range(5):
            step(done, 10, "no loss yet")
            clock.now_s += step_s * (done < 4)
    assert "4/10" in last_frame()
    assert left in last_frame()


def test_a_new_phase_forgets_the_speed_of_the_one_before(clock: Clock) -> None:
    with terminal.progress("search") as step:
        for done in range(1, 4):
            clock.now_s += 1
            step(done, 3, "training the encoders")
        step(0, 20, "no loss yet")
    assert "0/20" in last_frame()
    assert "0:00:03 -:--:-- no loss yet" in last_frame()


def test_ctrl_c_tells_how_to_go_on_and_still_ends_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), terminal.progress("search", "go on with --resume"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "stopped; go on with --resume\n"


def test_numbers_that_a_reader_can_compare(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_search(FACTS, Path("tuned.toml"), Path("report.html"))
    told, warned = capsys.readouterr()
    lines = [line.rstrip() for line in told.splitlines()]
    assert lines[0].split() == ["found", RATE, "0.0001235"]
    assert [line.split()[-1] for line in lines[1:3]] == ["0.4523", "0.6014"]
    assert lines[3:] == ["recipe: tuned.toml", "report: report.html"]
    assert warned == ""


def test_finalists_and_a_recipe_of_its_own_that_diverged(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_search(FACTS | {"finalists": FINALS}, Path("tuned.toml"), Path("report.html"))
    told, warned = capsys.readouterr()
    assert [line.split()[-1] for line in told.splitlines()[1:4]] == ["0.5451", "-", "0.4523"]
    assert "mean loss in 2 fresh orders" in told
    assert warned == ""


@pytest.mark.parametrize("usual", [0.4, FACTS["loss"]])
def test_a_search_that_found_nothing_better_warns(usual: float, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_search(FACTS | {"usual_loss": usual}, Path("tuned.toml"), Path("report.html"))
    assert "warning: nothing that was tried is better than the recipe's own settings" in capsys.readouterr().err
