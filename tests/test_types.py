import math
from typing import Any

import numpy as np
import pytest

from omsn.errors import InputError
from omsn.labels import LabelSet
from omsn.types import Clip, FacePath, LandmarkTrack, Prediction, Sound, Stream, Window

COLUMNS = ("pitch", "energy")


def sound(**changes: Any) -> Sound:
    fields: dict[str, Any] = {"samples": np.zeros(80, np.float32), "rate_hz": 16000}
    return Sound(**fields | changes)


def track(**changes: Any) -> LandmarkTrack:
    fields: dict[str, Any] = {
        "points": np.ones((3, 68, 2), np.float32),
        "mask": np.ones(3, np.bool_),
        "times_s": np.array([0.0, 0.1, 0.2]),
    }
    return LandmarkTrack(**fields | changes)


def stream(**changes: Any) -> Stream:
    fields: dict[str, Any] = {
        "values": np.arange(6, dtype=np.float32).reshape(3, 2),
        "mask": np.array([True, False, True]),
        "times_s": np.array([0.0, 0.1, 0.2]),
        "columns": COLUMNS,
    }
    return Stream(**fields | changes)


def test_sound_length() -> None:
    assert sound(samples=np.zeros(0, np.float32)).duration_s == 0
    assert sound().duration_s == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": np.zeros(80)}, r"Sound.samples: got float64 of shape \(80,\), expected float32 of shape \('any',"),
        ({"samples": np.zeros((2, 80), np.float32)}, r"Sound.samples: got float32 of shape \(2, 80\)"),
        ({"samples": np.array([0, np.nan], np.float32)}, "Sound.samples: holds NaN or infinity; mark missing frames"),
        ({"rate_hz": 0}, "Sound.rate_hz: got 0, expected a positive number of samples per second"),
    ],
)
def test_a_wrong_sound_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sound(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": np.ones((3, 5, 2), np.float32)}, r"LandmarkTrack.points: .* expected float32 .*'any', 68, 2"),
        ({"points": np.ones((3, 68, 2), np.int16)}, "LandmarkTrack.points: got int16"),
        ({"points": np.full((3, 68, 2), np.inf, np.float32)}, "LandmarkTrack.points: holds NaN or infinity"),
        ({"mask": np.ones(2, np.bool_)}, r"LandmarkTrack.mask: got bool of shape \(2,\), expected bool of shape \(3,"),
        ({"mask": np.ones(3)}, "LandmarkTrack.mask: got float64"),
        ({"times_s": np.array([0, 0.2, 0.1])}, r"LandmarkTrack.times_s: 0.1 s comes after 0.2 s; times must rise"),
        ({"times_s": np.array([0, np.nan, 0.1])}, r"LandmarkTrack.times_s: nan s comes after 0.0 s"),
        ({"times_s": np.zeros(4)}, r"LandmarkTrack.times_s: got float64 of shape \(4,\), expected .* \(3,\)"),
    ],
)
def test_a_wrong_landmark_track_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        track(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": ("pitch",)}, r"Stream.values: got float32 of shape \(3, 2\), expected float32 of .*\('any', 1\)"),
        ({"values": np.zeros((3, 2))}, "Stream.values: got float64"),
        ({"values": np.full((3, 2), np.nan, np.float32)}, "Stream.values: holds NaN or infinity"),
        ({"mask": np.ones(4, np.bool_)}, r"Stream.mask: got bool of shape \(4,\)"),
        ({"times_s": np.array([0.0, 0.1, 0.1])}, r"Stream.times_s: 0.1 s comes after 0.1 s; times must rise"),
        ({"times_s": np.zeros(3, np.float32)}, "Stream.times_s: got float32"),
    ],
)
def test_a_wrong_stream_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        stream(**changes)


def test_an_empty_landmark_track_is_allowed() -> None:
    empty = track(points=np.zeros((0, 68, 2), np.float32), mask=np.zeros(0, np.bool_), times_s=np.zeros(0))
    assert len(empty) == 0
    assert len(empty.between(0.0, None)) == 0


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [(0.0, None, [0.0, 0.1, 0.2]), (0.1, 0.2, [0.1]), (0.05, 9.0, [0.1, 0.2]), (0.2, 0.2, []), (1.0, None, [])],
)
def test_the_part_of_a_track_between_two_times(start_s: float, end_s: float | None, expected: list[float]) -> None:
    part = track().between(start_s, end_s)
    assert part.times_s.tolist() == expected
    assert len(part) == len(part.mask) == len(expected)


def test_an_absent_stream_is_one_masked_frame() -> None:
    absent = Stream.absent(COLUMNS)
    assert (len(absent), absent.present, absent.columns) == (1, False, COLUMNS)
    assert not absent.values.any()


