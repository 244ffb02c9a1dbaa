from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from omsn.config import Faces
from omsn.data.corpora import ravdess
from omsn.data.synthetic import render_corpus
from omsn.data.synthetic.movie import write_movie
from omsn.data.synthetic.render import FRAME_RATE, Trial, cast_speaker, perform, plan_corpus
from omsn.errors import InputError
from omsn.labels import RAVDESS_EMOTIONS
from omsn.media.probe import probe
from omsn.media.sound import read_sound
from omsn.media.video import read_frames
from omsn.preprocess.face_net import MODEL_FOLDER
from omsn.preprocess.face_track import track_main_face

SIZE = (160, 128)


@dataclass(frozen=True)
class Rendered:
    root: Path
    paths: tuple[Path, ...]
    steps: tuple[tuple[int, int], ...]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    root = tmp_path_factory.mktemp("synthetic")
    steps: list[tuple[int, int]] = []
    paths = render_corpus(
        root, speakers=2, clips_per_emotion=1, seconds=1.0, size=SIZE, on_clip=lambda done, n: steps.append((done, n))
    )
    return Rendered(root, paths, tuple(steps))


def decode(path: Path) -> Iterator[NDArray[np.uint8]]:
    return (frame.image for frame in read_frames(path))


def test_plan_gives_every_speaker_the_same_clips_of_every_emotion() -> None:
    trials = plan_corpus(speakers=3, clips_per_emotion=4)
    assert len(trials) == len({trial.path for trial in trials}) == 3 * 8 * 4
    for speaker in (1, 2, 3):
        emotions = [trial.emotion for trial in trials if trial.speaker == speaker]
        assert emotions == sorted(list(range(1, 9)) * 4)


def test_plan_has_no_strong_neutral_and_both_intensities_and_statements_elsewhere() -> None:
    trials = plan_corpus(speakers=1, clips_per_emotion=2)
    assert {trial.intensity for trial in trials if trial.emotion == 1} == {1}
    for emotion in range(1, 9):
        assert {trial.statement for trial in trials if trial.emotion == emotion} == {1, 2}
    assert all({trial.intensity for trial in trials if trial.emotion == e} == {1, 2} for e in range(2, 9))


def test_files_have_official_names() -> None:
    assert Trial(7, 5, 2, 1, 2).path == Path("Actor_07/01-01-05-02-01-02-07.mp4")


def test_the_ravdess_reader_finds_every_clip(corpus: Rendered) -> None:
    found = ravdess.find(corpus.root)
    assert not found.skipped
    assert len(found.clips) == len(corpus.paths) == 16
    assert {clip.emotion for clip in found.clips} == set(RAVDESS_EMOTIONS.names)
    assert len({clip.speaker for clip in found.clips}) == 2
    assert sorted(Path(clip.video) for clip in found.clips) == sorted(corpus.paths)


def test_progress_counts_every_clip(corpus: Rendered) -> None:
    assert corpus.steps == tuple((done, 16) for done in range(1, 17))


def test_nothing_but_the_clips_is_left_behind(corpus: Rendered) -> None:
    assert sorted(path for path in corpus.root.rglob("*") if path.is_file()) == sorted(corpus.paths)


def test_clips_have_picture_and_sound_of_the_same_length(corpus: Rendered) -> None:
    for path in corpus.paths:
        info = probe(path)
        assert info.has_audio
        assert info.has_video
        assert info.duration_s == pytest.approx(1.0, abs=0.03)
        frames = list(read_frames(path))
        assert {(frame.image.shape[1], frame.image.shape[0]) for frame in frames} == {SIZE}
        assert [frame.time_s for frame in frames] == pytest.approx([number / FRAME_RATE for number in range(25)])
        sound = read_sound(path, 48_000)
        assert sound.start_s == pytest.approx(0.0, abs=1e-3)
        assert sound.duration_s == pytest.approx(1.0, abs=0.025)


def test_the_sound_in_the_file_is_the_sound_performed_and_in_step(corpus: Rendered) -> None:
    trial = plan_corpus(2, 1)[4]
    spoken = perform(trial, seconds=1.0).utterance.samples
    heard = read_sound(corpus.root / trial.path, 48_000).samples[: len(spoken)]
    lags = np.arange(-100, 101)
    match = [float(np.dot(np.roll(heard, -lag), spoken[: len(heard)])) for lag in lags]
    assert abs(lags[int(np.argmax(match))]) <= 2
    assert np.corrcoef(heard, spoken[: len(heard)])[0, 1] > 0.9


