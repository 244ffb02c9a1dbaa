"""What becomes of one clip's pictures, sound and landmarks in a compact copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_media import RATE_HZ, shifted, tone, write_media
from made_portraits import moving_face, nobody, write_face_film

from omsn.config import PipelineConfig
from omsn.data.compact import keep_faces
from omsn.data.compact_clip import FILM_PX, Places, copy_clip
from omsn.errors import MediaError
from omsn.media.probe import probe
from omsn.media.sound import read_sound
from omsn.media.video import read_frames
from omsn.pipeline import face_of, make_sample, video_of
from omsn.preprocess.face_track import track_main_face
from omsn.types import Clip, LandmarkTrack

CONFIG = PipelineConfig()


def copied(clip: Clip, root: Path) -> Clip:
    """The only clip of a copy of one clip, beside the corpus."""
    copy = keep_faces([clip], root, root.with_name("copy"), CONFIG)
    assert (copy.made, copy.reused, copy.skipped) == (1, 0, ())
    (one,) = copy.clips
    return one


def every_face(clip: Clip) -> LandmarkTrack:
    """The face in each picture of a clip's film."""
    return track_main_face(read_frames(clip.video), CONFIG.faces)


def test_a_film_keeps_times_sound_and_face(tmp_path: Path) -> None:
    clip = write_face_film(tmp_path / "corpus" / "a.mp4", moving_face(15))
    copy = copied(clip, tmp_path / "corpus")
    assert copy == replace(clip, audio=str(tmp_path / "copy" / "a.mp4"), video=str(tmp_path / "copy" / "a.mp4"))
    frames, originals = list(read_frames(copy.video)), list(read_frames(clip.video))
    assert {frame.image.shape for frame in frames} == {(FILM_PX, FILM_PX, 3)}
    assert [frame.time_s for frame in frames] == pytest.approx([frame.time_s for frame in originals], abs=1e-4)
    np.testing.assert_array_equal(read_sound(copy.audio, RATE_HZ).samples, read_sound(clip.audio, RATE_HZ).samples)
    before, after = make_sample(clip, CONFIG), make_sample(copy, CONFIG)
    np.testing.assert_array_equal(after.audio.values, before.audio.values)
    np.testing.assert_array_equal(after.video.mask, before.video.mask)
    assert np.corrcoef(after.video.values.ravel(), before.video.values.ravel())[0, 1] > 0.98


def test_pictures_without_the_face_show_what_is_there(tmp_path: Path) -> None:
    images = [*nobody(3), *moving_face(6), *nobody(3)]
    clip = write_face_film(tmp_path / "corpus" / "a.mp4", images)
    copy = copied(clip, tmp_path / "corpus")
    first, original = next(read_frames(copy.video)), next(read_frames(clip.video))
    assert first.image[90:130, 90:130].mean() == pytest.approx(original.image.mean(), abs=4)
    masks = [every_face(one).mask.tolist() for one in (clip, copy)]
    assert masks == 2 * [3 * [False] + 6 * [True] + 3 * [False]]


def test_a_film_without_any_face_becomes_black_and_keeps_its_sound(tmp_path: Path) -> None:
    clip = write_face_film(tmp_path / "corpus" / "a.mp4", nobody())
    copy = copied(clip, tmp_path / "corpus")
    frames = list(read_frames(copy.video))
    assert len(frames) == 10
    assert max(int(frame.image.max()) for frame in frames) == 0
    np.testing.assert_array_equal(read_sound(copy.audio, RATE_HZ).samples, read_sound(clip.audio, RATE_HZ).samples)


def test_a_film_without_sound(tmp_path: Path) -> None:
    write_media(tmp_path / "corpus.mp4", images=moving_face(5))
    clip = Clip("a", "", "sad", audio=str(tmp_path / "corpus.mp4"), video=str(tmp_path / "corpus.mp4"))
    copy = copied(clip, tmp_path / "corpus")
    assert copy.audio == copy.video == str(tmp_path / "copy" / "elsewhere" / "corpus.mp4")
    assert not probe(copy.video).has_audio


def test_sound_that_mp4_cannot_hold_lies_beside_the_film_without_loss(tmp_path: Path) -> None:
    clip = write_face_film(tmp_path / "corpus" / "a.avi", codec="pcm_s16le")
    copy = copied(clip, tmp_path / "corpus")
    assert (Path(copy.video).name, Path(copy.audio).name) == ("a.mp4", "a.flac")
    assert not probe(copy.video).has_audio
    np.testing.assert_array_equal(read_sound(copy.audio, RATE_HZ).samples, read_sound(clip.audio, RATE_HZ).samples)


@pytest.mark.parametrize(
    ("codec", "first_s", "names"), [("aac", 0.4, {"a.mp4"}), ("pcm_s16le", 0, {"a.mp4", "a.flac"})]
)
def test_a_picture_that_starts_late_stays_in_step(tmp_path: Path, codec: str, first_s: float, names: set[str]) -> None:
    """As late as before with the sound in the film; without it, both start with the first picture."""
    film = write_face_film(tmp_path / "b.mkv", codec=codec).video
    (tmp_path / "corpus").mkdir()
    late = str(shifted(Path(film), tmp_path / "corpus" / "a.mkv", "video", 0.4))
    copy = copied(Clip("a", "", "sad", audio=late, video=late), tmp_path / "corpus")
    assert {Path(copy.audio).name, Path(copy.video).name} == names
    assert next(read_frames(copy.video)).time_s == pytest.approx(first_s, abs=2e-3)
    lost_s = next(read_frames(late)).time_s - first_s
    expected = read_sound(late, RATE_HZ).duration_s - lost_s
    assert read_sound(copy.audio, RATE_HZ).duration_s == pytest.approx(expected, abs=2e-3)