def test_frames_taken_from_a_stream() -> None:
    assert stream().present
    assert stream().take(np.array([0, 2])).values.tolist() == [[0, 1], [4, 5]]
    second = stream().take(slice(1, 2))
    assert (second.times_s.tolist(), second.mask.tolist(), second.present) == ([0.1], [False], False)


def test_a_clip_knows_only_what_it_is_told() -> None:
    clip = Clip("a", "", "")
    assert (clip.audio, clip.video, clip.landmarks, clip.start_s, clip.end_s) == ("", "", "", 0.0, None)


@pytest.mark.parametrize("window", [Window(1.0, 1.0, (1.0,), ()), Window(-0.02, 0.5, (0.2004, 0.8), ("audio",))])
def test_a_window_may_be_empty_begin_early_and_be_rounded(window: Window) -> None:
    assert window.end_s >= window.start_s


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_s": 2.0}, r"Window: got 2.0 s to 1.0 s, expected a finite start, not after the end"),
        ({"start_s": math.nan}, "Window: got nan s to 1.0 s"),
        ({"end_s": math.inf}, "Window: got 0.0 s to inf s"),
        ({"start_s": math.inf, "end_s": math.inf}, "Window: got inf s to inf s"),
        ({"probabilities": ()}, r"Window.probabilities: got \(\) with sum 0, expected numbers from 0 to 1"),
        ({"probabilities": (0.5, 0.4)}, r"Window.probabilities: got \(0.5, 0.4\) with sum 0.9.* within 0.001"),
        ({"probabilities": (1.5, -0.5)}, r"Window.probabilities: got \(1.5, -0.5\) with sum 1, expected"),
        ({"probabilities": (math.nan, 1.0)}, r"Window.probabilities: got \(nan, 1.0\) with sum nan"),
        ({"probabilities": (math.inf, -math.inf)}, r"Window.probabilities: got \(inf, -inf\) with sum nan"),
    ],
)
def test_a_wrong_window_is_refused(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"start_s": 0.0, "end_s": 1.0, "probabilities": (0.2, 0.8), "modalities": ()}
    with pytest.raises(InputError, match=message):
        Window(**fields | changes)


def test_the_emotion_of_each_window() -> None:
    windows = (Window(0, 1, (0.2, 0.8), ("audio",)), Window(1, 2, (0.6, 0.4), ("audio", "video"), track=1))
    prediction = Prediction("a.mp4", LabelSet(("calm", "angry")), windows)
    assert [prediction.emotion(0), prediction.emotion(1), prediction.emotion(-1)] == ["angry", "calm", "calm"]


def test_the_emotion_of_a_file_is_that_of_most_of_it_and_not_of_its_beginning() -> None:
    windows = (Window(0, 4, (0.1, 0.9), ()), Window(2, 6, (0.8, 0.2), ()), Window(4, 16, (0.7, 0.3), ()))
    prediction = Prediction("a.mp4", LabelSet(("calm", "angry")), windows)
    assert (prediction.emotion(0), prediction.emotion()) == ("angry", "calm")


def test_the_emotion_of_a_file_of_one_window_is_that_of_the_window() -> None:
    prediction = Prediction("a.mp4", LabelSet(("calm", "angry")), (Window(0.0, 0.0, (0.4, 0.6), ()),))
    assert prediction.emotion() == prediction.emotion(0) == "angry"


def test_a_prediction_without_windows_has_no_emotion_and_no_segments() -> None:
    nothing = Prediction("a.mp4", LabelSet(("calm",)))
    assert nothing.segments() == ()
    with pytest.raises(InputError, match=r"a.mp4: no window; it has 0"):
        nothing.emotion()


def test_who_made_a_prediction_does_not_make_it_another() -> None:
    one, other = (Prediction("a.mp4", LabelSet(("calm",)), made_by={"omsn": version}) for version in "12")
    assert one == other


def test_the_mean_box_of_a_face() -> None:
    path = FacePath(np.array([0.0, 0.1]), np.array([[0, 1, 2, 3], [1, 1, 3, 3.5]], np.float32))
    assert path.mean_box() == (0.5, 1.0, 2.5, 3.2)
    assert FacePath(np.zeros(0), np.zeros((0, 4), np.float32)).mean_box() is None
    assert Window(0, 1, (1.0,), (), path=path).box == path.mean_box()
    assert Window(0, 1, (1.0,), ()).box is None


@pytest.mark.parametrize(("windows", "asked"), [((), 0), ((Window(0, 1, (1.0,), ()),), 1), ((), -1)])
def test_a_window_that_is_not_there_is_refused(windows: tuple[Window, ...], asked: int) -> None:
    with pytest.raises(InputError, match=rf"a.mp4: no window {asked}; it has {len(windows)}"):
        Prediction("a.mp4", LabelSet(("calm",)), windows).emotion(asked)
