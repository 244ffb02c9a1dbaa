"""What a run does: its settings, its folds and seeds, and the leaks that it lets pass."""

from __future__ import annotations

import hashlib
import logging
import string
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omsn.config import Config
from omsn.data.dataset import FeatureSet
from omsn.data.leakage import check_leaks
from omsn.data.splits import PROTOCOLS, Attribute, Fold, make_folds
from omsn.errors import ConfigError
from omsn.recipes import flat_settings, to_dict
from omsn.types import Clip

Model = Literal["network", "svm"]

_SAFE = frozenset(string.ascii_lowercase + string.digits + "-_+")
_LONGEST = 60

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What a cross-validation or training does.

    Attributes:
        cache: the prepared corpus.
        protocol: a name of ``PROTOCOLS``.
        seeds: one whole round of folds each.
        model: the network, or the SVM on clip statistics.
        config: settings; the pipeline section must be that of the cache.
        recipe: its name, for the report.
        allow_leaks: report forbidden leaks instead of refusing.
        start_from: folder of a checkpoint whose weights every network starts from; None starts afresh.
        networks: trained for each fold of a cross-validation, to answer together.

    Raises:
        ConfigError: no networks, or several of an SVM, in which there is no luck.
    """

    cache: Path
    protocol: str
    seeds: tuple[int, ...]
    model: Model
    config: Config
    recipe: str
    allow_leaks: bool = False
    start_from: Path | None = None
    networks: int = 1

    def __post_init__(self) -> None:
        if self.networks < 1 or (self.networks > 1 and self.model == "svm"):
            raise ConfigError(
                f"--networks: got {self.networks} for the {self.model}, expected at least 1; "
                "several only of the network, for an SVM would give the same answer each time"
            )

    def network_seeds(self, seed: int) -> tuple[int, ...]:
        """Seeds of the networks that answer together in a round; those of no other round, and 0, 1, ... in round 0."""
        return tuple(range(seed * self.networks, (seed + 1) * self.networks))


@dataclass(frozen=True, eq=False)
class Round:
    """One fold with one seed."""

    seed: int
    fold: Fold

    @property
    def folder_name(self) -> str:
        """A name of its own on every file system, whatever the speakers are called."""
        safe = "".join(char if char in _SAFE else "_" for char in self.fold.name)[:_LONGEST]
        if safe != self.fold.name:
            safe += "-" + hashlib.sha256(self.fold.name.encode()).hexdigest()[:8]
        return f"seed-{self.seed}_{safe}"


def check_features(plan: Plan, features: FeatureSet) -> None:
    """Check that the features are those that the plan's settings make: its recipe names them in every report.

    Raises:
        ConfigError: they were made with other settings; all that differ are listed.
    """
    asked, made = (
        flat_settings(to_dict(pipeline), "pipeline.") for pipeline in (plan.config.pipeline, features.pipeline)
    )
    changed = [f"{name} is {made[name]}, not {asked[name]}" for name in asked if asked[name] != made[name]]
    if changed:
        raise ConfigError(
            f"{features.source} was prepared with other settings than recipe {plan.recipe} asks for: "
            f"{'; '.join(changed)}. Prepare a cache with this recipe, or name the one that this cache was prepared with"
        )


def plan_rounds(plan: Plan, features: FeatureSet) -> tuple[list[Round], tuple[str, ...]]:
    """Every fold of every seed, and the leaks that the protocol lets pass, as text.

    Raises:
        LeakError: the folds share what the protocol keeps apart, and leaks are not allowed.
        InputError: the protocol does not fit the corpus.
    """
    share = plan.config.training.validation_share
    kept_apart = PROTOCOLS[plan.protocol].disjoint_by if plan.protocol in PROTOCOLS else frozenset()
    if "speaker" in kept_apart and plan.model == "network":
        warn_of_strangers(plan.config, plan.protocol)
    rounds: list[Round] = []
    leaks: list[str] = []
    for seed in plan.seeds:
        for fold in make_folds(features.clips, plan.protocol, seed, share):
            rounds.append(Round(seed, fold))
            leaks += leaks_into_test(features, rounds[-1], kept_apart, allow=plan.allow_leaks)
    return rounds, tuple(leaks)


def warn_of_strangers(config: Config, cut: str) -> None:
    """Tell that a network that knows its speakers is tested on others, by a cut that keeps speakers apart."""
    if config.network.known_speakers:
        logger.warning(
            "%s keeps speakers apart, but network.known_speakers takes everyone for somebody it learnt from; "
            "expect worse answers, or set network.known_speakers=false",
            cut,
        )


def leaks_into_test(
    features: FeatureSet, one: Round, kept_apart: Collection[Attribute], *, allow: bool
) -> tuple[str, ...]:
    """What a round's test part shares with the others, as text for the report; empty where it shares nothing.

    Raises:
        LeakError: it shares what is to be kept apart, and leaks are not allowed.
    """
    found = check_leaks(features.clips, one.fold, kept_apart, allow, features.contents)
    tested = [leak for leak in found if "test" in leak.sides]
    if not tested:
        return ()
    counts = Counter(kind for kind, *_ in {(leak.kind, leak.what, leak.clips[1]) for leak in tested})
    worst = min(tested, key=lambda leak: (not leak.forbidden, counts[leak.kind]))
    listed = ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))
    return (f"{one.fold.name} (seed {one.seed}): the test part shares with the others {listed}, such as: {worst}",)


def corpus_of(clips: Iterable[Clip]) -> str:
    """The names of the corpora that clips are of."""
    return ", ".join(sorted({clip.corpus for clip in clips}))


def speaker_names(features: FeatureSet) -> list[str]:
    """Speaker of each sample; with the corpus where there are several: one name in two corpora is two people."""
    several = len({clip.corpus for clip in features.clips}) > 1
    return [f"{clip.corpus}-{clip.speaker}" if several and clip.speaker else clip.speaker for clip in features.clips]