def test_sound_files_become_flac_or_stay_byte_for_byte(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    film = write_face_film(root / "a.mp4")
    soundfile.write(root / "b.wav", tone(0.4), RATE_HZ, subtype="PCM_16")
    write_media(root / "c.mp3", tone(0.4), codec="libmp3lame")
    both, alone = replace(film, audio=str(root / "b.wav")), replace(film, clip="c", audio=str(root / "c.mp3"), video="")
    copy = keep_faces([both, alone], root, tmp_path / "copy", CONFIG).clips
    assert [Path(path).name for path in (copy[0].audio, copy[0].video, copy[1].audio)] == ["b.flac", "a.mp4", "c.mp3"]
    np.testing.assert_array_equal(soundfile.read(copy[0].audio)[0], soundfile.read(both.audio)[0])
    assert Path(copy[1].audio).read_bytes() == (root / "c.mp3").read_bytes()
    assert copy[1].video == ""


def test_the_sound_of_one_film_beside_the_picture_of_another(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    film, other = write_face_film(root / "a.mp4"), write_face_film(root / "b.mp4")
    copy = copied(replace(film, audio=other.audio), root)
    assert (Path(copy.video).name, Path(copy.audio).name) == ("a.mp4", "b.flac")


def test_a_sound_that_is_named_for_the_picture_too(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    path = str(write_media(tmp_path / "corpus" / "a.m4a", tone(0.5)))
    clip = Clip("a", "", "sad", audio=path, video=path)
    copy = copied(clip, tmp_path / "corpus")
    assert (Path(copy.audio).name, copy.video) == ("a.m4a", "")


def test_parts_of_a_film_become_films_in_step(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    whole = write_face_film(root / "a.mp4", moving_face(25))
    parts = [replace(whole, clip="one", end_s=0.4), replace(whole, clip="two", start_s=0.41)]
    copies = keep_faces(parts, root, tmp_path / "copy", CONFIG).clips
    assert [Path(copy.video).name for copy in copies] == ["a_0-0.4.mp4", "a_0.41.mp4"]
    assert [Path(copy.audio).name for copy in copies] == ["a_0-0.4.flac", "a_0.41.flac"]
    assert [(copy.start_s, copy.end_s) for copy in copies] == [(0.0, None)] * 2
    assert [len(list(read_frames(copy.video))) for copy in copies] == [10, 14]
    first_s = 11 / 25  # of the pictures from 0.41 s on
    for copy, start_s, end_s in zip(copies, (0.0, first_s), (0.4, None), strict=True):
        expected = read_sound(whole.audio, RATE_HZ, start_s, end_s).samples
        np.testing.assert_allclose(read_sound(copy.audio, RATE_HZ).samples, expected, atol=2**-15)


def test_a_part_beyond_the_film_is_refused(tmp_path: Path) -> None:
    clip = write_face_film(tmp_path / "a.mp4")
    places = Places(str(tmp_path / "b.mp4"), str(tmp_path / "b.aac"), str(tmp_path / "b.flac"))
    with pytest.raises(MediaError, match=r"a\.mp4: no picture from 9\.0 s on; correct start_s and end_s of a"):
        copy_clip(replace(clip, start_s=9.0), places, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_given_landmarks_move_into_the_film(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    bare = write_face_film(root / "a.mp4", moving_face(15))
    track = every_face(bare)
    points = np.rint(track.points).astype(np.int16)
    points[4] = 0  # a frame without a face
    np.savez(root / "all.npz", first=points, other=points)
    settings = replace(CONFIG, video=replace(CONFIG.video, landmark_rate="25"))
    clip = replace(bare, landmarks=f"{root}/all.npz#first")
    (copy,) = keep_faces([clip], root, tmp_path / "copy", settings).clips
    assert copy.landmarks == str(tmp_path / "copy" / "all" / "first.npz#first")
    before, after = video_of(clip, settings), video_of(copy, settings)
    np.testing.assert_array_equal(after.mask, before.mask)
    np.testing.assert_allclose(after.values, before.values, atol=0.08)
    assert np.abs(after.values - before.values).mean() < 0.003
    seen = every_face(copy).points[8]
    given = face_of(copy, settings).points[8]
    assert np.linalg.norm(seen - given, axis=1).mean() < 2


def test_landmarks_without_a_picture_stay_as_they_are(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    whole, fine = np.full((30, 68, 2), 7, np.int16), np.full((30, 68, 2), 7.25, np.float32)
    np.savez(root / "whole.npz", face=whole)
    np.save(root / "fine.npy", fine)
    clips = [
        Clip("w", "", "sad", landmarks=f"{root}/whole.npz#face"),
        Clip("f", "", "sad", landmarks=f"{root}/fine.npy"),
    ]
    clips.append(replace(clips[0], clip="part", start_s=0.5))
    copies = keep_faces(clips, root, tmp_path / "copy", CONFIG).clips
    assert [Path(copy.landmarks).name for copy in copies] == ["face.npz#face", "fine.npz", "face_0.5.npz#face"]
    first, second, third = (np.load(copy.landmarks.partition("#")[0]) for copy in copies)
    assert first["face"].dtype == np.int16
    np.testing.assert_array_equal(first["face"], whole)
    np.testing.assert_array_equal(second["landmarks"], fine)
    assert len(third["face"]) == 15
