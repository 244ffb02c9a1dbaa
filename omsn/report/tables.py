"""The tables of a report and of docs/results.md, as text: the page and the markdown writer only lay them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omsn.labels import RAVDESS_EMOTIONS
from omsn.report.paper_numbers import (
    PAPER_CLASSES,
    PAPER_CLIPS,
    PAPER_CORPUS,
    PAPER_METHOD,
    PAPER_MISTAKES,
    PAPER_ONE_VS_REST_ACCURACY,
    PAPER_WAR,
    PROTOCOLS,
    TABLE_1,
    TABLE_2,
    Table1Row,
)
from omsn.report.run import RunMetrics
from omsn.report.scores import Difference, Metric, Scores

NONE = "-"
"""Stands where a number is not known or not published."""

GIVEN: Mapping[str, str] = {"both": "face and voice", "audio": "voice only", "video": "face only"}
"""What a model is given, by modality."""

_HEADLINE_NAMES = (
    ("war", "WAR (accuracy over all classes)"),
    ("uar", "UAR"),
    ("macro_f1", "macro F1"),
    ("macro_precision", "macro precision"),
    ("macro_specificity", "macro specificity"),
    ("mean_one_vs_rest_accuracy", "mean one-vs-rest accuracy"),
    ("auc", "AUC, one-vs-rest"),
    ("ece", "expected calibration error"),
)


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        header: names of the columns.
        rows: cells, one tuple a row, as long as the header.
        marked: indices of the rows that are this run's.
        notes: sentences that stand beneath.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent: ``percent(0.789)`` is ``78.9%``."""
    return NONE if value is None else f"{value:.{digits}%}"


def fraction(value: float | None) -> str:
    """A share with four digits, as the paper prints them."""
    return NONE if value is None else f"{value:.4f}"


def with_interval(metric: Metric) -> str:
    """The pooled value and its interval: ``78.9% [75.0, 82.6]``."""
    low, high = metric.interval
    if metric.pooled is None or low is None or high is None:
        return percent(metric.pooled)
    return f"{metric.pooled:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def interval(metric: Metric) -> str:
    """The interval alone: ``95% interval 75.0 to 82.6``."""
    low, high = metric.interval
    return "no interval" if low is None or high is None else f"95% interval {100 * low:.1f} to {100 * high:.1f}"


def points(difference: Difference | None) -> str:
    """A difference of shares in points, with its interval: ``-1.2 [-2.0, -0.4]``."""
    if difference is None or difference.value is None:
        return NONE
    low, high = difference.interval
    value = f"{100 * difference.value:+.1f}"
    return value if low is None or high is None else f"{value} [{100 * low:+.1f}, {100 * high:+.1f}]"


def run_name(run: RunMetrics) -> str:
    """What this run's rows are called."""
    return f"this run: {'SVM' if run.model == 'svm' else 'network'}, {run.protocol.name}"


def headline_table(run: RunMetrics) -> Table:
    """Every headline metric: pooled with its interval, mean over folds, each seed, and the baseline."""
    base = run.baseline
    header = ("metric", "pooled [95% interval]", "mean over folds", run.seeds_named)
    rows = []
    for field, name in _HEADLINE_NAMES:
        metric: Metric = getattr(run.scores, field)
        seeds = " ".join(percent(value) for value in metric.per_seed)
        compared = [with_interval(getattr(other.scores, field)) for other in (run.by_itself, base) if other]
        rows.append((name, with_interval(metric), percent(metric.mean_over_folds), seeds, *compared))
    others = [run.by_itself.name] if run.by_itself else []
    return Table((*header, *others, *([f"{base.name.upper()} baseline"] if base else [])), tuple(rows))


