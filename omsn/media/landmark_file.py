"""Reading landmark files: numpy arrays or OpenFace's tables of the 68 iBUG points, frame by frame."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from omsn.errors import MediaError
from omsn.media.container import check_readable
from omsn.media.openface import SUFFIX, read_openface
from omsn.types import N_LANDMARKS, Floats, LandmarkTrack, Mask

_IN_ARCHIVE = re.compile(r"(.*\.npz)#(.*)", re.IGNORECASE | re.DOTALL)
"""A file and an entry in it: "Actor_01.npz#02-01-06-01-02-01-01"."""

N_LISTED = 5
"""Entries named in an error message."""


def read_landmarks(reference: str, rate: Fraction) -> LandmarkTrack:
    """Read the landmarks of one clip.

    Args:
        reference: "file.npz#entry", or a .npy or .npz file that holds one array, or a .csv table of OpenFace's. The
            array is (frames, 68, 2), of any real type: x and y in pixels in the iBUG-68 order.
        rate: frames per second; frame i stands at i / rate seconds.

    Returns:
        The track; frames that are all zero or hold a NaN or infinity are masked out.

    Raises:
        MediaError: the file or entry is missing, damaged, or of another shape or type.
    """
    file, entry = split_reference(reference)
    points: Floats = _read_array(check_readable(Path(file)), entry).astype(np.float32)  # (T, 68, 2)
    mask: Mask = np.isfinite(points).all(axis=(1, 2)) & np.any(points != 0, axis=(1, 2))
    times_s = np.arange(len(points), dtype=np.float64) * (rate.denominator / rate.numerator)
    return LandmarkTrack(np.where(mask[:, None, None], points, np.float32(0)), mask, times_s)


def split_reference(reference: str) -> tuple[str, str]:
    """File and entry of a reference such as ``faces.npz#clip_1``; the entry is "" for a whole file."""
    found = _IN_ARCHIVE.fullmatch(reference)
    return (found[1], found[2]) if found else (reference, "")


def _read_array(path: Path, entry: str) -> NDArray[np.generic]:
    """The array of landmarks, checked. An archive is opened anew each time: that costs under a millisecond."""
    if path.suffix.lower() == SUFFIX:
        return read_openface(path)
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            array = _pick(path, loaded, entry) if isinstance(loaded, NpzFile) else loaded
    except MediaError:
        raise
    except Exception as error:  # a damaged header or archive ends numpy's readers in a dozen ways, memory among them
        raise MediaError(f"{path}: not a readable numpy file ({error}); make it again") from error
    return _checked(f"{path}#{entry}" if entry else str(path), array)


def _pick(path: Path, archive: NpzFile, entry: str) -> NDArray[np.generic]:
    names = archive.files
    if not entry and len(names) == 1:
        entry = names[0]
    if entry not in names:
        asked = f"no entry {entry!r}" if entry else "an entry must be named as file.npz#entry"
        listed = ", ".join(names[:N_LISTED]) + (", ..." if len(names) > N_LISTED else "")
        raise MediaError(f"{path}: {asked}; it has {len(names)}: {listed}")
    array: NDArray[np.generic] = archive[entry]
    return array


def _checked(reference: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
    if array.ndim != 3 or array.shape[1:] != (N_LANDMARKS, 2) or array.dtype.kind not in "iuf":
        raise MediaError(
            f"{reference}: got {array.dtype} of shape {array.shape}, "
            f"expected real numbers of shape (frames, {N_LANDMARKS}, 2)"
        )
    return array
