"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from omsn.errors import OmsnError
from omsn.files import explain
from omsn.options import (
    AllowLeaks,
    AsJson,
    Backend,
    Cache,
    CheckpointPath,
    CorpusName,
    Enrol,
    Jobs,
    Modality,
    ModalityName,
    ModelName,
    NormalisationName,
    Normalise,
    NormaliseFiles,
    Out,
    Recipe,
    Settings,
    parse_seeds,
)
from omsn.terminal import (
    err,
    out,
    prepared_facts,
    print_batch,
    print_facts,
    print_json,
    print_predictions,
    print_prepared,
    print_scores,
    progress,
    shown,
)
from omsn.version import __version__

if TYPE_CHECKING:
    from omsn.batch import Output
    from omsn.data.corpora import Corpus
    from omsn.training.plan import Plan

app = typer.Typer(
    help="Recognise emotion from face and voice in video: prepare a corpus, train, judge honestly, predict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)


@app.command()
def prepare(
    folder: Annotated[Path, typer.Argument(help="Folder of the corpus.")],
    out_: Out,
    corpus: Annotated[CorpusName, typer.Option(help="How the corpus names its files.")] = CorpusName.ravdess,
    template: Annotated[str, typer.Option(help="For pattern: '{speaker}-{statement}-{emotion}_{take}.mp4'.")] = "",
    channel: Annotated[str, typer.Option(help="For ravdess: speech, song or both.")] = "speech",
    name: Annotated[str, typer.Option(help="Name of the corpus in reports; its kind where not given.")] = "",
    recipe: Recipe = "default",
    settings: Settings = None,
    jobs: Jobs = 2,
    backend: Backend = None,
    as_json: AsJson = False,
) -> None:
    """Find a corpus's clips and compute their features; started again, it goes on where it was.

    Example: omsn prepare RAVDESS --corpus ravdess --out cache --jobs 2
    """
    from omsn.data.prepare import prepare as prepare_clips
    from omsn.recipes import load_config

    config = load_config(recipe, settings or ())
    found = _find(corpus, folder, template, channel, name)
    with progress("clips") as step:
        prepared = prepare_clips(
            found.clips,
            out_,
            config.pipeline,
            jobs=jobs,
            backend=backend.value if backend else None,
            on_step=lambda n, m: step(n, m, ""),
        )
    skipped = (*found.skipped, *prepared.skipped)
    if as_json:
        print_json(prepared_facts(prepared, skipped))
    else:
        print_prepared(prepared, skipped)
    if prepared.skipped:
        raise typer.Exit(1)


@app.command()
def crossval(
    cache: Cache,
    out_: Out,
    protocol: Annotated[str, typer.Option(help="actors-4, actors-luna, actors-emobox, loso, random-80-20, ...")] = (
        "actors-4"
    ),
    normalise: Normalise = None,
    modality: Modality = None,
    model: Annotated[ModelName, typer.Option(help="The network, or the SVM on clip statistics.")] = ModelName.network,
    seeds: Annotated[str, typer.Option(help="Comma-separated; one whole round of folds each.")] = "0",
    recipe: Recipe = "default",
    settings: Settings = None,
    jobs: Jobs = 1,
    allow_leaks: AllowLeaks = False,
    as_json: AsJson = False,
) -> None:
    """Train and score on every fold of a protocol; write metrics.json, predictions.csv and report.html.

    Example: omsn crossval cache --protocol actors-4 --normalise enrolled --out runs/enrolled --jobs 2
    """
    from omsn.report.html import write_report
    from omsn.training.crossval import cross_validate

    plan = _plan(cache, protocol, seeds, model, recipe, _with(settings, normalise, modality), allow_leaks)
    with progress("folds") as step:
        metrics = cross_validate(plan, out_, jobs=jobs, on_fold=step)
    _tell(metrics, write_report(out_), as_json)


@app.command()
def train(
    cache: Cache,
    out_: Out,
    normalise: Normalise = None,
    modality: Modality = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    recipe: Recipe = "default",
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Train one model on all speakers but a few, who score it; write a checkpoint and a report.

    Example: omsn train cache --out runs/model
    """
    from omsn.report.html import write_report
    from omsn.training.run_folder import HELD_OUT
    from omsn.training.single import CHECKPOINT_FOLDER
    from omsn.training.single import train as train_one

    plan = _plan(cache, HELD_OUT, str(seed), ModelName.network, recipe, _with(settings, normalise, modality), False)
    total = plan.config.training.epochs
    with progress("epochs") as step:
        metrics = train_one(plan, out_, on_epoch=lambda epoch: step(epoch.number, total, f"loss {epoch.loss:.3f}"))
    _tell(metrics, write_report(out_), as_json)
    if not as_json:
        out.print(f"checkpoint: {out_ / CHECKPOINT_FOLDER}")


@app.command()
def evaluate(
    checkpoint: CheckpointPath,
    cache: Cache,
    normalise: Normalise = None,
    allow_leaks: AllowLeaks = False,
    predictions: Annotated[Path | None, typer.Option(help="Write one row a clip to this CSV.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a checkpoint on a prepared corpus that it has never seen.

    Example: omsn evaluate runs/model/checkpoint other-cache --json
    """
    from omsn.training.evaluation import evaluate_checkpoint
    from omsn.training.out_of_fold import write_predictions

    metrics, answers = evaluate_checkpoint(
        checkpoint, cache, normalisation=normalise.value if normalise else None, allow_leaks=allow_leaks
    )
    if predictions is not None:
        write_predictions(answers, predictions)
    _tell(metrics, None, as_json)
    for leak in metrics["leaks"]:
        err.print(f"[yellow]leak:[/yellow] {shown(leak)}", highlight=False)


@app.command()
def predict(
    files: Annotated[
        list[Path], typer.Argument(help="Video or sound files, folders of them, patterns like 'a/*.mp4'.")
    ],
    checkpoint: Annotated[Path, typer.Option(help="Folder that omsn train wrote.")],
    normalise: NormaliseFiles = None,
    enrol: Enrol = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Folder for the answers and failures.csv.")] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="What to write: json (as given), csv, webvtt, srt, eaf; with commas.")
    ] = None,
    jobs: Jobs = 1,
    backend: Backend = None,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what --out already has answers for.")] = False,
    as_json: AsJson = False,
) -> None:
    """Name the emotion in files. Goes on after a bad file, lists it, and exits with 1.

    Example: omsn predict clip.mp4 interviews --checkpoint runs/model/checkpoint --out answers --format csv,eaf
    """
    from omsn.batch import Model, predict_batch

    output = _output(out_, formats, resume)
    model = Model.of(checkpoint, normalise.value if normalise else None, enrol or ())
    with progress("files") as step:
        batch = predict_batch(files, model, output, jobs=jobs, backend=backend.value if backend else None, on_step=step)
    if as_json:
        print_json(batch.to_dict())
    else:
        print_predictions(batch.predictions)
    print_batch(batch, out_)
    if batch.failures:
        raise typer.Exit(1)


@app.command()
def tune(
    cache: Cache,
    out_: Out,
    search: Annotated[str, typer.Option(help="Settings to vary, with commas.")] = "training.classifier_learning_rate",
    population: Annotated[int, typer.Option(help="Gazelles.")] = 50,
    iterations: Annotated[int, typer.Option(help="Each evaluates four candidates a gazelle.")] = 100,
    steps: Annotated[int, typer.Option(help="Training steps of a candidate.")] = 40,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in --out.")] = False,
    normalise: Normalise = None,
    modality: Modality = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    recipe: Recipe = "default",
    settings: Settings = None,
    jobs: Jobs = 2,
    as_json: AsJson = False,
) -> None:
    """Search for SMGCNN's learning rate with the Mountain Gazelle Optimizer; write a recipe, and a report.

    Example: omsn tune cache --population 50 --iterations 100 --out runs/search
    """
    from omsn.report.search import write_search_report
    from omsn.training.run_folder import HELD_OUT
    from omsn.tuning.gazelle import GazelleSettings
    from omsn.tuning.tune import Search
    from omsn.tuning.tune import tune as search_settings

    plan = _plan(cache, HELD_OUT, str(seed), ModelName.network, recipe, _with(settings, normalise, modality), False)
    wanted = Search(tuple(search.split(",")), GazelleSettings(population, iterations), steps)
    epochs, candidates = plan.config.training.epochs, wanted.gazelles.n_evaluations
    with progress("search") as step:
        facts = search_settings(
            plan,
            wanted,
            out_,
            jobs=jobs,
            resume=resume,
            on_epoch=lambda one: step(one.number, epochs, f"training the encoders, loss {one.loss:.3f}"),
            on_iteration=lambda tried: step(len(tried.losses), candidates, f"lowest loss {tried.lowest:.4f}"),
        )
    page = write_search_report(out_)
    if as_json:
        print_json(facts)
    else:
        print_facts({"found": facts["found"], "loss": facts["loss"], "loss of the recipe's own": facts["usual_loss"]})
        if facts["loss"] >= facts["usual_loss"]:
            err.print("[yellow]warning:[/yellow] nothing that was tried is better than the recipe's own settings")
        out.print(f"recipe: {out_ / 'tuned.toml'}\nreport: {page}", highlight=False)


@app.command()
def info(checkpoint: CheckpointPath, as_json: AsJson = False) -> None:
    """Tell what a checkpoint is: labels, features, who trained it, its scores, its licence.

    Example: omsn info runs/model/checkpoint
    """
    from omsn.models.checkpoint import describe, load_checkpoint

    facts = describe(load_checkpoint(checkpoint))
    if as_json:
        print_json(facts)
    else:
        print_facts({name: value for name, value in facts.items() if name != "config"})


@app.command()
def report(runs: Annotated[list[Path], typer.Argument(help="Folders that crossval, train or tune wrote.")]) -> None:
    """Write report.html of finished runs again.

    Example: omsn report runs/enrolled
    """
    from omsn.report.html import write_report
    from omsn.report.search import SEARCH_FILE, write_search_report

    for run in runs:
        write = write_search_report if (run / SEARCH_FILE).exists() else write_report
        out.print(str(write(run)))


@app.command()
def demo(out_: Out = Path("demo"), jobs: Jobs = 2) -> None:
    """Render a small corpus of talking faces, then prepare, train, judge, predict and report on it.

    Example: omsn demo --out demo
    """
    from omsn.data.synthetic import render_corpus
    from omsn.report.run import read_metrics

    corpus, cache, runs = out_ / "corpus", out_ / "cache", out_ / "runs"
    with progress("films") as step:
        films = render_corpus(corpus, clips_per_emotion=1, seconds=1.6, on_clip=lambda n, m: step(n, m, ""))
    prepare(corpus, cache, name="synthetic", jobs=jobs, recipe="demo")
    crossval(cache, runs / "loso", protocol="loso", recipe="demo", jobs=jobs, normalise=NormalisationName.enrolled)
    train(cache, runs / "model", recipe="demo")
    kept_out = read_metrics(runs / "model").protocol.folds[0].test_speakers
    strangers = [film for film in films if film.parent.name.removeprefix("Actor_") in kept_out]
    predict(strangers[:4], runs / "model" / "checkpoint")


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"omsn {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


def _with(settings: list[str] | None, normalise: NormalisationName | None, modality: ModalityName | None) -> list[str]:
    """Settings with those that have options of their own."""
    own = {"normalisation": normalise, "modality": modality}
    return [*(settings or ()), *(f"training.{name}={value}" for name, value in own.items() if value is not None)]


def _plan(
    cache: Path, protocol: str, seeds: str, model: ModelName, recipe: str, settings: list[str], allow_leaks: bool
) -> Plan:
    from omsn.recipes import load_config
    from omsn.training.plan import Plan

    return Plan(cache, protocol, parse_seeds(seeds), model.value, load_config(recipe, settings), recipe, allow_leaks)


def _find(corpus: CorpusName, folder: Path, template: str, channel: str, name: str) -> Corpus:
    from omsn.data.corpora import CORPORA
    from omsn.errors import ConfigError

    if (corpus is CorpusName.pattern) != bool(template):
        raise ConfigError("--template belongs to --corpus pattern, which needs it")
    options = {"pattern": {"template": template}, "ravdess": {"channel": channel}, "folder": {}}
    found = CORPORA[corpus.value](folder, **options[corpus.value])
    return found.named(name) if name else found


def _output(folder: Path | None, formats: str | None, resume: bool) -> Output | None:
    """What predict writes; wrong usage ends with exit code 2."""
    from omsn.batch import Output
    from omsn.errors import InputError
    from omsn.export.formats import parse_formats

    if folder is None:
        if resume or formats is not None:
            raise typer.BadParameter("--format and --resume need --out")
        return None
    try:
        return Output(folder, parse_formats("json" if formats is None else formats), resume)
    except InputError as error:
        raise typer.BadParameter(f"--format: {error}") from error


def _tell(metrics: dict[str, object], page: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(metrics)
    else:
        print_scores(metrics, page)


def main() -> None:
    """Run the command line; errors made on purpose become one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except OmsnError as error:
        _fail(str(error))
    except OSError as error:
        _fail(explain(error))


def _fail(message: str) -> NoReturn:
    err.print("[red]error:[/red]", "\n".join(map(shown, message.splitlines())), highlight=False)
    sys.exit(1)
