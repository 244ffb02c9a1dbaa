"""What the command line shows: progress bars, tables, JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

if TYPE_CHECKING:
    from omsn.batch import Batch
    from omsn.data.compact import FaceCopy
    from omsn.data.corpora import Skipped
    from omsn.data.prepare import Prepared
    from omsn.types import Prediction

Step = Callable[[float, int, str], None]

out, err = Console(soft_wrap=True, emoji=False), Console(stderr=True, soft_wrap=True, emoji=False)

MAX_LISTED = 20
"""Skipped or failed files that a command lists; all of them are counted."""
MAX_NAMED = 5
"""Files passed over that a command names; all of them are counted."""
SPEED_PERIOD_S = 600.0
"""The time left is told from the steps of so long: a slow one takes minutes, and two are needed."""
PIPE_COLUMNS = 10_000
"""Width of what is no terminal: no cell is broken there."""
MEGABYTE = 1_000_000
METRIC_NAMES = {
    "war": "WAR (accuracy)",
    "uar": "UAR",
    "macro_f1": "macro F1",
    "mean_one_vs_rest_accuracy": "mean one-vs-rest accuracy (not accuracy)",
    "auc": "AUC",
    "ece": "expected calibration error",
}


@contextmanager
def progress(what: str, if_stopped: str = "the same command goes on where it was") -> Iterator[Step]:
    """A bar on the error stream, called with (done, in all, note); nothing where that is no terminal.

    Ctrl-C tells what becomes of the work; the command ends as it does without.
    """
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    silent = not err.is_terminal
    bar = Progress(*columns, console=err, disable=silent, transient=True, speed_estimate_period=SPEED_PERIOD_S)
    try:
        with bar:
            task = bar.add_task(what, total=None, note="")
            yield lambda done, total, note: bar.update(task, completed=done, total=total, note=shown(note))
    except KeyboardInterrupt:
        err.print(shown(f"stopped; {if_stopped}"), highlight=False)
        raise


def shown(text: str) -> str:
    r"""The text as a terminal can show it: no markup, no control characters, no bytes that are no UTF-8.

    >>> print(shown("a\n\udcff"))
    a\n\udcff
    """
    legal = text.encode(errors="backslashreplace").decode()
    return escape("".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in legal))


def print_json(value: object) -> None:
    """One JSON document on the output stream."""
    out.print(json.dumps(value, indent=1), markup=False, highlight=False)


def prepared_facts(prepared: Prepared, skipped: Sequence[Skipped], kept: FaceCopy | None) -> dict[str, Any]:
    """What became of a corpus' clips, and what the cache and the compact copy hold now, ready for JSON."""
    facts = {
        "prepared": prepared.made,
        "reused": prepared.reused,
        "skipped": len(skipped),
        "cache": str(prepared.cache),
        "emotions": dict(sorted(Counter(clip.emotion for clip in prepared.clips).items())),
        "speakers": len({(clip.corpus, clip.speaker) for clip in prepared.clips if clip.speaker}),
        "without_sound": prepared.without_sound,
        "without_face": prepared.without_face,
        "former_clips": prepared.former,
        "dropped_clips": prepared.dropped,
        "skipped_files": [{"path": skip.path, "reason": skip.reason} for skip in skipped],
    }
    return facts | ({} if kept is None else {"kept_faces": _copy_facts(kept)})


def _copy_facts(kept: FaceCopy) -> dict[str, Any]:
    return {
        "folder": str(kept.folder),
        "copied": kept.made,
        "reused": kept.reused,
        "original_bytes": kept.original_bytes,
        "copied_bytes": kept.copied_bytes,
        "times_smaller": round(kept.times_smaller, 2),
        "skipped_clips": [{"path": skip.path, "reason": skip.reason} for skip in kept.skipped],
    }


def print_prepared(prepared: Prepared, skipped: Sequence[Skipped], kept: FaceCopy | None) -> None:
    """The counts; emotions one by one, so that a misspelt one is seen; clips that the cache held and no longer does."""
    facts = prepared_facts(prepared, skipped, None)
    told = f"{prepared.made} clips prepared, {prepared.reused} reused, {len(skipped)} skipped -> {prepared.cache}"
    if prepared.dropped:
        told += f"; replaces an index of {prepared.former} clips, {prepared.dropped} of which are no longer in it"
    emotions = ", ".join(f"{emotion} {count}" for emotion, count in facts["emotions"].items())
    out.print(shown(told))
    lacking = (("sound", prepared.without_sound), ("a face", prepared.without_face))
    missing = "".join(f"; {count} clips without {what}" for what, count in lacking if count)
    out.print(shown(f"emotions: {emotions}; speakers: {facts['speakers']}{missing}"))
    print_skipped(skipped)
    if kept is not None:
        _print_copy(kept)


