from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import write_results as results
from made_up_run import made_up_metrics, write_run

from omsn.errors import InputError
from omsn.recipes import load_config
from omsn.training.out_of_fold import read_predictions

README = "# Title\n\n<!-- results -->\nold\n<!-- /results -->\n\nThe rest.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a README and nothing recorded."""
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return tmp_path


def make_run(root: Path, name: str, **changes: Any) -> str:
    """A run folder outside of docs/runs; its metrics are made up, but for the changes."""
    folder = root / "runs" / name
    folder.mkdir(parents=True)
    content = made_up_metrics()
    content["data"]["cache"] = "/home/somebody/cache"
    content["config"] = asdict(load_config("default"))
    return str(write_run(content | changes, folder))


def page_of(root: Path) -> str:
    return (root / "docs" / "results.md").read_text(encoding="utf-8")


def readme_of(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def rows_of(root: Path) -> list[list[str]]:
    """Cells of the README's table, header and rule left out."""
    lines = [line for line in readme_of(root).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_without_runs_both_pages_say_that_nothing_was_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert results.main([], root) == 0
    assert readme_of(root).count(results.NOT_RUN) == page_of(root).count(results.NOT_RUN) == 1
    assert readme_of(root).endswith("<!-- /results -->\n\nThe rest.\n")
    assert "0 runs" in capsys.readouterr().out


def test_a_run_is_recorded_without_curves_and_paths_and_with_everything_else(root: Path) -> None:
    run = make_run(root, "first", recipe="/home/somebody/mine.toml")
    assert results.main([run], root) == 0
    recorded = json.loads((root / "docs" / "runs" / "first.json").read_text(encoding="utf-8"))
    original = json.loads((Path(run) / "metrics.json").read_text(encoding="utf-8"))
    assert (recorded["scores"].pop("roc"), recorded["data"].pop("cache")) == ([], "cache")
    assert recorded.pop("recipe") == "mine.toml"
    del original["scores"]["roc"], original["data"]["cache"], original["recipe"]
    assert recorded == original


def test_the_predictions_are_recorded_beside_the_metrics(root: Path) -> None:
    run = make_run(root, "first")
    results.main([run], root)
    recorded, original = root / "docs" / "runs" / "first.csv.gz", Path(run) / "predictions.csv"
    assert read_predictions(recorded).clips.tolist() == read_predictions(original).clips.tolist()


def test_a_run_without_its_predictions_is_not_recorded(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(root, name) for name in ("first", "second")]
    (Path(runs[1]) / "predictions.csv").unlink()
    assert results.main(runs, root) == 1
    assert "second/predictions.csv: cannot read the predictions" in capsys.readouterr().err
    assert not (root / "docs" / "runs" / "first.json").exists()


def test_pages_without_arguments_are_those_written_with_the_runs(root: Path) -> None:
    results.main([make_run(root, "first"), make_run(root, "second", normalisation="enrolled")], root)
    written = page_of(root), readme_of(root)
    assert results.main([], root) == 0
    assert (page_of(root), readme_of(root)) == written


def test_normalisations_have_columns_of_their_own_and_the_baseline_a_row(root: Path) -> None:
    results.main([make_run(root, "first"), make_run(root, "second", normalisation="enrolled")], root)
    network, svm = rows_of(root)
    scores = made_up_metrics()["scores"]
    assert network[:2] == ["made-up, actors-4", "network, default, 2 seeds"]
    assert network[2].startswith(f"{scores['war']['pooled']:.1%} [")
    assert network[4] == f"{scores['mean_one_vs_rest_accuracy']['pooled']:.1%}"
    assert network[2:5] == network[5:8]
    assert svm[1] == "SVM"
    assert svm[2].startswith(f"{made_up_metrics()['baseline']['scores']['war']['pooled']:.1%} [")


def test_a_run_of_the_svm_stands_for_the_baseline(root: Path) -> None:
    svm = make_run(root, "svm", model="svm", parameters=None, baseline=None)
    results.main([make_run(root, "network"), svm], root)
    assert [row[1] for row in rows_of(root)] == ["network, default, 2 seeds", "SVM"]
    assert rows_of(root)[1][2].startswith(f"{made_up_metrics()['scores']['war']['pooled']:.1%} [")


def test_an_svm_on_other_features_has_a_row_of_its_own(root: Path) -> None:
    runs = [make_run(root, "usual"), make_run(root, "paper", recipe="paper", config=asdict(load_config("paper")))]
    assert results.main(runs, root) == 0
    names = [row[1] for row in rows_of(root)]
    assert names == ["network, default, 2 seeds", "network, paper, 2 seeds", "SVM", "SVM, features of paper"]


def test_one_normalisation_leaves_the_other_columns_open(root: Path) -> None:
    results.main([make_run(root, "sound", normalisation="enrolled", modality="audio")], root)
    assert [row[1] for row in rows_of(root)] == ["network, default, audio only, 2 seeds", "SVM, audio only"]
    assert rows_of(root)[0][2:5] == ["-", "-", "-"]


def test_runs_alike_in_all_but_their_name_have_a_row_each(root: Path) -> None:
    results.main([make_run(root, "first"), make_run(root, "again")], root)
    assert [row[1] for row in rows_of(root)] == [*["network, default, 2 seeds"] * 2, "SVM"]


def test_an_ensemble_has_a_row_of_its_own(root: Path) -> None:
    runs = [make_run(root, "one"), make_run(root, "one-ensemble", members=2, baseline=None)]
    assert results.main(runs, root) == 0
    assert [row[1] for row in rows_of(root)] == [
        "2 networks together, default, 2 seeds",
        "network, default, 2 seeds",
        "SVM",
    ]
    assert "| one-ensemble | default | 2 networks together | actors-4 |" in page_of(root)


def test_changed_settings_are_named_and_kept_out_of_the_readme(root: Path) -> None:
    config = asdict(load_config("default"))
    config["network"]["fusion"]["bcpw"] = False
    config["training"]["modality"] = "audio"
    results.main([make_run(root, "plain"), make_run(root, "no-bcpw", config=config)], root)
    assert "`no-bcpw` changes its recipe: `network.fusion.bcpw=false`" in page_of(root)
    assert len(rows_of(root)) == 2
    assert "Not in this table: 1 with settings other than a recipe's." in readme_of(root)


def test_only_changed_runs_leave_a_link(root: Path) -> None:
    config = asdict(load_config("default")) | {"new": 1}
    results.main([make_run(root, "changed", config=config)], root)
    assert "Only runs with changed settings are recorded: [docs/results.md](docs/results.md)." in readme_of(root)


def test_page_tells_both_readings_classes_baseline_and_cost(root: Path) -> None:
    results.main([make_run(root, "first")], root)
    page = page_of(root)
    for wanted in (
        "WAR (accuracy over all classes)",
        "mean one-vs-rest accuracy",
        "12,345",
        "SVM baseline",
        "### first",
    ):
        assert wanted in page
    assert page.count("| angry | 40 |") == 1
    assert "Is it better than the SVM? Yes." in page
    assert "**Leak:**" not in page


def test_intervals_over_few_speakers_are_told_to_be_narrow(root: Path) -> None:
    scores = made_up_metrics()["scores"]
    runs = [
        make_run(root, "few", scores=scores | {"speakers": 7}),
        make_run(root, "many", scores=scores | {"speakers": 20}),
    ]
    results.main(runs, root)
    page = page_of(root)
    assert page.count("\n7 speakers are few: the intervals are narrower than they should be") == 1
    assert page.count("**Intervals:** 7 speakers are few") == 1
    assert page.count("are few:") == 2


def test_leaks_are_marked_in_both_pages(root: Path) -> None:
    content = made_up_metrics()["protocol"] | {"name": "random-80-20", "speaker_independent": False}
    results.main([make_run(root, "leaky", protocol=content)], root)
    assert rows_of(root)[0][0] == "made-up, random-80-20 (leaks)"
    assert "**Leak:**" in page_of(root)


def test_nothing_is_recorded_when_one_run_cannot_be_used(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert results.main([make_run(root, "good"), str(root / "runs" / "missing")], root) == 1
    assert "no such file" in capsys.readouterr().err
    assert not (root / "docs").exists()
    assert readme_of(root) == README


def test_two_runs_of_one_name_are_refused(root: Path) -> None:
    first, second = make_run(root, "a/same"), make_run(root, "b/same")
    with pytest.raises(InputError, match="got twice: same"):
        results.record([Path(first), Path(second)], root / "docs" / "runs")


def test_damaged_record_is_named(root: Path) -> None:
    (root / "docs" / "runs").mkdir(parents=True)
    (root / "docs" / "runs" / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.json: not JSON"):
        results.read_recorded(root / "docs" / "runs")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- results -->",
        "<!-- /results --> <!-- results -->",
        "<!-- results --><!-- /results --><!-- /results -->",
    ],
)
def test_markers_must_be_there_once(text: str) -> None:
    with pytest.raises(InputError, match="expected the markers"):
        results.put_between_markers(text, "table")
