"""Answers that take account of the enrolment: a window beside those of the person's other files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_checkpoint import write_checkpoint
from made_views import NOBODY, view

from omsn import Recognizer
from omsn.config import AnswerConfig
from omsn.data.synthetic import render_corpus
from omsn.features.clip_statistics import clip_statistics
from omsn.models.checkpoint import load_checkpoint, save_checkpoint
from omsn.models.lame import affinities, lame
from omsn.people import MAX_VIEWS, Neighbours
from omsn.training.calibration import tempered

TEMPERATURE = 1.7


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Five films of one person."""
    root = tmp_path_factory.mktemp("films")
    return render_corpus(root, speakers=1, clips_per_emotion=1, seconds=1.0, size=(240, 180))[:5]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that answers each clip of an enrolled person by itself."""
    return write_checkpoint(tmp_path_factory.mktemp("alone"), normalisation="enrolled")


@pytest.fixture(scope="module")
def together(alone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but that it takes the person's clips together."""
    trained, folder = load_checkpoint(alone), tmp_path_factory.mktemp("together")
    n_statistics = 5 * (len(trained.audio_columns) + len(trained.video_columns))
    wccn = np.random.default_rng(0).normal(size=(n_statistics, 20)).astype(np.float32)
    save_checkpoint(folder, replace(trained, wccn=wccn, temperature=TEMPERATURE))
    return folder


def said_by(recognizer: Recognizer, film: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    (window,) = recognizer.predict(film).windows
    return np.array(window.probabilities)


def test_all_files_of_a_person_are_answered_as_a_cross_validation_does(
    alone: Path, together: Path, films: Sequence[Path]
) -> None:
    by_itself, recognizer = Recognizer(alone, enrolment=films), Recognizer(together, enrolment=films)
    own = np.stack([said_by(by_itself, film) for film in films])
    statistics = recognizer.enrolment.sums.statistics()
    samples = [statistics.standardise(sample) for _, sample in recognizer.enrolment.views]
    wccn = load_checkpoint(together).wccn
    assert wccn is not None
    expected = tempered(lame(own, affinities(clip_statistics(samples, "both"), 3, wccn)), TEMPERATURE)
    answers = np.stack([said_by(recognizer, film) for film in films])
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert np.abs(answers - tempered(own, TEMPERATURE)).max() > 1e-3


def test_a_recognizer_that_is_given_the_enrolment_of_another_answers_alike(
    together: Path, films: Sequence[Path]
) -> None:
    first = Recognizer(together, enrolment=films[1:])
    second = Recognizer(together, enrolment=first.enrolment)
    np.testing.assert_array_equal(said_by(first, films[0]), said_by(second, films[0]))


def test_a_file_alone_has_no_neighbours(alone: Path, together: Path, films: Sequence[Path]) -> None:
    for enrolment in ((), films[:1]):
        own = said_by(Recognizer(alone, enrolment=enrolment), films[0])
        answer = said_by(Recognizer(together, enrolment=enrolment), films[0])
        np.testing.assert_allclose(answer, tempered(own[None], TEMPERATURE)[0], atol=1e-6)


def test_a_file_is_no_neighbour_of_its_own() -> None:
    sample, own = view(0, 3.0).sample, np.array([0.6, 0.4])
    said = np.array([[0.01, 0.99], [0.9, 0.1]])
    described = clip_statistics([sample, view(1, -2.0).sample], "both")
    known = Neighbours(
        (Path("a").resolve(), Path("b").resolve()),
        described,
        said,
        AnswerConfig(1),
        "both",
        np.eye(10, dtype=np.float32),
    )
    assert known.adjust(Path("a"), sample, own).argmax() == 0  # b is its neighbour, and not what a is said to be there
    assert known.adjust(Path("c"), sample, own).argmax() == 1  # a is nearest


def test_windows_that_overlap_are_no_neighbours_and_only_so_many_are_kept() -> None:
    known = NOBODY.plus(Path("a"), [(view(number, float(number)), view(number, 9.0, 1)) for number in range(5)])
    assert [float(sample.audio.values.mean()) for _, sample in known.views] == [0, 2, 4]
    assert {file for file, _ in known.views} == {Path("a").resolve()}
    known = known.plus(Path("b"), [(view(2 * number, 0.0),) for number in range(MAX_VIEWS)])
    assert len(known.views) == MAX_VIEWS
