from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutated_files import mutate

from omsn.errors import MediaError
from omsn.media.landmark_file import read_landmarks
from omsn.media.openface import read_openface
from omsn.types import Floats

RATE = Fraction(30000, 1001)
POINTS = np.random.default_rng(0).uniform(1, 700, (4, 68, 2)).round(1)


def table(
    points: Floats | np.ndarray[tuple[int, ...], np.dtype[np.float64]], success: str = "1111", first: int = 1
) -> str:
    """As OpenFace 2.1 writes it: columns of other things too, and blanks after commas."""
    names = ["frame", "face_id", "timestamp", "confidence", "success", "pose_Rx"]
    names += [f"{axis}_{point}" for axis in "xy" for point in range(68)] + [f"X_{point}" for point in range(68)]
    lines = [", ".join(names)]
    for row, face in enumerate(points):
        cells = [str(first + row), "0", f"{row / 29.97:.3f}", "0.98", success[row], "0.1"]
        cells += [f"{value:.1f}" for axis in (0, 1) for value in face[:, axis]] + ["50.0"] * 68
        lines.append(", ".join(cells))
    return "\n".join(lines) + "\n"


def written(folder: Path, text: str) -> Path:
    (folder / "a.csv").write_text(text, encoding="utf-8")
    return folder / "a.csv"


def test_a_table_without_frames(tmp_path: Path) -> None:
    assert read_openface(written(tmp_path, table(POINTS[:0]))).shape == (0, 68, 2)


@pytest.mark.parametrize("first", [0, 1, 7])
def test_points_by_column_name(tmp_path: Path, first: int) -> None:
    np.testing.assert_array_equal(read_openface(written(tmp_path, table(POINTS, first=first))), POINTS)


def test_a_track_is_the_one_of_the_same_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POINTS)
    ours, theirs = (read_landmarks(str(path), RATE) for path in (written(tmp_path, table(POINTS)), tmp_path / "a.npy"))
    np.testing.assert_array_equal(ours.points, theirs.points)
    np.testing.assert_array_equal(ours.times_s, theirs.times_s)
    assert ours.mask.all()


def test_failed_frames_are_masked(tmp_path: Path) -> None:
    track = read_landmarks(str(written(tmp_path, table(POINTS, success="1011"))), RATE)
    assert track.mask.tolist() == [True, False, True, True]


def test_columns_that_others_leave_out(tmp_path: Path) -> None:
    """Py-Feat's tables name the points alike and have neither; an empty cell is no number."""
    lines = [line.split(", ") for line in table(POINTS).splitlines()]
    text = "\n".join(",".join(cells[5:]) for cells in lines).replace(f"{POINTS[1, 0, 0]:.1f}", "", 1)
    points = read_openface(written(tmp_path, "\ufeff" + text + "\n\n"))
    assert np.isnan(points[1, 0, 0])
    np.testing.assert_array_equal(points[[0, 2, 3]], POINTS[[0, 2, 3]])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: "", r"a\.csv: is empty"),
        (lambda text: "a,b\n1,2\n", r"no column x_0; got 2 columns: a, b; expected a table of OpenFace's"),
        (lambda text: text.replace(" y_67,", " z_67,"), r"no column y_67; got 210 columns: frame, face_id, .*, \.\.\."),
        (lambda text: text.replace("\n2, ", "\n1, "), r"frame 1 stands there twice; expected one face"),
        (lambda text: text.replace("\n3, ", "\n9, "), r"frame 9 after 2, expected 3: every frame in turn"),
        (lambda text: text.replace("\n3, ", "\nnan, "), r"frame nan after 2, expected 3"),
        (lambda text: text.replace("50.0\n", "50.0\n5, 0\n", 1), r"a\.csv, line 3: got 2 cells, expected 142"),
        (
            lambda text: text.replace(f"{POINTS[0, 0, 0]:.1f}", "left", 1),
            r"line 2: could not convert .*'left'; expected",
        ),
        (lambda text: text.replace("frame", '"frame', 1) + "\0" * 200_000, r"not readable as a table of landmarks"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, change: Callable[[str], str], told: str) -> None:
    with pytest.raises(MediaError, match=told):
        read_landmarks(str(written(tmp_path, change(table(POINTS)))), RATE)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\xd8" * 9)
    with pytest.raises(MediaError, match=r"a\.csv: not readable as a table of landmarks"):
        read_landmarks(str(tmp_path / "a.csv"), RATE)


@given(st.binary(min_size=1, max_size=200))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_refused(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(contents)
    with pytest.raises(MediaError):
        read_openface(tmp_path / "a.csv")


def test_damaged_tables_are_read_or_refused(tmp_path: Path) -> None:
    content, rng, refused = table(POINTS).encode(), np.random.default_rng(0), 0
    for _ in range(300):
        (tmp_path / "a.csv").write_bytes(mutate(content, rng))
        try:
            read_landmarks(str(tmp_path / "a.csv"), RATE)
        except MediaError:
            refused += 1
    assert refused > 100
