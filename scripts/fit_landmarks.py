"""Measure how the face mesh's landmarks differ from OpenFace's, and write the correction that the package applies.

    python scripts/fit_landmarks.py            # reads OMSN_DATA/ravdess

Fitted on films of which OpenFace's landmarks are known. Whether a correction helps is judged on a speaker who was left
out of the fit: a direction of a part of the face is corrected only where that brings it nearer to OpenFace's. As the
speakers left out choose the parts, the errors printed are a little too good.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from landmark_columns import column_deviations, mean_columns
from landmark_columns import told as columns_told
from named_runs import ended

from omsn.config import Faces, VideoFeatures
from omsn.errors import InputError
from omsn.features.mirror import mirrored_point
from omsn.files import replace_file
from omsn.media.landmark_file import read_landmarks
from omsn.media.video import read_frames
from omsn.preprocess import ibug68
from omsn.preprocess.faces import FaceDetector
from omsn.preprocess.ibug68 import Correction, Reals, between_mesh_points, corrected, lid_shares, to_eye_frame
from omsn.preprocess.landmarks import FaceMesher, square_from_detection, square_from_mesh
from omsn.types import LEFT_EYE, N_LANDMARKS, RIGHT_EYE, Floats, Seconds

TABLE = Path(ibug68.__file__).with_name(ibug68.TABLE_NAME)
RATE = Fraction(30000, 1001)
"""Pictures and landmarks of RAVDESS a second."""

PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
INNER = slice(17, 68)
MIRRORED = [mirrored_point(point) for point in range(N_LANDMARKS)]


@dataclass(frozen=True, eq=False)
class Pair:
    """One film's landmarks by two programs, both (T, 68, 2) float32 in pixels.

    Attributes:
        clip: name of the film.
        speaker: who is seen.
        ours: between the mesh's points, uncorrected.
        given: by OpenFace.
        times_s: (T,) of the pictures.
    """

    clip: str
    speaker: str
    ours: Floats
    given: Floats
    times_s: Seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table and print how well it does; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("OMSN_DATA"), help="has a folder ravdess")
    parser.add_argument("--to", type=Path, default=TABLE)
    given = parser.parse_args(arguments)

    def work() -> None:
        if given.data is None:
            raise InputError("--data: got nothing, and OMSN_DATA is not set; name the folder that has ravdess in it")
        corpus = Path(given.data, "ravdess")
        pairs = read_pairs(corpus)
        replace_file(given.to, ibug68.to_table(fit(pairs, parts_that_help(pairs))).encode())
        print("\n".join(told(pairs, column_deviations(corpus, RATE))))

    return ended("fit_landmarks", work)


def read_pairs(corpus: Path) -> list[Pair]:
    """Every film of the corpus with the landmarks that come with it.

    Raises:
        InputError: there are no films, or of one speaker only, or one shows no face at its beginning.
        MediaError: a file is missing or damaged.
    """
    films = sorted(corpus.glob("video/*/*.mp4"))
    if len({film.parent for film in films}) < 2:
        raise InputError(f"{corpus}: got {len(films)} films, expected films of two speakers in video/Actor_AA/*.mp4")
    return [_pair(film, f"{corpus}/landmarks/{film.parent.name}.npz#02{film.stem[2:]}") for film in films]


def _pair(film: Path, reference: str) -> Pair:
    given = read_landmarks(reference, RATE).points
    seen = [(time_s, points) for time_s, points in _plain_landmarks(film) if round(time_s * RATE) < len(given)]
    times_s = np.array([time_s for time_s, _ in seen])
    same_frames = given[np.rint(times_s * float(RATE)).astype(int)]
    return Pair(film.stem, film.parent.name, np.stack([points for _, points in seen]), same_frames, times_s)


def _plain_landmarks(film: Path) -> Iterator[tuple[float, Floats]]:
    """Time and uncorrected points of the face, which the films show all the time."""
    detector, mesher, square = FaceDetector(Faces()), FaceMesher(Faces()), None
    for frame in read_frames(film, VideoFeatures().rate_hz):
        if square is None:
            found = detector.detect(frame.image)
            if not len(found):
                raise InputError(f"{film}: no face in the picture at {frame.time_s} s; take it out of the folder")
            square = square_from_detection(found.xyxy[0], found.keypoints[0])
        mesh = mesher.find(frame.image, square)
        square = square_from_mesh(mesh.points)
        yield frame.time_s, between_mesh_points(mesh.points)


def fit(pairs: Sequence[Pair], parts: Iterable[tuple[str, int]]) -> Correction:
    """The correction that fits speakers on average, the same on both sides of the face.

    Args:
        pairs: of one speaker or more; each speaker counts as much.
        parts: which directions (0 along the eyes, 1 down) of which parts to move; the others' offsets are 0.
    """
    offsets = np.mean([_offsets_of(pairs, speaker) for speaker in _speakers(pairs)], axis=0)
    both_sides = (offsets + offsets[MIRRORED] * [-1, 1]) / 2
    moved = np.zeros_like(both_sides)
    for part, axis in parts:
        moved[PARTS[part], axis] = both_sides[PARTS[part], axis]
    shares = np.mean([_shares_of(pairs, speaker) for speaker in _speakers(pairs)], axis=0).reshape(2, 4)  # eye, lid
    return Correction(moved, np.tile(shares.mean(axis=0), 2))


def parts_that_help(pairs: Sequence[Pair]) -> list[tuple[str, int]]:
    """Directions of parts of the face whose offset, fitted on the others, brings a speaker nearer to OpenFace."""
    return [key for key, (before, after) in offset_errors(pairs).items() if after < before]


def offset_errors(pairs: Sequence[Pair]) -> dict[tuple[str, int], tuple[float, float]]:
    """Mean size of a point's constant offset, before and after correction by the other speakers', by part and axis."""
    everything = [(part, axis) for part in PARTS for axis in (0, 1)]
    sizes = []
    for speaker in _speakers(pairs):
        own = _offsets_of(pairs, speaker)
        others = fit([pair for pair in pairs if pair.speaker != speaker], everything).offsets
        sizes.append((np.abs(own), np.abs(own - others)))
    before, after = np.mean(sizes, axis=0)  # (68, 2) each
    return {
        (part, axis): (float(before[PARTS[part], axis].mean()), float(after[PARTS[part], axis].mean()))
        for part, axis in everything
    }


def left_out(pairs: Sequence[Pair]) -> list[Floats]:
    """Each pair's own points, corrected by what fits the other speakers."""
    parts = parts_that_help(pairs)
    fits = {speaker: fit([pair for pair in pairs if pair.speaker != speaker], parts) for speaker in _speakers(pairs)}
    return [corrected(pair.ours, fits[pair.speaker]) for pair in pairs]


