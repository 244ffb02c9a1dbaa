import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from omsn.config import VideoFeatures
from omsn.features.geometry import BASELINE_S, GAP_S, geometry_columns, geometry_stream
from omsn.types import Floats, LandmarkTrack, Stream

RATE_HZ = 30.0
CONFIG = VideoFeatures(rate_hz=15.0)
EYES_APART = 60.0
"""Pixels between the eyes' centres of the made face, which lie at (100, 100) and (160, 100)."""
UPPER_LIP, LOWER_LIP = 62, 66


def made_face() -> Floats:
    """A face of round numbers: eyes 60 pixels apart, mouth 36 wide and 12 open, around the column x = 130."""
    face = np.zeros((68, 2))
    angles = np.linspace(0, np.pi, 17)
    face[:17] = np.column_stack([130 - 60 * np.cos(angles), 110 + 90 * np.sin(angles)])
    face[17:22] = [(70, 85), (82, 78), (94, 75), (106, 78), (118, 85)]
    face[22:27] = [(142, 85), (154, 78), (166, 75), (178, 78), (190, 85)]
    face[27:31] = [(130, 100), (130, 110), (130, 120), (130, 130)]
    face[31:36] = [(118, 136), (124, 138), (130, 140), (136, 138), (142, 136)]
    eye = np.array([(-15.0, 0), (-5, -6), (5, -6), (15, 0), (5, 6), (-5, 6)])
    face[36:42], face[42:48] = np.add(eye, (100, 100)), np.add(eye, (160, 100))
    face[48:55] = [(112, 156), (118, 150), (124, 147), (130, 146), (136, 147), (142, 150), (148, 156)]
    face[55:60] = [(142, 162), (136, 165), (130, 166), (124, 165), (118, 162)]
    face[60:68] = [(116, 156), (122, 151), (130, 150), (138, 151), (144, 156), (138, 161), (130, 162), (122, 161)]
    return face.astype(np.float32)


def still_track(n_frames: int, face: Floats | None = None) -> LandmarkTrack:
    points = np.repeat((made_face() if face is None else face)[None], n_frames, axis=0)
    return LandmarkTrack(points, np.ones(n_frames, np.bool_), np.arange(n_frames) / RATE_HZ)


def moving_track(point: int, pixels_per_s: float, n_frames: int = 31) -> LandmarkTrack:
    """One point of the made face goes down steadily."""
    still = still_track(n_frames)
    points = still.points.copy()
    points[:, point, 1] += pixels_per_s * still.times_s
    return LandmarkTrack(points, still.mask, still.times_s)


def without(track: LandmarkTrack, lost: slice | NDArray[np.bool_]) -> LandmarkTrack:
    mask = track.mask.copy()
    mask[lost] = False
    return LandmarkTrack(track.points * mask[:, None, None], mask, track.times_s)


def turned(track: LandmarkTrack, angle: float, scale: float, shift: tuple[float, float]) -> LandmarkTrack:
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return LandmarkTrack((track.points @ turn + shift).astype(np.float32), track.mask, track.times_s)


def column(stream: Stream, name: str) -> Floats:
    return stream.values[:, stream.columns.index(name)]


def test_no_frames_and_no_face_are_absent() -> None:
    for track in (still_track(0), without(still_track(5), slice(None))):
        stream = geometry_stream(track, CONFIG)
        assert not stream.present
        assert stream.columns == geometry_columns()


def test_columns() -> None:
    columns = geometry_columns()
    assert len(columns) == len(set(columns)) == 3 * 51 * 2 + 2 * (20 + 6) + 4
    assert (columns[0], columns[1], columns[-1]) == ("position_x17", "position_y17", "head_scale")


def test_one_frame() -> None:
    stream = geometry_stream(still_track(1), CONFIG)
    assert (len(stream), stream.present, stream.times_s.tolist()) == (1, True, [0.0])
    for number, name in enumerate(stream.columns):
        if name.startswith(("displacement", "velocity", "head")) or name.endswith("_change"):
            assert stream.values[0, number] == 0, name