def calibration_table(run: RunMetrics) -> Table | None:
    """Calibration before and after temperature scaling; None for a run that could not fit a temperature."""
    found = run.calibrated
    if found is None:
        return None
    seeds = run.seeds_named
    header = ("", "as it answers", seeds, "temperature-scaled", seeds)
    before, after = found.before, found.after
    rows = (
        (
            *("expected calibration error", percent(before.ece.pooled), " ".join(map(percent, before.ece.per_seed))),
            *(percent(after.ece.pooled), " ".join(map(percent, after.ece.per_seed))),
        ),
        (
            *("negative log-likelihood, nats", _short(before.nll.pooled), " ".join(map(_short, before.nll.per_seed))),
            *(_short(after.nll.pooled), " ".join(map(_short, after.nll.per_seed))),
        ),
    )
    note = (
        "Each fold is scaled by the temperature fitted on the answers to the other folds' speakers. "
        f"The one fitted on all of them, which a checkpoint takes, is {found.temperature:.3f}: "
        f"{'above 1, it makes answers less sure' if found.temperature > 1 else 'below 1, it makes answers surer'}. "
        "Which emotion is named does not change."
    )
    return Table(header, rows, notes=(note,))


def published_tables(run: RunMetrics) -> dict[str, Table]:
    """This run beside published numbers, all of which are of RAVDESS: empty for other corpora or other classes."""
    if run.data.corpus != PAPER_CORPUS or run.labels != RAVDESS_EMOTIONS.names:
        return {}
    return {"table_1": table_1(run), "table_2": table_2(run), "protocols": protocol_table(run)}


def table_1(run: RunMetrics) -> Table:
    """The paper's table 1 as printed, with both readings of accuracy in columns of their own, and this run."""
    readings = ("accuracy as printed", f"{PAPER_CLASSES}-class accuracy (WAR)", "mean one-vs-rest accuracy")
    header = ("method", "precision", "F1", "recall", "specificity", *readings)
    rows = tuple(_table_1_row(row) for row in TABLE_1)
    scores = run.scores
    ours = (
        run_name(run),
        *(fraction(each.pooled) for each in (scores.macro_precision, scores.macro_f1, scores.macro_recall)),
        *(fraction(scores.macro_specificity.pooled), NONE, fraction(scores.war.pooled)),
        fraction(scores.mean_one_vs_rest_accuracy.pooled),
    )
    notes = (
        f"The paper's accuracy of {PAPER_ONE_VS_REST_ACCURACY:.4f} is the mean of eight one-vs-rest accuracies. Its "
        f"8-class accuracy, from the same {PAPER_MISTAKES} mistakes in {PAPER_CLIPS} clips, is "
        f"{PAPER_CLIPS - PAPER_MISTAKES}/{PAPER_CLIPS} = {PAPER_WAR:.4f}. Compare WAR with WAR.",
        "Published rows are as the paper prints them, with its reference numbers and the specificity of 99.45. "
        "The paper's own row is a random split in which every actor is both learnt from and tested on.",
    )
    return Table(header, (*rows, ours), (len(rows),), notes)


def table_2(run: RunMetrics) -> Table:
    """The paper's table 2: one-vs-rest accuracy by class, and this run's recall beneath, which is harder to please."""
    names = run.labels
    published = [(method, *(values[name] for name in names)) for method, values in TABLE_2.items()]
    by_label = {row.label: row for row in run.scores.per_class}
    ours = [
        ("this run: one-vs-rest accuracy", *(_short(by_label[name].one_vs_rest_accuracy) for name in names)),
        ("this run: recall", *(_short(by_label[name].recall) for name in names)),
    ]
    notes = (
        "One-vs-rest accuracy asks only “this class or not”: of eight classes, a model that never names a class is "
        "still right on seven eighths of the clips. Recall is the share of the class's clips that are recognised.",
    )
    rows = (*published, *ours)
    return Table(("method", *names), rows, (len(rows) - 2, len(rows) - 1), notes)


def class_table(scores: Scores) -> Table:
    """Every per-class score of the run."""
    header = ("class", "clips", "recall", "precision", "F1", "specificity", "one-vs-rest accuracy", "AUC")
    rows = tuple(
        (
            *(row.label, str(row.support), percent(row.recall), percent(row.precision), percent(row.f1)),
            *(percent(row.specificity), percent(row.one_vs_rest_accuracy), _short(row.auc)),
        )
        for row in scores.per_class
    )
    return Table(header, rows)


