from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from omsn.config import VideoFeatures
from omsn.features.face import face_columns, hog_stream, side_by_side
from omsn.features.geometry import geometry_columns
from omsn.features.hog import CROP_SIZE, hog_columns, hog_frame
from omsn.media.video import Frame
from omsn.preprocess.bilateral import smooth_crop
from omsn.preprocess.face_crop import aligned_crop
from omsn.types import LandmarkTrack, Stream


def noise_picture(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (96, 128, 3), np.uint8)


def frames_at(*times_s: float) -> list[Frame]:
    return [Frame(noise_picture(number), time_s) for number, time_s in enumerate(times_s)]


def track_at(times_s: list[float], mask: list[bool] | None = None) -> LandmarkTrack:
    """A face whose eyes lie at (50, 40) and (80, 40), a pixel further right in each frame."""
    real = np.ones(len(times_s), np.bool_) if mask is None else np.array(mask)
    points = np.zeros((len(times_s), 68, 2), np.float32)
    points[:, 36:42], points[:, 42:48] = (50, 40), (80, 40)
    points[:, :, 0] += np.arange(len(times_s))[:, None]
    return LandmarkTrack(points * real[:, None, None], real, np.array(times_s, np.float64))


def stream(times_s: list[float], mask: list[bool], column: str) -> Stream:
    values = (np.arange(1, len(times_s) + 1, dtype=np.float32) * np.array(mask, np.float32))[:, None]
    return Stream(values, np.array(mask), np.array(times_s, np.float64), (column,))


@pytest.mark.parametrize(
    ("geometry", "hog", "expected"),
    [
        (True, False, geometry_columns()),
        (False, True, hog_columns()),
        (True, True, (*geometry_columns(), *hog_columns())),
    ],
)
def test_columns(geometry: bool, hog: bool, expected: tuple[str, ...]) -> None:
    assert face_columns(VideoFeatures(geometry=geometry, hog=hog)) == expected
    assert len(set(expected)) == len(expected)


@pytest.mark.parametrize(
    ("frames", "track"),
    [
        ([], track_at([0.0])),
        (frames_at(0.0, 0.1), track_at([])),
        (frames_at(0.0, 0.1), track_at([0.0, 0.1], [False, False])),
        (frames_at(0.1), track_at([0.0, 0.1], [True, False])),
    ],
    ids=["no pictures", "no landmarks", "no face", "no picture of the face"],
)
def test_without_a_picture_of_the_face_hog_is_absent(frames: list[Frame], track: LandmarkTrack) -> None:
    hog = hog_stream(frames, track, bilateral=False)
    assert not hog.present
    assert hog.columns == hog_columns()


def test_each_picture_is_described_at_its_nearest_landmarks() -> None:
    frames = frames_at(0.0, 0.09, 0.21)
    track = track_at([0.0, 0.1, 0.2, 0.3])
    hog = hog_stream(iter(frames), track, bilateral=False)
    assert hog.times_s.tolist() == [0.0, 0.09, 0.21]
    assert hog.mask.all()
    for number, frame in enumerate(frames):
        expected = hog_frame(aligned_crop(frame.image, track.points[number], CROP_SIZE))
        np.testing.assert_array_equal(hog.values[number], expected)
    assert all(not np.array_equal(one, other) for one, other in pairwise(hog.values))


def test_pictures_without_the_face_are_masked() -> None:
    hog = hog_stream(frames_at(0.0, 0.1, 0.2), track_at([0.0, 0.1, 0.2], [True, False, True]), bilateral=False)
    assert hog.mask.tolist() == [True, False, True]
    assert not hog.values[1].any()
    assert hog.values[2].any()


def test_the_bilateral_filter_comes_before_hog() -> None:
    frame, track = frames_at(0.0)[0], track_at([0.0])
    crop = aligned_crop(frame.image, track.points[0], CROP_SIZE)
    filtered = hog_stream([frame], track, bilateral=True).values[0]
    np.testing.assert_array_equal(filtered, hog_frame(smooth_crop(crop)))
    assert not np.array_equal(filtered, hog_frame(crop))


def test_side_by_side_takes_the_nearest_frame_where_both_are_real() -> None:
    first = stream([0.0, 0.1, 0.2, 0.3], [True, True, False, True], "a")
    second = stream([0.0, 0.11, 0.32], [True, False, True], "b")
    both = side_by_side(first, second)
    assert both.columns == ("a", "b")
    assert both.values.tolist() == [[1, 1], [0, 0], [0, 0], [4, 3]]
    assert both.mask.tolist() == [True, False, False, True]
    assert both.times_s.tolist() == first.times_s.tolist()


@pytest.mark.parametrize("absent", ["first", "second", "both"])
def test_side_by_side_is_absent_where_one_is(absent: str) -> None:
    first, second = stream([0.0], [absent == "second"], "a"), stream([0.0], [absent == "first"], "b")
    both = side_by_side(first, second)
    assert not both.present
    assert both.columns == ("a", "b")
