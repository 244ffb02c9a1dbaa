"""What a round learns from, and what becomes of a run whose processes or files are lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import LABELS, NETWORK, TRAINING, features, samples, write_cache
from torch import Generator, Tensor

from omsn.config import Config
from omsn.data.splits import Fold
from omsn.errors import InputError, TrainingError
from omsn.models.batch import Batch
from omsn.training import crossval, loop
from omsn.training.crossval import ROUND_NAME, cross_validate
from omsn.training.parts import make_parts
from omsn.training.plan import Plan
from omsn.training.rounds import build_network, svm_round
from omsn.types import LabelledSample

MADE = samples(("1", "22", "333", "4444"))
FOLD = Fold("fold", tuple(range(9)), tuple(range(9, 18)), tuple(range(18, 36)))


def mislabelled(rows: tuple[int, ...]) -> list[LabelledSample]:
    """The corpus with other emotions in some rows."""
    made = list(MADE)
    for row in rows:
        other = LABELS.names[(LABELS.index(made[row].clip.emotion) + 1) % len(LABELS)]
        made[row] = replace(made[row], clip=replace(made[row].clip, emotion=other))
    return made


def test_the_svm_learns_from_training_and_validation_and_not_from_the_test_part() -> None:
    said = svm_round(features(MADE), FOLD, TRAINING)
    np.testing.assert_array_equal(svm_round(features(mislabelled(FOLD.test)), FOLD, TRAINING), said)
    for learnt in (FOLD.train, FOLD.validation):
        assert not np.array_equal(svm_round(features(mislabelled(learnt[:4])), FOLD, TRAINING), said)


def test_training_mirrors_faces_and_swaps_speakers(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(TRAINING, epochs=1, augment=replace(TRAINING.augment, speaker_swap=0.5))
    parts = make_parts(features(MADE), FOLD, settings)
    given = []

    def augment(batch: Batch, targets: Tensor, _: object, __: Generator, **more: object) -> tuple[Batch, Tensor]:
        given.append(more)
        return batch, targets

    monkeypatch.setattr(loop, "augment", augment)
    network = build_network(Config(network=NETWORK, training=settings), features(MADE), 0)
    loop.fit(network, parts.train, None, settings, seed=0)
    assert parts.train.mirror is not None
    assert given
    assert all(more["mirror"] is parts.train.mirror and more["speakers"] is not None for more in given)


def plan_of(cache: Path, **facts: object) -> Plan:
    settings = replace(TRAINING, epochs=1, batch_size=32)
    plan = Plan(cache, "loso", (0,), "network", Config(network=NETWORK, training=settings), recipe="")
    return replace(plan, **facts)  # type: ignore[arg-type]


def test_the_svm_beside_the_network_is_fitted_once_a_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, fitted = write_cache(tmp_path / "cache", MADE), list[str]()

    def counted(corpus: object, fold: Fold, settings: object) -> object:
        fitted.append(fold.name)
        return svm_round(corpus, fold, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(crossval, "svm_round", counted)
    settings = replace(TRAINING, epochs=1, batch_size=32, validation_share=0.0)
    plan = plan_of(cache, seeds=(0, 1), config=Config(network=NETWORK, training=settings))
    metrics = cross_validate(plan, tmp_path / "run")
    assert len(fitted) == len(set(fitted)) == 4
    assert len(metrics["baseline"]["scores"]["war"]["per_seed"]) == 2


def test_a_process_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> Iterator[tuple[int, None]]:
        yield 1, None

    monkeypatch.setattr(crossval, "run_tasks", killed)
    with pytest.raises(TrainingError, match=r"run: seed-0_speaker-22 killed its process.* kept\. .*with fewer jobs"):
        cross_validate(plan_of(write_cache(tmp_path / "cache", MADE)), tmp_path / "run", jobs=2)


@pytest.mark.parametrize("content", ["", "[]", '{"seconds": 1.0}', '{"seconds": "long", "parameters": 3}'])
def test_a_damaged_file_of_a_finished_round_is_refused(tmp_path: Path, content: str) -> None:
    plan = plan_of(write_cache(tmp_path / "cache", MADE), model="svm")
    cross_validate(plan, tmp_path / "run")
    damaged = tmp_path / "run" / "folds" / "seed-0_speaker-1" / ROUND_NAME
    damaged.write_text(content)
    with pytest.raises(InputError, match=r"round\.json: damaged \(.*\); delete the folder .*seed-0_speaker-1 to train"):
        cross_validate(plan, tmp_path / "run")
