"""A speaker's clips answered together in a cross-validation, a training and an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import LABELS, NETWORK, VIDEO, features, labelled, samples, write_cache
from tiny_run import FAST, plan_of

from omsn.config import AnswerConfig, Config
from omsn.errors import InputError
from omsn.features.clip_statistics import clip_statistics
from omsn.models.checkpoint import load_checkpoint
from omsn.models.lame import affinities, lame, standardised
from omsn.report.run import BY_ITSELF_FILE, read_metrics
from omsn.training.crossval import cross_validate
from omsn.training.evaluation import evaluate_checkpoint
from omsn.training.neighbours import SHRINKAGE, fit_wccn, with_neighbours
from omsn.training.out_of_fold import OutOfFold, read_predictions
from omsn.training.single import train
from omsn.types import Stream

ENROLLED = Config(network=NETWORK, training=replace(FAST, normalisation="enrolled"))
ALONE = replace(ENROLLED, answer=AnswerConfig(neighbours=0))
SPEAKERS = ("1", "2", "3")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("corpus") / "cache", samples(SPEAKERS))


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An enrolled cross-validation with the SVM beside it. Not to be changed."""
    run = tmp_path_factory.mktemp("enrolled")
    cross_validate(plan_of(cache, config=ENROLLED), run)
    return run


def predictions_of(speakers: tuple[str, ...] = SPEAKERS, seed: int = 0) -> OutOfFold:
    made = samples(speakers)
    odds = np.random.default_rng(seed).uniform(0.1, 1, size=(len(made), len(LABELS)))
    return OutOfFold(
        LABELS,
        clips=np.array([one.clip.clip for one in made]),
        speakers=np.array([one.clip.speaker for one in made]),
        sexes=np.array([one.clip.sex for one in made]),
        folds=np.array(["all"] * len(made)),
        seeds=np.zeros(len(made), np.int64),
        truth=np.array([LABELS.index(one.clip.emotion) for one in made]),
        probabilities=odds / odds.sum(axis=1, keepdims=True),
    )


# ---------------------------------------------------------------- what makes clips alike


def test_directions_in_which_clips_of_a_class_differ_are_all_of_one_length() -> None:
    made = samples(tuple(map(str, range(1, 9))), repetitions=4)
    wccn = fit_wccn(made, ENROLLED)
    assert wccn is not None
    described = clip_statistics([one.sample for one in made], "both", absent=np.nan)
    people, emotions = (np.array([getattr(one.clip, name) for one in made]) for name in ("speaker", "emotion"))
    values = np.zeros(described.shape)
    for person in np.unique(people):
        values[people == person] = standardised(described[people == person])
    # a basis of the components, in which the shrunk covariance is what it is
    basis = np.linalg.qr(wccn.astype(np.float64))[0]
    residual, whitening = values @ basis, basis.T @ wccn
    for person in np.unique(people):
        for emotion in LABELS.names:
            rows = (people == person) & (emotions == emotion)
            residual[rows] -= residual[rows].mean(axis=0)
    within = residual.T @ residual / len(residual)
    shrunk = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    np.testing.assert_allclose(whitening.T @ shrunk @ whitening, np.eye(len(within)), atol=1e-3)


def test_nobody_has_neighbours_who_is_not_enrolled_or_wants_none() -> None:
    none = Config(network=NETWORK, training=FAST)
    weightless = replace(ENROLLED, answer=AnswerConfig(neighbour_weight=0))
    assert [fit_wccn(samples(), config) for config in (none, ALONE, weightless)] == [None] * 3
    said = predictions_of()
    assert with_neighbours(said, features(), ENROLLED, None) is said


def test_a_clip_of_each_emotion_tells_nothing_of_what_makes_clips_alike() -> None:
    assert fit_wccn(samples(repetitions=1), ENROLLED) is None


def test_copies_of_clips_tell_nothing_of_what_makes_clips_alike() -> None:
    made = samples(repetitions=1)
    copies = [replace(one, clip=replace(one.clip, clip=f"{one.clip.clip}-copy")) for one in made]
    assert fit_wccn([*made, *copies], ENROLLED) is None


def test_a_modality_that_nobody_has_tells_nothing_of_what_makes_clips_alike() -> None:
    faceless = [replace(one, sample=replace(one.sample, video=Stream.absent(VIDEO))) for one in samples()]
    face_alone = replace(ENROLLED, training=replace(ENROLLED.training, modality="video"))
    assert fit_wccn(faceless, face_alone) is None
    assert fit_wccn(faceless, ENROLLED) is not None


