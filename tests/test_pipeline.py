from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import soxr
from made_media import grey_levels, shifted, tone, write_media

from omsn.config import AudioFeatures, Faces, NoiseGate, PipelineConfig, Speech, VideoFeatures
from omsn.data.synthetic import render_corpus
from omsn.errors import MediaError
from omsn.features.audio import audio_columns, audio_stream
from omsn.features.face import face_columns
from omsn.features.geometry import geometry_columns
from omsn.media.sound import read_sound
from omsn.pipeline import MAX_DRIFT_S, audio_of, face_of, make_sample, video_of
from omsn.preprocess.face_net import MODEL_FOLDER
from omsn.preprocess.noise_gate import gate_noise
from omsn.preprocess.speech import trim_silence
from omsn.types import Clip, Sample, Sound, Stream

RATE_HZ = 16000
CONFIG = PipelineConfig()
GEOMETRY, HOG = VideoFeatures(), VideoFeatures(geometry=False, hog=True)
BOTH = VideoFeatures(geometry=True, hog=True)

needs_models = pytest.mark.skipif(
    not (MODEL_FOLDER / "face_landmark.tflite").is_file(), reason="the face models are not installed (make setup)"
)


def write_sound(path: Path, seconds: float = 1.0, silence_s: float = 0.0) -> str:
    """A voiced sound over a little noise, after and before silence."""
    rng = np.random.default_rng(0)
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    voice = 0.1 * sum(np.sin(2 * np.pi * 150 * order * times_s) / order for order in range(1, 9))
    samples = np.pad(voice, round(silence_s * RATE_HZ))
    soundfile.write(path, samples + 1e-4 * rng.standard_normal(len(samples)), RATE_HZ, subtype="PCM_16")
    return str(path)


def write_landmarks(path: Path, seconds: float = 1.0, rate_hz: float = 30000 / 1001) -> str:
    """Landmarks of a round face whose mouth opens."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.stack([320 + 80 * np.cos(angles), 240 + 100 * np.sin(angles)], axis=1)
    points[36:42], points[42:48] = (290, 220), (350, 220)
    track = np.repeat(points[None], round(seconds * rate_hz), axis=0)
    track[:, 66, 1] += 20 * np.linspace(0, 1, len(track))
    np.savez(path, face=track.astype(np.float32))
    return f"{path}#face"


def without_sound(path: Path, silent: Path) -> str:
    """The same pictures in a file that has no sound track."""
    with av.open(str(path)) as source, av.open(str(silent), "w") as target:
        track = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = track
                target.mux(packet)
    return str(silent)


def same(one: Stream, other: Stream) -> bool:
    pairs = (one.values, other.values), (one.mask, other.mask), (one.times_s, other.times_s)
    return one.columns == other.columns and all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of a talking face with its voice."""
    paths = render_corpus(
        tmp_path_factory.mktemp("movies"), speakers=1, clips_per_emotion=1, seconds=1.0, size=(160, 128)
    )
    return paths[2]


@pytest.mark.parametrize("video", [GEOMETRY, HOG, BOTH])
def test_a_clip_without_files_has_neither_modality(video: VideoFeatures) -> None:
    sample = make_sample(Clip("a", "", ""), replace(CONFIG, video=video))
    assert (sample.audio.present, sample.video.present) == (False, False)
    assert sample.audio.columns == audio_columns(CONFIG.audio)
    assert sample.video.columns == face_columns(video)


def test_sound_and_landmarks(tmp_path: Path) -> None:
    audio, landmarks = write_sound(tmp_path / "a.wav"), write_landmarks(tmp_path / "a.npz")
    sample = make_sample(Clip("a", "", "", audio=audio, landmarks=landmarks), CONFIG)
    assert sample.clip == "a"
    assert sample.audio.mask.all()
    assert sample.video.mask.all()
    assert sample.audio.times_s[-1] == pytest.approx(1.0, abs=0.02)
    assert sample.video.times_s[-1] == pytest.approx(1.0, abs=1.1 / CONFIG.video.rate_hz)
    opening = sample.video.values[:, sample.video.columns.index("mouth_opening_change")]
    assert (np.diff(opening) > 0).all()


