"""The weights that a training starts from, where it does not start afresh: another corpus', to be adapted to this one.

Whoever trained them counts as learnt from: they are told with every result, and none may be tested on unnoticed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omsn.data.dataset import FeatureSet
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
    """

    checkpoint: Checkpoint
    digest: str
    leaks: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """What a run tells of it, ready for JSON."""
        return {
            "digest": self.digest,
            "recipe": Path(str(self.checkpoint.facts.get("recipe", ""))).name,
            "corpus": list(self.checkpoint.facts.get("corpus", ())),
            "speakers": list(self.checkpoint.speakers),
        }


def load_start(plan: Plan, features: FeatureSet, *, tested: bool = True) -> Start | None:
    """The checkpoint that a plan starts from; None where it starts afresh.

    Args:
        plan: what to do.
        features: what is learnt from and, where ``tested``, tested on.
        tested: speakers of the features are tested on.

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
    overlap = Overlap.of(checkpoint, features)
    shared = f"{len(overlap.shared)} speakers of {features.source} trained {plan.start_from}"
    told = f"{shared}: {', '.join(overlap.shared[:8])}{overlap.copies}"
    leaking = tested and bool(overlap.shared)
    if leaking and not plan.allow_leaks:
        raise LeakError(f"{told}; start afresh, leave them out, or allow leaks (--allow-leaks)")
    if tested and overlap.namesakes:
        logger.warning(
            "speakers %s are called as those of another corpus that trained %s; where they are the same people, "
            "these scores flatter",
            ", ".join(overlap.namesakes[:8]),
            plan.start_from,
        )
    return Start(checkpoint, digest_of(plan.start_from), (told,) if leaking else ())
