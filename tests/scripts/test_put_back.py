"""Recorded answers as finished rounds of a run folder: more seeds join them, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import put_back
import pytest
import write_results
from tiny_corpus import samples, write_cache
from tiny_recipe import write_recipe

from omsn.data.dataset import load_features
from omsn.errors import ConfigError, InputError
from omsn.options import plan_of
from omsn.report.run import read_metrics
from omsn.training.crossval import cross_validate
from omsn.training.out_of_fold import read_predictions


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("corpus") / "cache", samples(("1", "2")))


@pytest.fixture(scope="module")
def root(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run of seeds 0 and 2 recorded as ``first``."""
    root = tmp_path_factory.mktemp("project")
    (root / "README.md").write_text("<!-- results --><!-- /results -->", encoding="utf-8")
    run(cache, root, "0,2", root / "runs" / "first")
    assert write_results.main([str(root / "runs" / "first")], root) == 0
    return root


def run(cache: Path, root: Path, seeds: str, folder: Path, *settings: str) -> None:
    recipe = write_recipe(root / "tiny.toml")
    cross_validate(plan_of(cache, "loso", seeds, recipe=str(recipe), settings=settings), folder, baseline=False)


def put(cache: Path, root: Path, seeds: Sequence[int], folder: Path) -> tuple[int, int]:
    return put_back.put_back(root / "docs" / "runs", "first", load_features(cache), cache, tuple(seeds), folder)


def test_recorded_rounds_are_not_trained_again(cache: Path, root: Path, tmp_path: Path) -> None:
    again = tmp_path / "first"
    assert put(cache, root, (0, 1, 2), again) == (4, 6)
    recorded = {path.parent.name: path.stat().st_mtime_ns for path in again.glob("folds/*/round.json")}
    assert sorted(recorded) == [f"seed-{seed}_speaker-{speaker}" for seed in (0, 2) for speaker in (1, 2)]
    run(cache, root, "0,1,2", again)
    assert {name: (again / "folds" / name / "round.json").stat().st_mtime_ns for name in recorded} == recorded
    before, after = (read_predictions(folder / "predictions.csv") for folder in (root / "runs" / "first", again))
    kept = after.take(after.seeds != 1)
    np.testing.assert_array_equal(kept.clips, before.clips)
    np.testing.assert_array_equal(kept.probabilities, before.probabilities)
    assert read_metrics(again).seeds == (0, 1, 2)


def test_with_the_same_seeds_it_is_the_same_run(cache: Path, root: Path, tmp_path: Path) -> None:
    assert put(cache, root, (0, 2), tmp_path / "first") == (4, 4)
    run(cache, root, "0,2", tmp_path / "first")
    before, after = (read_metrics(folder) for folder in (root / "runs" / "first", tmp_path / "first"))
    assert (before.scores, before.made_with) == (after.scores, after.made_with)


def test_what_trained_is_told_where_it_is_the_same_for_all(cache: Path, root: Path, tmp_path: Path) -> None:
    put(cache, root, (0, 1, 2), tmp_path / "first")
    for done in (tmp_path / "first").glob("folds/*/round.json"):
        done.write_text(
            json.dumps(json.loads(done.read_text(encoding="utf-8")) | {"made_with": None}), encoding="utf-8"
        )
    run(cache, root, "0,1,2", tmp_path / "first")
    assert read_metrics(tmp_path / "first").made_with is None


def test_clips_that_were_answered_together_come_back_by_themselves(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("<!-- results --><!-- /results -->", encoding="utf-8")
    first, again, enrolled = tmp_path / "runs" / "first", tmp_path / "again", "training.normalisation=enrolled"
    run(cache, tmp_path, "0,1", first, enrolled)
    assert write_results.main([str(first)], tmp_path) == 0
    assert put(cache, tmp_path, (0, 1), again) == (4, 4)
    run(cache, tmp_path, "0,1", again, enrolled)
    before, after = read_metrics(first), read_metrics(again)
    assert before.by_itself is not None
    assert (before.by_itself, before.scores) == (after.by_itself, after.scores)


def test_the_command_says_what_is_there(
    cache: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(cache), "first", "--seeds", "0,2,5", "--out", str(tmp_path)]
    assert put_back.main(given, root) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'first'}: 4 of 6 folds are there\n"
    assert put_back.main([str(cache), "second", "--seeds", "0", "--out", str(tmp_path)], root) == 1
    assert "second.json: no recorded run" in capsys.readouterr().err


def test_a_run_that_was_recorded_without_its_predictions_does_not_come_back(
    cache: Path, root: Path, tmp_path: Path
) -> None:
    records = tmp_path / "runs"
    records.mkdir()
    (records / "first.json").write_bytes((root / "docs" / "runs" / "first.json").read_bytes())
    with pytest.raises(InputError, match=r"first: recorded without what it said of each clip .*run all its seeds anew"):
        put_back.put_back(records, "first", load_features(cache), cache, (0, 2), tmp_path / "first")


def test_a_recorded_seed_is_not_left_out(cache: Path, root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"first: recorded with seeds 0, 2, expected all of them in --seeds; got 0, 1"):
        put(cache, root, (0, 1), tmp_path / "first")
    assert not (tmp_path / "first").exists()


def test_another_corpus_is_refused(root: Path, tmp_path: Path) -> None:
    fewer = write_cache(tmp_path / "cache", [one for place, one in enumerate(samples(("1", "2"))) if place != 3])
    with pytest.raises(InputError, match=r"is recorded with \d+ clips; the cache has \d+ there"):
        put(fewer, root, (0, 2), tmp_path / "first")
    assert not (tmp_path / "first").exists()


def test_a_clip_of_another_emotion_is_refused(root: Path, tmp_path: Path) -> None:
    first, *others = samples(("1", "2"))
    new = {"bored": "glad", "glad": "sad", "sad": "bored"}[first.clip.emotion]
    mended = write_cache(tmp_path / "cache", [replace(first, clip=replace(first.clip, emotion=new)), *others])
    told = rf"first: {first.clip.clip} is recorded as {first.clip.emotion} by speaker 1; the cache has {new} by 1"
    with pytest.raises(InputError, match=told):
        put(mended, root, (0, 2), tmp_path / "first")
    assert not (tmp_path / "first").exists()


def test_the_folder_of_another_run_is_refused(cache: Path, root: Path, tmp_path: Path) -> None:
    run(cache, root, "7", tmp_path / "first")
    with pytest.raises(ConfigError, match="holds a run with other settings or data"):
        put(cache, root, (0, 2), tmp_path / "first")


@pytest.mark.parametrize(
    "changes",
    [{"members": 2}, {"started_from": {"digest": "0", "recipe": "default", "corpus": ["x"], "speakers": ["1"]}}],
)
def test_only_plain_cross_validations_come_back(
    cache: Path, root: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    content = json.loads((root / "docs" / "runs" / "first.json").read_text(encoding="utf-8")) | changes
    records = tmp_path / "runs"
    records.mkdir()
    (records / "first.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="only plain cross-validations can be put back"):
        put_back.put_back(records, "first", load_features(cache), cache, (0, 2), tmp_path / "first")
