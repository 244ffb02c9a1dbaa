"""Films in every shape that people have: right pictures at the right times, sound in step, an answer or one line."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from made_checkpoint import write_checkpoint
from odd_film_table import BAD_FILMS, GOOD_FILMS, LATE_PICTURES, LATE_SOUNDS, BadFilm, GoodFilm
from odd_films import RATE_HZ, Take, film_take, lag_s, number_of
from typer.testing import CliRunner

from omsn.batch import Batch, Model, predict_batch
from omsn.cli import app
from omsn.errors import InputError, MediaError
from omsn.export.overlay import write_overlay
from omsn.export.subtitles import write_srt
from omsn.media.sound import read_sound
from omsn.media.video import read_frames
from omsn.recognizer import Recognizer
from omsn.types import Prediction

FRAME_S = 1 / 25
NOBODY = 65534


@pytest.fixture(scope="session")
def take(tmp_path_factory: pytest.TempPathFactory) -> Take:
    return film_take(tmp_path_factory.mktemp("take"))


@pytest.fixture(scope="session")
def films(take: Take, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every film, good and bad, by its name."""
    folder = tmp_path_factory.mktemp("films")
    every: list[GoodFilm | BadFilm] = [*GOOD_FILMS, *BAD_FILMS]
    return {film.name: film.write(folder, take) for film in every}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def batch(films: dict[str, Path], checkpoint: Path) -> Batch:
    """All films answered in one go."""
    return predict_batch(list(films.values()), Model.of(checkpoint))


def answer_of(batch: Batch, path: Path) -> Prediction:
    (answer,) = [prediction for prediction in batch.predictions if prediction.source == str(path)]
    return answer


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("film", [film for film in GOOD_FILMS if film.shown], ids=lambda film: film.name)
def test_pictures_are_those_that_were_filmed_when_they_were(
    film: GoodFilm, films: dict[str, Path], threads: int
) -> None:
    frames = list(read_frames(films[film.name], threads=threads))
    assert [number_of(frame.image) for frame in frames] == [number for _, number in film.shown]
    np.testing.assert_allclose([frame.time_s for frame in frames], [time_s for time_s, _ in film.shown], atol=2e-3)
    assert {frame.image.shape[1::-1] for frame in frames} == {film.size}


@pytest.mark.parametrize("film", [film for film in GOOD_FILMS if film.sound_s is not None], ids=lambda film: film.name)
def test_sound_is_in_step_with_the_pictures(film: GoodFilm, films: dict[str, Path], take: Take) -> None:
    """To a quarter of a frame; coders of sound add a few milliseconds of their own."""
    sound = read_sound(films[film.name], RATE_HZ)
    assert sound.start_s + lag_s(sound.samples, take.samples) == pytest.approx(film.sound_s, abs=FRAME_S / 4)


@pytest.mark.parametrize("film", GOOD_FILMS, ids=lambda film: film.name)
def test_a_film_is_answered_from_what_is_in_it(film: GoodFilm, films: dict[str, Path], batch: Batch) -> None:
    windows = answer_of(batch, films[film.name]).windows
    assert set().union(*(window.modalities for window in windows)) == set(film.modalities)
    assert min(window.start_s for window in windows) == pytest.approx(0, abs=FRAME_S)
    assert max(window.end_s for window in windows) == pytest.approx(film.end_s, abs=FRAME_S)


@pytest.mark.parametrize("film", LATE_PICTURES, ids=lambda film: film.name)
def test_subtitles_begin_with_the_voice_where_the_picture_is_late(
    film: GoodFilm, films: dict[str, Path], batch: Batch, tmp_path: Path
) -> None:
    """A player shows the first picture at 0.4 s, and so the last one until 1.4 s."""
    write_srt(answer_of(batch, films[film.name]), tmp_path / "a.srt")
    begin, end = re.findall(r"00:00:(\d\d,\d\d\d)", (tmp_path / "a.srt").read_text())
    assert begin == "00,000"
    assert float(end.replace(",", ".")) == pytest.approx(film.end_s, abs=FRAME_S)