def error(ours: Floats, given: Floats) -> float:
    """Mean distance of the inner 51 points of (T, 68, 2), in distances between the eyes' centres."""
    eyes_apart = np.linalg.norm(given[:, LEFT_EYE].mean(axis=1) - given[:, RIGHT_EYE].mean(axis=1), axis=1)
    return float((np.linalg.norm(ours - given, axis=2)[:, INNER] / eyes_apart[:, None]).mean())


def told(pairs: Sequence[Pair], deviations: Reals) -> Iterator[str]:
    """What the correction does, each speaker left out of the fit in turn, as lines of text."""
    yield "mean size of a point's constant offset, in eye distances, before and after, the speaker left out of the fit:"
    for (part, axis), (before, after) in offset_errors(pairs).items():
        verdict = "corrected" if after < before else "left alone"
        yield f"  {part} {'across' if axis == 0 else 'down'}: {before:.4f} {after:.4f}, {verdict}"
    yield "mean error of the inner 51 points, in per cent of the eye distance, before and after:"
    ours = left_out(pairs)
    errors = [(error(pair.ours, pair.given), error(found, pair.given)) for pair, found in zip(pairs, ours, strict=True)]
    for pair, (before, after) in zip(pairs, errors, strict=True):
        yield f"  {pair.clip}: {100 * before:.2f} {100 * after:.2f}"
    before, after = np.mean(errors, axis=0)
    yield f"  all: {100 * before:.2f} {100 * after:.2f}"
    differences = [column_differences(pairs, found, deviations) for found in ([pair.ours for pair in pairs], ours)]
    yield from columns_told([pair.speaker for pair in pairs], *differences)


def column_differences(pairs: Sequence[Pair], ours: Sequence[Floats], deviations: Reals) -> Reals:
    """Differences (clips, F) of the means of geometry columns from those of the landmarks given, in deviations (F,)."""
    differences = [
        mean_columns(found, pair.times_s) - mean_columns(pair.given, pair.times_s)
        for pair, found in zip(pairs, ours, strict=True)
    ]
    return np.asarray(np.stack(differences) / deviations)


def _speakers(pairs: Sequence[Pair]) -> list[str]:
    return sorted({pair.speaker for pair in pairs})


def _offsets_of(pairs: Sequence[Pair], speaker: str) -> Reals:
    """Mean offset (68, 2) from our points to those given, over a speaker's films, in the frame of our eyes."""
    own = [pair for pair in pairs if pair.speaker == speaker]
    means = [to_eye_frame((pair.given - pair.ours).astype(np.float64), pair.ours).mean(axis=0) for pair in own]
    return np.asarray(np.mean(means, axis=0))


def _shares_of(pairs: Sequence[Pair], speaker: str) -> Reals:
    """Mean places (8,) of the lids' points along the eye, as given, over a speaker's films."""
    own = [pair for pair in pairs if pair.speaker == speaker]
    return np.asarray(np.mean([lid_shares(pair.given.astype(np.float64)).mean(axis=0) for pair in own], axis=0))


if __name__ == "__main__":
    sys.exit(main())