def test_same_seed_same_pictures_and_sound(tmp_path: Path, corpus: Rendered) -> None:
    again = render_corpus(tmp_path, speakers=1, clips_per_emotion=1, seconds=1.0, size=SIZE)
    for path in again[::3]:
        twin = corpus.root / path.relative_to(tmp_path)
        assert all(np.array_equal(a, b) for a, b in zip(decode(path), decode(twin), strict=True))
        assert np.array_equal(read_sound(path, 48_000).samples, read_sound(twin, 48_000).samples)


def test_another_seed_gives_other_people_and_performances() -> None:
    trial = Trial(1, 3, 1, 1, 1)
    assert perform(trial, seed=1).frames == perform(trial, seed=1).frames
    assert perform(trial, seed=1).frames != perform(trial, seed=2).frames
    assert cast_speaker(1, seed=1) != cast_speaker(1, seed=2)


def test_repetitions_differ() -> None:
    first, second = (perform(Trial(1, 3, 1, 1, repetition)) for repetition in (1, 2))
    assert first.frames != second.frames
    assert not np.array_equal(first.utterance.samples, second.utterance.samples)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"speakers": 0}, "speakers: got 0, expected 1 to 24"),
        ({"speakers": 25}, "speakers: got 25, expected 1 to 24"),
        ({"clips_per_emotion": 0}, "clips_per_emotion: got 0, expected 1 to 4"),
        ({"clips_per_emotion": 5}, "clips_per_emotion: got 5, expected 1 to 4"),
        ({"seconds": 0.5}, "seconds: got 0.5, expected 1.0 to 60.0"),
        ({"seconds": float("nan")}, "seconds: got nan"),
        ({"seconds": float("inf")}, "seconds: got inf"),
        ({"size": (481, 360)}, "size: got 481 x 360, expected even"),
        ({"size": (100, 80)}, "size: got 100 x 80"),
        ({"size": (200, 360)}, "size: got 200 x 360"),
        ({"seed": -1}, "seed: got -1, expected 0 or more"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        render_corpus(tmp_path / "corpus", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "corpus").exists()


def test_without_x264_the_picture_is_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    grey = [np.full((120, 160, 3), 100, np.uint8)] * 5
    write_movie(tmp_path / "clip.mp4", grey, np.zeros(9600, np.float32), 48_000, Fraction(25), (160, 120))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert all(np.abs(image.astype(int) - 100).max() < 4 for image in decode(tmp_path / "clip.mp4"))


def test_a_broken_off_clip_leaves_no_file(tmp_path: Path) -> None:
    def pictures() -> Iterator[NDArray[np.uint8]]:
        yield np.zeros((120, 160, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_movie(tmp_path / "a.mp4", pictures(), np.zeros(9600, np.float32), 48_000, Fraction(25), (160, 120))
    assert list(tmp_path.iterdir()) == []


needs_models = pytest.mark.skipif(
    not (MODEL_FOLDER / "face_landmark.tflite").is_file(), reason="the face models are not installed (make setup)"
)


@needs_models
def test_a_real_face_mesh_follows_the_faces(corpus: Rendered) -> None:
    opened, drawn, raised, brows = [], [], [], []
    for trial in plan_corpus(2, 1)[:8]:
        track = track_main_face(read_frames(corpus.root / trial.path), Faces())
        assert track.mask.mean() >= 0.98, trial
        frames = perform(trial, seconds=1.0).frames
        points = track.points / np.linalg.norm(track.points[:, 36] - track.points[:, 45], axis=1)[:, None, None]
        opened += (points[:, 66, 1] - points[:, 62, 1]).tolist()
        raised += (points[:, [36, 39, 42, 45], 1].mean(axis=1) - points[:, [21, 22], 1].mean(axis=1)).tolist()
        drawn += [frame.mouth_open for frame in frames]
        brows += [frame.brow_inner for frame in frames]
    assert np.corrcoef(opened, drawn)[0, 1] > 0.6
    assert np.corrcoef(raised, brows)[0, 1] > 0.6
