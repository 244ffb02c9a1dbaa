"""Films and the landmarks that come with their corpus: two ways to one answer."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from omsn.data.corpora import ravdess
from omsn.data.prepare import prepare
from omsn.models.checkpoint import load_checkpoint, shipped_checkpoint
from omsn.training.evaluation import evaluate_checkpoint
from omsn.training.out_of_fold import OutOfFold
from omsn.types import Clip


def answers(clips: list[Clip], cache: Path) -> OutOfFold:
    """What the shipped weights say of clips, in the order of their names."""
    shipped = shipped_checkpoint()
    prepared = prepare(clips, cache, load_checkpoint(shipped).config.pipeline)
    assert prepared.skipped == ()
    _, predictions = evaluate_checkpoint(shipped, cache, allow_leaks=True)
    return predictions


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")
def test_a_film_and_the_corpus_landmarks_of_it_name_the_same_emotion(tmp_path: Path) -> None:
    corpus = Path(os.environ["OMSN_DATA"]) / "ravdess"
    films = list(ravdess.find(corpus / "video").clips)
    described = {clip.clip: clip for clip in ravdess.find(corpus).clips}
    given = [replace(described[film.clip], video="") for film in films]
    assert len(films) == 8
    assert all(clip.audio.endswith(".flac") and ".npz#" in clip.landmarks for clip in given)
    by_film, by_landmarks = answers(films, tmp_path / "films"), answers(given, tmp_path / "landmarks")
    assert list(by_film.clips) == list(by_landmarks.clips)
    np.testing.assert_array_equal(by_film.probabilities.argmax(axis=1), by_landmarks.probabilities.argmax(axis=1))
    assert np.abs(by_film.probabilities - by_landmarks.probabilities).mean() < 0.03
