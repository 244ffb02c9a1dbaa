"""The ablation: its rows, its runs on a corpus that never was, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ablation
import numpy as np
import pytest
import torch
from ablation_section import FULL, PREFIX, ROWS, SEARCHED, Row, ablation_section, judge
from made_up_run import made_up_metrics
from tiny_corpus import AUDIO, LABELS, VIDEO, padded, samples, write_cache
from tiny_recipe import write_recipe

from omsn.errors import InputError
from omsn.models.network import Network, Sizes
from omsn.recipes import load_config
from omsn.report.run import RunMetrics, parse_metrics
from omsn.training.out_of_fold import OutOfFold, join, read_predictions, write_predictions
from omsn.training.summary import compare

TABLE_ROW = next(row for row in ROWS if row.name == "bcpw")


def measured(low: float | None, high: float | None) -> RunMetrics:
    """A row whose WAR lies this far from the full model's."""
    gap = {"value": None if low is None else 0.01, "interval": [low, high]}
    return parse_metrics(made_up_metrics() | {"against": {"run": FULL, "difference": {"war": gap, "uar": gap}}})


def compared(value: float) -> RunMetrics:
    """A row with this paired difference to the full model that it was compared with."""
    gap = {"value": value, "interval": [-0.05, 0.05]}
    return parse_metrics(made_up_metrics() | {"against": {"run": FULL, "difference": {"war": gap}}})


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_changes_the_default_in_what_it_says(row: Row) -> None:
    changed = load_config("default", row.settings)
    assert (changed != load_config("default")) == (row.name != SEARCHED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_a_network_that_answers(row: Row) -> None:
    config, clips = load_config("default", row.settings), padded(samples(("1",), 1))
    network = Network(Sizes((len(AUDIO),), (len(VIDEO),), len(LABELS)), config.network).eval()
    with torch.no_grad():
        assert network(clips.whole).isfinite().all()


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len({row.part for row in ROWS}) == len(ROWS)


# ---------------------------------------------------------------- what is said


def test_no_rows_no_section() -> None:
    assert ablation_section({}) == ""
    assert ablation_section({"actors-4-none": measured(0, 1), FULL: measured(0, 1)}) == ""


@pytest.mark.parametrize(
    ("turned", "span", "answer"),
    [
        ("off", (-0.03, -0.01), "helps"),
        ("off", (0.01, 0.03), "harms"),
        ("off", (-0.01, 0.03), "no clear difference"),
        ("on", (-0.03, -0.01), "harms"),
        ("on", (0.01, 0.03), "helps"),
        ("on", (-0.01, 0.0), "no clear difference"),
        ("on", (None, None), "not known"),
    ],
)
def test_the_interval_judges_a_part(turned: Any, span: tuple[float | None, float | None], answer: str) -> None:
    assert judge(Row("name", "part", turned, "ours"), measured(*span)) == answer


def test_a_row_that_was_not_compared_is_not_judged() -> None:
    assert judge(TABLE_ROW, parse_metrics(made_up_metrics())) == "not known"


def test_the_section_lists_rows_by_whose_they_are_and_sums_them_up() -> None:
    runs = {
        FULL: parse_metrics(made_up_metrics()),
        f"{PREFIX}bcpw": measured(-0.03, -0.01),
        f"{PREFIX}keyframes": measured(-0.03, -0.01),
        f"{PREFIX}mixup": measured(-0.01, 0.03),
    }
    section = ablation_section(runs)
    assert section.count("| the full model | 2 |") == 2
    assert section.index("### Parts of the paper") < section.index("without BCPW") < section.index("### Our own")
    assert "| with keyframes: 32 of a clip's frames | 2 |" in section
    assert "| +1.0 [-3.0, -1.0] | +1.0 [-3.0, -1.0] | helps |" in section
    assert "- **Helps**: BCPW." in section
    assert "- **Harms**: keyframes." in section
    assert "- **No clear difference**: mixup." in section
    assert "Of 3 intervals of parts that do nothing, 0.2 would lie beside 0 by chance" in section
    assert "as far as 2 seeds can average it out" in section
    heard = "The search for the learning rate has heard all speakers"
    assert heard not in section
    searched = ablation_section(runs | {f"{PREFIX}{SEARCHED}": measured(0.01, 0.02)})
    assert heard in searched
    assert "- **Not judged**: SMGCNN's learning rate as MGO found it." in searched
    assert "Of 3 intervals" in searched
    assert "intervals of parts that do nothing" not in ablation_section({f"{PREFIX}{SEARCHED}": measured(0.01, 0.02)})


def test_a_row_that_was_compared_with_another_full_model_is_told() -> None:
    full = parse_metrics(made_up_metrics())
    war = full.scores.war.pooled
    assert war is not None
    assert "Compared with another training" not in ablation_section({FULL: full, f"{PREFIX}bcpw": compared(0.0)})
    section = ablation_section({FULL: full, f"{PREFIX}bcpw": compared(-0.02), f"{PREFIX}mpdrf": compared(0.0)})
    assert f"another training of the full model, whose WAR stands behind each: BCPW ({war + 0.02:.1%}).\n" in section


def test_a_row_with_fewer_seeds_stands_beside_those_of_the_full_model() -> None:
    """Its WAR and difference are of seed 0 alone, and so is what it is compared with: the same training."""
    full, row = parse_metrics(made_up_metrics()), compared(0.0)
    one = full.scores.war.per_seed[0]
    assert one is not None
    assert one != full.scores.war.pooled
    war = row.scores.war.model_copy(update={"pooled": one, "per_seed": (one,)})
    row = row.model_copy(update={"seeds": (0,), "scores": row.scores.model_copy(update={"war": war})})
    assert "Compared with another training" not in ablation_section({FULL: full, f"{PREFIX}bcpw": row})
    other = row.model_copy(update={"seeds": (7,)})
    assert "Compared with another training" not in ablation_section({FULL: full, f"{PREFIX}bcpw": other})


@pytest.mark.parametrize("changes", [{"recipe": "enrolled"}, {"normalisation": "enrolled"}, {"modality": "audio"}])
def test_rows_of_another_full_model_are_refused(changes: dict[str, str]) -> None:
    runs = {FULL: parse_metrics(made_up_metrics()), f"{PREFIX}bcpw": measured(0.01, 0.02).model_copy(update=changes)}
    with pytest.raises(InputError, match=r"ablation-bcpw: recorded of recipe .*; ablation-full of recipe .*; run both"):
        ablation_section(runs)


def test_one_seed_and_no_full_model_are_told() -> None:
    alone = measured(None, None).model_copy(update={"seeds": (0,)})
    section = ablation_section({f"{PREFIX}bcpw": alone})
    assert "the full model |" not in section
    assert "as far as 1 seed can" in section
    assert "- **Not known**: BCPW." in section


# ---------------------------------------------------------------- what is run


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("corpus") / "cache", samples(("1", "2")))