@pytest.mark.parametrize("film", [*LATE_PICTURES, *LATE_SOUNDS], ids=lambda film: film.name)
def test_an_overlay_has_the_whole_voice_in_step(
    film: GoodFilm, films: dict[str, Path], batch: Batch, take: Take, tmp_path: Path
) -> None:
    path = tmp_path / "overlay.mp4"
    write_overlay(answer_of(batch, films[film.name]), path)
    frames, sound = list(read_frames(path)), read_sound(path, RATE_HZ)
    np.testing.assert_allclose([frame.time_s for frame in frames], [time_s for time_s, _ in film.shown], atol=2e-3)
    assert [number_of(frame.image) for frame in frames] == [number for _, number in film.shown]
    assert sound.start_s + lag_s(sound.samples, take.samples) == pytest.approx(film.sound_s, abs=FRAME_S / 4)
    assert sound.duration_s == pytest.approx(1.0, abs=FRAME_S)
    assert frames[-1].time_s + frames[-1].duration_s == pytest.approx(film.shown[-1][0] + FRAME_S, abs=2e-3)


@pytest.mark.parametrize("film", BAD_FILMS, ids=lambda film: film.name)
def test_a_film_that_cannot_be_answered_is_told_in_one_line(
    film: BadFilm, films: dict[str, Path], batch: Batch, checkpoint: Path
) -> None:
    path = films[film.name]
    ((_, reason),) = [failure for failure in batch.failures if failure[0] == str(path)]
    assert film.reason in reason
    assert len(reason.splitlines()) == 1
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: [^\n]+$"):
        Recognizer(checkpoint).predict(path)


def test_a_batch_goes_on_after_every_bad_file(films: dict[str, Path], batch: Batch) -> None:
    good = {str(films[film.name]) for film in GOOD_FILMS}
    bad = {str(films[film.name]) for film in BAD_FILMS}
    assert {prediction.source for prediction in batch.predictions} == good
    assert {path for path, _ in batch.failures} == bad


@pytest.mark.parametrize(
    "name",
    ["Ärger mit  Leerzeichen 怒り.mp4", "12:30 a.mp4", "-a.mp4", "a%03d.mp4", "[a]*?.mp4", "two\nlines.mp4", "pipe:0"],
)
def test_any_name_is_a_name(
    name: str, films: dict[str, Path], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a path that begins with the name, too: what stands before a colon is no protocol."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(films["sound alone"], name)
    expected = Recognizer(checkpoint).predict(films["sound alone"]).windows
    assert Recognizer(checkpoint).predict(name).windows == expected
    assert predict_batch([Path(name)], Model.of(checkpoint)).predictions[0].windows == expected


@contextmanager
def _without_rights() -> Iterator[None]:
    """As somebody who may read only what everybody may; root may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_film_that_may_not_be_read_is_told(films: dict[str, Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(shutil.copy(films["sound alone"], folder))
        path.chmod(0)
        with _without_rights(), pytest.raises(MediaError, match=r"m4a: cannot be read \(Permission denied\)"):
            read_sound(path, RATE_HZ)
        with _without_rights(), pytest.raises(MediaError, match=r"m4a: cannot be read \(Permission denied\)"):
            next(read_frames(path))


@contextmanager
def _full_disk(most_bytes: int) -> Iterator[None]:
    """No file may grow beyond a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_is_a_failure_of_each_file_and_leaves_no_half(
    films: dict[str, Path], checkpoint: Path, tmp_path: Path
) -> None:
    command = ["predict", str(films["sound alone"]), str(films["text"]), "--checkpoint", str(checkpoint)]
    with _full_disk(100):
        ran = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out"), "--format", "json", "--json"])
    failed = {Path(failure["path"]).name: failure["reason"] for failure in json.loads(ran.stdout)["failed"]}
    assert ran.exit_code == 1
    assert set(failed) == {"sound.m4a", "text.mp4", "failures.csv"}
    assert "answered, but not written" in failed["sound.m4a"]
    assert "File too large" in failed["sound.m4a"]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.stat().st_size] == []