def test_a_part_of_a_clip(tmp_path: Path) -> None:
    audio, landmarks = write_sound(tmp_path / "a.wav", 2.0), write_landmarks(tmp_path / "a.npz", 2.0)
    clip = Clip("a", "", "", audio=audio, landmarks=landmarks, start_s=0.5, end_s=1.25)
    sample = make_sample(clip, CONFIG)
    for stream in (sample.audio, sample.video):
        assert stream.present
        assert stream.times_s[0] == pytest.approx(0.5, abs=1 / 29)
        assert stream.times_s[-1] == pytest.approx(1.25, abs=1.5 / CONFIG.video.rate_hz)


def test_a_part_after_the_end_has_neither_modality(tmp_path: Path) -> None:
    audio, landmarks = write_sound(tmp_path / "a.wav"), write_landmarks(tmp_path / "a.npz")
    sample = make_sample(Clip("a", "", "", audio=audio, landmarks=landmarks, start_s=5.0), CONFIG)
    assert (sample.audio.present, sample.video.present) == (False, False)


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("trim", [False, True])
def test_the_sound_goes_through_its_stages_in_order(tmp_path: Path, gate: bool, trim: bool) -> None:
    config = replace(CONFIG, noise_gate=NoiseGate(enabled=gate), speech=Speech(trim=trim))
    path = write_sound(tmp_path / "a.wav", silence_s=0.5)
    sound = read_sound(path, RATE_HZ)
    sound = gate_noise(sound, config.noise_gate) if gate else sound
    sound = trim_silence(sound, config.speech) if trim else sound
    stream = audio_of(Clip("a", "", "", audio=path), config)
    assert same(stream, audio_stream(sound, config.audio))
    assert stream.times_s[0] == pytest.approx(0.4 if trim else 0.0, abs=0.021)
    assert same(stream, audio_of(Clip("a", "", "", audio=path), CONFIG)) == (trim and not gate)


def test_the_sound_is_brought_to_the_rate_of_the_settings(tmp_path: Path) -> None:
    config = replace(CONFIG, audio=AudioFeatures(rate_hz=8000))
    stream = audio_of(Clip("a", "", "", audio=write_sound(tmp_path / "a.wav")), config)
    assert stream.columns == audio_columns(config.audio)
    assert stream.times_s[-1] == pytest.approx(1.0, abs=0.02)


def test_at_another_speed_a_sound_is_shorter_and_higher(tmp_path: Path) -> None:
    config = replace(CONFIG, audio=AudioFeatures(speeds=(0.8, 1.25)))
    clip = Clip("a", "", "", audio=write_sound(tmp_path / "a.wav", silence_s=0.5))
    sample = make_sample(clip, config)
    assert same(sample.audio, make_sample(clip, CONFIG).audio)
    assert [copy.columns for copy in sample.copies] == [sample.audio.columns] * 2
    f0, voicing = (sample.audio.columns.index(name) for name in ("f0_log2", "voicing"))
    octaves = float(np.median(sample.audio.values[sample.audio.values[:, voicing] > 0.5, f0]))
    for speed, copy in zip((0.8, 1.25), sample.copies, strict=True):
        voiced = copy.values[copy.values[:, voicing] > 0.5]
        assert np.median(voiced[:, f0]) - octaves == pytest.approx(np.log2(speed), abs=0.02)
        assert len(copy) == pytest.approx(60 / speed, abs=3)  # a second of voice, the margins around it stay
    resampled = soxr.resample(soundfile.read(clip.audio, dtype="float32")[0], RATE_HZ, RATE_HZ / 1.25)
    by_hand = audio_stream(trim_silence(Sound(resampled, RATE_HZ), config.speech), config.audio)
    np.testing.assert_allclose(sample.copies[1].values, by_hand.values, atol=1e-3)


def test_a_clip_without_sound_has_none_at_any_speed() -> None:
    sample = make_sample(Clip("a", "", ""), replace(CONFIG, audio=AudioFeatures(speeds=(0.9,))))
    assert [copy.present for copy in sample.copies] == [False]