def test_an_answer_to_another_corpus_is_refused() -> None:
    corpus = features(samples(("1", "2")))
    with pytest.raises(InputError, match="made up: no clip 3-bored-1, of which there is an answer"):
        with_neighbours(predictions_of(), corpus, ENROLLED, fit_wccn(corpus.samples, ENROLLED))


def test_unknown_speakers_have_no_clips_of_their_own() -> None:
    with pytest.raises(InputError, match="no speaker; enrolled normalisation needs one"):
        fit_wccn([labelled("", "sad", repetition) for repetition in (1, 2)], ENROLLED)


# ---------------------------------------------------------------- answers


def test_each_speaker_is_answered_apart_and_no_label_has_a_part_in_it() -> None:
    corpus, said = features(samples(SPEAKERS)), predictions_of()
    wccn = fit_wccn(corpus.samples, ENROLLED)
    assert wccn is not None
    together = with_neighbours(said, corpus, ENROLLED, wccn)
    others = replace(said, truth=(said.truth + 1) % len(LABELS))
    np.testing.assert_array_equal(with_neighbours(others, corpus, ENROLLED, wccn).probabilities, together.probabilities)
    for speaker in SPEAKERS:
        rows = said.speakers == speaker
        described = clip_statistics(
            [one.sample for one in corpus.samples if one.clip.speaker == speaker], "both", np.nan
        )
        expected = lame(said.probabilities[rows], affinities(described, 3, wccn))
        np.testing.assert_allclose(together.probabilities[rows], expected, atol=1e-12)
    assert (together.probabilities != said.probabilities).any()


def test_a_run_keeps_what_is_said_of_each_clip_by_itself(finished: Path, cache: Path, tmp_path: Path) -> None:
    cross_validate(plan_of(cache, config=ALONE), tmp_path / "alone")
    alone, together = read_metrics(tmp_path / "alone"), read_metrics(finished)
    assert alone.by_itself is None
    assert not (tmp_path / "alone" / BY_ITSELF_FILE).exists()
    assert together.by_itself is not None
    assert (together.by_itself.name, together.by_itself.scores.war) == ("each clip by itself", alone.scores.war)
    assert together.by_itself.difference is not None
    first, second = (
        read_predictions(path) for path in (tmp_path / "alone" / "predictions.csv", finished / BY_ITSELF_FILE)
    )
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert (read_predictions(finished / "predictions.csv").probabilities != first.probabilities).any()


def test_the_baseline_knows_as_much(finished: Path, cache: Path, tmp_path: Path) -> None:
    cross_validate(plan_of(cache, config=ENROLLED, model="svm"), tmp_path)
    svm, beside = read_metrics(tmp_path), read_metrics(finished).baseline
    assert beside is not None
    assert svm.by_itself is not None
    assert beside.scores.war == svm.scores.war


def test_a_checkpoint_takes_along_what_makes_clips_alike(cache: Path, tmp_path: Path) -> None:
    train(plan_of(cache, config=ENROLLED), tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoint")
    learned = [one for one in samples(SPEAKERS) if one.clip.speaker in checkpoint.speakers]
    expected = fit_wccn(learned, ENROLLED)
    assert checkpoint.wccn is not None
    assert expected is not None
    np.testing.assert_allclose(checkpoint.wccn, expected, atol=1e-5)
    train(plan_of(cache, config=ALONE), tmp_path / "alone")
    assert load_checkpoint(tmp_path / "alone" / "checkpoint").wccn is None
    held_out = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert held_out["scores"]["clips"] == len(samples(SPEAKERS)) - len(learned)


def test_an_evaluation_answers_as_the_checkpoint_was_trained_to(cache: Path, tmp_path: Path) -> None:
    everybody = replace(FAST, normalisation="enrolled", validation_share=0.0)
    said = {}
    for name, answer in (("together", AnswerConfig()), ("alone", AnswerConfig(neighbours=0))):
        train(plan_of(cache, config=Config(network=NETWORK, training=everybody, answer=answer)), tmp_path / name)
        strangers = write_cache(tmp_path / "strangers", samples(("7", "8")))
        said[name] = evaluate_checkpoint(tmp_path / name / "checkpoint", strangers)[1]
    trained = load_checkpoint(tmp_path / "together" / "checkpoint")
    expected = with_neighbours(said["alone"], features(samples(("7", "8"))), trained.config, trained.wccn)
    np.testing.assert_allclose(said["together"].probabilities, expected.probabilities, atol=1e-6)
    other_mode = [
        evaluate_checkpoint(tmp_path / name / "checkpoint", tmp_path / "strangers", normalisation="none")[1]
        for name in said
    ]
    np.testing.assert_array_equal(other_mode[0].probabilities, other_mode[1].probabilities)
