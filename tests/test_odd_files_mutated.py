"""Damaged films end in an answer or in one line, in time and within memory, whatever the damage."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_checkpoint import write_checkpoint
from mutated_files import LIMIT_S, LONGEST_RUN, Outcome, mutate, outcomes_of, write_mutants
from odd_films import PLAIN, Writing, film_take, timed, write_film

WITH_DATA = pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real clips in OMSN_DATA")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@given(content=st.binary(min_size=1, max_size=2 * LONGEST_RUN), seed=st.integers(0, 10**6))
@settings(max_examples=50)
def test_damage_is_small_and_the_same_for_the_same_seed(content: bytes, seed: int) -> None:
    damaged, again = (mutate(content, np.random.default_rng(seed)) for _ in range(2))
    assert damaged == again
    assert len(damaged) <= len(content) + LONGEST_RUN


@pytest.mark.slow
def test_what_a_file_does_to_the_process_is_told(tmp_path: Path) -> None:
    """A process that ends at the first file, as the checkpoint is missing, costs no more than its own outcome."""
    told = outcomes_of(tmp_path / "missing", [tmp_path / "a.mp4"])
    assert "the process ended with 1" in told[0].outcome
    assert "no checkpoint" in told[0].outcome


def check(outcomes: Sequence[Outcome]) -> None:
    """Each is an answer or one line that names the file."""
    wrong = [
        outcome
        for outcome in outcomes
        if not (outcome.outcome == "answered" or outcome.outcome.startswith(f"{outcome.file}: "))
        or "\n" in outcome.outcome
        or outcome.seconds > LIMIT_S
    ]
    assert wrong == []


def test_damaged_rendered_films(checkpoint: Path, tmp_path: Path) -> None:
    take = film_take(tmp_path / "take")
    mp4 = write_film(tmp_path / "a.mp4", timed(take.images[:10]), take.samples, PLAIN)
    mkv = write_film(tmp_path / "a.mkv", timed(take.images[:10]), take.samples, Writing(sound_codec="flac"))
    outcomes = outcomes_of(checkpoint, [*write_mutants(mp4, tmp_path, 20), *write_mutants(mkv, tmp_path, 10)])
    check(outcomes)
    answered = Counter(outcome.outcome == "answered" for outcome in outcomes)
    assert min(answered[True], answered[False]) >= 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@WITH_DATA
@pytest.mark.parametrize(
    ("pattern", "n_clips", "copies"), [("javanese/*-01-01_01.mp4", 6, 40), ("ravdess/video/*/*.mp4", 3, 20)]
)
def test_damaged_real_films(pattern: str, n_clips: int, copies: int, checkpoint: Path, tmp_path: Path) -> None:
    clips = sorted(Path(os.environ["OMSN_DATA"]).glob(pattern))[:n_clips]
    assert len(clips) == n_clips
    for seed, clip in enumerate(clips):
        mutants = write_mutants(clip, tmp_path, copies, seed)
        check(outcomes_of(checkpoint, mutants))
        for mutant in mutants:
            mutant.unlink()
