"""Write docs/results.md and the README's table of results from finished runs.

    python scripts/write_results.py RUN [RUN ...]   records runs, then writes both pages
    python scripts/write_results.py                 writes both pages from what is recorded

A run is recorded as docs/runs/NAME.json, its metrics.json without the ROC curves and without paths, and
docs/runs/NAME.csv.gz, its predictions.csv.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from ablation_section import PREFIX as ABLATION
from ablation_section import ablation_section
from leak_section import PICTURE, leak_picture, leak_section
from leak_section import PREFIX as LEAK
from optimizer_section import optimizer_section

from omsn.errors import InputError
from omsn.files import replace_file
from omsn.recipes import flat_settings, load_config, recipe_names, to_dict
from omsn.report.html import judge_baseline, leak_warnings
from omsn.report.paper_numbers import PROTOCOLS
from omsn.report.run import (
    BY_ITSELF_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RunMetrics,
    check_predictions,
    parse_metrics,
    read_metrics,
)
from omsn.report.scores import Headline, what_intervals_lack
from omsn.report.tables import (
    NONE,
    Table,
    calibration_table,
    class_table,
    headline_table,
    percent,
    results_markdown,
    to_markdown,
    with_interval,
)
from omsn.training.out_of_fold import OutOfFold, read_predictions, write_predictions

ROOT = Path(__file__).resolve().parent.parent

RUNS_FOLDER, PAGE, README = Path("docs", "runs"), Path("docs", "results.md"), Path("README.md")
PREDICTIONS_SUFFIX = ".csv.gz"
BY_ITSELF_SUFFIX = ".by-itself.csv.gz"
START, END = "<!-- results -->", "<!-- /results -->"

OWN_COLUMNS = frozenset({"training.normalisation", "training.modality"})
"""Settings that every table names by themselves."""

SVM_SETTINGS = "pipeline."
"""How the names of the settings begin that change what an SVM says."""

NORMALISATIONS = ("none", "enrolled")
"""Each has columns of its own in the README's table: what they ask of a model differs."""

NOT_RUN = "The program has not been run on a corpus yet: no run is recorded in `docs/runs`."

INTRODUCTION = """\
# Results

`scripts/write_results.py` writes this page from `docs/runs/*.json`; changes made by hand are lost.

- **WAR** is accuracy over all classes: the share of clips whose emotion is named rightly. **UAR** is the mean of the
  classes' recalls. **One-vs-rest accuracy** is the mean over classes of "this class or not", and is always larger:
  with K classes and e mistakes in n clips it is 1 - 2e/(Kn). It is not accuracy.
- Values are pooled over the folds of a seed, then averaged over seeds. Intervals are 95%, from a bootstrap over
  speakers (over clips where speakers are unknown).
- Normalisation `none` knows nothing of the test speakers. `enrolled` standardises features by each speaker's own
  unlabelled clips, those under test among them: it is transductive, and its numbers stand apart. Where
  **each clip by itself** has a value, each is answered beside those of its speaker that are most like it; no label of
  theirs is known.
- **Leaks** marks protocols whose test speakers are learnt from too. Their numbers do not say how the model does on
  new people.
- **ECE** is the expected calibration error: how far the probability of the named class lies from how often it is
  right. **Scaled** is after one temperature, which is fitted on the answers to other speakers than those that are
  scaled; it is missing where there are no others (one fold, shared speakers) and in runs recorded without it.
- The SVM (radial kernel, on statistics of each clip's features) was trained and tested on the same folds. It chooses
  nothing, so that it learns from a run's validation clips too, and keeps the columns of the landmarks' positions, which
  networks are not given under `none`.
"""


PUBLISHED = """\
Beside runs above: the published ones have all 24 actors where the corpus of a run may have fewer, and whoever is not
in it drops out of a fold; and `enrolled` knows more of a test speaker than these protocols ask for."""


