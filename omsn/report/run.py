"""What a run folder says of itself: ``metrics.json``, ``history.csv`` and ``predictions.csv``, read and checked."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from omsn.errors import InputError
from omsn.report.scores import Baseline, Calibrated, Comparison, Part, Scores

FORMAT = 1
"""Version of the layout of ``metrics.json`` that this code reads."""

METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.csv"
PREDICTIONS_FILE = "predictions.csv"
BY_ITSELF_FILE = "by_itself.csv"
"""Where the clips of a speaker are answered together: what is said of each clip by itself."""


class Fold(Part):
    """Who stood on which side of one split."""

    name: str
    train_speakers: tuple[str, ...]
    validation_speakers: tuple[str, ...]
    test_speakers: tuple[str, ...]
    n_train: int
    n_validation: int
    n_test: int

    @property
    def shared_speakers(self) -> tuple[str, ...]:
        """Speakers that the fold both learns from (or validates on) and tests on."""
        return tuple(sorted(set(self.test_speakers) & (set(self.train_speakers) | set(self.validation_speakers))))


class Protocol(Part):
    """How the clips were split."""

    name: str
    title: str
    speaker_independent: bool
    folds: tuple[Fold, ...]
    leaks: tuple[str, ...]

    @property
    def leaky(self) -> bool:
        """True when a test clip shares its speaker, or anything the protocol lists, with what was learnt from."""
        return bool(self.leaks) or not self.speaker_independent or any(fold.shared_speakers for fold in self.folds)


class Data(Part):
    """What was learnt from."""

    corpus: str
    clips: int
    speakers: int
    cache: str
    digest: str = ""
    """Changes with the clips, labels and features; none in runs recorded without it."""


class MadeWith(Part):
    """What trained: the same seed gives other last digits, and so another network, where one of these differs."""

    torch: str
    machine: str
    instructions: str

    def __str__(self) -> str:
        return f"torch {self.torch}, {self.machine} with {self.instructions}"


class StartedFrom(Part):
    """The checkpoint whose weights the networks started from, and who had trained it on what."""

    digest: str
    recipe: str
    corpus: tuple[str, ...]
    speakers: tuple[str, ...]
    namesakes: tuple[str, ...] = ()
    """Speakers tested on who have the names of some of these, and may be the same people or others."""

    def __str__(self) -> str:
        return f"weights trained on {len(self.speakers)} speakers of {', '.join(self.corpus) or 'an unknown corpus'}"


class RunMetrics(Part):
    """The whole of ``metrics.json``; what stands last with a default is not there in every run."""

    format: Literal[1]
    omsn: str
    model: Literal["network", "svm"]
    recipe: str
    modality: Literal["both", "audio", "video"]
    normalisation: Literal["none", "enrolled"]
    labels: tuple[str, ...]
    protocol: Protocol
    data: Data
    seeds: tuple[int, ...]
    parameters: int | None
    seconds: float
    scores: Scores
    baseline: Baseline | None
    by_itself: Baseline | None = None
    """Where the clips of a speaker are answered together: what is said of each by itself."""
    calibrated: Calibrated | None = None
    against: Comparison | None = None
    config: Mapping[str, Any] = {}
    members: int = 1
    started_from: StartedFrom | None = None
    made_with: MadeWith | None = None

    @property
    def model_name(self) -> str:
        """The model in words: an ensemble is several of them, and some start from what another corpus taught."""
        name = self.model if self.members == 1 else f"{self.members} {self.model}s together"
        return name if self.started_from is None else f"{name}, from {self.started_from}"

    @property
    def seeds_named(self) -> str:
        """What a value for each seed stands under; an ensemble of the seeds has one value of all."""
        together = " together" if len(self.scores.war.per_seed) < len(self.seeds) else ""
        return f"seeds {', '.join(map(str, self.seeds))}{together}"

    @model_validator(mode="after")
    def _labels_fit(self) -> Self:
        expected = ", ".join(self.labels)
        listed = tuple(row.label for row in self.scores.per_class)
        if listed != self.labels:
            raise ValueError(f"per_class is for {', '.join(listed)}; labels are {expected}")
        n_classes = len(self.labels)
        if [len(row) for row in self.scores.confusion] != [n_classes] * n_classes:
            raise ValueError(f"confusion is not {n_classes} by {n_classes}, as the labels {expected} ask")
        strangers = sorted({curve.label for curve in self.scores.roc} - set(self.labels))
        if strangers:
            raise ValueError(f"roc has curves for {', '.join(strangers)}; labels are {expected}")
        return self


class HistoryRow(Part):
    """One epoch of one fold, on one part of the data."""

    seed: int
    fold: str
    epoch: int
    part: Literal["training", "validation"]
    loss: float
    war: float


def read_metrics(run_dir: Path) -> RunMetrics:
    """Read ``metrics.json`` of a run folder.

    Raises:
        InputError: the file is missing, is no JSON, is of another format, or does not hold what it should.
    """
    path = run_dir / METRICS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if (run_dir / "checkpoint").is_dir():
            why = "this training held nobody out to score it, so that there is nothing to report; omsn crossval judges"
            raise InputError(f"{run_dir}: {why}") from error
        raise InputError(
            f"{path}: no such file; name a folder that omsn crossval, train or tune wrote to its end"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot read the metrics: {error}") from error
    return parse_metrics(content, str(path))


def parse_metrics(content: object, source: str = METRICS_FILE) -> RunMetrics:
    """Check what ``metrics.json`` holds.

    Raises:
        InputError: the content is of another format, or does not hold what it should; all problems are listed.
    """
    if not isinstance(content, dict):
        raise InputError(f"{source}: expected a JSON object, got {type(content).__name__}")
    if content.get("format") != FORMAT:
        raise InputError(
            f"{source}: got format {content.get('format')!r}, expected {FORMAT}; use the version of omsn that wrote it"
        )
    try:
        return RunMetrics.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{source}: {_problems(error)}") from error


def read_history(run_dir: Path) -> tuple[HistoryRow, ...]:
    """Read ``history.csv`` of a run folder; empty where there is none, as for a model without epochs.

    Raises:
        InputError: the file cannot be read or lacks columns; the message names the line.
    """
    path = run_dir / HISTORY_FILE
    if not path.exists():
        return ()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return tuple(_history_row(path, line, row) for line, row in enumerate(csv.DictReader(file), start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot read the history: {error}") from error


def check_predictions(run_dir: Path, run: RunMetrics) -> None:
    """Check that ``predictions.csv`` of a run folder has a whole row for each prediction that the metrics are of.

    Raises:
        InputError: the file is missing, cannot be read, was cut short, or is of another run.
    """
    path, expected = run_dir / PREDICTIONS_FILE, sum(map(sum, run.scores.confusion))
    remedy = "run the command that made it again, or copy the whole folder from where it came"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot read the predictions: {error}; {remedy}") from error
    whole = sum(len(row) == len(header) for row in rows)
    if not whole == len(rows) == expected:
        raise InputError(
            f"{path}: got {len(rows)} rows, {whole} of them whole; "
            f"expected {expected}, as many as {METRICS_FILE} is of; {remedy}"
        )


def _history_row(path: Path, line: int, row: Mapping[str | None, object]) -> HistoryRow:
    try:
        return HistoryRow.model_validate(row)
    except ValidationError as error:
        raise InputError(f"{path}, line {line}: {_problems(error)}") from error


def _problems(error: ValidationError) -> str:
    """Every problem on one line: where it is, and what is wrong."""
    return "; ".join(
        f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}".removeprefix(": ")
        for problem in error.errors()
    )
