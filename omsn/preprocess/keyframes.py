"""Keyframes (paper, contribution ii): the frames that carry the expression.

The paper names keyframes and gives no rule. Ours is farthest-point selection (Gonzalez 1985): each pick is the frame
whose features lie farthest from all picked so far, which covers a clip's expressions within twice the best radius.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.types import Floats, Stream


def select_keyframes(stream: Stream, count: int) -> Stream:
    """Keep the frames that differ most from each other, in order of time, starting from the first real one.

    Args:
        stream: features of the face; each column counts alike, whatever its unit.
        count: frames to keep; 0, or no fewer than the stream has, returns the stream as it is.

    Returns:
        ``count`` frames, or all real ones where there are fewer; a stream without any is returned as it is.

    Raises:
        InputError: ``count`` is negative.
    """
    if count < 0:
        raise InputError(f"keyframes: got {count}, expected 0 (all) or more")
    real = np.flatnonzero(stream.mask)
    if count == 0 or count >= len(stream) or not len(real):
        return stream
    picked = _farthest_points(_standardised(stream.values[real]), min(count, len(real)))
    return stream.take(np.sort(real[picked]))


def _standardised(values: Floats) -> NDArray[np.float64]:
    """Each column with mean 0 and deviation 1; columns that do not vary become 0."""
    centred = values - values.mean(axis=0, dtype=np.float64)
    spread = centred.std(axis=0)
    still = spread <= np.finfo(np.float32).eps * np.abs(values).max(axis=0)
    standardised: NDArray[np.float64] = np.divide(centred, spread, out=np.zeros_like(centred), where=~still)
    return standardised


def _farthest_points(points: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Positions of ``count`` points, each the farthest from those before it; the earliest of equals."""
    picked = [0]
    nearest = np.linalg.norm(points - points[0], axis=1)  # (n,)
    nearest[0] = -1.0  # below every distance: a picked point is never picked again
    while len(picked) < count:
        newest = int(np.argmax(nearest))
        picked.append(newest)
        nearest = np.minimum(nearest, np.linalg.norm(points - points[newest], axis=1))
        nearest[picked] = -1.0
    return np.array(picked)
