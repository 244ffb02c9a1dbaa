"""The page of one run: ``report.html``, which needs nothing but itself, and its figures as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from omsn.files import replace_file
from omsn.report import tables
from omsn.report.figures import draw_figures
from omsn.report.run import HistoryRow, RunMetrics, read_history, read_metrics
from omsn.report.style import to_svg, write_png

_DESCRIPTIONS = {
    "scores": "WAR and UAR with their 95% intervals, against the baseline and chance",
    "confusion": "Confusion matrix: true classes down, predicted classes across",
    "history": "Accuracy and loss by epoch, for training and validation",
    "roc": "ROC curve of each class against the rest",
    "speakers": "WAR of each speaker, from the hardest to the easiest",
    "calibration": "Share of right answers by the confidence they were given with",
}


@dataclass(frozen=True)
class Verdict:
    """Whether the network earns its keep beside the baseline: an answer and its reason."""

    answer: str
    reason: str


def write_report(run_dir: Path) -> Path:
    """Write ``report.html`` and ``figures/*.png`` of a run from its ``metrics.json`` and ``history.csv``.

    Returns:
        the path of the page.

    Raises:
        InputError: metrics.json or history.csv is missing, damaged, or of another format.
    """
    run, history = read_metrics(run_dir), read_history(run_dir)
    figures = draw_figures(run, history)
    folder = run_dir / "figures"
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        write_png(figure, folder / f"{name}.png")
    page = run_dir / "report.html"
    replace_file(page, render_page(run, history, figures).encode())
    return page


def render_page(run: RunMetrics, history: Sequence[HistoryRow], figures: Mapping[str, Figure]) -> str:
    """The page as HTML, figures inlined as SVG."""
    loader = PackageLoader("omsn", "report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"percent": tables.percent, "interval": tables.interval}
    return environment.get_template("page.html").render(
        run=run,
        scores=run.scores,
        history=history,
        figures={name: to_svg(figure, _DESCRIPTIONS[name]) for name, figure in figures.items()},
        warnings=leak_warnings(run),
        verdict=judge_baseline(run),
        tables={
            "headline": tables.headline_table(run),
            "table_1": tables.table_1(run),
            "table_2": tables.table_2(run),
            "classes": tables.class_table(run.scores),
            "protocols": tables.protocol_table(run),
            "speakers": tables.speaker_table(run.scores),
            "sexes": tables.sex_table(run.scores),
            "split": tables.split_table(run),
        },
    )


def leak_warnings(run: RunMetrics) -> tuple[str, ...]:
    """Everything that makes the run's numbers larger than they would be on new people; empty when nothing does."""
    protocol = run.protocol
    found = list(protocol.leaks)
    shared = sorted({speaker for fold in protocol.folds for speaker in fold.shared_speakers})
    if shared:
        found.append(
            f"{len(shared)} of {run.data.speakers} speakers are both learnt from and tested on within a fold: "
            f"{', '.join(shared)}."
        )
    elif not protocol.speaker_independent:
        found.append("The protocol does not keep speakers apart.")
    return tuple(found)


def judge_baseline(run: RunMetrics) -> Verdict | None:
    """Compare WAR with the baseline's; None where there is no baseline, or nothing to compare.

    With the interval of the paired difference the answer is yes or no as far as that interval lies beside 0.
    Without it, only intervals that do not even touch give an answer.
    """
    base, war = run.baseline, run.scores.war
    if base is None or war.pooled is None or base.scores.war.pooled is None:
        return None
    gap = war.pooled - base.scores.war.pooled
    told = f"WAR {tables.percent(war.pooled)} against {tables.percent(base.scores.war.pooled)}, {100 * gap:+.1f} points"
    paired = (base.difference or {}).get("war")
    if paired is not None:
        low, high = paired.interval
        name = "95% interval of the difference"
    else:
        low, high = _between(war.interval, base.scores.war.interval)
        name = "gap between the two 95% intervals"
    if low is None or high is None:
        return Verdict("Undecided", f"{told}; there is no interval to judge it by.")
    answer = "Yes" if low > 0 else "No" if high < 0 else "Undecided"
    return Verdict(answer, f"{told}; {name}: {100 * low:+.1f} to {100 * high:+.1f} points.")


def _between(
    ours: tuple[float | None, float | None], theirs: tuple[float | None, float | None]
) -> tuple[float | None, float | None]:
    """The least and the largest difference that two intervals allow."""
    if None in (*ours, *theirs):
        return None, None
    return (ours[0] or 0.0) - (theirs[1] or 0.0), (ours[1] or 0.0) - (theirs[0] or 0.0)
