from __future__ import annotations

import csv
from pathlib import Path

import pytest
import try_settings as trials
from tiny_corpus import features, samples, write_cache

from omsn.data.splits import make_folds
from omsn.errors import InputError

SPEAKERS = tuple(str(number) for number in range(1, 13))


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
    with pytest.raises(InputError, match=rf"--fold: got {number}, expected 1 to 3 for actors-4"):
        trials.nested_fold(features(samples(SPEAKERS)), "actors-4", number, seed=0)


def test_trials_are_added_to_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache, table = write_cache(tmp_path / "cache", samples(SPEAKERS)), tmp_path / "experiments.csv"
    small = ["--set", "training.epochs=2", "--set", "network.fusion.kind=concatenation"]
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
