"""From a real file to an answer, and what happens where there is nothing to answer from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_checkpoint import write_checkpoint, write_hum

import omsn
from omsn.data.synthetic import render_corpus
from omsn.errors import CheckpointError, InputError, MediaError
from omsn.labels import RAVDESS_EMOTIONS
from omsn.models.checkpoint import save_checkpoint
from omsn.recognizer import HOP_S, WINDOW_S, Recognizer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("film")
    return render_corpus(root, speakers=1, clips_per_emotion=1, seconds=1.0, size=(240, 180))[0]


def test_a_short_film_is_one_window_of_both_modalities(checkpoint: Path, film: Path) -> None:
    prediction = omsn.Recognizer(checkpoint).predict(film)
    assert len(prediction.windows) == 1
    assert prediction.windows[0].modalities == ("audio", "video")
    assert sum(prediction.windows[0].probabilities) == pytest.approx(1, abs=1e-5)
    assert prediction.emotion() in RAVDESS_EMOTIONS.names


def test_the_same_file_gives_the_same_answer(checkpoint: Path, film: Path) -> None:
    recognizer = Recognizer(checkpoint)
    assert recognizer.predict(film) == recognizer.predict(film)


def test_enrolled_normalisation_answers_from_the_files_own_statistics(checkpoint: Path, film: Path) -> None:
    plain, enrolled = Recognizer(checkpoint).predict(film), Recognizer(checkpoint, "enrolled").predict(film)
    assert plain.windows[0].probabilities != enrolled.windows[0].probabilities


def test_a_long_sound_is_cut_into_overlapping_windows(checkpoint: Path, tmp_path: Path) -> None:
    prediction = Recognizer(checkpoint).predict(write_hum(tmp_path / "long.wav", 9.0))
    assert prediction.windows[0].modalities == ("audio",)
    starts = [window.start_s for window in prediction.windows]
    assert np.diff(starts) == pytest.approx(HOP_S)
    assert all(window.end_s - window.start_s <= WINDOW_S + 1e-9 for window in prediction.windows)
    assert prediction.windows[-1].end_s == pytest.approx(9.0, abs=0.05)


def test_silence_without_a_picture_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither sound nor a face"):
        Recognizer(checkpoint).predict(write_hum(tmp_path / "silent.wav", 1.0, level=0.0))


def test_a_text_file_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a film")
    with pytest.raises(MediaError, match=r"text\.mp4"):
        Recognizer(checkpoint).predict(path)


def test_a_checkpoint_of_other_features_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    from omsn.models.checkpoint import load_checkpoint

    trained = load_checkpoint(checkpoint)
    renamed = replace(trained, audio_columns=("other", *trained.audio_columns[1:]))
    save_checkpoint(tmp_path, renamed)
    with pytest.raises(CheckpointError, match="column 0 is logmel_00, expected other"):
        Recognizer(tmp_path)


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        _ = omsn.Recogniser