def test_keyframes_are_some_of_the_frames(tmp_path: Path) -> None:
    clip = Clip("a", "", "", landmarks=write_landmarks(tmp_path / "a.npz"))
    every = make_sample(clip, CONFIG).video
    some = make_sample(clip, replace(CONFIG, video=VideoFeatures(keyframes=4))).video
    places = np.searchsorted(every.times_s, some.times_s)
    assert len(some) == 4
    assert same(some, every.take(places))
    assert {0, len(every) - 1} <= set(places.tolist())  # the mouth opens steadily: both ends count


@pytest.mark.parametrize(("seconds", "fits"), [(1.0 + MAX_DRIFT_S - 0.05, True), (1.0 + MAX_DRIFT_S + 0.05, False)])
def test_landmarks_of_another_length_than_the_sound_are_refused(tmp_path: Path, seconds: float, fits: bool) -> None:
    audio, landmarks = write_sound(tmp_path / "a.wav"), write_landmarks(tmp_path / "a.npz", seconds)
    clip = Clip("a", "", "", audio=audio, landmarks=landmarks)
    if fits:
        assert make_sample(clip, CONFIG).video.present
        return
    with pytest.raises(
        MediaError,
        match=r"a.npz#face: \d+ frames of landmarks end at 1.5\d s, but .*a.wav lasts 1.00 s; check that both are of",
    ):
        make_sample(clip, CONFIG)


@pytest.mark.parametrize("video", ["late.mkv", ""])
def test_given_landmarks_begin_with_the_picture_where_that_is_late(tmp_path: Path, video: str) -> None:
    """Also where the film is named for its sound alone."""
    film = write_media(tmp_path / "a.mkv", tone(1.0), grey_levels(25), codec="pcm_s16le")
    late = str(shifted(film, tmp_path / "late.mkv", "video", 0.6))
    clip = Clip("a", "", "", audio=late, video=video and late, landmarks=write_landmarks(tmp_path / "a.npz"))
    assert video_of(clip, CONFIG).times_s[0] == pytest.approx(0.6, abs=1e-3)
    assert audio_of(clip, CONFIG).times_s[0] < 0.1
    part = face_of(replace(clip, start_s=1.0), CONFIG)
    assert part.times_s[0] == pytest.approx(1.0, abs=1 / 29)
    assert part.times_s[-1] == pytest.approx(1.6, abs=2 / 29)


def test_the_rate_of_the_landmarks_decides_their_length(tmp_path: Path) -> None:
    audio, landmarks = write_sound(tmp_path / "a.wav", 2.0), write_landmarks(tmp_path / "a.npz", 2.0, rate_hz=50)
    clip = Clip("a", "", "", audio=audio, landmarks=landmarks)
    assert make_sample(clip, replace(CONFIG, video=VideoFeatures(landmark_rate="50"))).video.present
    with pytest.raises(MediaError, match=r"video.landmark_rate is right"):
        make_sample(clip, CONFIG)


@pytest.mark.parametrize("video", [HOG, BOTH])
def test_hog_without_a_picture_is_refused(tmp_path: Path, video: VideoFeatures) -> None:
    clip = Clip("a", "", "", landmarks=write_landmarks(tmp_path / "a.npz"))
    with pytest.raises(MediaError, match=r"a: HOG needs the picture; got landmarks only\. Name a video or turn"):
        video_of(clip, replace(CONFIG, video=video))


@pytest.mark.parametrize("kind", ["audio", "video", "landmarks"])
def test_a_missing_file_is_refused(tmp_path: Path, kind: str) -> None:
    files: dict[str, Any] = {kind: str(tmp_path / "gone.mp4")}
    clip = Clip("a", "", "", **files)
    with pytest.raises(MediaError, match=r"gone.mp4: no such file"):
        make_sample(clip, CONFIG)


@needs_models
@pytest.mark.parametrize("video", [GEOMETRY, HOG, BOTH], ids=["geometry", "hog", "both"])
def test_a_movie_alone_gives_both_modalities(movie: Path, video: VideoFeatures) -> None:
    sample = make_sample(Clip("a", "", "", audio=str(movie), video=str(movie)), replace(CONFIG, video=video))
    assert sample.audio.present
    assert sample.video.columns == face_columns(video)
    assert sample.video.mask.mean() > 0.9
    assert 14 <= len(sample.video) <= 16
    assert sample.video.values[sample.video.mask].any(axis=1).all()


