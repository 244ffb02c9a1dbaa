"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import inspect
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from omsn import options, terminal
from omsn.errors import OmsnError
from omsn.files import explain
from omsn.timing import profiling, timed
from omsn.version import __version__

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., None])

app = typer.Typer(
    help="Recognise emotion from face and voice in video: prepare a corpus, train, judge honestly, predict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)


def _command(function: AnyCommand) -> AnyCommand:
    """Add a command. Its help is its docstring in whole paragraphs: typer would keep the line breaks of the source."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    app.command(help="\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs))(function)
    return function


@_command
def prepare(
    folder: Annotated[Path, typer.Argument(help="Folder of the corpus.")],
    out_: options.Out,
    corpus: options.CorpusKind = options.CorpusName.ravdess,
    template: Annotated[str, typer.Option(help="For pattern: '{speaker}-{statement}-{emotion}_{take}.mp4'.")] = "",
    labels: options.Labels = None,
    channel: Annotated[str, typer.Option(help="For ravdess: speech, song or both.")] = "speech",
    name: options.Name = "",
    recipe: options.Recipe = "default",
    settings: options.Settings = None,
    jobs: options.Jobs = 1,
    backend: options.Backend = None,
    keep: options.KeepFaces = None,
    as_json: options.AsJson = False,
) -> None:
    """Find a corpus's clips and compute their features; started again, it goes on where it was.

    Example: omsn prepare RAVDESS --corpus ravdess --out cache --jobs 2
    """
    from omsn.data.compact import check_folder, keep_faces
    from omsn.data.prepare import check_place
    from omsn.data.prepare import prepare as prepare_clips
    from omsn.recipes import load_config

    config = load_config(recipe, settings or ())
    found = options.find_corpus(corpus, folder, template=template, labels=labels or (), channel=channel, name=name)
    check_place(out_, folder)
    workers = backend.value if backend else None
    if keep is not None:
        check_folder(keep, (folder, out_), config.pipeline)
    with terminal.progress("clips") as step:
        prepared = prepare_clips(
            found.clips, out_, config.pipeline, jobs=jobs, backend=workers, on_step=lambda n, m: step(n, m, "")
        )
    kept = None
    if keep is not None:
        with terminal.progress("faces") as step:
            kept = keep_faces(
                prepared.clips,
                folder,
                keep,
                config.pipeline,
                jobs=jobs,
                backend=workers,
                on_step=lambda n, m: step(n, m, ""),
            )
    skipped = (*found.skipped, *prepared.skipped)
    if as_json:
        terminal.print_json(terminal.prepared_facts(prepared, skipped, kept))
    else:
        terminal.print_prepared(prepared, skipped, kept)
    if prepared.skipped or (kept and kept.skipped):
        raise typer.Exit(1)


@_command
def crossval(
    cache: options.Cache,
    out_: options.Out,
    protocol: options.Protocol = "actors-4",
    normalise: options.Normalise = None,
    modality: options.Modality = None,
    model: options.Model = options.ModelName.network,
    seeds: Annotated[str, typer.Option(help="Comma-separated; one whole round of folds each.")] = "0",
    networks: options.Networks = 1,
    recipe: options.Recipe = "default",
    settings: options.Settings = None,
    start_from: options.StartFrom = None,
    jobs: options.Jobs = 1,
    allow_leaks: options.AllowLeaks = False,
    as_json: options.AsJson = False,
) -> None:
    """Train and score on every fold of a protocol; write metrics.json, predictions.csv and report.html.

    Example: omsn crossval cache --protocol actors-4 --normalise enrolled --out runs/enrolled --jobs 2
    """
    from omsn.report.html import write_report
    from omsn.training.crossval import cross_validate

    wanted = options.with_options(settings, normalise, modality)
    plan = options.plan_of(
        *(cache, protocol, seeds, model),
        recipe=recipe,
        settings=wanted,
        allow_leaks=allow_leaks,
        start_from=start_from,
        networks=networks,
    )
    with terminal.progress("folds") as step:
        metrics = cross_validate(plan, out_, jobs=jobs, on_fold=step)
    terminal.print_metrics(metrics, write_report(out_), as_json)


@_command
def train(
    cache: options.Cache,
    out_: options.Out,
    normalise: options.Normalise = None,
    modality: options.Modality = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated; a network each, which answer together.")] = "0",
    calibrate_by: options.CalibrateBy = None,
    recipe: options.Recipe = "default",
    settings: options.Settings = None,
    start_from: options.StartFrom = None,
    as_json: options.AsJson = False,
) -> None:
    """Train a model on all speakers and write a checkpoint; crossval tells how good such a model is.

    Example: omsn train cache --calibrate-by runs/judged --out runs/model
    """
    from omsn.report.html import write_report
    from omsn.training.run_folder import HELD_OUT
    from omsn.training.single import CHECKPOINT_FOLDER
    from omsn.training.single import train as train_one

    wanted = options.with_options(settings, normalise, modality)
    plan = options.plan_of(cache, HELD_OUT, seeds, recipe=recipe, settings=wanted, start_from=start_from)
    with terminal.progress("epochs") as step:
        metrics = train_one(plan, out_, calibrate_by=calibrate_by, on_epoch=step)
    page = write_report(out_) if metrics["scores"] else None
    terminal.print_training(metrics, page, out_ / CHECKPOINT_FOLDER, as_json)


@_command
def evaluate(
    checkpoint: options.CheckpointPath,
    cache: options.Cache,
    normalise: options.Normalise = None,
    allow_leaks: options.AllowLeaks = False,
    predictions: Annotated[Path | None, typer.Option(help="Write one row a clip to this CSV.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Score a checkpoint on a prepared corpus that it has never seen.

    Example: omsn evaluate runs/model/checkpoint other-cache --json
    """
    from omsn.training.evaluation import evaluate_checkpoint
    from omsn.training.out_of_fold import write_predictions

    trained = options.checkpoint_of(checkpoint)
    metrics, answers = evaluate_checkpoint(
        trained, cache, normalisation=normalise.value if normalise else None, allow_leaks=allow_leaks
    )
    terminal.print_metrics(metrics, None, as_json)
    for leak in metrics["leaks"]:
        terminal.err.print(f"[yellow]leak:[/yellow] {terminal.shown(leak)}", highlight=False)
    if predictions is not None:
        write_predictions(answers, predictions)


@_command
def predict(
    files: Annotated[
        list[Path], typer.Argument(help="Video or sound files, folders of them, patterns like 'a/*.mp4'.")
    ],
    checkpoint: options.CheckpointOption = None,
    normalise: options.NormaliseFiles = None,
    enrol: options.Enrol = None,
    baseline: options.Baseline = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Folder for the answers and failures.csv.")] = None,
    formats: options.Formats = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Write films with the answers drawn into them.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Write timelines of the probabilities as PNG.")] = False,
    jobs: options.Jobs = 1,
    backend: options.Backend = None,
    resume: options.ResumeFiles = False,
    profile: Annotated[bool, typer.Option("--profile", help="Tell where the time went; for one process.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Name the emotion in files. Goes on after a bad file, lists it, and exits with 1.

    A file of more than six seconds is answered in windows of four, one every two, so that each moment is seen with what
    comes before and after it. The table and csv list these overlapping windows. Subtitles (webvtt, srt), eaf, the
    overlay and the plot show one answer at a time: windows that share a moment are averaged, and neighbours of one
    emotion joined to a segment. json has both. Where there are several faces each is answered, and the sound counts for
    the one that speaks.

    Example: omsn predict clip.mp4 interviews --out answers --format csv,eaf
    """
    if profile and (jobs > 1 or backend):
        raise typer.BadParameter("--profile measures one process; leave out --jobs and --backend")
    found = f"what was found is in {out_}; go on with --resume" if out_ else "the answers are lost; --out keeps them"
    with profiling() if profile else nullcontext() as measured, terminal.progress("files", found) as step:
        with timed("load libraries"):
            from omsn.batch import Model, predict_batch
        output = options.output_of(out_, formats, overlay=overlay, plot=plot, resume=resume)
        trained = options.checkpoint_of(checkpoint)
        model = Model.of(trained, normalise.value if normalise else None, enrol or (), baseline)
        batch = predict_batch(files, model, output, jobs=jobs, backend=backend.value if backend else None, on_step=step)
    if as_json:
        terminal.print_json(batch.to_dict())
    else:
        terminal.print_predictions(batch.predictions)
    terminal.print_batch(batch, out_)
    if measured is not None:
        terminal.print_profile(measured.seconds, batch.media_s)
    if batch.failures:
        raise typer.Exit(1)


@_command
def tune(
    cache: options.Cache,
    out_: options.Out,
    search: Annotated[str, typer.Option(help="Settings to vary, with commas.")] = "training.classifier_learning_rate",
    population: Annotated[int, typer.Option(help="Gazelles.")] = 50,
    iterations: Annotated[int, typer.Option(help="Each evaluates four candidates a gazelle.")] = 100,
    steps: Annotated[int, typer.Option(help="Training steps of a candidate.")] = 40,
    finalists: Annotated[int, typer.Option(help="Best candidates to train again in other orders; 0 for none.")] = 20,
    finalist_seeds: Annotated[int, typer.Option(help="Orders of the clips that finalists are trained in.")] = 8,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in --out.")] = False,
    storage: Annotated[
        str | None, typer.Option(help="Keep evaluations for Optuna too: journal:FILE, sqlite:///FILE, postgresql://...")
    ] = None,
    normalise: options.Normalise = None,
    modality: options.Modality = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    recipe: options.Recipe = "default",
    settings: options.Settings = None,
    jobs: options.Jobs = 1,
    as_json: options.AsJson = False,
) -> None:
    """Search for SMGCNN's learning rate with the Mountain Gazelle Optimizer; write a recipe, and a report.

    Example: omsn tune cache --population 50 --iterations 100 --out runs/search
    """
    from omsn.report.search import write_search_report
    from omsn.training.run_folder import HELD_OUT
    from omsn.tuning.gazelle import GazelleSettings
    from omsn.tuning.tune import Search
    from omsn.tuning.tune import tune as search_settings

    plan = options.plan_of(
        cache, HELD_OUT, str(seed), recipe=recipe, settings=options.with_options(settings, normalise, modality)
    )
    herd = GazelleSettings(population, iterations)
    wanted = Search(tuple(search.split(",")), herd, steps, finalists=finalists, finalist_seeds=finalist_seeds)
    epochs, candidates = plan.config.training.epochs, herd.n_evaluations
    with terminal.progress("search", "go on with --resume") as step:
        begin = partial(step, 0, candidates, "no loss yet")
        begin()
        facts = search_settings(
            plan,
            wanted,
            out_,
            jobs=jobs,
            resume=resume,
            storage=storage,
            on_epoch=lambda one: (
                step(one.number, epochs, f"training the encoders, loss {one.loss:.3f}")
                if one.number < epochs
                else begin()
            ),
            on_iteration=lambda tried: step(len(tried.losses), candidates, f"lowest loss {tried.lowest:.4f}"),
            on_round=lambda done, orders: step(done, orders, "training the finalists again, each in other orders"),
        )
    page = write_search_report(out_)
    if as_json:
        terminal.print_json(facts)
    else:
        terminal.print_search(facts, out_ / "tuned.toml", page)


@_command
def info(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="Folder that omsn train wrote; where not given, the package's own weights.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell what a checkpoint is: labels, features, who trained it, its scores, its temperature, its licence.

    Example: omsn info runs/model/checkpoint
    """
    from omsn.models.checkpoint import describe, load_checkpoint

    facts = describe(load_checkpoint(options.checkpoint_of(checkpoint)))
    if as_json:
        terminal.print_json(facts)
    else:
        terminal.print_facts({name: value for name, value in facts.items() if name != "config"})


@_command
def report(runs: Annotated[list[Path], typer.Argument(help="Folders that crossval, train or tune wrote.")]) -> None:
    """Write report.html of finished runs again. Goes on after a bad one, says why, and exits with 1.

    Example: omsn report runs/enrolled
    """
    from omsn.report.html import write_report
    from omsn.report.search import SEARCH_FILE, write_search_report

    refused = []
    for run in runs:
        write = write_search_report if (run / SEARCH_FILE).exists() else write_report
        try:
            terminal.out.print(terminal.shown(str(write(run))))
        except (OmsnError, OSError) as error:
            refused.append(explain(error) if isinstance(error, OSError) else str(error))
    if refused:
        raise OmsnError("\n".join(refused))


@_command
def demo(out_: options.Out = Path("demo"), jobs: options.Jobs = 1) -> None:
    """Render a small corpus of talking faces, then prepare, train, judge, predict and report on it.

    Example: omsn demo --out demo
    """
    from omsn.data.synthetic import render_corpus
    from omsn.report.run import read_metrics

    corpus, cache, runs = out_ / "corpus", out_ / "cache", out_ / "runs"
    with terminal.progress("films") as step:
        films = render_corpus(corpus, clips_per_emotion=1, seconds=1.6, on_clip=lambda n, m: step(n, m, ""))
    prepare(corpus, cache, name="synthetic", jobs=jobs, recipe="demo")
    crossval(
        cache, runs / "loso", protocol="loso", recipe="demo", jobs=jobs, normalise=options.NormalisationName.enrolled
    )
    train(cache, runs / "model", recipe="demo")
    kept_out = read_metrics(runs / "model").protocol.folds[0].test_speakers
    strangers = [film for film in films if film.parent.name.removeprefix("Actor_") in kept_out]
    predict(strangers[:4], runs / "model" / "checkpoint")


def _version(wanted: bool) -> None:
    if wanted:
        terminal.out.print(f"omsn {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; errors made on purpose become one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Told to end, it leaves nothing unfinished behind.
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        if "" in sys.argv[1:]:
            _fail("an argument is empty; is a variable of the shell unset? An empty name would mean the current folder")
        app()
    except OmsnError as error:
        _fail(str(error))
    except OSError as error:
        _fail(explain(error))
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(message: str) -> NoReturn:
    terminal.err.print("[red]error:[/red]", "\n".join(map(terminal.shown, message.splitlines())), highlight=False)
    sys.exit(1)