class Recorded(NamedTuple):
    """A run in ``docs/runs``: its name, its metrics, and settings other than its recipe's."""

    name: str
    metrics: RunMetrics
    changed: tuple[str, ...]


class Row(NamedTuple):
    """One line of the README's table: what was run, and its scores by normalisation."""

    split: str
    model: str
    scores: dict[str, Headline]


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Record the runs named, then write both pages; returns the exit code."""
    try:
        record([Path(argument) for argument in arguments], root / RUNS_FOLDER)
        runs = read_recorded(root / RUNS_FOLDER)
        readme = put_between_markers((root / README).read_text(encoding="utf-8"), readme_table(runs))
        replace_file(root / PAGE, results_page(runs, optimizer_section(root)).encode())
        replace_file(root / README, readme.encode())
        picture = leak_picture(by_name(runs))
        if picture is not None:
            replace_file(root / PICTURE, picture.encode())
    except (InputError, OSError) as error:
        print(f"results: {error}", file=sys.stderr)
        return 1
    print(f"results: {len(runs)} runs -> {root / PAGE}, {root / README}")
    return 0


def record(runs: Sequence[Path], folder: Path) -> None:
    """Copy metrics and predictions of run folders; a run recorded under the same name before is replaced.

    Raises:
        InputError: a folder has no usable ``metrics.json``, or not the predictions that it is of, or two have one
            name; nothing is copied then.
    """
    names = [run.resolve().name for run in runs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"runs are recorded by the name of their folder; got twice: {', '.join(repeated)}")
    for run in runs:
        check_predictions(run, read_metrics(run))
    predictions = [_predictions_of(run) for run in runs]
    for name, run, said in zip(names, runs, predictions, strict=True):
        for suffix, answers in said.items():
            write_predictions(answers, folder / f"{name}{suffix}")
        content = json.loads((run / METRICS_FILE).read_text(encoding="utf-8"))
        replace_file(folder / f"{name}.json", (json.dumps(without_bulk(content), indent=1) + "\n").encode())


def _predictions_of(run: Path) -> dict[str, OutOfFold]:
    """The answers of a run, and what is said of each clip by itself where that is not the same, by how names end."""
    found = {PREDICTIONS_SUFFIX: read_predictions(run / PREDICTIONS_FILE)}
    if read_metrics(run).by_itself is not None:
        found[BY_ITSELF_SUFFIX] = read_predictions(run / BY_ITSELF_FILE)
    return found


def without_bulk(content: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics without their ROC curves, and with names in place of the paths of the cache and of a recipe file."""
    scores = dict(content["scores"]) | {"roc": []}
    data = dict(content["data"]) | {"cache": Path(content["data"]["cache"]).name}
    return dict(content) | {"recipe": Path(content["recipe"]).name, "scores": scores, "data": data}


def read_recorded(folder: Path) -> tuple[Recorded, ...]:
    """All recorded runs in order of name.

    Raises:
        InputError: a file is no JSON, or does not hold metrics.
    """
    runs = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error}); record the run again") from error
        metrics = parse_metrics(content, str(path))
        runs.append(Recorded(path.stem, metrics, changed_settings(metrics)))
    return tuple(runs)


def by_name(runs: Sequence[Recorded]) -> dict[str, RunMetrics]:
    """The metrics of recorded runs by their names."""
    return {run.name: run.metrics for run in runs}


def changed_settings(run: RunMetrics) -> tuple[str, ...]:
    """Settings of a run that differ from its recipe's, as ``--set`` takes them; none for a recipe of the user's own.

    Of an SVM's settings only those count that it knows of.
    """
    if run.recipe not in recipe_names():
        return ()
    usual = flat_settings(to_dict(load_config(run.recipe)))
    return tuple(
        f"{name}={json.dumps(value)}"
        for name, value in flat_settings(run.config).items()
        if name not in OWN_COLUMNS
        and usual.get(name) != value
        and (run.model != "svm" or name.startswith(SVM_SETTINGS))
    )


# ---------------------------------------------------------------- docs/results.md