@needs_models
def test_a_movie_without_sound_has_a_face_alone(movie: Path, tmp_path: Path) -> None:
    silent = without_sound(movie, tmp_path / "silent.mp4")
    sample = make_sample(Clip("a", "", "", audio=silent, video=silent), CONFIG)
    assert not sample.audio.present
    assert same(sample.video, video_of(Clip("a", "", "", video=str(movie)), CONFIG))


@pytest.mark.parametrize("video", [GEOMETRY, HOG, BOTH], ids=["geometry", "hog", "both"])
def test_a_file_with_sound_alone_has_no_face(tmp_path: Path, video: VideoFeatures) -> None:
    path = write_sound(tmp_path / "a.wav")
    sample = make_sample(Clip("a", "", "", audio=path, video=path), replace(CONFIG, video=video))
    assert (sample.audio.present, sample.video.present) == (True, False)
    assert sample.video.columns == face_columns(video)


def test_a_sound_file_or_a_video_that_is_none_is_refused(movie: Path, tmp_path: Path) -> None:
    silent, sound = without_sound(movie, tmp_path / "silent.mp4"), write_sound(tmp_path / "a.wav")
    with pytest.raises(MediaError, match=r"silent.mp4: .*no audio"):
        audio_of(Clip("a", "", "", audio=silent), CONFIG)
    with pytest.raises(MediaError, match=r"a.wav: .*no video"):
        video_of(Clip("a", "", "", video=sound), CONFIG)


@needs_models
def test_given_landmarks_give_what_found_ones_do(movie: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, video=replace(BOTH, rate_hz=25.0, landmark_rate="25"))  # all of its pictures
    track = face_of(Clip("a", "", "", video=str(movie)), config)
    np.save(tmp_path / "a.npy", track.points)
    given = video_of(Clip("a", "", "", video=str(movie), landmarks=str(tmp_path / "a.npy")), config)
    found = video_of(Clip("a", "", "", video=str(movie)), config)
    np.testing.assert_allclose(given.values, found.values, atol=1e-4)
    assert found.columns[: len(geometry_columns())] == geometry_columns()


@needs_models
def test_the_bilateral_filter_reaches_hog(movie: Path) -> None:
    clip, config = Clip("a", "", "", video=str(movie)), replace(CONFIG, video=HOG)
    filtered = video_of(clip, replace(config, faces=Faces(bilateral=True)))
    assert filtered.present
    assert not np.array_equal(filtered.values, video_of(clip, config).values)


@needs_models
def test_a_movie_is_read_the_same_each_time(movie: Path) -> None:
    clip, config = Clip("a", "", "", audio=str(movie), video=str(movie)), replace(CONFIG, video=BOTH)
    one, other = make_sample(clip, config), make_sample(clip, config)
    assert same(one.audio, other.audio)
    assert same(one.video, other.video)


needs_data = pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="OMSN_DATA does not name the folder of real data")


def real_clip(emotion: str) -> Clip:
    root, trial = Path(os.environ["OMSN_DATA"], "ravdess"), f"{emotion}-02-01-01-01"
    return Clip(
        f"03-01-{trial}",
        "01",
        "",
        audio=str(root / "audio" / "Actor_01" / f"03-01-{trial}.flac"),
        landmarks=f"{root / 'landmarks' / 'Actor_01.npz'}#02-01-{trial}",
    )


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("emotion", [f"{code:02d}" for code in range(2, 9)])
def test_real_sound_and_landmarks(emotion: str) -> None:
    sample: Sample = make_sample(real_clip(emotion), CONFIG)
    assert sample.audio.mask.all()
    assert sample.video.mask.mean() > 0.95
    assert 2.5 < sample.video.times_s[-1] < 6.0
    assert 0.0 < sample.audio.times_s[0] < sample.audio.times_s[-1] < sample.video.times_s[-1]  # silence is left out
    assert np.abs(sample.video.values).max() < 50