def protocol_table(run: RunMetrics) -> Table:
    """The protocols of the field, what was published on each, and this run in its own row only."""
    rows = []
    for row in PROTOCOLS:
        ours = f"WAR {percent(run.scores.war.pooled)}, UAR {percent(run.scores.uar.pooled)}"
        rows.append((row.name, row.what, row.published, ours if row.name == run.protocol.name else ""))
    marked = tuple(k for k, row in enumerate(rows) if row[0] == run.protocol.name)
    notes = ("Numbers of different protocols cannot be compared: what each asks of a model differs.",)
    return Table(("protocol", "test parts", "published on RAVDESS", "this run"), tuple(rows), marked, notes)


def speaker_table(scores: Scores) -> Table:
    """WAR and UAR of every speaker."""
    rows = tuple(
        (row.speaker, row.sex or NONE, str(row.clips), percent(row.war), percent(row.uar)) for row in scores.per_speaker
    )
    return Table(("speaker", "sex", "clips", "WAR", "UAR"), rows)


def sex_table(scores: Scores) -> Table:
    """WAR and UAR of the speakers of each sex."""
    rows = tuple(
        (row.sex, str(row.speakers), str(row.clips), percent(row.war), percent(row.uar)) for row in scores.per_sex
    )
    return Table(("sex", "speakers", "clips", "WAR", "UAR"), rows)


def split_table(run: RunMetrics) -> Table:
    """Who stood on which side of each fold."""
    rows = tuple(
        (
            *(fold.name, ", ".join(fold.test_speakers), ", ".join(fold.validation_speakers)),
            *(", ".join(fold.train_speakers), f"{fold.n_test} / {fold.n_validation} / {fold.n_train}"),
            ", ".join(fold.shared_speakers) or ("none" if fold.test_speakers else "unknown"),
        )
        for fold in run.protocol.folds
    )
    clips = "clips: test / validation / training"
    return Table(("fold", "test speakers", "validation", "training", clips, "test speakers seen in training"), rows)


def results_table(runs: Mapping[str, RunMetrics]) -> Table:
    """Runs by their names, side by side, by protocol and normalisation, which never share a column."""
    header = ("run", "recipe", "model", "protocol", "normalisation", "modality", "seeds", "WAR [95%]", "UAR [95%]")

    def place(named: tuple[str, RunMetrics]) -> tuple[str, ...]:
        run = named[1]
        return run.protocol.name, run.normalisation, run.recipe, run.modality, run.model

    rows = tuple(
        (
            *(
                name,
                run.recipe,
                run.model_name,
                run.protocol.name + (" (leaks)" if run.protocol.leaky else ""),
                run.normalisation,
            ),
            *(run.modality, str(len(run.seeds)), with_interval(run.scores.war), with_interval(run.scores.uar)),
            percent(run.scores.mean_one_vs_rest_accuracy.pooled),
            percent(run.by_itself.scores.war.pooled) if run.by_itself else NONE,
            percent(run.baseline.scores.war.pooled) if run.baseline else NONE,
            percent(run.scores.ece.pooled),
            percent(run.calibrated.after.ece.pooled) if run.calibrated else NONE,
        )
        for name, run in sorted(runs.items(), key=place)
    )
    others = ("one-vs-rest accuracy", "WAR, each clip by itself", "SVM WAR", "ECE", "ECE, scaled")
    return Table((*header, *others), rows)


def results_markdown(runs: Mapping[str, RunMetrics]) -> str:
    """Runs by their names as a markdown table."""
    return to_markdown(results_table(runs))


def to_markdown(table: Table) -> str:
    """A table as GitHub markdown, its notes as paragraphs beneath."""
    lines = [table.header, tuple("---" for _ in table.header), *table.rows]
    grid = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n\n".join([grid, *table.notes]) + "\n"


def _table_1_row(row: Table1Row) -> tuple[str, ...]:
    proposed = row.method == PAPER_METHOD
    both = (fraction(PAPER_WAR), fraction(PAPER_ONE_VS_REST_ACCURACY)) if proposed else (NONE, NONE)
    return (row.method, row.precision, row.f1, row.recall, row.specificity, row.accuracy, *both)


def _short(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"
