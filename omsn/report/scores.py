"""What was measured in a run, as ``metrics.json`` holds it: checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

FEW_SPEAKERS = 10
"""A bootstrap over fewer is told to be too narrow: its 95% intervals cover clearly less."""


class Part(BaseModel):
    """Base of all parts; fields that a later version adds are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Metric(Part):
    """One metric, from 0 to 1; None where it cannot be known."""

    mean_over_folds: float | None
    pooled: float | None
    interval: tuple[float | None, float | None]
    per_seed: tuple[float | None, ...]


class Headline(Part):
    """The metrics that are one number."""

    war: Metric
    uar: Metric
    macro_f1: Metric
    macro_precision: Metric
    macro_recall: Metric
    macro_specificity: Metric
    mean_one_vs_rest_accuracy: Metric
    auc: Metric
    ece: Metric


class ClassRow(Part):
    """How one class is recognised; None where the run has no clip of it."""

    label: str
    support: int
    precision: float | None
    recall: float | None
    specificity: float | None
    one_vs_rest_accuracy: float | None
    f1: float | None
    auc: float | None


class SpeakerRow(Part):
    """How one speaker is recognised."""

    speaker: str
    sex: str
    clips: int
    war: float
    uar: float


class SexRow(Part):
    """How the speakers of one sex are recognised."""

    sex: str
    speakers: int
    clips: int
    war: float
    uar: float


class RocCurve(Part):
    """One class against the rest."""

    label: str
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


class CalibrationBin(Part):
    """Clips whose predicted class was given a probability in (low, high]."""

    low: float
    high: float
    clips: int
    confidence: float
    accuracy: float


class Chance(Part):
    """What knowing nothing scores."""

    war: float
    uar: float


class Scores(Headline):
    """Everything measured in a run."""

    clips: int
    speakers: int
    interval_over: Literal["speakers", "clips"]
    chance: Chance
    per_class: tuple[ClassRow, ...]
    per_speaker: tuple[SpeakerRow, ...]
    per_sex: tuple[SexRow, ...]
    confusion: tuple[tuple[int, ...], ...]
    roc: tuple[RocCurve, ...]
    calibration: tuple[CalibrationBin, ...]


def what_intervals_lack(over: str, speakers: int) -> str:
    """Why intervals over ``speakers`` or ``clips`` are to be read with care, in words; nothing where they are not."""
    if over == "clips":
        return "fewer than two speakers are known, so that intervals are over clips: on new people the spread is wider"
    if speakers < FEW_SPEAKERS:
        return f"{speakers} speakers are few: the intervals are narrower than they should be, the more so the fewer"
    return ""


class Difference(Part):
    """The run's metric less its baseline's, with the interval of the paired bootstrap."""

    value: float | None
    interval: tuple[float | None, float | None]


class Baseline(Part):
    """A simpler model on the same folds."""

    name: str
    scores: Headline
    difference: Mapping[str, Difference] | None = None


class OverSeeds(Part):
    """A number that is smaller the better, with all folds of a seed in one: each seed's, and their mean."""

    pooled: float | None
    per_seed: tuple[float | None, ...]


class Calibration(Part):
    """How far probabilities can be believed: expected calibration error, and negative log-likelihood in nats."""

    ece: OverSeeds
    nll: OverSeeds


class Calibrated(Part):
    """Temperature scaling: each fold's answers scaled by what was fitted on the speakers of the others."""

    temperature: float
    before: Calibration
    after: Calibration
    bins: tuple[CalibrationBin, ...]


class Comparison(Part):
    """This run's metrics less those of another run on the same clips and seeds."""

    run: str
    difference: Mapping[str, Difference]
