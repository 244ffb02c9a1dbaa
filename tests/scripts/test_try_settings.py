from __future__ import annotations

import csv
import re
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
import torch
import try_settings as trials
from tiny_corpus import features, samples, write_cache

from omsn.data.splits import make_folds
from omsn.errors import ConfigError, InputError
from omsn.models.network import count_parameters
from omsn.recipes import load_config
from omsn.training.loop import fit
from omsn.training.parts import make_parts
from omsn.training.rounds import build_network

SPEAKERS = tuple(str(number) for number in range(1, 13))
SMALL = ("training.epochs=2", "network.fusion.kind=concatenation")


@pytest.mark.parametrize("protocol", ["actors-4", "random-80-20", "loso"])
def test_a_trial_never_sees_the_test_part_of_its_fold(protocol: str) -> None:
    corpus = features(samples(SPEAKERS))
    nested = trials.nested_fold(corpus, protocol, 1, seed=3)
    outer = make_folds(corpus.clips, protocol, 3, 0.0)[0]
    assert nested.train
    assert nested.test
    assert not nested.validation
    assert set(nested.train) | set(nested.test) == set(outer.train)
    assert not set(nested.train) & set(nested.test)


def test_a_trial_keeps_speakers_apart_where_its_protocol_does() -> None:
    corpus = features(samples(SPEAKERS))
    nested = trials.nested_fold(corpus, "actors-4", 2, seed=0)
    learnt, scored = ({corpus.clips[index].speaker for index in part} for part in (nested.train, nested.test))
    assert len(scored) == 4
    assert not learnt & scored


@pytest.mark.parametrize("number", [0, 4])
def test_a_fold_that_is_not_there(number: int) -> None:
    with pytest.raises(InputError, match=rf"--folds: got {number}, expected 1 to 3 for actors-4"):
        trials.nested_fold(features(samples(SPEAKERS)), "actors-4", number, seed=0)


def test_all_folds_together_score_everybody_once() -> None:
    corpus = features(samples(SPEAKERS))
    scored = [trials.nested_fold(corpus, "actors-4", number, seed=0).test for number in (1, 2, 3)]
    assert sorted(index for part in scored for index in part) == list(range(len(corpus.clips)))


@pytest.mark.parametrize("text", ["", "1,", "one", "1,2,1", "1;2"])
def test_folds_that_are_no_numbers(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=rf"got {re.escape(repr(text))}, expected different numbers"):
        trials.parse_folds(text)


def test_folds_are_scored_together() -> None:
    corpus, config = features(samples(SPEAKERS)), load_config("default", SMALL)
    folds = [trials.nested_fold(corpus, "actors-4", number, seed=0) for number in (1, 3)]
    first, second = (trials.run_trial(corpus, [fold], config, seed=0) for fold in folds)
    both = trials.run_trial(corpus, folds, config, seed=0)
    assert (both["train_clips"], both["scored_clips"]) == ("72", "72")
    for name in ("war", "loss", "war_audio_head", "war_video_head"):
        assert float(both[name]) == pytest.approx((float(first[name]) + float(second[name])) / 2, abs=1.5e-4)


def test_the_clips_that_a_network_knows_count_among_its_parameters() -> None:
    corpus, config = features(samples(SPEAKERS)), load_config("default", [*SMALL, "network.statistics.enabled=true"])
    fold = trials.nested_fold(corpus, "actors-4", 1, seed=0)
    unfitted = count_parameters([build_network(config, corpus, 0)])
    counted = int(trials.run_trial(corpus, [fold], config, seed=0)["parameters"])
    assert counted - unfitted > len(fold.train) * len(corpus.labels)  # a coefficient each, and what they are like


@pytest.mark.parametrize("setting", ["training.keep=best", "training.patience=3"])
def test_nobody_chooses_in_a_trial(setting: str) -> None:
    config = load_config("default", [*SMALL, setting, "training.validation_share=0.2"])
    with pytest.raises(ConfigError, match=r"training\.keep: got (best|last), patience [03], but nobody is kept out"):
        trials.run_trial(features(samples(SPEAKERS)), [], config, seed=0)


def test_the_loss_is_of_what_is_answered() -> None:
    """One-vs-rest sigmoids divided by their sum, where the network was trained so."""
    corpus, config = features(samples(SPEAKERS)), load_config("default", [*SMALL, "training.loss=binary_cross_entropy"])
    fold = trials.nested_fold(corpus, "actors-4", 1, seed=0)
    network, parts = build_network(config, corpus, 0), make_parts(corpus, fold, config.training)
    fit(network, parts.train, None, config.training, seed=0)
    assert parts.test is not None
    with torch.no_grad():
        odds = torch.sigmoid(network.eval()(parts.test.whole))
    expected = -(odds / odds.sum(dim=1, keepdim=True))[range(len(odds)), parts.test.targets].log().mean()
    assert float(trials.run_trial(corpus, [fold], config, seed=0)["loss"]) == pytest.approx(float(expected), abs=1e-4)


def test_enrolled_clips_are_answered_together_and_by_themselves_beside_it() -> None:
    corpus, fold_of = features(samples(SPEAKERS)), trials.nested_fold
    enrolled = [*SMALL, "training.normalisation=enrolled"]
    fold = fold_of(corpus, "actors-4", 1, seed=0)
    together, alone = (
        trials.run_trial(corpus, [fold], load_config("default", [*enrolled, *more]), seed=0)
        for more in ([], ["answer.neighbours=0"])
    )
    assert together["war_by_itself"] == alone["war"] == alone["war_by_itself"]
    assert together["loss"] != alone["loss"]


def test_trials_are_added_to_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache, table = write_cache(tmp_path / "cache", samples(SPEAKERS)), tmp_path / "experiments.csv"
    small = [argument for setting in SMALL for argument in ("--set", setting)]
    for name in ("first", "second"):
        trials.main([str(cache), "--name", name, "--table", str(table), *small])
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["first", "second"]
    first, second = ({key: value for key, value in row.items() if key not in ("name", "minutes")} for row in rows)
    assert first == second  # the same seed, the same score
    assert first["settings"] == "training.epochs=2 network.fusion.kind=concatenation"
    assert (first["train_clips"], first["scored_clips"]) == ("36", "36")
    assert 0 <= float(first["war"]) <= 1
    assert "war " + first["war"] in capsys.readouterr().out