def _print_copy(kept: FaceCopy) -> None:
    """The counts of a compact copy, and its size against the original's."""
    sizes = f"{kept.original_bytes / MEGABYTE:.1f} MB -> {kept.copied_bytes / MEGABYTE:.1f} MB"
    told = f"faces: {kept.made} clips copied, {kept.reused} reused, {len(kept.skipped)} skipped -> {kept.folder}"
    out.print(shown(f"{told}; {sizes}, {times_smaller(kept.times_smaller)}"), highlight=False)
    print_skipped(kept.skipped)


def times_smaller(times: float) -> str:
    """How much smaller a copy is than its original, in words; a copy of small films may be larger."""
    return f"{1 / times:.1f} times larger" if 0 < times < 1 else f"{times:.1f} times smaller"


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """The first skipped files with their reasons."""
    for skip in skipped[:MAX_LISTED]:
        err.print(f"skipped {skip.path}: {skip.reason}", markup=False, highlight=False)
    if len(skipped) > MAX_LISTED:
        err.print(f"... and {len(skipped) - MAX_LISTED} more; --json lists all")


def print_metrics(metrics: Mapping[str, Any], page: Path | None, as_json: bool) -> None:
    """Everything that was measured as JSON, or the headline as a table."""
    if as_json:
        print_json(metrics)
    else:
        print_scores(metrics, page)


def print_training(metrics: Mapping[str, Any], page: Path | None, checkpoint: Path, as_json: bool) -> None:
    """What one training made, with the scores of the held-out speakers where there are any."""
    if as_json or metrics["scores"]:
        print_metrics(metrics, page, as_json)
    else:
        fold = metrics["protocol"]["folds"][0]
        print_facts({"trained on": f"{fold['n_train']} clips", "speakers": ", ".join(fold["train_speakers"])})
        out.print("nobody was held out to score it; omsn crossval tells how good such a model is", highlight=False)
    if not as_json:
        out.print(shown(f"checkpoint: {checkpoint}"), highlight=False)


def print_scores(metrics: Mapping[str, Any], page: Path | None) -> None:
    """The headline metrics with their intervals, what is said of each clip by itself and the baseline beside them."""
    from omsn.report.scores import what_intervals_lack

    scores = metrics["scores"]
    named = {"each clip by itself": metrics.get("by_itself"), "SVM baseline": metrics.get("baseline")}
    others = {name: other["scores"] for name, other in named.items() if other}
    table = Table("metric", "value", "95% interval", *others, title=_what_was_run(metrics), title_justify="left")
    for name, title in METRIC_NAMES.items():
        low, high = scores[name]["interval"]
        row = [title, _number(scores[name]["pooled"]), f"{low:.3f} to {high:.3f}" if low is not None else "-"]
        table.add_row(*row, *(_number(other[name]["pooled"]) for other in others.values()))
    if metrics.get("calibrated"):
        table.add_row("the same, temperature-scaled", _number(metrics["calibrated"]["after"]["ece"]["pooled"]), "-")
    _print_table(table)
    if narrow := what_intervals_lack(scores["interval_over"], scores["speakers"]):
        err.print(f"[yellow]note:[/yellow] {narrow}", highlight=False)
    for leak in metrics.get("protocol", {}).get("leaks", ()):
        err.print(f"[yellow]leak:[/yellow] {shown(leak)}", highlight=False)
    if page is not None:
        out.print(shown(f"report: {page}"), highlight=False)


def _what_was_run(metrics: Mapping[str, Any]) -> str | None:
    """Corpus, protocol, model and normalisation: without them two tables of scores look alike."""
    if "protocol" not in metrics:
        return None
    model = "SVM" if metrics["model"] == "svm" else f"network {metrics['recipe']}"
    start = metrics.get("started_from")
    of = f", from weights of {', '.join(start['corpus'])}" if start else ""
    return shown(
        f"{metrics['data']['corpus']}, {metrics['protocol']['name']}: {model}{of}, "
        f"normalisation {metrics['normalisation']}"
    )


def print_predictions(predictions: Sequence[Prediction]) -> None:
    """The answers as a table. Nothing where there is none."""
    if predictions:
        _print_table(predictions_table(predictions))


