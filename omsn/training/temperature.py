"""Temperature scaling of a cross-validation, judged on speakers who had no say in the temperature.

The temperature of a fold is fitted on the answers to other speakers, by the networks of the other folds of the same
seed; then the fold's answers are scaled by it and scored. A fold's test speakers did help to train those other
networks, as in any cross-validation, but no answer to one of their clips decides the temperature that they get.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omsn.config import Config
from omsn.data.dataset import FeatureSet
from omsn.errors import ConfigError
from omsn.recipes import differing_settings, to_dict, with_defaults
from omsn.report.run import read_metrics
from omsn.training.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability_bins,
    tempered,
)
from omsn.training.metrics import top_label
from omsn.training.out_of_fold import OutOfFold
from omsn.training.plan import corpus_of
from omsn.training.start import Start

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldTemperature:
    """What one fold of one seed was scaled by: a temperature fitted on other speakers."""

    seed: int
    fold: str
    temperature: float


@dataclass(frozen=True)
class Fitted:
    """A temperature, and the cross-validation whose answers it was fitted on."""

    temperature: float
    run: str
    protocol: str
    seeds: tuple[int, ...]


def cross_fitted(out_of_fold: OutOfFold) -> tuple[OutOfFold, tuple[FoldTemperature, ...]] | None:
    """Each fold's answers scaled by the temperature of the other folds' speakers.

    Returns:
        the scaled predictions and the temperatures, by seed and fold; None where a fold has no others: speakers are
        unknown, all folds share them, or there is one fold only.
    """
    scaled = out_of_fold.probabilities.astype(np.float64)
    temperatures = []
    for seed, fold in sorted(set(zip(out_of_fold.seeds.tolist(), out_of_fold.folds.tolist(), strict=True))):
        rows = (out_of_fold.seeds == seed) & (out_of_fold.folds == fold)
        others = _of_other_speakers(out_of_fold, rows, seed)
        if others is None:
            return None
        temperature = fit_temperature(out_of_fold.probabilities[others], out_of_fold.truth[others])
        scaled[rows] = tempered(out_of_fold.probabilities[rows], temperature)
        temperatures.append(FoldTemperature(seed, fold, temperature))
    return replace(out_of_fold, probabilities=scaled), tuple(temperatures)


def calibrate(out_of_fold: OutOfFold) -> dict[str, Any] | None:
    """What ``metrics.json`` says of calibration before and after temperature scaling; None where it cannot be known.

    Returns:
        ``temperature``, fitted on all predictions, for a model trained on everybody; ``folds`` with the
        temperature that each was scaled by; ``before`` and ``after`` with ``ece`` and ``nll`` (nats), each ``pooled``
        (the mean over seeds) and ``per_seed``; ``bins`` of the calibration diagram after scaling.
    """
    fitted = cross_fitted(out_of_fold)
    if fitted is None:
        return None
    scaled, temperatures = fitted
    return {
        "temperature": fit_temperature(out_of_fold.probabilities, out_of_fold.truth),
        "folds": [asdict(each) for each in temperatures],
        "before": _scores(out_of_fold),
        "after": _scores(scaled),
        "bins": [asdict(each) for each in _bins(scaled)],
    }


def temperature_of(
    run: Path, config: Config, features: FeatureSet, start: Start | None = None, *, networks: int = 1
) -> Fitted:
    """The temperature that a finished cross-validation found, for a model that is trained in the same way.

    Args:
        run: folder that ``omsn crossval`` wrote, or ``scripts/ensemble.py`` made of one.
        config: settings of the model, all of which must be those of the run.
        features: what the model learns from, whose labels, corpora and number of clips must be the run's.
        start: what the model starts from, which must be what the run's networks started from.
        networks: of the model, that answer together; as many must answer together in the run.

    Returns:
        The temperature of the run; a warning is logged where temperatures made the run's own probabilities worse.

    Raises:
        InputError: the folder holds no finished run.
        ConfigError: the run is of another model, other clips, labels or settings, or could not fit a temperature.
    """
    found = read_metrics(run)
    problems = [] if found.model == "network" else [f"it is of the {found.model}, not of the network"]
    if found.members != networks:
        problems.append(
            f"its answers are of {_counted(found.members)}, and this training makes {networks}; "
            f"omsn crossval --networks {networks} judges as many"
        )
    if found.labels != features.labels.names:
        problems.append(f"its labels are {', '.join(found.labels)}, not {', '.join(features.labels.names)}")
    theirs, ours = f"{found.data.clips} of {found.data.corpus}", f"{len(features.clips)} of {corpus_of(features.clips)}"
    if theirs != ours:
        problems.append(f"its clips are {theirs}, not {ours}")
    problems += differing_settings(with_defaults(found.config), to_dict(config))
    if config.takes_neighbours and found.by_itself is None:
        problems.append(
            "its answers are of each clip by itself; omsn crossval with the same --out answers them together"
        )
    begun = None if found.started_from is None else found.started_from.digest
    beginning = None if start is None else start.digest
    if begun != beginning:
        problems.append(f"its networks started from {_told(begun)}, not from {_told(beginning)}")
    if found.calibrated is None:
        problems.append(
            f"it has no temperature: {found.protocol.name} must keep speakers apart in several folds, and the run must "
            "have been ended by a version of omsn that fits one (omsn crossval with the same --out does it now)"
        )
    if found.calibrated is None or problems:
        raise ConfigError(f"{run}: cannot calibrate this training: {'; '.join(problems)}")
    before, after = found.calibrated.before.nll.pooled, found.calibrated.after.nll.pooled
    if before is not None and after is not None and after > before:
        logger.warning(
            "%s: the temperature %.3g is no help: on speakers who had no say in one, the loss went from %.3f to %.3f; "
            "there are few speakers, or the answers are hardly better than chance",
            *(run, found.calibrated.temperature, before, after),
        )
    return Fitted(found.calibrated.temperature, run.resolve().name, found.protocol.name, found.seeds)


def _counted(networks: int) -> str:
    return "one network each" if networks == 1 else f"{networks} networks together"


def _told(digest: str | None) -> str:
    return "fresh weights" if digest is None else f"checkpoint {digest[:8]}"


def _of_other_speakers(out_of_fold: OutOfFold, rows: NDArray[np.bool_], seed: int) -> NDArray[np.bool_] | None:
    """The seed's predictions for people who are not in these rows; None where there are none, or some are unknown."""
    if (out_of_fold.speakers == "").any():
        return None
    others = (out_of_fold.seeds == seed) & ~np.isin(out_of_fold.speakers, out_of_fold.speakers[rows])
    return others if others.any() else None


def _scores(out_of_fold: OutOfFold) -> dict[str, dict[str, Any]]:
    parts = [out_of_fold.take(out_of_fold.seeds == seed) for seed in np.unique(out_of_fold.seeds)]
    return {
        "ece": _over_seeds([expected_calibration_error(_bins(part)) for part in parts]),
        "nll": _over_seeds([negative_log_likelihood(part.probabilities, part.truth) for part in parts]),
    }


def _over_seeds(values: Sequence[float]) -> dict[str, Any]:
    return {"pooled": float(np.mean(values)), "per_seed": list(values)}


def _bins(out_of_fold: OutOfFold) -> tuple[ReliabilityBin, ...]:
    return reliability_bins(*top_label(out_of_fold.truth, out_of_fold.probabilities))
