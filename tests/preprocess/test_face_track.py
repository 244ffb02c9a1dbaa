from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from portrait import frames, scene

from omsn.config import Faces
from omsn.errors import InputError
from omsn.media.landmark_file import read_landmarks
from omsn.media.video import read_frames
from omsn.preprocess import face_net, face_track, faces
from omsn.preprocess.face_track import track_faces, track_main_face
from omsn.types import LandmarkTrack

BLANK = np.full((360, 640, 3), 90, np.uint8)


def _centres_x(track: LandmarkTrack) -> list[float]:
    return [float(points[:, 0].mean()) for points in track.points]


def test_no_frames() -> None:
    assert len(track_main_face([], Faces())) == 0


def test_nobody() -> None:
    track = track_main_face(frames([BLANK] * 3), Faces())
    assert track.mask.tolist() == [False] * 3
    assert not track.points.any()
    np.testing.assert_allclose(track.times_s, [0, 0.1, 0.2])


def test_missing_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces.FaceDetector.__init__, "__defaults__", (tmp_path,))
    with pytest.raises(InputError, match="run `make setup`"):
        track_main_face([], Faces())


def test_face_is_followed_as_it_moves() -> None:
    track = track_main_face(frames([scene((100 + 8 * step, 20)) for step in range(10)]), Faces())
    assert track.mask.all()
    np.testing.assert_allclose(np.diff(_centres_x(track)), 8, atol=1.5)


def test_still_face_stands_still() -> None:
    """The square settles: in the same picture again and again, points move by less than a hundredth of the eyes."""
    track = track_main_face(frames([scene((100, 20))] * 8), Faces())
    eyes_apart = np.linalg.norm(track.points[0, 36] - track.points[0, 45])
    jitter = np.linalg.norm(np.diff(track.points[3:], axis=0), axis=2).mean()
    assert jitter < 0.01 * eyes_apart


def test_short_gap_is_masked_and_bridged() -> None:
    here = scene((100, 20))
    tracks, _ = track_faces(frames([here, here, BLANK, BLANK, here, here]), Faces())
    assert len(tracks) == 1
    assert tracks[0].mask.tolist() == [True, True, False, False, True, True]
    assert not tracks[0].points[2:4].any()


def test_small_face_is_found_again_without_a_search_of_tiles() -> None:
    here = scene((900, 300), height=720, width=1280, side=100)
    blank = np.full_like(here, 90)
    tracks, _ = track_faces(frames([here, blank, here]), Faces())
    assert [track.mask.tolist() for track in tracks] == [[True, False, True]]


def test_long_gap_begins_a_new_face() -> None:
    here = scene((100, 20))
    gap = [BLANK] * (int(face_track.MAX_GAP_S / 0.5) + 2)
    tracks, times_s = track_faces(frames([here, *gap, here, here], rate_hz=2.0), Faces())
    assert [int(track.mask.sum()) for track in tracks] == [1, 2]
    assert all(len(track) == len(times_s) for track in tracks)


def test_two_faces_are_kept_apart() -> None:
    tracks, _ = track_faces(frames([scene((0, 20), (320, 20))] * 4), Faces())
    assert len(tracks) == 2
    assert all(track.mask.all() for track in tracks)
    left, right = sorted(float(np.mean(_centres_x(track))) for track in tracks)
    assert right - left == pytest.approx(320, abs=3)


def test_newcomer_is_noticed_and_the_longer_face_is_the_main_one() -> None:
    alone, together = scene((0, 20)), scene((0, 20), (320, 20))
    seen = frames([alone] * 6 + [together] * 14)
    tracks, _ = track_faces(seen, Faces())
    assert [int(track.mask.sum()) for track in tracks] == [20, 10]  # found at the next look, a second after the first
    assert track_main_face(seen, Faces()).mask.all()


def test_face_that_jumps_is_found_in_its_new_place() -> None:
    tracks, _ = track_faces(frames([scene((0, 20))] * 3 + [scene((320, 20))] * 3), Faces())
    assert [track.mask.tolist() for track in tracks] == [[True] * 3 + [False] * 3, [False] * 3 + [True] * 3]


def test_presence_that_nobody_reaches() -> None:
    assert not track_main_face(frames([scene((100, 20))]), Faces(min_presence=1.0, min_score=0.999)).mask.any()


def test_model_folder_is_inside_the_package() -> None:
    assert (face_net.MODEL_FOLDER / "NOTICE").is_file()


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")
def test_landmarks_agree_with_those_of_ravdess() -> None:
    """Mean distance of the inner 51 points, in per cent of the distance between the outer eye corners."""
    root, errors = Path(os.environ["OMSN_DATA"]) / "ravdess", []
    for path in sorted(root.glob("video/*/*.mp4")):
        found = track_main_face(read_frames(path), Faces())
        reference = f"{root}/landmarks/Actor_{path.stem[-2:]}.npz#02{path.stem[2:]}"
        given = read_landmarks(reference, Fraction(30000, 1001)).points[: len(found)]
        assert found.mask.all()
        eyes_apart = np.linalg.norm(given[:, 36] - given[:, 45], axis=1)[:, None]
        errors.append(float((np.linalg.norm(found.points - given, axis=2) / eyes_apart)[:, 17:].mean()))
    assert len(errors) == 8
    assert np.mean(errors) < 0.017
    assert max(errors) < 0.021


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")
def test_one_face_in_each_javanese_clip() -> None:
    root = Path(os.environ["OMSN_DATA"]) / "javanese"
    for path in sorted(root.glob("*-01-01_01.mp4")):
        tracks, _ = track_faces(read_frames(path, 10.0), Faces())
        assert len(tracks) == 1
        assert tracks[0].mask.mean() > 0.85  # some clips begin with black pictures
