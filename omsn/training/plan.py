"""What a run does: its settings, its folds and seeds, and the leaks that it lets pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omsn.config import Config
from omsn.data.dataset import FeatureSet
from omsn.data.leakage import check_leaks
from omsn.data.splits import PROTOCOLS, Fold, make_folds

Model = Literal["network", "svm"]


@dataclass(frozen=True)
class Plan:
    """What a cross-validation or training does.

    Attributes:
        cache: the prepared corpus.
        protocol: a name of ``PROTOCOLS``.
        seeds: one whole round of folds each.
        model: the network, or the SVM on clip statistics.
        config: settings; the pipeline section is that of the cache.
        recipe: its name, for the report.
        allow_leaks: report forbidden leaks instead of refusing.
    """

    cache: Path
    protocol: str
    seeds: tuple[int, ...]
    model: Model
    config: Config
    recipe: str
    allow_leaks: bool = False


@dataclass(frozen=True, eq=False)
class Round:
    """One fold with one seed."""

    seed: int
    fold: Fold

    @property
    def folder_name(self) -> str:
        """A name that any speaker's name fits into."""
        safe = "".join(char if char.isalnum() or char in "-_" else "_" for char in self.fold.name)
        return f"seed-{self.seed}_{safe}"


def plan_rounds(plan: Plan, features: FeatureSet) -> tuple[list[Round], tuple[str, ...]]:
    """Every fold of every seed, and the leaks that the protocol lets pass, as text.

    Raises:
        LeakError: the folds share what the protocol keeps apart, and leaks are not allowed.
        InputError: the protocol does not fit the corpus.
    """
    share = plan.config.training.validation_share
    kept_apart = PROTOCOLS[plan.protocol].disjoint_by if plan.protocol in PROTOCOLS else frozenset()
    rounds, leaks = [], []
    for seed in plan.seeds:
        for fold in make_folds(features.clips, plan.protocol, seed, share):
            found = check_leaks(features.clips, fold, kept_apart, plan.allow_leaks)
            tested = [leak for leak in found if "test" in leak.sides]
            if tested:
                leaks.append(f"{fold.name} (seed {seed}): {len(tested)} leaks, such as: {tested[0]}")
            rounds.append(Round(seed, fold))
    return rounds, tuple(leaks)
