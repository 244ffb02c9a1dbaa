from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_predictions import simulate

from omsn.errors import InputError
from omsn.labels import LabelSet
from omsn.training.out_of_fold import OutOfFold, join, read_predictions, write_predictions


def same(first: OutOfFold, second: OutOfFold) -> bool:
    columns = ("clips", "speakers", "sexes", "folds", "seeds", "truth")
    equal = all(np.array_equal(getattr(first, name), getattr(second, name)) for name in columns)
    close = np.array_equal(first.probabilities.astype(np.float32), second.probabilities.astype(np.float32))
    return equal and close and first.labels == second.labels


def test_no_predictions() -> None:
    nobody = np.array([], np.str_)
    with pytest.raises(InputError, match="no predictions to score"):
        OutOfFold(
            LabelSet(("a",)), nobody, nobody, nobody, nobody, np.empty(0, int), np.empty(0, int), np.empty((0, 1))
        )


def test_probabilities_must_fit_the_labels() -> None:
    with pytest.raises(InputError, match="got 3 probabilities a clip, expected 2: a, b"):
        replace(simulate(), labels=LabelSet(("a", "b")), truth=np.zeros(144, np.int64))


def test_columns_must_be_equally_long() -> None:
    with pytest.raises(InputError, match="got 1 speakers, expected 144"):
        replace(simulate(), speakers=np.array(["1"]))


def test_a_clip_stands_once_for_each_seed() -> None:
    with pytest.raises(InputError, match="clip 0-0 stands twice for seed 0"):
        replace(simulate(), seeds=np.zeros(144, np.int64))


def test_a_clip_keeps_its_label() -> None:
    one = simulate()
    with pytest.raises(InputError, match="clip 0-0 has another label or speaker in another seed"):
        replace(one, truth=np.concatenate([one.truth[:72], (one.truth[72:] + 1) % 3]))


def test_join_puts_parts_back_together() -> None:
    whole = simulate()
    first = whole.folds == "fold 0"
    joined = join([whole.take(first), whole.take(~first)])
    assert len(joined) == len(whole)
    assert joined.predicted.sum() == whole.predicted.sum()


def test_join_of_nothing() -> None:
    with pytest.raises(InputError, match="got 0 folds, expected at least 1"):
        join([])


def test_join_needs_one_label_set() -> None:
    one = simulate()
    with pytest.raises(InputError, match="different labels: angry, calm, sad and a, b, c"):
        join([one, replace(one, labels=LabelSet(("a", "b", "c")))])


def test_written_predictions_come_back_unchanged(tmp_path: Path) -> None:
    one = simulate()
    write_predictions(one, tmp_path / "predictions.csv")
    assert same(one, read_predictions(tmp_path / "predictions.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]
    header, first = (tmp_path / "predictions.csv").read_text().splitlines()[:2]
    assert header == "clip,speaker,sex,fold,seed,truth,predicted,p_angry,p_calm,p_sad"
    assert first.startswith("0-0,5,female,fold 0,0,angry,")


def test_compressed_predictions_come_back_and_are_equal_files_where_they_are_equal(tmp_path: Path) -> None:
    plain, packed, again = (tmp_path / name for name in ("p.csv", "p.csv.gz", "q.csv.gz"))
    for path in (plain, packed, again):
        write_predictions(simulate(), path)
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert packed.read_bytes() == again.read_bytes()
    assert same(simulate(), read_predictions(packed))


@pytest.mark.parametrize("damage", ["cut short", "not compressed", "flipped"])
def test_damaged_compressed_predictions_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "p.csv.gz"
    write_predictions(simulate(), path)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2 : len(content) // 2 + 20] = bytes(20)
    path.write_bytes({"cut short": bytes(content[:-20]), "not compressed": b"clip,", "flipped": bytes(content)}[damage])
    with pytest.raises(InputError, match=r"p\.csv\.gz: cannot read the predictions"):
        read_predictions(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(name=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text.strip("\0")))
def test_any_names_come_back(name: str, tmp_path: Path) -> None:
    one = replace(simulate(n_seeds=1), folds=np.full(72, name))
    write_predictions(one, tmp_path / "predictions.csv")
    assert same(one, read_predictions(tmp_path / "predictions.csv"))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot read the predictions"):
        read_predictions(tmp_path / "none.csv")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match=r"no column clip, .*, p_<label>; found an empty file"):
        read_predictions(tmp_path / "empty.csv")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,1,male,f,0,joy,joy,1", "unknown emotion 'joy'"),
        ("a,1,male,f,zero,calm,calm,1", "invalid literal for int"),
        ("a,1,male,f,0,calm,calm,often", "could not convert string to float"),
        ("a,1,male,f,0,calm,calm", "float"),
    ],
)
def test_unreadable_row_is_named(tmp_path: Path, row: str, problem: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(f"clip,speaker,sex,fold,seed,truth,predicted,p_calm\n{row}\n")
    with pytest.raises(InputError, match=f"line 2: cannot read this prediction: .*{problem}"):
        read_predictions(path)
