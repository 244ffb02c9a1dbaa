from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutated_files import mutate
from numpy.typing import DTypeLike, NDArray

from omsn.errors import MediaError
from omsn.media.landmark_file import read_landmarks, split_reference

RATE = Fraction(30000, 1001)


def _points(n_frames: int, dtype: DTypeLike = np.int16) -> NDArray[np.generic]:
    return np.random.default_rng(0).integers(1, 700, (n_frames, 68, 2)).astype(dtype)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "empty.npz").touch()
    with pytest.raises(MediaError, match=r"gone\.npz: no such file"):
        read_landmarks(f"{tmp_path}/gone.npz#a", RATE)
    with pytest.raises(MediaError, match=r"empty\.npz: is empty"):
        read_landmarks(f"{tmp_path}/empty.npz#a", RATE)


def test_no_frames(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", _points(0))
    assert len(read_landmarks(f"{tmp_path}/a.npy", RATE)) == 0


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_entry_of_an_archive(tmp_path: Path, dtype: DTypeLike) -> None:
    points = _points(5, dtype)
    np.savez_compressed(tmp_path / "actor.npz", first=_points(3), second=points)
    track = read_landmarks(f"{tmp_path}/actor.npz#second", RATE)
    np.testing.assert_array_equal(track.points, points.astype(np.float32))
    np.testing.assert_allclose(track.times_s, np.arange(5) * 1001 / 30000, rtol=1e-12)
    assert track.mask.all()


@pytest.mark.parametrize("name", ["a.npy", "one.npz", "odd#name.npy"])
def test_file_with_one_array_needs_no_entry(tmp_path: Path, name: str) -> None:
    if name.endswith(".npy"):
        np.save(tmp_path / name, _points(4))
    else:
        np.savez(tmp_path / name, only=_points(4))
    assert len(read_landmarks(f"{tmp_path}/{name}", RATE)) == 4


def test_frames_without_a_face_are_masked(tmp_path: Path) -> None:
    points = _points(4, np.float64)
    points[1] = 0
    points[2, 30, 1] = np.nan
    points[3, 0, 0] = np.inf
    np.save(tmp_path / "a.npy", points)
    track = read_landmarks(f"{tmp_path}/a.npy", RATE)
    assert track.mask.tolist() == [True, False, False, False]
    assert not track.points[1:].any()


def test_wrong_and_unnamed_entries(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{f"clip{i}": _points(1) for i in range(7)})  # type: ignore[arg-type]
    with pytest.raises(MediaError, match=r"no entry 'x'; it has 7: clip0, clip1, clip2, clip3, clip4, \.\.\."):
        read_landmarks(f"{tmp_path}/a.npz#x", RATE)
    with pytest.raises(MediaError, match=r"an entry must be named as file\.npz#entry; it has 7"):
        read_landmarks(f"{tmp_path}/a.npz", RATE)


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.zeros((3, 67, 2)), r"float64 of shape \(3, 67, 2\)"),
        (np.zeros((68, 2)), r"float64 of shape \(68, 2\)"),
        (np.zeros((3, 68, 2), np.complex64), r"complex64 of shape \(3, 68, 2\)"),
        (np.full((1, 68, 2), "x"), r"<U1 of shape \(1, 68, 2\)"),
    ],
)
def test_wrong_shape_or_type(tmp_path: Path, array: NDArray[np.generic], got: str) -> None:
    np.savez(tmp_path / "a.npz", clip=array)
    with pytest.raises(MediaError, match=rf"a\.npz#clip: got {got}, expected real numbers of shape \(frames, 68, 2\)"):
        read_landmarks(f"{tmp_path}/a.npz#clip", RATE)


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(MediaError, match=r"a\.npy: not a readable numpy file"):
        read_landmarks(f"{tmp_path}/a.npy", RATE)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_archive_cut_short(tmp_path: Path, share: float) -> None:
    np.savez_compressed(tmp_path / "a.npz", clip=_points(50))
    contents = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(contents[: int(len(contents) * share)])
    with pytest.raises(MediaError, match=r"a\.npz: not a readable numpy file"):
        read_landmarks(f"{tmp_path}/a.npz#clip", RATE)


def test_damaged_entry(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", clip=_points(50))
    contents = bytearray((tmp_path / "a.npz").read_bytes())
    contents[300:320] = bytes(20)
    (tmp_path / "a.npz").write_bytes(contents)
    with pytest.raises(MediaError, match=r"a\.npz: not a readable numpy file"):
        read_landmarks(f"{tmp_path}/a.npz#clip", RATE)


@given(contents=st.binary(min_size=1, max_size=200))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(b"\x93NUMPY" + contents)
    with pytest.raises(MediaError):
        read_landmarks(f"{tmp_path}/a.npz", RATE)


@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")
def test_ravdess_entry() -> None:
    archive = Path(os.environ.get("OMSN_DATA", "")) / "ravdess" / "landmarks" / "Actor_01.npz"
    track = read_landmarks(f"{archive}#02-01-01-01-01-01-01", RATE)
    assert track.points.shape == (99, 68, 2)
    assert track.mask.all()


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("", ("", "")),
        ("a.csv", ("a.csv", "")),
        ("a.npz", ("a.npz", "")),
        ("a.npz#x", ("a.npz", "x")),
        ("A.NPZ#x", ("A.NPZ", "x")),
        ("#1/a.npz", ("#1/a.npz", "")),
        ("b.npz#1/a.npz#x#y", ("b.npz#1/a.npz", "x#y")),
    ],
)
def test_split_reference(reference: str, parts: tuple[str, str]) -> None:
    assert split_reference(reference) == parts


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_damaged_files_are_read_or_refused(tmp_path: Path, suffix: str) -> None:
    whole, damaged = tmp_path / f"whole.{suffix}", tmp_path / f"damaged.{suffix}"
    np.save(whole, _points(2)) if suffix == "npy" else np.savez_compressed(whole, face=_points(2))
    content, rng, refused = whole.read_bytes(), np.random.default_rng(0), 0
    for _ in range(1000):
        damaged.write_bytes(mutate(content, rng))
        try:
            read_landmarks(str(damaged), RATE)
        except MediaError:
            refused += 1
    assert refused > 300
