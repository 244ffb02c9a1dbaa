"""A checkpoint on a prepared corpus that it has never seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from omsn.config import Normalisation
from omsn.data.dataset import FeatureSet, load_features
from omsn.data.padded import pad
from omsn.data.splits import Fold
from omsn.errors import CheckpointError, LeakError
from omsn.features.normalise import SampleStatistics, leave_out
from omsn.models.checkpoint import Checkpoint, check_columns, load_checkpoint, mode_for
from omsn.training.calibration import tempered
from omsn.training.loop import predict_probabilities
from omsn.training.neighbours import with_neighbours
from omsn.training.out_of_fold import OutOfFold
from omsn.training.overlap import Overlap
from omsn.training.parts import normalised, targets_of
from omsn.training.rounds import out_of_fold
from omsn.training.summary import summarise
from omsn.types import Sample


def evaluate_checkpoint(
    checkpoint: Path, cache: Path, *, normalisation: Normalisation | None = None, allow_leaks: bool = False
) -> tuple[dict[str, Any], OutOfFold]:
    """Score a checkpoint on every clip of a cache, its probabilities scaled by its temperature.

    With ``enrolled`` the clips of a speaker are answered together, if the checkpoint was trained so.

    A cache may lack emotions that the checkpoint names: they can be answered there, wrongly.

    A checkpoint knows its speakers by name and corpus. Where a cache has the same names under another corpus, the
    statistics of their features tell whether these are all the very recordings that trained it. Where they are not,
    the names are told as a possible leak.

    Args:
        checkpoint: folder.
        cache: a prepared corpus.
        normalisation: None takes the mode in which the checkpoint was trained; another one is logged as a warning.
        allow_leaks: score speakers that trained the checkpoint too instead of refusing.

    Returns:
        The metrics, ready for JSON, and the prediction for each clip.

    Raises:
        CheckpointError: the checkpoint is damaged, of other features than the cache, or does not name an emotion of it.
        LeakError: a speaker of the cache trained the checkpoint, under the same corpus or another name of it.
        CacheError: the cache cannot be read.
    """
    torch.set_num_threads(1)
    trained, features = load_checkpoint(checkpoint), load_features(cache)
    _check_fit(trained, features, cache)
    overlap = Overlap.of(trained, features)
    if overlap.shared and not allow_leaks:
        raise LeakError(
            f"{cache}: {len(overlap.shared)} of its speakers trained {checkpoint}: {overlap.told()}; "
            "leave them out, or allow leaks (--allow-leaks)"
        )
    mode, training = mode_for(trained, normalisation), trained.config.training
    samples = _standardised(trained, features, mode)
    part = pad(samples, targets_of(features.samples, trained.labels), training.modality)
    probabilities = predict_probabilities(trained.networks, part, training).numpy()
    everything = Fold("all", (), (), tuple(range(len(features.samples))))
    by_itself = out_of_fold(replace(features, labels=trained.labels), everything, 0, probabilities)
    wccn = trained.wccn if mode == "enrolled" else None
    predictions = with_neighbours(by_itself, features, trained.config, wccn)
    predictions = replace(predictions, probabilities=tempered(predictions.probabilities, trained.temperature))
    facts = {
        "checkpoint": str(checkpoint),
        "cache": str(cache),
        "normalisation": mode,
        "temperature": trained.temperature,
        "speakers_that_trained_it": list(overlap.shared),
        "speakers_of_the_same_name": list(overlap.namesakes),
        "leaks": _leaks(checkpoint, cache, overlap),
        "labels": list(trained.labels.names),
    }
    return facts | {"scores": summarise(predictions, trained.labels)}, predictions


def _standardised(trained: Checkpoint, features: FeatureSet, mode: Normalisation) -> list[Sample]:
    """In the given mode, without the columns that were left out of training, whatever its mode was."""
    training = trained.config.training
    settings = replace(training, normalisation=mode, identity_columns=())
    samples = normalised(features.samples, SampleStatistics.from_arrays(trained.statistics), settings)
    return [leave_out(sample, training.left_out) for sample in samples]


def _check_fit(trained: Checkpoint, features: FeatureSet, cache: Path) -> None:
    unknown = sorted({clip.emotion for clip in features.clips} - set(trained.labels.names))
    if unknown:
        raise CheckpointError(
            f"{cache}: emotions {', '.join(unknown)}; the checkpoint names {', '.join(trained.labels.names)}. "
            "Rename the emotions, leave those clips out, or train on this corpus"
        )
    sample = features.samples[0].sample
    check_columns(trained, sample.audio.columns, sample.video.columns)
    if features.pipeline != trained.config.pipeline:
        raise CheckpointError(
            f"{cache}: prepared with other settings than the checkpoint was trained on; "
            "prepare it again with the checkpoint's recipe (omsn info shows the settings)"
        )


def _leaks(checkpoint: Path, cache: Path, overlap: Overlap) -> list[str]:
    told = []
    if overlap.shared:
        told.append(f"{len(overlap.shared)} speakers of {cache} trained {checkpoint}: {overlap.told()}")
    if overlap.namesakes:
        told.append(
            f"possibly: speakers of {cache} are called as those of another corpus that trained {checkpoint}: "
            f"{', '.join(overlap.namesakes)}; where they are the same people, these scores flatter"
        )
    return told
