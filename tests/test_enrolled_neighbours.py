"""Answers that take account of the enrolment: a window beside those of the person's other files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_checkpoint import write_checkpoint, write_hum
from made_views import NOBODY, view

from omsn import Recognizer
from omsn.config import AnswerConfig
from omsn.data.dataset import FeatureSet
from omsn.data.splits import Fold
from omsn.data.synthetic import render_corpus
from omsn.errors import InputError
from omsn.models.checkpoint import load_checkpoint, save_checkpoint
from omsn.people import MAX_VIEWS, MAX_VIEWS_A_FILE, Neighbours, describe
from omsn.pipeline import make_sample
from omsn.training.calibration import tempered
from omsn.training.neighbours import with_neighbours
from omsn.training.out_of_fold import OutOfFold
from omsn.training.rounds import out_of_fold
from omsn.types import Clip, LabelledSample, Sample, Stream
from omsn.windows import View

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


def cross_validated(
    samples: Sequence[Sample], own: np.ndarray[tuple[int, int], np.dtype[np.float64]], folder: Path
) -> OutOfFold:
    """What a cross-validation makes of answers to one person's clips, from features as they were prepared."""
    trained = load_checkpoint(folder)
    clips = [Clip(f"clip-{number}", "01", "calm", audio="x.wav", corpus="made-up") for number in range(len(samples))]
    corpus = FeatureSet(tuple(map(LabelledSample, samples, clips)), trained.labels, trained.config.pipeline, "made up")
    said = out_of_fold(corpus, Fold("all", (), (), tuple(range(len(samples)))), 0, own)
    return with_neighbours(said, corpus, trained.config, trained.wccn)


def test_all_files_of_a_person_are_answered_as_a_cross_validation_does(
    alone: Path, together: Path, films: Sequence[Path], tmp_path: Path
) -> None:
    """The last of them has no face."""
    files = [*films, write_hum(tmp_path / "hum.wav", 1.5)]
    own = np.stack([said_by(Recognizer(alone, enrolment=files), file) for file in files])
    pipeline = load_checkpoint(together).config.pipeline
    clips = [Clip(str(file), "", "", audio=str(file), video=str(file) * (file in films)) for file in files]
    said = cross_validated([make_sample(clip, pipeline) for clip in clips], own, together)
    recognizer = Recognizer(together, enrolment=files)
    answers = np.stack([said_by(recognizer, file) for file in files])
    np.testing.assert_allclose(answers, tempered(said.probabilities, TEMPERATURE), atol=1e-5)
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
    described, files = describe([sample, view(1, -2.0).sample], "both"), (Path("a").resolve(), Path("b").resolve())
    known = Neighbours(files, described, said, AnswerConfig(1), "both", np.eye(10, dtype=np.float32))
    assert known.adjust(Path("a"), sample, own).argmax() == 0  # b is its neighbour, and not what a is said to be there
    assert known.adjust(Path("c"), sample, own).argmax() == 1  # a is nearest


def test_a_baseline_is_a_neighbour_as_the_files_of_an_enrolment_are(together: Path, films: Sequence[Path]) -> None:
    known = Recognizer(together, enrolment=films[2:], baseline=films[1]).enrolment
    assert known.neighbours is not None
    assert known.neighbours.files == tuple(film.resolve() for film in (*films[2:], films[1]))
    assert len(known.neighbours.described) == len(known.neighbours.probabilities) == len(films) - 1
    assert not known.views


def test_an_enrolment_of_another_checkpoint_is_refused(alone: Path, together: Path, films: Sequence[Path]) -> None:
    known = Recognizer(alone, enrolment=films[:1]).enrolment
    with pytest.raises(InputError, match="enrolment: it is of a recognizer with another checkpoint"):
        Recognizer(together, enrolment=known)


def test_a_baseline_beside_an_enrolment_that_is_known_is_refused(together: Path, films: Sequence[Path]) -> None:
    known = Recognizer(together, enrolment=films[2:]).enrolment
    with pytest.raises(InputError, match="baseline: got one beside the enrolment of another recognizer"):
        Recognizer(together, enrolment=known, baseline=films[1])


def nothing_in(number: int) -> View:
    absent = Stream.absent(("x",))
    return replace(view(number, 0.0), sample=Sample("a", absent, absent))


def test_windows_that_overlap_or_hold_nothing_are_no_neighbours_and_only_so_many_are_kept() -> None:
    windows = [(view(number, float(number)), view(number, 9.0, 1)) for number in range(5)]
    known = NOBODY.plus(Path("a"), [*windows, (nothing_in(6),), (nothing_in(8),)])
    assert [float(sample.audio.values.mean()) for _, sample in known.views] == [0, 2, 4]
    assert {file for file, _ in known.views} == {Path("a").resolve()}
    for name in "bcdefg":
        known = known.plus(Path(name), [(view(2 * number, 0.0),) for number in range(2 * MAX_VIEWS_A_FILE)])
        assert len(known.views) == min(MAX_VIEWS, 3 + MAX_VIEWS_A_FILE * len(known.files - {Path("a").resolve()}))
