"""The correction of landmarks: fitted on made faces whose correction is known, and on films."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import fit_landmarks
import numpy as np
import pytest
from fit_landmarks import MIRRORED, RATE, Pair, error, fit, left_out, offset_errors, parts_that_help, read_pairs
from landmark_columns import column_deviations
from made_media import write_media
from portrait import scene

from omsn.config import Faces
from omsn.errors import InputError
from omsn.media.video import read_frames
from omsn.preprocess.face_track import track_main_face
from omsn.preprocess.faces import FaceDetector
from omsn.preprocess.ibug68 import Correction, corrected, read_correction
from omsn.preprocess.landmarks import FaceMesher, square_from_detection, to_ibug68
from omsn.types import Floats

EVERYTHING = [(part, axis) for part in fit_landmarks.PARTS for axis in (0, 1)]
needs_data = pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")


@pytest.fixture(scope="module")
def portrait_points() -> Floats:
    """A real face's points (68, 2)."""
    image = scene((100, 20))
    found = FaceDetector(Faces()).detect(image)
    mesh = FaceMesher(Faces()).find(image, square_from_detection(found.xyxy[0], found.keypoints[0]))
    return to_ibug68(mesh.points)


def made_pair(points: Floats, correction: Correction, speaker: str, seed: int, n_frames: int = 6) -> Pair:
    """A face that wanders, turns and grows, seen by us, and by a program that differs by a known correction."""
    rng = np.random.default_rng(seed)
    frames = []
    for angle, scale in zip(rng.normal(0, 0.2, n_frames), rng.uniform(0.5, 2, n_frames), strict=True):
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        frames.append(points @ np.array([[cos, sin], [-sin, cos]]) + rng.uniform(-50, 50, 2))
    ours = np.stack(frames).astype(np.float32)
    return Pair(f"{speaker}-{seed}", speaker, ours, corrected(ours, correction), np.arange(n_frames) / 15)


def known_correction(seed: int = 0) -> Correction:
    offsets = np.random.default_rng(seed).normal(0, 0.03, (68, 2))
    return Correction((offsets + offsets[MIRRORED] * [-1, 1]) / 2, np.array([0.3, 0.7, 0.6, 0.25] * 2))


def test_the_known_correction_is_found(portrait_points: Floats) -> None:
    pairs = [made_pair(portrait_points, known_correction(), speaker, seed) for seed, speaker in enumerate("aab")]
    found = fit(pairs, EVERYTHING)
    np.testing.assert_allclose(found.shares, known_correction().shares, atol=1e-4)
    for pair in pairs:
        assert error(corrected(pair.ours, found), pair.given) < 1e-3 < error(pair.ours, pair.given)


def test_each_speaker_counts_as_much(portrait_points: Floats) -> None:
    none, some = (replace(known_correction(), offsets=known_correction().offsets * size) for size in (0, 1))
    pairs = [made_pair(portrait_points, none, "a", 0)]
    pairs += [made_pair(portrait_points, some, "b", seed) for seed in (1, 2, 3)]
    inner = [30, 33, 48, 54, 51, 57]
    np.testing.assert_allclose(fit(pairs, EVERYTHING).offsets[inner], some.offsets[inner] / 2, atol=1e-3)


def test_what_differs_from_speaker_to_speaker_is_left_alone(portrait_points: Floats) -> None:
    """Brows of one speaker are higher, of the other lower; all else is the same."""
    higher, lower = known_correction().offsets.copy(), known_correction().offsets.copy()
    higher[17:27, 1], lower[17:27, 1] = -0.02, 0.02
    pairs = [
        made_pair(portrait_points, replace(known_correction(), offsets=offsets), speaker, seed)
        for seed, (speaker, offsets) in enumerate((("a", higher), ("b", lower)))
    ]
    parts = parts_that_help(pairs)
    assert set(EVERYTHING) - set(parts) == {("brows", 1)}
    assert offset_errors(pairs)["brows", 1] == pytest.approx((0.02, 0.04), rel=0.01)
    assert fit(pairs, parts).offsets[17:27, 1].tolist() == [0.0] * 10


def test_no_films(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got 0 films, expected films of two speakers in video/Actor_AA/\*\.mp4"):
        read_pairs(tmp_path)


def test_no_archives(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no archives in landmarks/\*\.npz; name the folder that has them"):
        column_deviations(tmp_path, RATE)


def test_no_folder_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("OMSN_DATA", raising=False)
    assert fit_landmarks.main([]) == 1
    assert "--data: got nothing, and OMSN_DATA is not set" in capsys.readouterr().err


def write_film(corpus: Path, speaker: str, place: tuple[int, int] | None) -> Path:
    """Six pictures of a face at a place, or of none, with zeros for its landmarks."""
    film = corpus / "video" / f"Actor_{speaker}" / f"01-01-01-01-01-01-{speaker}.mp4"
    film.parent.mkdir(parents=True)
    image = scene() if place is None else scene(place)
    write_media(film, images=[image] * 6, frame_rate=RATE)
    return write_landmarks(corpus, film, np.zeros((6, 68, 2), np.float32))


def write_landmarks(corpus: Path, film: Path, points: Floats) -> Path:
    (corpus / "landmarks").mkdir(exist_ok=True)
    np.savez(corpus / "landmarks" / f"{film.parent.name}.npz", **{f"02{film.stem[2:]}": points})  # type: ignore[arg-type]
    return film


def test_film_without_a_face(tmp_path: Path) -> None:
    for speaker in ("01", "02"):
        write_film(tmp_path, speaker, None)
    with pytest.raises(InputError, match=r"01-01-01-01-01-01-01\.mp4: no face in the picture at 0\.0 s; take it out"):
        read_pairs(tmp_path)


def test_from_films_to_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Films whose given landmarks are those that OMSN itself finds give OMSN's own correction."""
    corpus = tmp_path / "ravdess"
    for speaker, place in (("01", (100, 20)), ("02", (200, 30))):
        film = write_film(corpus, speaker, place)
        track, points = track_main_face(read_frames(film, 15.0), Faces()), np.zeros((6, 68, 2), np.float32)
        points[np.rint(track.times_s * float(RATE)).astype(int)] = track.points
        write_landmarks(corpus, film, points)
    table = tmp_path / "table.csv"
    assert fit_landmarks.main(["--data", str(tmp_path), "--to", str(table)]) == 0
    rows = np.genfromtxt(table, delimiter=",", skip_header=1)
    outside = [point for point in range(68) if point not in range(36, 48)]
    np.testing.assert_allclose(rows[outside, 1:3], read_correction().offsets[outside], atol=2e-4)
    np.testing.assert_allclose(rows[37, 3], read_correction().shares[0], atol=2e-4)
    assert "  nose down: " in capsys.readouterr().out


@pytest.mark.slow
@needs_data
def test_a_speaker_left_out_is_nearer_to_the_landmarks_of_ravdess() -> None:
    pairs = read_pairs(Path(os.environ["OMSN_DATA"]) / "ravdess")
    assert len(pairs) == 8
    np.testing.assert_allclose(fit(pairs, parts_that_help(pairs)).offsets, read_correction().offsets, atol=5e-4)
    errors = [
        (error(pair.ours, pair.given), error(ours, pair.given))
        for pair, ours in zip(pairs, left_out(pairs), strict=True)
    ]
    assert all(after < before for before, after in errors)
    assert np.mean(errors, axis=0)[1] < 0.0245
