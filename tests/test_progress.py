"""How far a batch is: told at the end of each file, and from within long ones, in this process and in others."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest
from made_checkpoint import write_checkpoint, write_hum

from omsn import progress
from omsn.batch import Model, predict_batch
from omsn.progress import Reached, telling

Told = list[tuple[float, int, str]]


def noted(told: Told, what: str) -> tuple[float, int, str]:
    """The first step whose note ends so, waited for."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for step in list(told):
            if step[2].endswith(what):
                return step
        time.sleep(0.001)
    raise AssertionError(f"nobody told {what!r} within 10 s, but {told}")


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOOK_EVERY_S", 0.001)


@pytest.mark.parametrize("jobs", [1, 2])
def test_news_from_within_a_long_file(tmp_path: Path, jobs: int) -> None:
    model, told = Model.of(write_checkpoint(tmp_path / "checkpoint")), Told()
    files = [write_hum(tmp_path / "short.wav", 1.0), write_hum(tmp_path / "long.wav", 65.0)]
    predict_batch(files, model, jobs=jobs, on_step=lambda *step: told.append(step))
    assert [step for step in told if step[2] == "short.wav"]
    assert told[-1] == (2.0, 2, "long.wav")
    within = [share for share, _, note in told if note.startswith("long.wav ") and note.endswith(" of 1:05")]
    assert within
    assert all(0 < share <= 2 for share in within)
    if jobs == 1:
        shares = [share for share, _, _ in told]
        assert shares == sorted(shares)


def test_shares_of_files_in_hand_and_those_that_ended_add_up() -> None:
    told = Told()
    with telling(["a", "b", "c"], lambda *step: told.append(step)) as (reached, on_ended):
        assert reached is not None
        a, b = reached.on_time(0), reached.on_time(1)
        assert a is not None
        assert b is not None
        a(15.0, 60.0)
        assert noted(told, "a 0:15 of 1:00") == (0.25, 3, "a 0:15 of 1:00")
        b(90.0, None)  # nobody knows how long it is
        assert noted(told, "more") == (0.25, 3, "a 0:15 of 1:00, and 1 more")
        reached.writes(0)
        assert noted(told, "writing, and 1 more") == (0.25, 3, "a 0:15 of 1:00, writing, and 1 more")
        a(61.0, 60.0)  # longer than it promised
        on_ended(1)
        assert noted(told, "b") == (2.0, 3, "b")
        on_ended(0)
        assert noted(told, "a") == (2, 3, "a")
        b(99.0, None)  # late news of a file that has ended is no news
        time.sleep(0.05)
        assert told[-1][2] == "a"
        on_ended(2)
    assert told[-1] == (3.0, 3, "c")
    assert not reached.path.exists()


def test_an_unknown_length_is_left_out_of_the_note() -> None:
    told = Told()
    with telling(["a"], lambda *step: told.append(step)) as (reached, _):
        assert reached is not None
        note = reached.on_time(0)
        assert note is not None
        note(3.0, None)
        assert noted(told, "0:03") == (0, 1, "a 0:03")


def test_without_a_place_for_the_table_only_the_ends_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    told = Told()
    with telling(["a", "b"], lambda *step: told.append(step)) as (reached, on_ended):
        assert reached is None
        on_ended(1)
    assert told == [(1, 2, "b")]


def test_nobody_is_told_where_nobody_asks_or_nothing_is_to_do() -> None:
    told = Told()
    with telling([], lambda *step: told.append(step)) as (reached, _):
        assert reached is None
    with telling(["a"], None) as (reached, on_ended):
        assert reached is None
        on_ended(0)
    assert told == []


def test_where_the_table_is_not_there_nothing_is_noted(tmp_path: Path) -> None:
    reached = Reached(tmp_path / "gone", 1)
    assert reached.on_time(0) is None
    reached.writes(0)
    assert not reached.path.exists()