def test_rows_are_run_and_compared_with_the_full_model_and_never_twice(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, search, out = write_recipe(tmp_path / "tiny.toml"), tmp_path / "search", tmp_path / "runs"
    search.mkdir()
    (search / "search.json").write_text(json.dumps({"found": {"training.classifier_learning_rate": 0.01}}))
    command = [str(cache), "--out", str(out), "--recipe", str(recipe), "--protocol", "loso", "--search", str(search)]
    command += ["--only", "bcpw", "searched-learning-rate", "keyframes"]
    assert ablation.main(command) == 0
    first = capsys.readouterr().out
    assert "ablation-keyframes: left out; it needs --keyframe-cache" in first
    assert "points to ablation-full" in first
    names = sorted(path.name for path in out.iterdir())
    assert names == ["ablation-bcpw", "ablation-full", "ablation-searched-learning-rate"]
    row, full = (json.loads((out / name / "metrics.json").read_text()) for name in names[:2])
    assert (row["config"]["network"]["fusion"]["bcpw"], row["baseline"], full["baseline"]["name"]) == (
        False,
        None,
        "svm",
    )
    ours, theirs = (read_predictions(out / name / "predictions.csv") for name in names[:2])
    assert row["against"] == {"run": FULL, "difference": json.loads(json.dumps(compare(ours, theirs)))}
    assert ablation.main(command) == 0
    assert capsys.readouterr().out.count("finished before") == 3


def test_seeds_that_the_full_model_lacks(tmp_path: Path) -> None:
    for name, seeds in ((FULL, (0, 1)), ("ablation-bcpw", (1, 2))):
        write_predictions(join([answers(seed) for seed in seeds]), tmp_path / name / "predictions.csv")
    with pytest.raises(InputError, match="ablation-full has no seed 2 to compare it with; run the full model with it"):
        ablation.note_difference(tmp_path / "ablation-bcpw")


def test_fewer_seeds_are_compared_with_the_same(tmp_path: Path) -> None:
    for name, seeds in ((FULL, (0, 1)), ("ablation-bcpw", (1,))):
        write_predictions(join([answers(seed) for seed in seeds]), tmp_path / name / "predictions.csv")
    (tmp_path / "ablation-bcpw" / "metrics.json").write_text("{}")
    ablation.note_difference(tmp_path / "ablation-bcpw")
    against = json.loads((tmp_path / "ablation-bcpw" / "metrics.json").read_text())["against"]
    assert against["difference"]["war"] == {"value": 0.0, "interval": [0.0, 0.0]}


def answers(seed: int) -> OutOfFold:
    """Each seed is right about other clips."""
    n, truth = 12, np.arange(12) % 3
    said = np.where(np.arange(n) % (seed + 2) == 0, truth, (truth + 1) % 3)
    names, people = np.array([f"clip{row}" for row in range(n)]), np.array([str(row % 4) for row in range(n)])
    blank = np.full(n, "")
    return OutOfFold(LABELS, names, people, blank, np.full(n, "fold"), np.full(n, seed), truth, np.eye(3)[said])


def test_a_row_that_changes_nothing_is_left_out(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(cache), "--out", str(tmp_path), "--recipe", "shared-speakers", "--only", "attention-pooling", "bcpw"]
    runs = ablation.named_runs(ablation.parse(command))
    assert [one.name for one in runs] == [FULL, "ablation-bcpw"]
    assert "attention-pooling: left out; it changes nothing of recipe shared-speakers" in capsys.readouterr().out


def test_a_folder_without_a_search(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"search\.json: no search to take settings from .*name a folder of omsn tune"):
        ablation.searched(tmp_path)
    (tmp_path / "search.json").write_text('{"found": 3}')
    with pytest.raises(InputError, match="no search to take settings from"):
        ablation.searched(tmp_path)


def test_wrong_settings_are_told_in_one_line(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablation.main([str(cache), "--out", str(tmp_path), "--set", "training.epoch=3"]) == 1
    assert capsys.readouterr().err.startswith("ablation: unknown setting training.epoch")
