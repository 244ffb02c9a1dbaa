"""Options that several commands share, and the names that they take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from omsn.errors import ConfigError


class CorpusName(StrEnum):
    """Kinds of corpora that ``omsn prepare`` reads."""

    ravdess = "ravdess"
    folder = "folder"
    pattern = "pattern"


class ModelName(StrEnum):
    """What ``omsn crossval`` trains."""

    network = "network"
    svm = "svm"


class ModalityName(StrEnum):
    """What a model is given."""

    both = "both"
    audio = "audio"
    video = "video"


class NormalisationName(StrEnum):
    """How features are standardised."""

    none = "none"
    enrolled = "enrolled"


class BackendName(StrEnum):
    """Who runs the processes of ``omsn prepare`` and ``omsn predict``."""

    loky = "loky"
    threading = "threading"
    dask = "dask"
    ray = "ray"


Recipe = Annotated[str, typer.Option("--recipe", help="default, shared-speakers, paper, demo, or a TOML file.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="One setting: training.epochs=20. Repeatable.")]
Backend = Annotated[BackendName | None, typer.Option(help="Who runs the processes, through joblib.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes side by side, each on one thread.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Cache = Annotated[Path, typer.Argument(help="Folder that omsn prepare wrote.")]
CheckpointPath = Annotated[Path, typer.Argument(help="Folder that omsn train wrote (RUN/checkpoint).")]
Modality = Annotated[ModalityName | None, typer.Option(help="What the model is given.")]
Normalise = Annotated[
    NormalisationName | None,
    typer.Option(help="none: by the training part. enrolled: each speaker by own unlabelled clips (transductive)."),
]
NormaliseFiles = Annotated[
    NormalisationName | None,
    typer.Option(
        "--normalise",
        help="As the checkpoint was trained where not given; any other mode answers worse. "
        "none: by the training part. enrolled: by the files of --enrol and the file itself.",
    ),
]
Enrol = Annotated[
    list[Path] | None,
    typer.Option(
        "--enrol",
        metavar="FILE_OR_FOLDER",
        help="For enrolled: more files of the one person in all the files, in many moods. Repeatable.",
    ),
]
AllowLeaks = Annotated[bool, typer.Option("--allow-leaks", help="Report leaks instead of refusing.")]


def parse_seeds(text: str) -> tuple[int, ...]:
    """The numbers of ``--seeds``.

    Raises:
        ConfigError: one is no whole number from 0, or stands twice: its folds would be trained, and counted, twice.
    """
    try:
        seeds = tuple(int(seed) for seed in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--seeds: got {text!r}, expected whole numbers with commas, such as 0,1,2") from error
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds: got {text!r}, expected numbers from 0, each once, such as 0,1,2")
    return seeds
