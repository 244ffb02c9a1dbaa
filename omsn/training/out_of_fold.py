"""Out-of-fold predictions: what a model that had never seen a clip said of it. One row a clip and seed."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.files import replace_file
from omsn.labels import LabelSet
from omsn.training.metrics import check_predictions

Names = NDArray[np.str_]

_FACTS = ("clip", "speaker", "sex", "fold", "seed", "truth", "predicted")
_PROBABILITY = "p_"
_COMPRESSED = ".gz"


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """The predictions of a cross-validation, every seed and fold.

    Attributes:
        labels: the K classes, in the order of ``truth`` and ``probabilities``.
        clips: (n,) names of the clips; a clip stands once for each seed.
        speakers: (n,) who speaks; "" where unknown.
        sexes: (n,) the speaker's sex; "" where unknown.
        folds: (n,) name of the fold that tested the clip.
        seeds: (n,) seed of the model that answered.
        truth: (n,) label indices.
        probabilities: (n, K), each row sums to 1.
    """

    labels: LabelSet
    clips: Names
    speakers: Names
    sexes: Names
    folds: Names
    seeds: NDArray[np.int64]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.floating]

    def __post_init__(self) -> None:
        check_predictions(self.truth, self.probabilities)
        if self.probabilities.shape[1] != len(self.labels):
            raise InputError(
                f"predictions: got {self.probabilities.shape[1]} probabilities a clip, "
                f"expected {len(self.labels)}: {', '.join(self.labels.names)}"
            )
        for name in ("clips", "speakers", "sexes", "folds", "seeds"):
            if len(getattr(self, name)) != len(self.truth):
                raise InputError(f"predictions: got {len(getattr(self, name))} {name}, expected {len(self.truth)}")
        _check_one_row_a_clip_and_seed(self.clips, self.seeds)
        _check_clips_agree(self.clips, self.truth, self.speakers)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable label index of each row: (n,)."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return predicted

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> OutOfFold:
        """The predictions of these rows only: ``rows`` is (n,) and True for at least one, or numbers of rows."""
        return OutOfFold(
            self.labels,
            self.clips[rows],
            self.speakers[rows],
            self.sexes[rows],
            self.folds[rows],
            self.seeds[rows],
            self.truth[rows],
            self.probabilities[rows],
        )


def join(parts: Sequence[OutOfFold]) -> OutOfFold:
    """The predictions of several folds and seeds as one table.

    Raises:
        InputError: no parts, parts with different labels, or a clip that stands twice for one seed.
    """
    if not parts:
        raise InputError("no predictions to join; got 0 folds, expected at least 1")
    labels = parts[0].labels
    other = next((part.labels for part in parts if part.labels != labels), None)
    if other is not None:
        raise InputError(f"folds with different labels: {', '.join(labels.names)} and {', '.join(other.names)}")
    return OutOfFold(
        labels,
        clips=np.concatenate([part.clips for part in parts]),
        speakers=np.concatenate([part.speakers for part in parts]),
        sexes=np.concatenate([part.sexes for part in parts]),
        folds=np.concatenate([part.folds for part in parts]),
        seeds=np.concatenate([part.seeds for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
    )


def write_predictions(out_of_fold: OutOfFold, path: Path) -> None:
    """Write a CSV, one row a clip and seed: facts, truth, prediction, then ``p_<label>`` for each label.

    The file appears whole or not at all, and compressed where its name ends in ``.gz``: equal predictions give equal
    files. Nine significant digits bring float32 probabilities back unchanged.
    """
    names = out_of_fold.labels.names
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FACTS, *(_PROBABILITY + name for name in names)])
    for row, predicted in enumerate(out_of_fold.predicted):
        facts = (out_of_fold.clips, out_of_fold.speakers, out_of_fold.sexes, out_of_fold.folds, out_of_fold.seeds)
        told = names[out_of_fold.truth[row]], names[predicted]
        probabilities = (f"{value:.9g}" for value in out_of_fold.probabilities[row])
        writer.writerow([*(str(fact[row]) for fact in facts), *told, *probabilities])
    content = text.getvalue().encode()
    replace_file(path, gzip.compress(content, mtime=0) if path.suffix == _COMPRESSED else content)


def read_predictions(path: Path) -> OutOfFold:
    """Read what ``write_predictions`` wrote.

    Raises:
        InputError: no such file, missing columns, or rows that cannot be read; the message names the line.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == _COMPRESSED else content).decode()
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = reader.fieldnames or ()
        rows = list(reader)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot read the predictions: {error}") from error
    labels = _labels_of(path, columns)
    numbers = [_numbers(path, line, row, labels) for line, row in enumerate(rows, start=2)]
    return OutOfFold(
        labels,
        clips=np.array([row["clip"] for row in rows], np.str_),
        speakers=np.array([row["speaker"] for row in rows], np.str_),
        sexes=np.array([row["sex"] for row in rows], np.str_),
        folds=np.array([row["fold"] for row in rows], np.str_),
        seeds=np.array([seed for seed, _, _ in numbers], np.int64),
        truth=np.array([truth for _, truth, _ in numbers], np.int64),
        probabilities=np.array([values for _, _, values in numbers], np.float64),
    )


def _check_one_row_a_clip_and_seed(clips: Names, seeds: NDArray[np.int64]) -> None:
    seen: set[tuple[str, int]] = set()
    for key in zip(clips.tolist(), seeds.tolist(), strict=True):
        if key in seen:
            raise InputError(f"predictions: clip {key[0]} stands twice for seed {key[1]}, expected once")
        seen.add(key)


def _check_clips_agree(clips: Names, truth: NDArray[np.int64], speakers: Names) -> None:
    told: dict[str, tuple[int, str]] = {}
    for clip, *fact in zip(clips.tolist(), truth.tolist(), speakers.tolist(), strict=True):
        if told.setdefault(clip, (fact[0], fact[1])) != (fact[0], fact[1]):
            raise InputError(f"predictions: clip {clip} has another label or speaker in another seed")


def _labels_of(path: Path, columns: Sequence[str]) -> LabelSet:
    missing = [name for name in _FACTS if name not in columns]
    names = tuple(name.removeprefix(_PROBABILITY) for name in columns if name.startswith(_PROBABILITY))
    if missing or not names:
        missing += [] if names else [f"{_PROBABILITY}<label>"]
        raise InputError(f"{path}: no column {', '.join(missing)}; found {', '.join(columns) or 'an empty file'}")
    return LabelSet(names)


def _numbers(path: Path, line: int, row: dict[str, str], labels: LabelSet) -> tuple[int, int, list[float]]:
    """Seed, index of the true label and probabilities of one row."""
    try:
        values = [float(row[_PROBABILITY + name]) for name in labels.names]
        return int(row["seed"]), labels.index(row["truth"]), values
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}, line {line}: cannot read this prediction: {error}") from error
