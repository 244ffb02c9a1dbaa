"""Landmark geometry: shape, displacement and motion of a face, free of where the head is (ours).

Each frame is aligned by a similarity transform, so that the eyes' centres lie at (-1/2, 0) and (1/2, 0):
lengths are in inter-ocular distances, x points to the picture's right and y down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omsn.config import VideoFeatures
from omsn.types import LEFT_EYE, RIGHT_EYE, LandmarkTrack, Mask, Seconds, Stream

JAW = slice(0, 17)
INNER = slice(17, 68)
"""Brows, nose, eyes and mouth: the points that carry expression."""

BASELINE_S = 0.4
"""The face during the first real frames of a clip is its own baseline; RAVDESS actors begin near neutral."""
GAP_S = 0.25
"""Gaps in the landmarks up to this long are bridged by interpolation; longer ones stay masked."""

_DISTANCES: dict[str, tuple[int, int]] = {
    "mouth_width": (48, 54),
    "mouth_opening": (62, 66),
    "lip_height": (51, 57),
    "upper_lip_to_nose": (33, 51),
    "lower_lip_to_chin": (57, 8),
    "nose_to_chin": (33, 8),
    "right_eye_opening_outer": (37, 41),
    "right_eye_opening_inner": (38, 40),
    "left_eye_opening_inner": (43, 47),
    "left_eye_opening_outer": (44, 46),
    "right_brow_inner_to_eye": (21, 39),
    "right_brow_middle_to_eye": (19, 37),
    "right_brow_outer_to_eye": (17, 36),
    "left_brow_inner_to_eye": (22, 42),
    "left_brow_middle_to_eye": (24, 44),
    "left_brow_outer_to_eye": (26, 45),
    "brow_gap": (21, 22),
    "nostril_width": (31, 35),
    "right_mouth_corner_to_eye": (48, 36),
    "left_mouth_corner_to_eye": (54, 45),
}
_ANGLES: dict[str, tuple[int, int, int]] = {
    "mouth_corner_right": (51, 48, 57),
    "mouth_corner_left": (51, 54, 57),
    "upper_lip_bow": (48, 51, 54),
    "lower_lip_bow": (48, 57, 54),
    "right_brow_bend": (17, 19, 21),
    "left_brow_bend": (22, 24, 26),
}
_HEAD = ("head_roll", "head_x", "head_y", "head_scale")


def _point_columns(kind: str) -> tuple[str, ...]:
    return tuple(f"{kind}_{axis}{point:02d}" for point in range(INNER.start, INNER.stop) for axis in "xy")


CHANGES = dict(zip(_point_columns("position"), _point_columns("displacement"), strict=True)) | {
    name: f"{name}_change" for name in (*_DISTANCES, *_ANGLES)
}
"""Column of a measure -> column of its change from the face at rest."""


def geometry_columns() -> tuple[str, ...]:
    """Names of the columns that :func:`geometry_stream` fills, in order."""
    shape = (*_DISTANCES, *_ANGLES)
    return (
        *_point_columns("position"),
        *_point_columns("displacement"),
        *_point_columns("velocity"),
        *shape,
        *(f"{name}_change" for name in shape),
        *_HEAD,
    )


def geometry_stream(track: LandmarkTrack, config: VideoFeatures) -> Stream:
    """Geometry of the face at ``config.rate_hz`` frames a second.

    Returns:
        (T, F) with the columns of :func:`geometry_columns`: positions of the 51 inner points, their displacement
        from the clip's baseline, their velocity per second, distances and angles with their change from the
        baseline, and the head's roll (radians), place and size (log) relative to the baseline.
        ``Stream.absent`` where no frame has a face.
    """
    points, mask, times_s = _resample(track, config.rate_hz)
    if not mask.any():
        return Stream.absent(geometry_columns())
    aligned, head = _align(points)  # (T, 68, 2), (T, 4)
    shape = _shape(aligned)  # (T, S)
    inner = aligned[:, INNER].reshape(len(aligned), -1)  # (T, 102)
    baseline = _baseline_frames(mask, config.rate_hz)
    displacement = inner - np.median(inner[baseline], axis=0)
    shape_change = shape - np.median(shape[baseline], axis=0)
    head_change = head - np.median(head[baseline], axis=0)
    velocity = _velocity(inner, mask, config.rate_hz)
    values = np.concatenate([inner, displacement, velocity, shape, shape_change, head_change], axis=1)
    return Stream((values * mask[:, None]).astype(np.float32), mask, times_s, geometry_columns())


def _resample(track: LandmarkTrack, rate_hz: float) -> tuple[NDArray[np.float64], Mask, Seconds]:
    """Points on a regular grid: each grid time takes the mean of the track, linearly joined, over one grid step."""
    real = np.flatnonzero(track.mask)
    if len(real) == 0:
        return np.zeros((1, 68, 2)), np.zeros(1, np.bool_), np.zeros(1)
    steps = (track.times_s[-1] - track.times_s[0]) * rate_hz + 1e-6  # rounding must not cost the last frame
    n_frames = max(1, int(steps) + 1)
    times_s = track.times_s[0] + np.arange(n_frames) / rate_hz
    offsets_s = np.array([-0.25, 0.25]) / rate_hz
    known_s, known = track.times_s[real], track.points[real].reshape(len(real), -1).astype(np.float64)
    sampled = np.mean([_interpolate(times_s + offset, known_s, known) for offset in offsets_s], axis=0)
    return sampled.reshape(n_frames, 68, 2), _near_known(times_s, known_s), times_s


def _interpolate(at_s: Seconds, known_s: Seconds, known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation of rows; constant beyond the ends. (T, F)."""
    right = np.clip(np.searchsorted(known_s, at_s), 1, max(1, len(known_s) - 1)) if len(known_s) > 1 else None
    if right is None:
        return np.repeat(known, len(at_s), axis=0)
    left = right - 1
    weight = np.clip((at_s - known_s[left]) / (known_s[right] - known_s[left]), 0.0, 1.0)[:, None]
    return np.asarray(known[left] * (1 - weight) + known[right] * weight)


