"""Options that several commands share, and the names that they take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
    """Who runs ``omsn predict``'s processes."""

    loky = "loky"
    threading = "threading"
    dask = "dask"
    ray = "ray"


Recipe = Annotated[str, typer.Option("--recipe", help="default, shared-speakers, paper, demo, or a TOML file.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="One setting: training.epochs=20. Repeatable.")]
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
AllowLeaks = Annotated[bool, typer.Option("--allow-leaks", help="Report leaks instead of refusing.")]
