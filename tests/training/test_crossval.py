from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_corpus import LABELS, NETWORK, features, labelled, samples, write_cache
from tiny_run import FAST, RESULTS, StoppedError, half_a_round, plan_of, same_results, without_times

from omsn.config import Config
from omsn.data.dataset import load_features
from omsn.errors import CacheError, CheckpointError, ConfigError, InputError, LeakError
from omsn.models.network import count_parameters
from omsn.report.html import write_report
from omsn.report.run import parse_metrics, read_history
from omsn.training.crossval import cross_validate
from omsn.training.out_of_fold import read_predictions
from omsn.training.plan import Round, plan_rounds, speaker_names
from omsn.training.rounds import build_network
from omsn.training.temperature import calibrate
from omsn.types import LabelledSample


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("corpus") / "cache", samples(("1", "2", "3")))


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the network on every speaker in turn. Not to be changed."""
    run = tmp_path_factory.mktemp("finished")
    cross_validate(plan_of(cache), run)
    return run


@pytest.fixture(scope="module")
def svm_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("svm")
    cross_validate(plan_of(cache, model="svm"), run)
    return run


def stop_after(rounds: int) -> Callable[[int, int, str], None]:
    def on_fold(done: int, total: int, name: str) -> None:
        if done == rounds:
            raise StoppedError

    return on_fold


# ---------------------------------------------------------------- what a run gives


def test_no_cache(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="no finished feature cache here"):
        cross_validate(plan_of(tmp_path / "none"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_clip_is_tested_once_by_a_network_that_never_heard_its_speaker(finished: Path, cache: Path) -> None:
    predictions = read_predictions(finished / "predictions.csv")
    assert sorted(predictions.clips) == sorted(clip.clip for clip in load_features(cache).clips)
    assert {f"speaker-{speaker}" for speaker in predictions.speakers} == set(predictions.folds)
    for fold in without_times(finished)["protocol"]["folds"]:
        sides = [set(fold[f"{side}_speakers"]) for side in ("train", "validation", "test")]
        assert sides[2] == {fold["name"].removeprefix("speaker-")}
        assert sum(map(len, sides)) == len(set.union(*sides)) == 3


def test_the_report_accepts_its_metrics(finished: Path) -> None:
    content = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    metrics = parse_metrics(content)
    assert metrics.labels == LABELS.names
    assert metrics.protocol.speaker_independent
    assert not metrics.protocol.leaky
    assert (metrics.data.clips, metrics.data.speakers, metrics.scores.clips) == (27, 3, 27)
    assert metrics.baseline is not None
    assert metrics.baseline.difference is not None
    corpus = load_features(Path(metrics.data.cache))
    assert metrics.parameters == count_parameters([build_network(plan_of(finished).config, corpus, 0)])


def test_parameters_are_those_of_the_largest_network(finished: Path, cache: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    last = max((run / "folds").glob("*/round.json"))
    facts = json.loads(last.read_text(encoding="utf-8"))
    larger = facts["parameters"] + 7
    last.write_text(json.dumps(facts | {"parameters": larger}), encoding="utf-8")
    metrics = cross_validate(plan_of(cache), run, baseline=False)
    assert metrics["parameters"] == larger


def test_the_report_is_written(finished: Path, tmp_path: Path) -> None:
    for name in ("metrics.json", *RESULTS):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "unseen speakers, leave one speaker out" in page


def test_temperature_is_fitted_where_speakers_are_kept_apart(finished: Path, cache: Path, tmp_path: Path) -> None:
    told = without_times(finished)["calibrated"]
    assert told == calibrate(read_predictions(finished / "predictions.csv"))
    assert [each["fold"] for each in told["folds"]] == ["speaker-1", "speaker-2", "speaker-3"]
    shared = cross_validate(plan_of(cache, "random-80-20", model="svm"), tmp_path)
    assert shared["calibrated"] is None


def test_the_baseline_can_be_left_out(cache: Path, finished: Path, tmp_path: Path) -> None:
    metrics = cross_validate(plan_of(cache), tmp_path, baseline=False)
    assert metrics["baseline"] is None
    assert metrics["scores"] == without_times(finished)["scores"]


def test_the_metrics_say_what_made_them_and_of_which_features(finished: Path) -> None:
    metrics, asked = without_times(finished), json.loads((finished / "run.json").read_text())
    assert metrics["data"]["digest"] == asked["data"]
    assert metrics["made_with"]["torch"] == torch.__version__
    assert all(metrics["made_with"].values())


def test_the_history_tells_every_epoch_of_every_fold(finished: Path) -> None:
    rows = [(row.fold, row.epoch, row.part) for row in read_history(finished)]
    folds = [f"speaker-{number}" for number in (1, 2, 3)]
    assert rows == [(fold, epoch, part) for fold in folds for epoch in (1, 2) for part in ("training", "validation")]


def test_progress_is_told(cache: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    plan = plan_of(cache, model="svm", seeds=(4, 7))
    cross_validate(plan, tmp_path, on_fold=lambda *progress: told.append(progress))
    assert [(done, total) for done, total, _ in told] == [(number, 6) for number in range(1, 7)]
    assert len({name for _, _, name in told}) == 6


@pytest.mark.parametrize("protocol", ["loso", "random-80-20"])
def test_two_jobs_give_what_one_job_gives(cache: Path, tmp_path: Path, protocol: str) -> None:
    plan = plan_of(cache, protocol)
    cross_validate(plan, tmp_path / "one", jobs=1)
    cross_validate(plan, tmp_path / "two", jobs=2)
    assert same_results(tmp_path / "one", tmp_path / "two")
    assert without_times(tmp_path / "one") == without_times(tmp_path / "two")


def test_each_seed_is_a_round_of_its_own(cache: Path, tmp_path: Path) -> None:
    metrics = cross_validate(plan_of(cache, "random-80-20", seeds=(1, 2)), tmp_path)
    predictions = read_predictions(tmp_path / "predictions.csv")
    assert sorted(set(predictions.seeds.tolist())) == metrics["seeds"] == [1, 2]
    assert len(metrics["scores"]["war"]["per_seed"]) == 2


def test_random_folds_are_said_to_share_speakers(cache: Path, tmp_path: Path) -> None:
    metrics = parse_metrics(cross_validate(plan_of(cache, "random-80-20", model="svm"), tmp_path))
    assert metrics.protocol.leaky
    assert not metrics.protocol.speaker_independent
    assert any("speaker" in leak for leak in metrics.protocol.leaks)


def test_svm(svm_run: Path) -> None:
    run = parse_metrics(without_times(svm_run) | {"seconds": 1.0})
    assert (run.model, run.parameters, run.baseline) == ("svm", None, None)
    assert run.scores.war.pooled is not None
    assert run.scores.war.pooled > 0.6  # the emotions can be told apart
    assert read_history(svm_run) == ()
    assert write_report(svm_run).exists()


def test_the_baseline_is_the_svm_on_the_same_folds(svm_run: Path, finished: Path) -> None:
    baseline, alone = without_times(finished)["baseline"], without_times(svm_run)["scores"]
    assert baseline["name"] == "svm"
    for name, metric in baseline["scores"].items():
        assert metric["pooled"] == pytest.approx(alone[name]["pooled"]), name


def test_without_enough_clips_for_the_svm_there_is_no_baseline(tmp_path: Path) -> None:
    made = [one for one in samples(("1", "2", "3")) if one.clip.emotion != "sad"]
    cache = write_cache(tmp_path / "cache", [*made, labelled("3", "sad", 1)])
    metrics = cross_validate(plan_of(cache), tmp_path / "run")
    assert metrics["baseline"] is None
    assert write_report(tmp_path / "run").exists()


# ---------------------------------------------------------------- interruption


def test_an_interrupted_run_goes_on(cache: Path, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        cross_validate(plan_of(cache), tmp_path, on_fold=stop_after(1))
    done = list(tmp_path.glob("folds/*/round.json"))
    assert done
    times = [path.stat().st_mtime_ns for path in done]
    cross_validate(plan_of(cache), tmp_path)
    assert [path.stat().st_mtime_ns for path in done] == times  # not run again
    assert same_results(tmp_path, finished)
    assert without_times(tmp_path) == without_times(finished)
    assert list(tmp_path.glob("folds/*/state*")) == []


def test_the_time_that_a_run_takes_adds_up_over_its_starts(cache: Path, tmp_path: Path) -> None:
    plan = plan_of(cache, model="svm")
    with pytest.raises(StoppedError):
        cross_validate(plan, tmp_path, on_fold=stop_after(1))
    noted_s = json.loads((tmp_path / "wall_clock.json").read_text())["seconds"]
    assert noted_s > 0
    (tmp_path / "wall_clock.json").write_text(json.dumps({"seconds": noted_s + 1000}))
    assert 1000 + noted_s <= cross_validate(plan, tmp_path)["wall_seconds"] + 0.05 < 1000 + noted_s + 60


def test_a_fold_interrupted_between_epochs_goes_on(cache: Path, finished: Path, tmp_path: Path) -> None:
    state = half_a_round(plan_of(cache), tmp_path)
    cross_validate(plan_of(cache), tmp_path)
    assert same_results(tmp_path, finished)
    assert not state.exists()


def test_a_damaged_state_is_told(cache: Path, tmp_path: Path) -> None:
    state = half_a_round(plan_of(cache), tmp_path)
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"damaged training state .*delete it"):
        cross_validate(plan_of(cache), tmp_path)


def test_a_finished_run_is_not_run_again(cache: Path, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("folds/*/*")}
    results = [(finished / name).read_bytes() for name in RESULTS]
    cross_validate(plan_of(cache), finished)
    assert {path: path.stat().st_mtime_ns for path in finished.glob("folds/*/*")} == before
    assert [(finished / name).read_bytes() for name in RESULTS] == results


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seeds": (1,)}, r"seeds: got \[1\], the run has \["),
        ({"protocol": "random-80-20"}, "protocol: got random-80-20, the run has "),
        ({"model": "svm"}, "model: got svm, the run has network"),
        (
            {"config": Config(network=NETWORK, training=replace(FAST, learning_rate=0.01))},
            r"training\.learning_rate: got 0\.01, the run has",
        ),
    ],
    ids=["seeds", "protocol", "model", "config"],
)
def test_a_run_of_other_settings_is_refused(cache: Path, finished: Path, change: dict[str, Any], told: str) -> None:
    refusal = rf"holds a run with other settings or data .*run\.json differs: {told}.* choose another"
    with pytest.raises(ConfigError, match=refusal):
        cross_validate(replace(plan_of(cache), **change), finished)


def relabelled(made: tuple[LabelledSample, ...]) -> list[LabelledSample]:
    other = {"sad": "glad", "glad": "sad"}
    return [replace(one, clip=replace(one.clip, emotion=other.get(one.clip.emotion, "bored"))) for one in made]


def test_a_run_goes_on_that_was_begun_before_there_was_a_setting(cache: Path, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    held = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    del held["config"]["answer"], held["config"]["training"]["joint"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(held), encoding="utf-8")
    cross_validate(plan_of(cache), tmp_path / "run")
    assert same_results(finished, tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_bytes() == (finished / "run.json").read_bytes()


def test_a_run_of_other_data_is_refused(tmp_path: Path) -> None:
    """As many clips, other labels: finished folds must not be taken for the new data's."""
    made = samples(("1", "2", "3"))
    plan = plan_of(write_cache(tmp_path / "cache", made), model="svm")
    cross_validate(plan, tmp_path / "run")
    write_cache(tmp_path / "cache", relabelled(made))
    with pytest.raises(ConfigError, match=r"holds a run with other settings .* other clips, labels or features"):
        cross_validate(plan, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(ConfigError, match=r"run\.json differs: it is damaged"):
        cross_validate(plan, tmp_path / "run")
    changed = replace(plan, seeds=(4,), model="network", protocol="random-80-20")
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"; and \d+ more\)"):
        cross_validate(changed, tmp_path / "run")