def _near_known(at_s: Seconds, known_s: Seconds) -> Mask:
    """True where the gap between the real frames around a time is at most ``GAP_S``."""
    right = np.searchsorted(known_s, at_s)
    before = np.where(right > 0, known_s[np.maximum(right - 1, 0)], -np.inf)
    after = np.where(right < len(known_s), known_s[np.minimum(right, len(known_s) - 1)], np.inf)
    nearest_s = np.minimum(at_s - before, after - at_s)
    return np.asarray((after - before <= GAP_S) | (nearest_s <= GAP_S / 4))


def _align(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Aligned points (T, 68, 2) and the head's roll, x, y and log size (T, 4); x and y in eye distances."""
    right_eye, left_eye = points[:, RIGHT_EYE].mean(axis=1), points[:, LEFT_EYE].mean(axis=1)  # (T, 2)
    between = left_eye - right_eye
    distance = np.maximum(np.hypot(between[:, 0], between[:, 1]), 1e-6)
    cos, sin = between[:, 0] / distance, between[:, 1] / distance
    centre = (left_eye + right_eye) / 2
    x, y = np.moveaxis(points - centre[:, None], 2, 0)  # (T, 68) each
    turned = np.stack([cos[:, None] * x + sin[:, None] * y, cos[:, None] * y - sin[:, None] * x], axis=2)
    head = np.column_stack([np.unwrap(np.arctan2(sin, cos)), centre / np.median(distance), np.log(distance)])
    return turned / distance[:, None, None], head


def _shape(aligned: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances (inter-ocular distances) and angles (radians, 0 to pi) that name an expression. (T, S)."""
    ends = np.array(list(_DISTANCES.values()))
    distances = np.linalg.norm(aligned[:, ends[:, 0]] - aligned[:, ends[:, 1]], axis=2)
    corners = np.array(list(_ANGLES.values()))
    to_first = aligned[:, corners[:, 0]] - aligned[:, corners[:, 1]]
    to_last = aligned[:, corners[:, 2]] - aligned[:, corners[:, 1]]
    cross = to_first[..., 0] * to_last[..., 1] - to_first[..., 1] * to_last[..., 0]
    angles = np.abs(np.arctan2(cross, (to_first * to_last).sum(axis=2)))
    return np.concatenate([distances, angles], axis=1)


def _baseline_frames(mask: Mask, rate_hz: float) -> NDArray[np.intp]:
    """The first real frames, ``BASELINE_S`` of them."""
    return np.flatnonzero(mask)[: max(1, round(BASELINE_S * rate_hz))]


def _velocity(inner: NDArray[np.float64], mask: Mask, rate_hz: float) -> NDArray[np.float64]:
    """Central differences per second; 0 beside a gap, where there is nothing to differ from. (T, F)."""
    if len(inner) < 2:
        return np.zeros_like(inner)
    whole = mask & np.roll(mask, 1) & np.roll(mask, -1)
    whole[[0, -1]] = mask[[0, -1]] & mask[[1, -2]]
    return np.asarray(np.gradient(inner, 1 / rate_hz, axis=0) * whole[:, None])
