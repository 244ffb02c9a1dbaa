"""How far the geometry columns of two landmark programs lie apart, in standard deviations of the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from omsn.config import VideoFeatures
from omsn.errors import InputError
from omsn.features.geometry import geometry_columns, geometry_stream
from omsn.media.landmark_file import read_landmarks
from omsn.types import Floats, LandmarkTrack, Seconds

Reals = NDArray[np.float64]

CONFIG = VideoFeatures()
FAR = 0.3
"""Standard deviations by which the mean of a column that is named differs."""
EVERY = 8
"""One clip in so many tells the standard deviations."""


def column_deviations(corpus: Path, rate: Fraction) -> Reals:
    """Standard deviation (F,) of each geometry column over the landmark archives of a corpus.

    Raises:
        InputError: there are no archives.
        MediaError: one is damaged.
    """
    archives = sorted(corpus.glob("landmarks/*.npz"))
    if not archives:
        raise InputError(f"{corpus}: no archives in landmarks/*.npz; name the folder that has them")
    references = [f"{archive}#{clip}" for archive in archives for clip in np.load(archive).files[::EVERY]]
    rows = [geometry_stream(read_landmarks(reference, rate), CONFIG) for reference in references]
    return np.asarray(np.concatenate([stream.values[stream.mask] for stream in rows]).std(axis=0), np.float64)


def mean_columns(points: Floats, times_s: Seconds) -> Reals:
    """Mean (F,) over time of the geometry columns of landmarks (T, 68, 2)."""
    stream = geometry_stream(LandmarkTrack(points, np.ones(len(points), np.bool_), times_s), CONFIG)
    return np.asarray(stream.values.mean(axis=0), np.float64)


def told(speakers: Sequence[str], before: Reals, after: Reals) -> Iterator[str]:
    """Both differences as lines of text.

    Args:
        speakers: of each clip.
        before: (clips, F) differences of the columns' means, in standard deviations.
        after: the same with corrected landmarks.
    """
    columns = np.array(geometry_columns())
    groups = np.array([_group(column) for column in columns])
    by_speaker = [_sizes(speakers, differences) for differences in (before, after)]  # (F,) each
    yield "difference of the columns' means, in standard deviations of the corpus, before and after:"
    for group in dict.fromkeys(groups):
        sizes = [size[groups == group] for size in by_speaker]
        medians = " ".join(f"{np.median(size):.2f}" for size in sizes)
        yield f"  {group}: median {medians}, most {' '.join(f'{size.max():.2f}' for size in sizes)}"
    far = [(column, *sizes) for column, *sizes in zip(columns, *by_speaker, strict=True) if max(sizes) > FAR]
    yield f"columns that differ by more than {FAR}, positions aside:"
    for column, was, remains in sorted(far, key=lambda row: -row[2]):
        if _group(column) != "position":
            yield f"  {column}: {was:.2f} {remains:.2f}"


def _sizes(speakers: Sequence[str], differences: Reals) -> Reals:
    """Size (F,) of the mean difference of a speaker's clips, the mean over speakers."""
    own = [differences[[speaker == one for speaker in speakers]].mean(axis=0) for one in sorted(set(speakers))]
    return np.asarray(np.abs(own).mean(axis=0))


def _group(column: str) -> str:
    """Kind of a column, by its name."""
    kind = column.partition("_")[0]
    if kind in ("position", "displacement", "velocity", "head"):
        return kind
    return "change of shape" if column.endswith("_change") else "shape"