def results_page(runs: Sequence[Recorded], optimizers: str = "") -> str:
    """The whole of ``docs/results.md``; ``optimizers`` is the section on them, empty where there is none."""
    if not runs:
        return "\n".join([INTRODUCTION, NOT_RUN, "", _published(), optimizers])
    sections = [section for section in (leak_section(by_name(runs)), ablation_section(by_name(runs))) if section]
    single = _single(runs)
    each = ["## Each run\n", *map(_run_section, single)] if single else []
    return "\n".join([INTRODUCTION, *_summaries(single), *sections, _published(), optimizers, *each])


def _single(runs: Sequence[Recorded]) -> list[Recorded]:
    """The runs that stand for themselves; rows of the ablation and of the leak have sections of their own."""
    return [run for run in runs if not run.name.startswith((ABLATION, LEAK))]


def _summaries(runs: Sequence[Recorded]) -> Iterator[str]:
    """A table for each corpus, protocol and normalisation."""

    def group_of(run: Recorded) -> tuple[str, str, str]:
        return run.metrics.data.corpus, run.metrics.protocol.name, run.metrics.normalisation

    for (corpus, protocol, normalisation), group in groupby(sorted(runs, key=group_of), key=group_of):
        yield f"## {corpus}, {protocol}, normalisation {normalisation}\n"
        members = list(group)
        yield results_markdown(by_name(members))
        yield from (f"{lack[0].upper()}{lack[1:]}.\n" for lack in sorted({_narrow(run) for run in members} - {""}))
        yield from (f"`{run.name}` changes its recipe: `{' '.join(run.changed)}`\n" for run in members if run.changed)


def _narrow(run: Recorded) -> str:
    """Why the run's intervals are to be read with care; nothing where they are not."""
    return what_intervals_lack(run.metrics.scores.interval_over, run.metrics.scores.speakers)


def _published() -> str:
    rows = tuple((row.name, row.what, row.published) for row in PROTOCOLS)
    table = Table(("protocol", "test parts", "published on RAVDESS speech, 8 emotions"), rows)
    return "\n\n".join(["## Published by others", PUBLISHED, to_markdown(table)])


def _run_section(run: Recorded) -> str:
    verdict = judge_baseline(run.metrics)
    compared = [f"Is it better than the SVM? {verdict.answer}. {verdict.reason}"] if verdict else []
    leaks = [f"**Leak:** {warning}" for warning in leak_warnings(run.metrics)]
    narrow = [f"**Intervals:** {lack}." for lack in (_narrow(run),) if lack]
    calibrated = calibration_table(run.metrics)
    tables = [headline_table(run.metrics), *([calibrated] if calibrated else []), class_table(run.metrics.scores)]
    parts = [f"### {run.name}", to_markdown(_facts(run)), *leaks, *narrow, *map(to_markdown, tables), *compared]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _facts(run: Recorded) -> Table:
    metrics = run.metrics
    changes = f", with {' '.join(run.changed)}" if run.changed else ""
    rows = (
        ("corpus", f"{metrics.data.corpus}: {metrics.data.clips} clips, {metrics.data.speakers or 'unknown'} speakers"),
        ("protocol", f"{metrics.protocol.name}: {metrics.protocol.title}, {_folds_of(metrics)}"),
        ("normalisation", metrics.normalisation),
        ("model", f"{metrics.model_name}, recipe {metrics.recipe}{changes}"),
        ("given", {"both": "sound and face", "audio": "sound", "video": "face"}[metrics.modality]),
        ("seeds", ", ".join(map(str, metrics.seeds))),
        ("parameters", NONE if metrics.parameters is None else f"{metrics.parameters:,}"),
        ("seconds, all folds together", f"{metrics.seconds:,.0f}"),
        ("chance", f"WAR {percent(metrics.scores.chance.war)}, UAR {percent(metrics.scores.chance.uar)}"),
        ("omsn", f"{metrics.omsn}, {metrics.made_with}" if metrics.made_with else metrics.omsn),
    )
    return Table(("", ""), rows)