def test_data_that_changed_are_read_again(tmp_path: Path) -> None:
    """One process keeps the corpus in memory, but not for longer than it is the same."""
    made = samples(("1", "2", "3"))
    plan = plan_of(write_cache(tmp_path / "cache", made), model="svm")
    cross_validate(plan, tmp_path / "first")
    write_cache(tmp_path / "cache", relabelled(made))
    cross_validate(plan, tmp_path / "second")
    first, second = (csv_truth(tmp_path / run / "predictions.csv") for run in ("first", "second"))
    assert first != second


def csv_truth(path: Path) -> dict[str, str]:
    with path.open(newline="") as file:
        return {row["clip"]: row["truth"] for row in csv.DictReader(file)}


def test_a_plan_that_fails_claims_no_folder(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown protocol 'los'"):
        cross_validate(plan_of(cache, "los", model="svm"), tmp_path)
    with pytest.raises(InputError, match="protocol actors-emobox: its groups are RAVDESS actors"):
        cross_validate(plan_of(cache, "actors-emobox", model="svm"), tmp_path)
    assert cross_validate(plan_of(cache, model="svm"), tmp_path)["protocol"]["name"] == "loso"


def test_the_same_trial_twice_is_a_leak(tmp_path: Path) -> None:
    """The sound-only and the picture-only copy of each performance, as RAVDESS has them."""
    made = [labelled(s, e, r, statement="door", corpus="ours") for s in "123" for e in LABELS.names for r in (1, 2)]
    copies = [replace(one, clip=replace(one.clip, clip=f"{one.clip.clip}-copy", audio="copy.wav")) for one in made]
    copies = [replace(one, clip=replace(one.clip, audio=f"{one.clip.clip}.wav")) for one in copies]
    plan = plan_of(write_cache(tmp_path / "cache", [*made, *copies]), "random-80-20", model="svm")
    with pytest.raises(LeakError, match=r"parts share what the protocol keeps apart .*x trial"):
        cross_validate(plan, tmp_path / "run")
    metrics = cross_validate(replace(plan, allow_leaks=True), tmp_path / "run")
    assert "trial" in metrics["protocol"]["leaks"][0]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "speakers", [("a b", "a_b", "a.b"), ("A", "a", "b"), ("ä", "ö", "ü"), ("1/2", "1\\2", ".."), ("x" * 300, "y", "z")]
)
def test_any_speaker_has_a_folder_of_its_own(tmp_path: Path, speakers: tuple[str, ...]) -> None:
    """On file systems that do not tell "A" from "a" too."""
    corpus = features(samples(speakers))
    folders = [one.folder_name for one in plan_rounds(plan_of(tmp_path), corpus)[0]]
    assert len({name.lower() for name in folders}) == 3
    for name in folders:
        (tmp_path / name).mkdir()


