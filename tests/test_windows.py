"""Files cut into windows on the way: what each holds, who is who, and that nothing piles up."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from av.container import InputContainer
from made_checkpoint import write_hum
from made_films import beside_a_still_face, half_of_the_time, played_again, without_picture_between
from made_media import grey_levels, write_media

from omsn.config import AudioFeatures, PipelineConfig, Speech, VideoFeatures
from omsn.data.synthetic import render_corpus
from omsn.errors import MediaError
from omsn.features.neutral import RestingFace
from omsn.media.container import open_container
from omsn.pipeline import make_sample
from omsn.types import Clip, Sound, Stream
from omsn.windows import HOP_S, WHOLE_S, WINDOW_S, View, views_of

CONFIG = PipelineConfig()
HOG = VideoFeatures(geometry=False, hog=True)
SLOW = VideoFeatures(rate_hz=5.0)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Two people, eight emotions, 1.2 s each."""
    root = tmp_path_factory.mktemp("films")
    return render_corpus(root, speakers=2, clips_per_emotion=1, seconds=1.2, size=(240, 240))


@pytest.fixture(scope="module")
def long_film(films: Sequence[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds of one person."""
    return played_again(films[2], tmp_path_factory.mktemp("long") / "long.mp4", 9.0)


def same(one: Stream, other: Stream) -> bool:
    pairs = (one.values, other.values), (one.mask, other.mask), (one.times_s, other.times_s)
    return one.columns == other.columns and all(np.array_equal(a, b) for a, b in pairs)


def spans(windows: Sequence[tuple[View, ...]]) -> list[tuple[float, float]]:
    return [(views[0].start_s, views[0].end_s) for views in windows]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.mp4: no such file"):
        next(views_of(tmp_path / "gone.mp4", CONFIG))


def test_silence_is_one_window_with_nothing_in_it(tmp_path: Path) -> None:
    ((view,),) = views_of(write_hum(tmp_path / "a.wav", 1.0, level=0.0), CONFIG)
    assert (view.sample.audio.present, view.sample.video.present, view.path) == (False, False, None)
    assert (view.start_s, view.end_s) == (0.0, 1.0)


def test_a_short_file_is_answered_to_its_end_whatever_is_heard_there(tmp_path: Path) -> None:
    samples = np.concatenate([0.3 * np.sin(np.arange(16000) / 16), np.zeros(20000)])
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    ((view,),) = views_of(tmp_path / "a.wav", CONFIG)
    assert view.sample.audio.times_s[-1] == pytest.approx(1.1, abs=0.05)  # speech, and what rings after it
    assert (view.start_s, view.end_s) == (0.0, 2.25)


@pytest.mark.parametrize(("n_images", "rate_hz", "end_s"), [(30, Fraction(25), 1.2), (2, Fraction(1, 4), 4 + HOP_S)])
def test_the_last_picture_is_answered_to_its_end_or_for_one_hop(
    tmp_path: Path, n_images: int, rate_hz: Fraction, end_s: float
) -> None:
    path = write_media(tmp_path / "a.mp4", images=grey_levels(n_images), frame_rate=rate_hz)
    ((view,),) = views_of(path, CONFIG)
    assert view.start_s == 0.0
    assert view.end_s == pytest.approx(end_s, abs=1e-3)


@pytest.mark.parametrize(
    "video", [VideoFeatures(), HOG, replace(HOG, geometry=True, rate_hz=12.0), VideoFeatures(keyframes=5)]
)
def test_a_short_film_has_the_features_of_a_clip(films: Sequence[Path], video: VideoFeatures) -> None:
    config = replace(CONFIG, video=video)
    whole = make_sample(Clip("a", "", "", audio=str(films[2]), video=str(films[2])), config)
    ((view,),) = views_of(films[2], config)
    assert same(view.sample.audio, whole.audio)
    assert same(view.sample.video, whole.video)
    assert (view.track, view.speaking) == (0, False)
    assert view.path is not None
    assert np.diff(view.path.times_s).min() > 0.05
    assert (view.path.xyxy[:, 2:] - view.path.xyxy[:, :2] > 30).all()


def test_a_short_film_has_the_sound_of_a_clip_at_other_speeds_too(films: Sequence[Path]) -> None:
    config = replace(CONFIG, audio=AudioFeatures(speeds=(0.92, 1.08)))
    whole = make_sample(Clip("a", "", "", audio=str(films[2]), video=str(films[2])), config)
    ((view,),) = views_of(films[2], config)
    assert same(view.sample.audio, whole.audio)
    assert len(view.sample.copies) == 2
    assert all(same(copy, expected) for copy, expected in zip(view.sample.copies, whole.copies, strict=True))
    ((seen,),) = views_of(films[2], config, modality="video")
    assert [copy.present for copy in seen.sample.copies] == [False, False]


def test_each_window_has_its_own_sound_at_other_speeds(tmp_path: Path) -> None:
    """But for its first and last frames: a clip that is cut out there begins and ends for the resampler too."""
    rng = np.random.default_rng(0)
    path, config = tmp_path / "a.wav", replace(CONFIG, audio=AudioFeatures(speeds=(0.8, 1.25)))
    level = np.repeat(rng.uniform(0.02, 0.2, 9 * 50), 320)
    soundfile.write(path, level * rng.standard_normal(16000 * 9), 16000, subtype="FLOAT")
    for (view,) in views_of(path, config):
        clip = Clip("a", "", "", audio=str(path), start_s=view.start_s, end_s=view.end_s)
        energy = view.sample.audio.columns.index("rms_db")
        for copy, expected in zip(view.sample.copies, make_sample(clip, config).copies, strict=True):
            assert len(copy) == len(expected)
            np.testing.assert_allclose(copy.values[5:-5, energy], expected.values[5:-5, energy], atol=0.5)


@pytest.mark.parametrize("seconds", [WHOLE_S, WHOLE_S + 0.3, 8.0, 9.0])
def test_longer_files_are_windows_that_cover_them(tmp_path: Path, seconds: float) -> None:
    found = spans(list(views_of(write_hum(tmp_path / "a.wav", seconds), CONFIG)))
    starts = np.arange(0, seconds - HOP_S, HOP_S) if seconds > WHOLE_S else np.zeros(1)
    ends = np.minimum(starts + (WINDOW_S if seconds > WHOLE_S else WHOLE_S), seconds)
    np.testing.assert_allclose(found, np.column_stack([starts, ends]), atol=0.02)


def test_each_window_has_the_sound_of_a_clip_cut_out_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * rng.standard_normal(16000 * 9), 16000, subtype="FLOAT")
    for (view,) in views_of(path, CONFIG):
        clip = Clip("a", "", "", audio=str(path), start_s=view.start_s, end_s=view.end_s)
        assert same(view.sample.audio, make_sample(clip, CONFIG).audio)


def test_each_window_has_the_positions_of_a_clip_cut_out_there(long_film: Path) -> None:
    windows = list(views_of(long_film, CONFIG))
    assert [start_s for start_s, _ in spans(windows)] == [0.0, 2.0, 4.0, 6.0]
    (view,) = windows[1]
    face, clip = view.sample.video, Clip("a", "", "", video=str(long_film), start_s=2.0, end_s=6.0)
    cut = make_sample(clip, CONFIG).video
    positions = [place for place, name in enumerate(face.columns) if name.startswith("position")]
    np.testing.assert_allclose(face.times_s, cut.times_s)
    # The follower has known the face from the start of the film, and the clip's has just found it.
    np.testing.assert_allclose(face.values[8:, positions], cut.values[8:, positions], atol=0.02)


def test_in_windows_a_face_rests_where_it_mostly_is_or_where_it_is_known_to(long_film: Path) -> None:
    first, second, *_ = (views[0].sample.video for views in views_of(long_film, CONFIG))
    moved = first.columns.index("mouth_opening_change"), first.columns.index("mouth_opening")
    change, opening = (first.values[first.mask][:, place] for place in moved)
    assert np.median(change) == pytest.approx(0, abs=1e-5)
    resting = RestingFace(np.zeros(128, np.float32))
    known, *_ = (views[0].sample.video for views in views_of(long_film, CONFIG, resting))
    np.testing.assert_allclose(known.values[known.mask][:, moved[0]], opening, atol=1e-6)
    both = np.median([np.median(video.values[video.mask][:, moved[1]]) for video in (first, second)])
    there = second.values[second.mask][:, moved]
    np.testing.assert_allclose(there[:, 1] - there[:, 0], both, atol=1e-5)


def test_a_pause_is_no_speech_however_long(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = 1e-4 * rng.standard_normal(16000 * 14)
    samples[: 16000 * 4] += 0.3 * np.sin(np.arange(16000 * 4) / 16)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    asked = replace(CONFIG, audio=AudioFeatures(speeds=(0.8, 1.25)))
    found = [views[0].sample for views in views_of(tmp_path / "a.wav", asked)]
    assert [sample.audio.present for sample in found] == [True, True, False, False, False, False]
    assert [len(sample.at_other_speeds()) for sample in found] == [2, 2, 0, 0, 0, 0]
    assert not any(copy.present for sample in found[3:] for copy in sample.copies)
    untrimmed = replace(CONFIG, speech=Speech(trim=False))
    assert all(views[0].sample.audio.present for views in views_of(tmp_path / "a.wav", untrimmed))


@pytest.mark.parametrize("speaker_first", [True, False])
def test_the_sound_belongs_to_the_face_that_speaks(films: Sequence[Path], tmp_path: Path, speaker_first: bool) -> None:
    film = beside_a_still_face(films[4], films[9], tmp_path / "two.mp4", speaker_first=speaker_first)
    (views,) = views_of(film, CONFIG)
    assert [view.track for view in views] == [0, 1]
    by_place = sorted(views, key=lambda view: view.path.xyxy[0, 0] if view.path is not None else 0)
    assert [view.speaking for view in by_place] == [speaker_first, not speaker_first]
    assert [view.sample.audio.present for view in by_place] == [speaker_first, not speaker_first]
    assert all(view.sample.video.present for view in views)


@pytest.mark.parametrize(("share", "seen"), [(0.35, 1), (0.65, 2)])
def test_a_face_beside_the_main_one_counts_where_it_is_there_for_half_of_the_window(
    films: Sequence[Path], tmp_path: Path, share: float, seen: int
) -> None:
    both = beside_a_still_face(films[4], films[9], tmp_path / "both.mp4")
    (views,) = views_of(both, CONFIG)
    film = half_of_the_time(both, tmp_path / "half.mp4", share * views[0].end_s)
    (views,) = views_of(film, CONFIG)
    assert len(views) == seen


def test_sound_alone_is_nobody_s_in_particular(films: Sequence[Path], tmp_path: Path) -> None:
    film = beside_a_still_face(films[4], films[9], tmp_path / "two.mp4", speaker_first=False)
    ((view,),) = views_of(film, CONFIG, modality="audio")
    (both,) = views_of(film, CONFIG)
    assert (view.track, view.speaking, view.path) == (0, False, None)
    assert same(view.sample.audio, next(each.sample.audio for each in both if each.speaking))
    assert not view.sample.video.present
    (faces,) = views_of(film, CONFIG, modality="video")
    assert [each.speaking for each in faces] == [each.speaking for each in both]
    assert not any(each.sample.audio.present for each in faces)


def test_a_face_that_comes_back_to_its_place_keeps_its_number(long_film: Path, tmp_path: Path) -> None:
    film = without_picture_between(long_film, tmp_path / "dark.mp4", 2.2, 5.8)
    windows = list(views_of(film, CONFIG))
    assert [[view.track for view in views] for views in windows] == [[0]] * 4
    assert all(views[0].sample.video.present for views in windows)


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[float, float | None]] = []
    path = write_hum(tmp_path / "a.wav", 9.0)
    list(views_of(path, CONFIG, on_time=lambda reached_s, length_s: told.append((reached_s, length_s))))
    assert told[-1] == (9.0, 9.0)
    assert [reached_s for reached_s, _ in told] == sorted(reached_s for reached_s, _ in told)


@pytest.mark.parametrize("ends", ["closed early", "an error of whoever looks", "an error in the sound"])
def test_however_it_ends_no_thread_reads_on(long_film: Path, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    closed_with: list[list[str]] = []

    @contextmanager
    def watched(path: str | Path) -> Iterator[InputContainer]:
        with open_container(path) as container:
            try:
                yield container
            finally:
                closed_with.append([thread.name for thread in threading.enumerate() if "ahead" in thread.name])

    def fail(*_: object) -> None:
        raise MediaError("enough")

    def broken(*_: object) -> Iterator[Sound]:
        yield Sound(np.zeros(800, np.float32), 16000)
        fail()

    monkeypatch.setattr("omsn.windows.open_container", watched)
    if ends == "an error in the sound":
        monkeypatch.setattr("omsn.windows.sound_blocks", broken)
    on_time = fail if ends == "an error of whoever looks" else None
    views = views_of(long_film, CONFIG, on_time=on_time, decoder_threads=2)
    if ends == "closed early":
        next(views)
        views.close()  # type: ignore[attr-defined]  # a generator
    else:
        with pytest.raises(MediaError, match="enough"):
            next(views)
    assert closed_with == [[]]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path, peaks = write_hum(tmp_path / "a.wav", 60.0), []
    tracemalloc.start()
    for number, _ in enumerate(views_of(path, CONFIG)):
        if number in (9, 19, 29):
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
    tracemalloc.stop()
    assert max(peaks) < 1.05 * min(peaks)


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")
@pytest.mark.parametrize("speaker_first", [True, False])
def test_real_films_side_by_side(tmp_path: Path, speaker_first: bool) -> None:
    films = Path(os.environ["OMSN_DATA"], "ravdess", "video")
    speakers, others = (sorted((films / actor).glob("*.mp4")) for actor in ("Actor_01", "Actor_05"))
    for speaker in speakers:
        film = beside_a_still_face(speaker, others[0], tmp_path / "two.mp4", speaker_first=speaker_first)
        (views,) = views_of(film, CONFIG)
        by_place = sorted(views, key=lambda view: view.path.xyxy[0, 0] if view.path is not None else 0)
        assert [view.speaking for view in by_place] == [speaker_first, not speaker_first]


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")
def test_a_real_film_has_the_features_of_a_clip() -> None:
    for film in sorted(Path(os.environ["OMSN_DATA"], "ravdess", "video").glob("*/*.mp4"))[::4]:
        whole = make_sample(Clip("a", "", "", audio=str(film), video=str(film)), CONFIG)
        ((view,),) = views_of(film, CONFIG)
        assert same(view.sample.audio, whole.audio)
        assert same(view.sample.video, whole.video)
