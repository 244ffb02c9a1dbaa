"""A person's neutral face as the zero of what its features measure as changes.

Displacements of points and changes of distances and angles are measured from a face at rest. A clip is its own: it is
taken to begin near neutral, as RAVDESS does (``geometry.BASELINE_S``). A part of a longer film begins anyhow; there the
face rests where it mostly is. Where a neutral clip of the person is at hand, that tells. Position and size of the head
always stay relative to the clip's or part's own start, as they tell where the camera stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from omsn.features.geometry import CHANGES
from omsn.types import Floats, Stream


@dataclass(frozen=True, eq=False)
class RestingFace:
    """What a face measures when nothing moves it: (n,) values of the columns in ``CHANGES``, in their order."""

    values: Floats

    @staticmethod
    def throughout(faces: Sequence[Stream]) -> RestingFace | None:
        """The middle of all real frames of some streams; None where there is no face or no geometry."""
        if not (faces and _has_geometry(faces[0].columns)):
            return None
        rows = np.concatenate([face.values[face.mask] for face in faces])
        absolute, _ = _places(faces[0].columns)
        return RestingFace(np.median(rows[:, absolute], axis=0).astype(np.float32)) if len(rows) else None

    @staticmethod
    def mostly(faces: Iterable[RestingFace]) -> RestingFace:
        """The middle of one face's resting faces at several times, one at least."""
        return RestingFace(np.median([face.values for face in faces], axis=0).astype(np.float32))

    def as_zero(self, face: Stream) -> Stream:
        """The stream with its changes measured from this face; one without geometry as it is."""
        if not _has_geometry(face.columns):
            return face
        absolute, change = _places(face.columns)
        values = face.values.copy()
        values[:, change] = (values[:, absolute] - self.values) * face.mask[:, None]
        return Stream(values, face.mask, face.times_s, face.columns)


def _has_geometry(columns: tuple[str, ...]) -> bool:
    return next(iter(CHANGES)) in columns


def _places(columns: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Where the measures are, and their changes."""
    place = {name: number for number, name in enumerate(columns)}
    return [place[name] for name in CHANGES], [place[name] for name in CHANGES.values()]