def test_speakers_in_folders_of_their_own_are_all_scored(tmp_path: Path) -> None:
    plan = plan_of(write_cache(tmp_path / "cache", samples(("a b", "a_b", "a.b"))), model="svm")
    assert cross_validate(plan, tmp_path / "run")["scores"]["clips"] == 27


def test_plain_folds_have_plain_folders(cache: Path) -> None:
    rounds, _ = plan_rounds(plan_of(cache), load_features(cache))
    assert [one.folder_name for one in rounds] == [f"seed-0_speaker-{number}" for number in (1, 2, 3)]
    assert Round(3, rounds[0].fold).folder_name == "seed-3_speaker-1"


def test_speakers_of_one_name_in_two_corpora_are_two_people(tmp_path: Path) -> None:
    made = [
        labelled(speaker, emotion, repetition, corpus=corpus)
        for corpus in ("x", "y")
        for speaker in "12"
        for emotion in LABELS.names
        for repetition in (1, 2)
    ]
    plan = plan_of(write_cache(tmp_path / "cache", made), model="svm")
    metrics = parse_metrics(cross_validate(plan, tmp_path / "run"))
    assert not metrics.protocol.leaky
    assert [row.speaker for row in metrics.scores.per_speaker] == ["x-1", "x-2", "y-1", "y-2"]
    assert metrics.scores.speakers == 4


def test_an_unknown_speaker_stays_unknown() -> None:
    several = features([labelled("", "sad", 1, corpus="x"), labelled("1", "sad", 1, corpus="y")])
    assert speaker_names(several) == ["", "y-1"]
    assert speaker_names(features([labelled("1", "sad", 1, corpus="y")])) == ["1"]
