"""What each part brings: the rows of an ablation, and what they measured as a section of docs/results.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from omsn.errors import InputError
from omsn.report.run import RunMetrics
from omsn.report.tables import NONE, Table, points, to_markdown, with_interval

PREFIX = "ablation-"
FULL = f"{PREFIX}full"

SAME_WAR = 1e-6
"""Rounding of sums: a clip more or less is a thousand times as much."""

Group = Literal["paper", "ours"]
GROUPS: Mapping[Group, str] = {"paper": "Parts of the paper", "ours": "Our own additions"}

Answer = Literal["helps", "no clear difference", "harms", "not known", "not judged"]


@dataclass(frozen=True)
class Row:
    """The full model with one part changed.

    Attributes:
        name: of the row on the command line; its run is called ``ablation-NAME``.
        part: as tables name it.
        turned: "off" where the full model has the part and the row has not, "on" where it is the other way round.
        group: whose part it is.
        settings: what the row changes; empty for a row that needs a file to tell them.
        heard: True where the settings were found with the help of speakers under test, so that it cannot be judged.
    """

    name: str
    part: str
    turned: Literal["off", "on"]
    group: Group
    settings: tuple[str, ...] = ()
    heard: bool = False


def _both(setting: str) -> tuple[str, str]:
    """The same setting of both encoders."""
    return f"network.audio.{setting}", f"network.video.{setting}"


KEYFRAMES, SEARCHED = "keyframes", "searched-learning-rate"

ROWS = (
    Row("bilstm", "BiLSTM, instead of pooling the frames", "off", "paper", _both("recurrent=false")),
    Row("mpdrf", "MPDRF-Net, instead of concatenation", "off", "paper", ("network.fusion.kind=concatenation",)),
    Row("bcpw", "BCPW, instead of the mean of both modalities", "off", "paper", ("network.fusion.bcpw=false",)),
    Row("residual-transformer", "residual transformer", "off", "paper", ("network.fusion.transformer=false",)),
    Row("dense-skips", "dense skips in the decoder", "off", "paper", ("network.fusion.dense=false",)),
    Row("self-attention", "SMGCNN's self-attention", "off", "paper", ("network.classifier.attention=false",)),
    Row(KEYFRAMES, "keyframes: 32 of a clip's frames", "on", "paper", ("pipeline.video.keyframes=32",)),
    Row(
        "binary-cross-entropy",
        "binary cross-entropy, instead of cross-entropy",
        "on",
        "paper",
        ("training.loss=binary_cross_entropy",),
    ),
    Row(SEARCHED, "SMGCNN's learning rate as MGO found it", "on", "paper", heard=True),
    Row("conv-front", "convolutions before the BiLSTM", "off", "ours", _both("conv_layers=0")),
    Row("attention-pooling", "frames weighed when pooled into rows", "off", "ours", _both("attention_heads=0")),
    Row("speaker-swap", "swapped speakers", "off", "ours", ("training.augment.speaker_swap=0",)),
    Row("mixup", "mixup", "off", "ours", ("training.augment.mixup=0",)),
    Row("auxiliary-heads", "a head for each modality", "off", "ours", ("training.auxiliary=0",)),
    Row("weight-averaging", "averaged weights", "off", "ours", ("training.average=0",)),
)


def ablation_section(runs: Mapping[str, RunMetrics]) -> str:
    """The section, empty where no row is recorded.

    Args:
        runs: recorded runs by name; those that are no row are passed over.

    Raises:
        InputError: a row and the full model are of other recipes, folds or clips.
    """
    found = [(row, runs[PREFIX + row.name]) for row in ROWS if PREFIX + row.name in runs]
    full = runs.get(FULL)
    if full is not None:
        _check_alike(found, full)
    return "\n".join(_parts(found, full)) if found else ""


def _check_alike(found: Sequence[tuple[Row, RunMetrics]], full: RunMetrics) -> None:
    def of(run: RunMetrics) -> str:
        data = f"{run.data.clips} clips of {run.data.corpus}"
        return f"recipe {run.recipe}, {run.protocol.name}, normalisation {run.normalisation}, {run.modality}, {data}"

    for row, run in found:
        if of(run) != of(full):
            raise InputError(f"{PREFIX}{row.name}: recorded of {of(run)}; {FULL} of {of(full)}; run both alike")


def judge(row: Row, run: RunMetrics) -> Answer:
    """What the part does to WAR, as far as the interval of the paired difference lies beside 0."""
    if row.heard:
        return "not judged"
    gap = run.against.difference.get("war") if run.against else None
    low, high = gap.interval if gap else (None, None)
    if low is None or high is None:
        return "not known"
    more, less = low > 0, high < 0
    helped, harmed = (less, more) if row.turned == "off" else (more, less)
    return "helps" if helped else "harms" if harmed else "no clear difference"


def _parts(found: Sequence[tuple[Row, RunMetrics]], full: RunMetrics | None) -> Iterator[str]:
    first = full or found[0][1]
    yield "## What each part of the paper brings\n"
    yield (
        f"`scripts/ablation.py` on {first.data.corpus}, {first.protocol.name}, normalisation {first.normalisation}, "
        f"recipe {first.recipe}: the full model with one part changed at a time, trained and tested on the same folds. "
        f"Differences are the row less the full model under the row's seeds, in points, with their 95% interval: each "
        f"draw takes the same speakers for both.\n"
    )
    for group, title in GROUPS.items():
        rows = [(row, run) for row, run in found if row.group == group]
        if rows:
            yield f"### {title}\n"
            yield to_markdown(_table(rows, full))
    yield from _other_comparisons(found, full)
    yield from _verdicts(found)


def _other_comparisons(found: Sequence[tuple[Row, RunMetrics]], full: RunMetrics | None) -> Iterator[str]:
    """Rows that were compared with another training of the full model than the one in the table."""
    told = []
    for row, run in found:
        here = _war_of_seeds(full, run.seeds) if full else None
        gap, war = run.against.difference.get("war") if run.against else None, run.scores.war.pooled
        there = None if gap is None or gap.value is None or war is None else war - gap.value
        if here is not None and there is not None and abs(here - there) > SAME_WAR:
            told.append(f"{_short(row)} ({there:.1%})")
    if told:
        yield f"Compared with another training of the full model, whose WAR stands behind each: {', '.join(told)}.\n"


def _war_of_seeds(run: RunMetrics, seeds: Sequence[int]) -> float | None:
    """The mean WAR of some of a run's seeds; None where it has not all of them."""
    of_seed = dict(zip(run.seeds, run.scores.war.per_seed, strict=True))
    found = [war for seed in seeds if (war := of_seed.get(seed)) is not None]
    return sum(found) / len(found) if found and len(found) == len(seeds) else None


