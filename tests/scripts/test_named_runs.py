"""Named cross-validations on a corpus that never was: run once, resumed, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from named_runs import NamedRun, ended, parser_of, plan_of, run_all
from tiny_corpus import samples, write_cache
from tiny_recipe import write_recipe

from omsn.errors import ConfigError, InputError
from omsn.training.plan import Plan


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("corpus") / "cache", samples(("1", "2")))


@pytest.fixture
def plan(cache: Path, tmp_path: Path) -> Plan:
    """Two folds without validation speakers."""
    recipe = write_recipe(tmp_path / "tiny.toml")
    return plan_of(parser_of("").parse_args([str(cache), "--out", "unused", "--recipe", str(recipe)]), "loso")


def test_nothing_to_run(tmp_path: Path) -> None:
    run_all([], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_is_not_run_again(plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished: list[str] = []
    runs = [NamedRun("first", plan), NamedRun("second", plan, baseline=False)]
    for _ in range(2):
        run_all(runs, tmp_path, on_finished=lambda run: finished.append(run.name))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["1/2 first", "2/2 second"] * 2
    assert [line.endswith("finished before") for line in lines] == [False, False, True, True]
    assert finished == ["first", "second"] * 2
    baselines = [json.loads((tmp_path / name / "metrics.json").read_text())["baseline"] for name in ("first", "second")]
    assert (baselines[0]["name"], baselines[1]) == ("svm", None)


def test_a_folder_with_another_run_is_refused(plan: Plan, cache: Path, tmp_path: Path) -> None:
    run_all([NamedRun("one", plan, baseline=False)], tmp_path / "runs")
    given = ["--out", "unused", "--recipe", str(tmp_path / "tiny.toml"), "--seeds", "3"]
    other = plan_of(parser_of("").parse_args([str(cache), *given]), "loso")
    with pytest.raises(ConfigError, match="holds a run with other settings or data"):
        run_all([NamedRun("one", other)], tmp_path / "runs")


def test_a_cache_of_other_features_is_refused_before_anything_runs(plan: Plan, cache: Path, tmp_path: Path) -> None:
    given = parser_of("").parse_args([str(cache), "--out", "unused", "--recipe", str(tmp_path / "tiny.toml")])
    other = plan_of(given, "loso", ["pipeline.video.keyframes=32"])
    with pytest.raises(ConfigError, match=r"video\.keyframes is 0, not 32"):
        run_all([NamedRun("one", plan), NamedRun("two", other)], tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_what_the_command_line_asks_for(tmp_path: Path) -> None:
    given = ["cache", "--out", "runs", "--seeds", "0", "2", "--normalise", "enrolled", "--set", "training.epochs=3"]
    plan = plan_of(parser_of("").parse_args(given), "actors-4", ["training.epochs=5"], Path("other"))
    assert (plan.cache, plan.protocol, plan.seeds, plan.recipe) == (Path("other"), "actors-4", (0, 2), "default")
    assert (plan.config.training.normalisation, plan.config.training.epochs) == ("enrolled", 5)


@pytest.mark.parametrize(
    ("error", "told"),
    [(InputError("no clips"), "leak: no clips"), (OSError(28, "No space left", "runs"), "leak: runs:")],
)
def test_errors_become_one_line(error: Exception, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise error

    assert ended("leak", lambda: None) == 0
    assert ended("leak", fail) == 1
    assert capsys.readouterr().err.startswith(told)