def _folds_of(metrics: RunMetrics) -> str:
    """How many rounds of training there were."""
    n_rounds = len(metrics.protocol.folds)
    return "1 fold" if n_rounds == 1 else f"{n_rounds} folds over all seeds"


# ---------------------------------------------------------------- the README's table


def readme_table(runs: Sequence[Recorded]) -> str:
    """The README's table: runs with a recipe's own settings, an SVM row for each split, and a note on the others."""
    single = _single(runs)
    plain = [run.metrics for run in single if not run.changed]
    if not plain:
        return NOT_RUN if not runs else f"Only runs with changed settings are recorded: {_link()}."
    asked = [f"{score}, `{mode}`" for mode in NORMALISATIONS for score in ("WAR [95%]", "UAR [95%]", "one-vs-rest")]
    rows = tuple((row.split, row.model, *_cells(row.scores)) for row in _readme_rows(plain))
    others = len(single) - len(plain)
    rest = f" Not in this table: {others} with settings other than a recipe's." if others else ""
    note = f"Each of these runs with its classes, seeds and intervals, parts of the paper and leaks: {_link()}.{rest}"
    return to_markdown(Table(("corpus and split", "model", *asked), rows, notes=(note,))).strip()


def _link() -> str:
    return f"[{PAGE.as_posix()}]({PAGE.as_posix()})"


def _readme_rows(runs: Sequence[RunMetrics]) -> list[Row]:
    rows: list[Row] = []
    for run in sorted(runs, key=lambda run: (run.model != "svm", run.recipe, run.modality)):  # runs before baselines
        given = "" if run.modality == "both" else f", {run.modality} only"
        split = f"{run.data.corpus}, {run.protocol.name}{' (leaks)' if run.protocol.leaky else ''}"
        seeds = f"{len(run.seeds)} seed{'s' if len(run.seeds) > 1 else ''}"
        svm = f"SVM{given}{_features_of(run)}"
        own = svm if run.model == "svm" else f"{run.model_name}, {run.recipe}{given}, {seeds}"
        _enter(rows, Row(split, own, {run.normalisation: run.scores}))
        if run.baseline:
            _enter(rows, Row(split, svm, {run.normalisation: run.baseline.scores}), keep_first=True)
    return sorted(rows, key=lambda row: (row.split, row.model.startswith("SVM"), row.model))


def _features_of(run: RunMetrics) -> str:
    """Which recipe's features an SVM was given, where these are not those of ``default``."""
    usual = flat_settings(to_dict(load_config("default").pipeline))
    given = flat_settings(run.config.get("pipeline", {}))
    return f", features of {run.recipe}" if any(usual.get(name) != value for name, value in given.items()) else ""


def _enter(rows: list[Row], new: Row, *, keep_first: bool = False) -> None:
    """Put scores into the row of the same split and model, or into a row of their own where that has some already."""
    [(mode, scores)] = new.scores.items()
    alike = [row for row in rows if (row.split, row.model) == (new.split, new.model)]
    free = next((row for row in alike if mode not in row.scores), None)
    if free is not None:
        free.scores[mode] = scores
    elif not (alike and keep_first):
        rows.append(new)


def _cells(scores: Mapping[str, Headline]) -> Iterator[str]:
    for mode in NORMALISATIONS:
        if mode in scores:
            one = scores[mode]
            yield from (with_interval(one.war), with_interval(one.uar), percent(one.mean_one_vs_rest_accuracy.pooled))
        else:
            yield from (NONE, NONE, NONE)


def put_between_markers(text: str, table: str) -> str:
    """The text with the table between its markers.

    Raises:
        InputError: the markers are not there once each, in this order.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end) or START in rest or END in after:
        raise InputError(f"{README}: expected the markers {START} and {END} once each, in this order")
    return f"{before}{START}\n\n{table}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
