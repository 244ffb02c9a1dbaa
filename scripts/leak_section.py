"""What a random split hides: one model under four protocols, as a section of docs/results.md and a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean

from omsn.data.splits import PROTOCOLS
from omsn.errors import InputError
from omsn.report.protocols import ProtocolScores, draw_protocols
from omsn.report.run import RunMetrics
from omsn.report.scores import Metric
from omsn.report.style import caption, figure_style, to_svg_file
from omsn.report.tables import GIVEN, NONE, Table, percent, to_markdown, with_interval

PREFIX = "leak-"
PICTURE = Path("docs", "leak.svg")

PROTOCOL_NAMES = ("random-80-20", "statement", "actors-4", "speaker+statement")
"""From the one that shares most between training and test to the one that shares least."""

SHARED = {
    frozenset(): "people and sentences",
    frozenset({"statement"}): "people",
    frozenset({"speaker"}): "sentences",
    frozenset({"speaker", "statement"}): "neither",
}
"""What the test part shares with the training part, by what the protocol keeps apart."""


def leak_section(runs: Mapping[str, RunMetrics]) -> str:
    """The section, empty where none of its runs is recorded.

    Args:
        runs: recorded runs by name; those of other names are passed over.

    Raises:
        InputError: the runs differ in more than their protocol.
    """
    found = _found(runs)
    return "\n".join(_parts(found)) if found else ""


def leak_picture(runs: Mapping[str, RunMetrics]) -> str | None:
    """The picture as an SVG file, None where there is nothing to draw; arguments and errors as ``leak_section``."""
    found = _found(runs)
    if not found:
        return None
    first = next(iter(found.values()))
    rows = [
        ProtocolScores(name, _shares(name), run.scores.war, run.baseline.scores.war if run.baseline else None)
        for name, run in found.items()
    ]
    figure = draw_protocols(rows, first.scores.chance.war)
    with figure_style():
        caption(figure, _what(first))
    told = "; ".join(f"{row.name}, test shares {row.shared}: {percent(row.network.pooled)}" for row in rows)
    return to_svg_file(figure, f"Accuracy of one network by what its test shares with its training. {told}")


def _found(runs: Mapping[str, RunMetrics]) -> dict[str, RunMetrics]:
    """The section's runs by protocol, of one model, corpus and settings."""
    found = {name: runs[PREFIX + name] for name in PROTOCOL_NAMES if PREFIX + name in runs}
    kinds = {name: (run.data.corpus, run.recipe, run.seeds, dict(run.config)) for name, run in found.items()}
    first = next(iter(kinds), "")
    other = next((name for name, kind in kinds.items() if kind != kinds[first]), None)
    if other is not None:
        raise InputError(
            f"{PREFIX}{other} and {PREFIX}{first} differ in corpus, recipe, seeds or settings; "
            "run scripts/leak.py with one --out, and record its four runs together"
        )
    return found


def _parts(found: Mapping[str, RunMetrics]) -> Iterator[str]:
    first = next(iter(found.values()))
    yield "## What a random split hides\n"
    yield f"`scripts/leak.py`: {_what(first)}. The same model, seeds and clips; only the cut differs.\n"
    yield f"![WAR by what the test shares with the training]({PICTURE.name})\n"
    yield to_markdown(_table(found))
    yield "Where sentences are kept apart there are also fewer clips to learn from, which costs something by itself.\n"
    if {"random-80-20", "actors-4"} <= set(found):
        yield _sentence(found["random-80-20"].scores.war, found["actors-4"].scores.war)


def _what(run: RunMetrics) -> str:
    seeds = "1 seed" if len(run.seeds) == 1 else f"{len(run.seeds)} seeds"
    return f"{run.data.corpus}, recipe {run.recipe}, normalisation {run.normalisation}, {GIVEN[run.modality]}, {seeds}"


def _table(found: Mapping[str, RunMetrics]) -> Table:
    shares, learnt = "the test shares with the training", "clips learnt from"
    header = ("protocol", shares, learnt, "WAR [95%]", "UAR [95%]", "SVM WAR [95%]", "SVM UAR [95%]")
    rows = tuple(
        (name, _shares(name), _learnt(run), *_both(run.scores.war, run.scores.uar), *_svm(run))
        for name, run in found.items()
    )
    return Table(header, rows)


def _learnt(run: RunMetrics) -> str:
    """Clips of a fold's training part, the mean over folds."""
    return f"{fmean(fold.n_train for fold in run.protocol.folds):.0f}"


def _shares(protocol: str) -> str:
    return SHARED[frozenset(PROTOCOLS[protocol].disjoint_by)]


def _svm(run: RunMetrics) -> tuple[str, str]:
    return _both(run.baseline.scores.war, run.baseline.scores.uar) if run.baseline else (NONE, NONE)


def _both(war: Metric, uar: Metric) -> tuple[str, str]:
    return with_interval(war), with_interval(uar)


def _sentence(random: Metric, unseen: Metric) -> str:
    """What the random split's number is worth for people whom the network has never met."""
    if random.pooled is None or unseen.pooled is None:
        return ""
    both = f"The random split says {percent(random.pooled)}; on people whom it has never met the same network reaches "
    gap = 100 * (random.pooled - unseen.pooled)
    if gap <= 0:
        return f"{both}{percent(unseen.pooled)}: here the random split does not flatter.\n"
    return (
        f"{both}{percent(unseen.pooled)}. About {gap:.0f} points are what knowing the people is worth, and whoever "
        "meets new people does not get them. The table has an interval of each number; the gap itself has none.\n"
    )
