"""Options that several commands share, and the names that they take."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omsn.errors import ConfigError, InputError

if TYPE_CHECKING:
    from omsn.batch import Output
    from omsn.data.corpora import Corpus
    from omsn.training.plan import Plan


SHIPPED = Path("default")
"""The name of the package's own weights wherever a checkpoint is asked for."""


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


Recipe = Annotated[
    str,
    typer.Option(
        "--recipe", help="default, late, enrolled, audio, video, adapt, shared-speakers, paper, demo, or a TOML file."
    ),
]
Settings = Annotated[list[str] | None, typer.Option("--set", help="One setting: training.epochs=20. Repeatable.")]
Backend = Annotated[BackendName | None, typer.Option(help="Who runs the processes, through joblib.")]
Jobs = Annotated[
    int,
    typer.Option(
        min=1,
        help="Processes side by side, each on one thread, with up to 1 GB of memory. One where not given, as nobody "
        "else knows what the machine has to spare; results are the same with any number.",
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="CODE=EMOTION",
        help="For pattern: what an {emotion} of the names means, as ANG=angry. Repeatable; others are passed over.",
    ),
]
KeepFaces = Annotated[
    Path | None,
    typer.Option(
        "--keep-faces",
        metavar="FOLDER",
        help="Write a compact copy of the corpus too: small films of faces with their sound. omsn prepare reads it.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Cache = Annotated[Path, typer.Argument(help="Folder that omsn prepare wrote.")]
CheckpointPath = Annotated[Path, typer.Argument(help="RUN/checkpoint that omsn train wrote, or default.")]
CheckpointOption = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="Folder that omsn train wrote; where not given, the package's own weights."),
]
CorpusKind = Annotated[CorpusName, typer.Option(help="How the corpus names its files.")]
Name = Annotated[str, typer.Option(help="Name of the corpus; else ravdess, what its manifest says, or its folder's.")]
Protocol = Annotated[str, typer.Option(help="actors-4, actors-luna, actors-emobox, loso, random-80-20, ...")]
Model = Annotated[ModelName, typer.Option(help="The network, or the SVM on clip statistics.")]
Networks = Annotated[
    int, typer.Option(min=1, help="Networks trained for each fold, which answer together as those of train --seeds do.")
]
CalibrateBy = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="A finished omsn crossval with the same settings, and --networks N for N seeds: the checkpoint takes the "
        "temperature that it found.",
    ),
]
StartFrom = Annotated[
    Path | None,
    typer.Option(
        "--start-from",
        metavar="CHECKPOINT",
        help="Adapt trained weights instead of starting afresh: a folder that omsn train wrote, or default for the "
        "package's own. For a corpus too small to learn from alone.",
    ),
]
Modality = Annotated[ModalityName | None, typer.Option(help="What the model is given.")]
Normalise = Annotated[
    NormalisationName | None,
    typer.Option(help="none: by the training part. enrolled: each speaker by own unlabelled clips (transductive)."),
]
NormaliseFiles = Annotated[
    NormalisationName | None,
    typer.Option(
        "--normalise",
        help="none: by the training part. enrolled: by the files of --enrol and the file itself; it needs a checkpoint "
        "trained with --recipe enrolled, and the package's own is not. Where not given, as the checkpoint was trained; "
        "any other mode answers worse.",
    ),
]
Enrol = Annotated[
    list[Path] | None,
    typer.Option(
        "--enrol",
        metavar="FILE_OR_FOLDER",
        help="More files of the one person in all the files, in many moods. It needs a checkpoint trained with "
        "--recipe enrolled, and the package's own is not. Repeatable.",
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A neutral clip of the one person in all the files: the main face's changes are measured from how it "
        "looks there. Enrolled, it also counts as a file of --enrol; otherwise only its face is used.",
    ),
]
Formats = Annotated[
    str | None,
    typer.Option("--format", help="What to write, with commas: json (default), csv, webvtt, srt, eaf, overlay, plot."),
]
ResumeFiles = Annotated[
    bool,
    typer.Option("--resume", help="Leave out files that --out has answers for; --json then gives only their paths."),
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


def with_options(
    settings: Sequence[str] | None, normalise: NormalisationName | None, modality: ModalityName | None
) -> list[str]:
    """Settings with those that have options of their own."""
    own = {"normalisation": normalise, "modality": modality}
    return [*(settings or ()), *(f"training.{name}={value}" for name, value in own.items() if value is not None)]


def checkpoint_of(given: Path | None) -> Path:
    """The folder of a checkpoint; the package's own where it is ``default``, or where none is given.

    Raises:
        CheckpointError: the package's own is meant, and this build carries none.
    """
    from omsn.models.checkpoint import shipped_checkpoint

    return shipped_checkpoint() if given in {None, SHIPPED} else given


def plan_of(
    cache: Path,
    protocol: str,
    seeds: str,
    model: ModelName = ModelName.network,
    *,
    recipe: str,
    settings: Sequence[str],
    allow_leaks: bool = False,
    start_from: Path | None = None,
    networks: int = 1,
) -> Plan:
    """What to train, and on what.

    Raises:
        CheckpointError: ``start_from`` is ``default``, and this build of the package carries no weights.
        ConfigError: the recipe, a setting, a seed or the number of networks is wrong.
    """
    from omsn.recipes import load_config
    from omsn.training.plan import Plan

    start = None if start_from is None else checkpoint_of(start_from)
    config = load_config(recipe, settings)
    return Plan(cache, protocol, parse_seeds(seeds), model.value, config, recipe, allow_leaks, start, networks)


def find_corpus(
    corpus: CorpusName, folder: Path, *, template: str, labels: Sequence[str], channel: str, name: str
) -> Corpus:
    """The clips of a corpus, under a name of the user's where there is one.

    Raises:
        ConfigError: ``--template`` is missing, ``--template`` or ``--label`` is there for nothing, or a label is wrong.
        ManifestError: the folder holds no such corpus.
    """
    from omsn.data.corpora import CORPORA

    if (corpus is CorpusName.pattern) != bool(template):
        raise ConfigError("--template belongs to --corpus pattern, which needs it")
    if labels and corpus is not CorpusName.pattern:
        raise ConfigError("--label belongs to --corpus pattern; other corpora name their emotions themselves")
    options: dict[str, dict[str, Any]] = {
        "pattern": {"template": template, "labels": parse_labels(labels)},
        "ravdess": {"channel": channel},
        "folder": {},
    }
    found = CORPORA[corpus.value](folder, **options[corpus.value])
    return found.named(name) if name else found


def parse_labels(labels: Sequence[str]) -> dict[str, str] | None:
    """Emotions by their codes; None where no code is given, so that the codes are the emotions.

    Raises:
        ConfigError: not CODE=EMOTION, or a code that is given twice.
    """
    emotions: dict[str, str] = {}
    for label in labels:
        code, _, emotion = (part.strip() for part in label.partition("="))
        if not (code and emotion):
            raise ConfigError(f"--label: got {label!r}, expected a code of the names and its emotion, as ANG=angry")
        if code in emotions:
            raise ConfigError(f"--label: {code!r} is given twice, {emotions[code]!r} and {emotion!r}; keep one of them")
        emotions[code] = emotion
    return emotions or None


def output_of(folder: Path | None, formats: str | None, *, overlay: bool, plot: bool, resume: bool) -> Output | None:
    """What predict writes.

    Raises:
        BadParameter: wrong usage, which ends with exit code 2.
    """
    from omsn.batch import Output
    from omsn.export.formats import parse_formats

    if folder is None:
        if resume or overlay or plot or formats is not None:
            raise typer.BadParameter("--format, --overlay, --plot and --resume need --out")
        return None
    names = ["json" if formats is None else formats, *(["overlay"] if overlay else []), *(["plot"] if plot else [])]
    try:
        return Output(folder, parse_formats(",".join(names)), resume)
    except InputError as error:
        raise typer.BadParameter(f"--format: {error}") from error