def test_positions_by_hand() -> None:
    stream = geometry_stream(still_track(4), CONFIG)
    assert column(stream, "position_x36") == pytest.approx((85 - 130) / EYES_APART)
    assert column(stream, "position_y36") == pytest.approx(0, abs=1e-6)
    assert column(stream, "position_x62") == pytest.approx(0, abs=1e-6)
    assert column(stream, "position_y62") == pytest.approx((150 - 100) / EYES_APART)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mouth_width", 36 / EYES_APART),
        ("mouth_opening", 12 / EYES_APART),
        ("lip_height", 20 / EYES_APART),
        ("upper_lip_to_nose", 6 / EYES_APART),
        ("lower_lip_to_chin", 34 / EYES_APART),
        ("nose_to_chin", 60 / EYES_APART),
        ("right_eye_opening_outer", 12 / EYES_APART),
        ("left_eye_opening_inner", 12 / EYES_APART),
        ("brow_gap", 24 / EYES_APART),
        ("nostril_width", 24 / EYES_APART),
        ("right_brow_outer_to_eye", np.hypot(15, 15) / EYES_APART),
        ("left_mouth_corner_to_eye", np.hypot(27, 56) / EYES_APART),
        ("mouth_corner_right", 2 * np.arctan(10 / 18)),
        ("upper_lip_bow", 2 * np.arctan(18 / 10)),
        ("right_brow_bend", 2 * np.arctan(24 / 10)),
    ],
)
def test_distances_and_angles_by_hand(name: str, expected: float) -> None:
    assert column(geometry_stream(still_track(3), CONFIG), name) == pytest.approx(expected, abs=1e-5)


def test_both_sides_of_an_even_face_are_alike() -> None:
    stream = geometry_stream(still_track(3), CONFIG)
    for name in stream.columns:
        if "left" in name:
            twin = column(stream, name.replace("left", "right"))
            np.testing.assert_allclose(column(stream, name), twin, atol=1e-5, err_msg=name)


def test_a_straight_angle_and_a_closed_one() -> None:
    face = made_face()
    face[[48, 51, 54], 1] = 150  # a mouth drawn to a line
    face[57] = face[51]
    stream = geometry_stream(still_track(2, face), CONFIG)
    assert column(stream, "upper_lip_bow") == pytest.approx(np.pi, abs=1e-3)
    assert column(stream, "mouth_corner_left") == pytest.approx(0, abs=1e-3)


@settings(max_examples=40)
@given(
    angle=st.floats(-np.pi, np.pi),
    scale=st.floats(0.3, 8),
    shift=st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
)
def test_where_how_large_and_how_tilted_the_face_is_does_not_matter(
    angle: float, scale: float, shift: tuple[float, float]
) -> None:
    track = moving_track(LOWER_LIP, 20, n_frames=16)
    expected = geometry_stream(track, CONFIG).values
    np.testing.assert_allclose(geometry_stream(turned(track, angle, scale, shift), CONFIG).values, expected, atol=0.02)


def test_a_face_upside_down_does_not_roll() -> None:
    jitter = np.resize([0.01, -0.01], 31)
    points = [turned(still_track(1), np.pi + angle, 1.0, (0, 0)).points[0] for angle in jitter]
    track = LandmarkTrack(np.stack(points), np.ones(31, np.bool_), np.arange(31) / RATE_HZ)
    assert np.abs(column(geometry_stream(track, CONFIG), "head_roll")).max() < 0.05


def test_a_moving_head_moves_the_head_columns_alone() -> None:
    still = still_track(46)
    drift = np.maximum(still.times_s - 0.5, 0)[:, None, None] * [30.0, -15.0]  # still during the baseline
    moved = LandmarkTrack((still.points + drift).astype(np.float32), still.mask, still.times_s)
    stream, expected = geometry_stream(moved, CONFIG), geometry_stream(still, CONFIG)
    heads = [number for number, name in enumerate(stream.columns) if name.startswith("head")]
    np.testing.assert_allclose(
        np.delete(stream.values, heads, axis=1), np.delete(expected.values, heads, axis=1), atol=1e-4
    )
    assert column(stream, "head_x")[15] == pytest.approx(0.5 * 30 / EYES_APART, rel=0.01)
    assert column(stream, "head_y")[15] == pytest.approx(0.5 * -15 / EYES_APART, rel=0.01)
    assert column(stream, "head_roll") == pytest.approx(0, abs=1e-6)


