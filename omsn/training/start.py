"""The weights that a training starts from, where it does not start afresh: another corpus', to be adapted to this one.

Whoever trained them counts as learnt from: they are told with every result, and none may be tested on unnoticed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omsn.data.dataset import FeatureSet
from omsn.data.splits import Fold
from omsn.errors import ConfigError, LeakError
from omsn.models.checkpoint import Checkpoint, digest_of, load_checkpoint
from omsn.models.transfer import check_fit, check_pipeline
from omsn.training.overlap import Overlap
from omsn.training.plan import Plan
from omsn.training.rounds import meaning_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Start:
    """A checkpoint to start from.

    Attributes:
        checkpoint: with the network.
        digest: of its files.
        leaks: what its speakers let pass, as text.
        namesakes: speakers tested on who are called as some that trained it on another corpus: the same people or not.
    """

    checkpoint: Checkpoint
    digest: str
    leaks: tuple[str, ...]
    namesakes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """What a run tells of it, ready for JSON."""
        return {
            "digest": self.digest,
            "recipe": Path(str(self.checkpoint.facts.get("recipe", ""))).name,
            "corpus": list(self.checkpoint.facts.get("corpus", ())),
            "speakers": list(self.checkpoint.speakers),
            "namesakes": list(self.namesakes),
        }


def load_start(plan: Plan, features: FeatureSet, folds: Iterable[Fold]) -> Start | None:
    """The checkpoint that a plan starts from; None where it starts afresh.

    Args:
        plan: what to do.
        features: what is learnt from and tested on.
        folds: who is tested on.

    Raises:
        CheckpointError: it is damaged, is of a network built with other settings, or was trained on other features.
        ConfigError: the plan is of the SVM.
        LeakError: speakers that are tested on trained it, and leaks are not allowed.
    """
    if plan.start_from is None:
        return None
    if plan.model != "network":
        raise ConfigError(f"--start-from {plan.start_from}: the {plan.model} starts from nothing; leave it out")
    checkpoint = load_checkpoint(plan.start_from)
    check_fit(checkpoint, plan.config.network, meaning_of(features))
    check_pipeline(checkpoint.config.pipeline, features.pipeline, features.source)
    tested = {features.clips[index].speaker for fold in folds for index in fold.test}
    overlap = Overlap.of(checkpoint, features)
    leaking = [speaker for speaker in overlap.shared if speaker in tested]
    namesakes = tuple(speaker for speaker in overlap.namesakes if speaker in tested)
    told = f"{len(leaking)} speakers of {features.source} that are tested on trained {plan.start_from}: "
    told += overlap.told(leaking)
    if leaking and not plan.allow_leaks:
        raise LeakError(f"{told}; start afresh, leave them out, or allow leaks (omsn crossval --allow-leaks)")
    if namesakes:
        logger.warning(
            "speakers %s are called as those of another corpus that trained %s; where they are the same people, "
            "these scores flatter",
            ", ".join(namesakes),
            plan.start_from,
        )
    return Start(checkpoint, digest_of(plan.start_from), (told,) if leaking else (), namesakes)
