"""The page of one run, and what it says in words: what leaks, and whether the network earns its keep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omsn.report import tables
from omsn.report.figures import draw_figures
from omsn.report.page import write_page
from omsn.report.run import RunMetrics, check_predictions, read_history, read_metrics
from omsn.report.scores import what_intervals_lack

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
        InputError: metrics.json or history.csv is missing, damaged, or of another format; predictions.csv does not hold
            every prediction that the metrics are of.
    """
    run, history = read_metrics(run_dir), read_history(run_dir)
    check_predictions(run_dir, run)
    return write_page(
        run_dir,
        "page.html",
        draw_figures(run, history),
        _DESCRIPTIONS,
        run=run,
        scores=run.scores,
        given=tables.GIVEN,
        warnings=leak_warnings(run),
        narrow=what_intervals_lack(run.scores.interval_over, run.scores.speakers),
        verdict=judge_baseline(run),
        published=tables.published_tables(run),
        tables={
            "headline": tables.headline_table(run),
            "classes": tables.class_table(run.scores),
            "speakers": tables.speaker_table(run.scores),
            "sexes": tables.sex_table(run.scores),
            "split": tables.split_table(run),
            "calibration": tables.calibration_table(run),
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