def test_a_growing_and_tilting_head() -> None:
    still = still_track(40)
    points = still.points.copy()
    points[20:] = turned(still_track(20), -0.3, 2.0, (0, 0)).points
    stream = geometry_stream(LandmarkTrack(points, still.mask, still.times_s), CONFIG)
    assert column(stream, "head_roll")[[0, -1]] == pytest.approx([0, -0.3], abs=1e-5)
    assert column(stream, "head_scale")[[0, -1]] == pytest.approx([0, np.log(2)], abs=1e-5)
    assert column(stream, "position_y62")[[0, -1]] == pytest.approx([50 / EYES_APART] * 2, abs=1e-5)


@pytest.mark.parametrize("pixels_per_s", [10.0, -10.0])
def test_a_moving_lip_has_the_velocity_of_its_movement(pixels_per_s: float) -> None:
    stream = geometry_stream(moving_track(LOWER_LIP, pixels_per_s), CONFIG)
    assert column(stream, "velocity_y66")[2:-2] == pytest.approx(pixels_per_s / EYES_APART, abs=1e-4)
    assert column(stream, "velocity_y66")[[0, -1]] == pytest.approx(pixels_per_s / EYES_APART, rel=0.2)
    assert column(stream, "velocity_x66") == pytest.approx(0, abs=1e-4)
    assert column(stream, "velocity_y62") == pytest.approx(0, abs=1e-4)
    rise = np.diff(column(stream, "mouth_opening"))[2:-2]
    assert rise == pytest.approx(pixels_per_s / EYES_APART / CONFIG.rate_hz, abs=1e-4)


def test_displacement_is_from_the_beginning() -> None:
    still = still_track(40)
    points = still.points.copy()
    points[30:, LOWER_LIP, 1] += 6
    stream = geometry_stream(LandmarkTrack(points, still.mask, still.times_s), CONFIG)
    assert column(stream, "displacement_y66")[[0, -1]] == pytest.approx([0, 6 / EYES_APART], abs=1e-5)
    assert column(stream, "mouth_opening_change")[[0, -1]] == pytest.approx([0, 6 / EYES_APART], abs=1e-5)


def test_the_baseline_is_the_median_of_its_time() -> None:
    still = still_track(40)
    points = still.points.copy()
    points[3, LOWER_LIP, 1] += 60  # one wild frame
    stream = geometry_stream(LandmarkTrack(points, still.mask, still.times_s), CONFIG)
    assert round(BASELINE_S * CONFIG.rate_hz) > 2
    assert column(stream, "displacement_y66")[-1] == pytest.approx(0, abs=1e-5)


def test_the_baseline_skips_frames_without_a_face() -> None:
    stream = geometry_stream(without(moving_track(LOWER_LIP, 6), slice(0, 15)), CONFIG)
    first = int(np.flatnonzero(stream.mask)[0])
    assert first > 5
    assert abs(column(stream, "displacement_y66")[first]) < 0.05
    assert not stream.values[:first].any()


def lost_for(gap_s: float) -> LandmarkTrack:
    """A moving lip whose landmarks are missing between two real frames ``gap_s`` apart."""
    track = moving_track(LOWER_LIP, 24, n_frames=61)
    first = 20
    return without(track, slice(first + 1, first + round(gap_s * RATE_HZ)))


def test_a_short_gap_is_bridged() -> None:
    gap_s = np.floor(GAP_S * RATE_HZ) / RATE_HZ
    stream = geometry_stream(lost_for(gap_s), CONFIG)
    assert stream.mask.all()
    np.testing.assert_allclose(stream.values[2:-2], geometry_stream(lost_for(0), CONFIG).values[2:-2], atol=1e-4)