def _short(row: Row) -> str:
    return row.part.partition(",")[0].partition(":")[0]


def _table(rows: Sequence[tuple[Row, RunMetrics]], full: RunMetrics | None) -> Table:
    header = ("part", "seeds", "WAR [95%]", "UAR [95%]", "WAR, less the full model's", "UAR, less the full model's")
    whole = [("the full model", *_scores(full), NONE, NONE, NONE)] if full else []
    lines = [
        (f"{'without' if row.turned == 'off' else 'with'} {row.part}", *_scores(run), *_gaps(run), judge(row, run))
        for row, run in rows
    ]
    return Table((*header, "the part, by WAR"), (*whole, *lines))


def _scores(run: RunMetrics) -> tuple[str, str, str]:
    return str(len(run.seeds)), with_interval(run.scores.war), with_interval(run.scores.uar)


def _gaps(run: RunMetrics) -> tuple[str, str]:
    gaps = run.against.difference if run.against else {}
    return points(gaps.get("war")), points(gaps.get("uar"))


def _verdicts(found: Sequence[tuple[Row, RunMetrics]]) -> Iterator[str]:
    """What helps, what does not, in sentences; and how far to trust so many intervals."""
    answers: dict[Answer, list[str]] = {answer: [] for answer in get_args(Answer)}
    for row, run in found:
        answers[judge(row, run)].append(_short(row))
    for answer, parts in answers.items():
        if parts:
            yield f"- **{answer[0].upper()}{answer[1:]}**: {'; '.join(parts)}."
    if any(row.heard for row, _ in found):
        yield "\nThe search for the learning rate has heard all speakers, those under test too: its row flatters it."
    judged = [run for row, run in found if not row.heard]
    if not judged:
        return
    n_seeds = min(len(run.seeds) for run in judged)
    yield (
        f"\nOf {len(judged)} intervals of parts that do nothing, {0.05 * len(judged):.1f} would lie beside 0 by "
        "chance. They tell of other speakers; the luck of a training is in them only as far as "
        f"{n_seeds} {'seed' if n_seeds == 1 else 'seeds'} can average it out.\n"
    )