def predictions_table(predictions: Sequence[Prediction]) -> Table:
    """One row a window; files by their names, or by their paths where two share a name.

    Only a file's name may be broken, and only where the terminal is too narrow for it.
    """
    named = Counter(Path(prediction.source).name for prediction in predictions)
    several = any(window.track for prediction in predictions for window in prediction.windows)
    names = ["start", "end", *(["face"] if several else []), "emotion", "prob.", "given"]
    table = Table(Column("file", overflow="fold"), *(Column(name, no_wrap=True) for name in names))
    for prediction in predictions:
        name = Path(prediction.source).name
        for number, window in enumerate(prediction.windows):
            table.add_row(
                shown(name if named[name] == 1 else prediction.source) if number == 0 else "",
                f"{window.start_s:.1f} s",
                f"{window.end_s:.1f} s",
                *([f"{window.track}{', speaks' if window.speaking else ''}"] if several else []),
                shown(prediction.emotion(number)),
                f"{max(window.probabilities):.2f}",
                window.modalities[0] if len(window.modalities) == 1 else "both",
            )
    return table


def print_profile(seconds: Mapping[str, float], media_s: float) -> None:
    """Where the time went, the most first, on the error stream; and how it compares with the media's own length."""
    total = sum(seconds.values())
    table = Table("what", Column("seconds", justify="right"), Column("share", justify="right"))
    for name, time_s in sorted(seconds.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{time_s:.2f}", f"{time_s / total:.0%}" if total else "-")
    table.add_section()
    table.add_row("total", f"{total:.2f}", "")
    _print_table(table, err)
    if total and media_s:
        err.print(f"{media_s:.1f} s of media, {media_s / total:.2f} times real time with all loading", highlight=False)


def print_batch(batch: Batch, folder: Path | None) -> None:
    """What became of the files: failures with their reasons, what was passed over, and the counts of more than one."""
    for name, reason in batch.failures[:MAX_LISTED]:
        err.print(f"[red]failed[/red] {shown(name)}: {shown(reason)}", highlight=False)
    if len(batch.failures) > MAX_LISTED:
        err.print(f"... and {len(batch.failures) - MAX_LISTED} more; failures.csv in --out, and --json, list all")
    if batch.passed_over:
        more = f" and {len(batch.passed_over) - MAX_NAMED} more" if len(batch.passed_over) > MAX_NAMED else ""
        err.print(f"passed over: {', '.join(map(shown, batch.passed_over[:MAX_NAMED]))}{more}", highlight=False)
    in_part = sum(bool(prediction.broke_off) for prediction in batch.predictions)
    counts = {
        "answered": len(batch.predictions) - in_part,
        "answered in part": in_part,
        "done before": len(batch.done_before),
        "failed": len(batch.failures) - in_part,
        "passed over": len(batch.passed_over),
    }
    if sum(counts.values()) > 1:
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        err.print(told + (f" -> {shown(str(folder))}" if folder else ""), highlight=False)


def print_search(facts: Mapping[str, Any], recipe: Path, page: Path) -> None:
    """What a search found, against the recipe's own settings."""
    finals = facts["finalists"]
    if finals is None:
        loss, usual = facts["loss"], facts["usual_loss"]
        losses = {"loss": loss, "loss of the recipe's own": usual}
    else:
        loss, usual = finals["candidates"][0]["mean_loss"], finals["usual_mean_loss"]
        losses = {
            f"mean loss in {len(finals['seeds'])} fresh orders": loss,
            "mean loss of the recipe's own": usual,
            "lowest loss of the search, in one order": facts["loss"],
        }
    found = ", ".join(f"{name} {value:.4g}" for name, value in facts["found"].items())
    print_facts({"found": found, **{name: _number(value) for name, value in losses.items()}})
    if usual is not None and loss >= usual:
        err.print("[yellow]warning:[/yellow] nothing that was tried is better than the recipe's own settings")
    for name, path in (("recipe", recipe), ("report", page)):
        out.print(shown(f"{name}: {path}"), highlight=False)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Names and values, one a line; what is empty is left out."""
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        if value not in ({}, [], ""):
            table.add_row(shown(name.replace("_", " ")), shown(_told(value)))
    _print_table(table)


def _told(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _print_table(table: Table, console: Console = out) -> None:
    """As wide as the terminal at most; as wide as it needs where it goes into a file or another program."""
    wide = (
        console if console.is_terminal else Console(file=console.file, width=PIPE_COLUMNS, soft_wrap=True, emoji=False)
    )
    wide.print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