def test_a_long_gap_is_masked() -> None:
    gap_s = 1.0
    stream, whole = geometry_stream(lost_for(gap_s), CONFIG), geometry_stream(lost_for(0), CONFIG)
    inside = (stream.times_s > 20 / RATE_HZ + GAP_S / 4) & (stream.times_s < 20 / RATE_HZ + gap_s - GAP_S / 4)
    assert 10 <= inside.sum() < gap_s * CONFIG.rate_hz
    assert not stream.mask[inside].any()
    assert not stream.values[inside].any()
    assert stream.mask[~inside].all()
    edges = [int(np.flatnonzero(inside)[0]) - 1, int(np.flatnonzero(inside)[-1]) + 1]
    assert not column(stream, "velocity_y66")[edges].any()
    assert column(whole, "velocity_y66")[edges].all()


def test_a_single_frame_with_a_face() -> None:
    lost = np.ones(30, np.bool_)
    lost[14] = False
    stream = geometry_stream(without(still_track(30), lost), CONFIG)
    assert stream.mask.sum() in (1, 2)
    assert column(stream, "mouth_opening")[stream.mask] == pytest.approx(12 / EYES_APART, abs=1e-5)


def test_variable_frame_times_give_a_regular_grid() -> None:
    rng = np.random.default_rng(0)
    times_s = 5.0 + np.cumsum(rng.uniform(0.01, 0.06, 60))
    points = still_track(60).points.copy()
    points[:, LOWER_LIP, 1] += (24 * times_s).astype(np.float32)
    stream = geometry_stream(LandmarkTrack(points, np.ones(60, np.bool_), times_s), CONFIG)
    np.testing.assert_allclose(np.diff(stream.times_s), 1 / CONFIG.rate_hz)
    assert stream.times_s[0] == times_s[0]
    assert times_s[-1] - 1 / CONFIG.rate_hz < stream.times_s[-1] <= times_s[-1]
    assert column(stream, "velocity_y66")[2:-2] == pytest.approx(24 / EYES_APART, abs=1e-3)


def test_rounding_costs_no_frame() -> None:
    for n_frames in range(1, 260, 2):
        assert len(geometry_stream(still_track(n_frames), CONFIG)) == (n_frames + 1) // 2


def test_a_rate_above_the_tracks_own() -> None:
    stream = geometry_stream(moving_track(LOWER_LIP, 24), VideoFeatures(rate_hz=60.0))
    assert len(stream) == 61
    assert column(stream, "velocity_y66")[2:-2] == pytest.approx(24 / EYES_APART, abs=1e-3)


def test_eyes_that_coincide_give_no_nan() -> None:
    face = made_face()
    face[36:48] = 100
    stream = geometry_stream(still_track(5, face), CONFIG)
    assert np.isfinite(stream.values).all()


def test_the_zero_of_changes_is_the_median_of_the_first_frames() -> None:
    stream = geometry_stream(moving_track(48, 60.0, n_frames=61), CONFIG)
    first = round(BASELINE_S * CONFIG.rate_hz)
    for name, change in (("position_y48", "displacement_y48"), ("mouth_width", "mouth_width_change")):
        values = column(stream, name)
        assert np.ptp(values) > 0.05
        np.testing.assert_allclose(column(stream, change), values - np.median(values[:first]), atol=1e-5)


def test_a_grid_time_is_the_mean_over_its_step() -> None:
    still = still_track(61)
    points = still.points.copy()
    points[1::2, 48, 1] += 12  # up and down from one frame to the next, twice as fast as the grid
    stream = geometry_stream(LandmarkTrack(points, still.mask, still.times_s), CONFIG)
    moved = column(stream, "position_y48") - column(geometry_stream(still, CONFIG), "position_y48")
    np.testing.assert_allclose(moved[1:-1], 6 / EYES_APART, atol=1e-5)


def test_an_end_beside_a_gap_has_no_velocity() -> None:
    stream = geometry_stream(without(moving_track(48, 60.0), slice(10, 30)), CONFIG)
    assert stream.mask[[-2, -1]].tolist() == [False, True]
    velocity = column(stream, "velocity_y48")
    assert velocity[1] > 0.5
    assert velocity[-1] == 0
