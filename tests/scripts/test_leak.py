"""One model under four protocols: the runs, the section and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import leak
import pytest
from leak_section import PREFIX, PROTOCOL_NAMES, leak_picture, leak_section
from made_up_run import made_up_metrics
from tiny_corpus import LABELS, labelled, write_cache
from tiny_recipe import write_recipe

from omsn.data.splits import PROTOCOLS
from omsn.errors import InputError
from omsn.report.run import RunMetrics, parse_metrics


def run_of(protocol: str, war: float | None, **changes: Any) -> RunMetrics:
    content = made_up_metrics() | changes
    content["protocol"] |= {"name": protocol}
    content["scores"]["war"] |= {"pooled": war}
    return parse_metrics(content)


@pytest.fixture
def runs() -> dict[str, RunMetrics]:
    wars = zip(PROTOCOL_NAMES, (0.95, 0.9, 0.75, 0.7), strict=True)
    return {PREFIX + name: run_of(name, war) for name, war in wars}


def test_nothing_recorded_nothing_said() -> None:
    assert leak_section({}) == ""
    assert leak_picture({"actors-4-none": run_of("actors-4", 0.7)}) is None


def test_the_section_says_what_is_shared_and_what_that_is_worth(runs: dict[str, RunMetrics]) -> None:
    section = leak_section(runs)
    for start in (
        "| random-80-20 | people and sentences | 60 | 95.0% [",
        "| statement | people | 60 | 90.0% [",
        "| actors-4 | sentences | 60 | 75.0% [",
        "| speaker+statement | neither | 60 | 70.0% [",
    ):
        assert start in section
    assert "The random split says 95.0%" in section
    assert "the same network reaches 75.0%. About 20 points are" in section
    assert "(leak.svg)" in section


def test_some_of_the_runs_are_enough(runs: dict[str, RunMetrics]) -> None:
    del runs["leak-random-80-20"]
    assert "The random split says" not in leak_section(runs)
    assert leak_picture(runs) is not None


def test_a_random_split_that_does_not_flatter(runs: dict[str, RunMetrics]) -> None:
    runs["leak-random-80-20"] = run_of("random-80-20", 0.7, baseline=None)
    section = leak_section(runs)
    assert "reaches 75.0%: here the random split does not flatter." in section
    assert " | - | - |" in section
    runs["leak-random-80-20"] = run_of("random-80-20", None)
    assert "The random split says" not in leak_section(runs)


@pytest.mark.parametrize("change", [{"seeds": [3, 4]}, {"config": {"training": {"epochs": 1}}}, {"recipe": "paper"}])
def test_runs_that_differ_in_more_than_their_protocol_are_refused(
    change: dict[str, Any], runs: dict[str, RunMetrics]
) -> None:
    runs["leak-actors-4"] = run_of("actors-4", 0.7, **change)
    with pytest.raises(InputError, match="leak-actors-4 and leak-random-80-20 differ in corpus, recipe, seeds or"):
        leak_section(runs)


def test_the_picture_is_valid_and_knows_dark_pages(runs: dict[str, RunMetrics]) -> None:
    picture = leak_picture(runs)
    assert picture is not None
    root = ElementTree.fromstring(picture)
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert "random-80-20, test shares people and sentences: 95.0%" in (title.text or "")
    assert "prefers-color-scheme: dark" in picture


def test_the_four_protocols_are_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [
        labelled(str(speaker), emotion, repetition, statement=statement)
        for speaker in range(1, 9)
        for emotion in LABELS.names
        for repetition, statement in ((1, "door"), (2, "dogs"))
    ]
    cache, recipe = write_cache(tmp_path / "cache", made), write_recipe(tmp_path / "tiny.toml")
    command = [str(cache), "--out", str(tmp_path / "runs"), "--recipe", str(recipe)]
    assert leak.main(command) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(
        PREFIX + name for name in PROTOCOL_NAMES
    )
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert leak.main([*command, "--seeds", "1"]) == 1
    assert "leak: " in capsys.readouterr().err


def test_every_protocol_is_one_of_ours() -> None:
    assert set(PROTOCOL_NAMES) <= set(PROTOCOLS)
