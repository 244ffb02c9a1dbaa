"""Frame features of a face: landmark geometry (ours), HOG of the aligned crop (the paper's), or both side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from omsn.config import VideoFeatures
from omsn.features.geometry import geometry_columns
from omsn.features.hog import CROP_SIZE, hog_columns, hog_frame
from omsn.media.video import Frame, Image
from omsn.preprocess.bilateral import smooth_crop
from omsn.preprocess.face_crop import aligned_crop
from omsn.types import Floats, LandmarkTrack, Stream


def face_columns(config: VideoFeatures) -> tuple[str, ...]:
    """Names of the feature columns that these settings give, in order."""
    return (*(geometry_columns() if config.geometry else ()), *(hog_columns() if config.hog else ()))


def hog_stream(frames: Iterable[Frame], track: LandmarkTrack, *, bilateral: bool) -> Stream:
    """HOG of the aligned grey crop in each frame that shows the face.

    Args:
        frames: pictures in order of time.
        track: the face's landmarks on the same clock.
        bilateral: smooth each crop with a bilateral filter first (paper 2.2).

    Returns:
        (T, F) with the columns of ``hog_columns``; ``Stream.absent`` where no frame shows the face.
    """
    if not track.mask.any():
        return Stream.absent(hog_columns())
    rows, times_s = [], []
    for frame in frames:
        nearest = int(np.abs(track.times_s - frame.time_s).argmin())
        shown = bool(track.mask[nearest])
        rows.append(hog_of_face(frame.image, track.points[nearest], bilateral=bilateral) if shown else None)
        times_s.append(frame.time_s)
    return hog_rows_stream(rows, times_s)


def hog_of_face(image: Image, points: Floats, *, bilateral: bool) -> Floats:
    """HOG (F,) of the aligned grey crop of the face with these landmarks (68, 2) in a picture."""
    crop = aligned_crop(image, points, CROP_SIZE)
    return hog_frame(smooth_crop(crop) if bilateral else crop)


def hog_rows_stream(rows: Sequence[Floats | None], times_s: Sequence[float]) -> Stream:
    """Rows of HOG over time; None where the face is not in the picture. Absent where it is in none."""
    if all(row is None for row in rows):
        return Stream.absent(hog_columns())
    mask = np.array([row is not None for row in rows])
    values = np.stack([np.zeros(len(hog_columns()), np.float32) if row is None else row for row in rows])
    return Stream(values, mask, np.array(times_s, np.float64), hog_columns())


def side_by_side(first: Stream, second: Stream) -> Stream:
    """Both streams' columns at the times of the first; each frame takes the second's nearest. Real where both are."""
    if not (first.present and second.present):
        return Stream.absent((*first.columns, *second.columns))
    nearest = np.abs(first.times_s[:, None] - second.times_s[None, :]).argmin(axis=1)  # (T,)
    mask = first.mask & second.mask[nearest]
    values = np.concatenate([first.values, second.values[nearest]], axis=1) * mask[:, None]
    return Stream(values.astype(np.float32), mask, first.times_s, (*first.columns, *second.columns))
