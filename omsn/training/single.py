"""A model trained on everything: the checkpoint that people use, and what held-out speakers say of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from omsn.config import TrainingConfig
from omsn.data.dataset import FeatureSet, load_features
from omsn.data.splits import Fold, hold_out
from omsn.files import replace_file
from omsn.models.checkpoint import Checkpoint, save_checkpoint
from omsn.models.network import Network, count_parameters
from omsn.training.loop import predict_probabilities
from omsn.training.neighbours import fit_wccn, with_neighbours
from omsn.training.out_of_fold import write_predictions
from omsn.training.parts import Parts, make_parts
from omsn.training.plan import Plan, Round, check_features, leaks_into_test, warn_of_strangers
from omsn.training.rounds import OnProgress, fit_each, out_of_fold
from omsn.training.run_folder import claim, describe_run, write_history
from omsn.training.start import Start, load_start
from omsn.training.summary import headline_only, summarise
from omsn.training.temperature import Fitted, temperature_of
from omsn.types import Clip

CHECKPOINT_FOLDER = "checkpoint"
EVERYBODY = "everybody"
"""What the history calls the training part where nobody is held out."""
LICENCES = {"ravdess": "CC BY-NC-SA 4.0 (weights trained on RAVDESS: non-commercial, share alike, name the corpus)"}
"""Licence that a corpus passes on to weights trained on it."""


def train(
    plan: Plan, run: Path, *, calibrate_by: Path | None = None, on_epoch: OnProgress | None = None
) -> dict[str, Any]:
    """Train on every speaker, or on all but ``training.validation_share`` of them, and write a checkpoint.

    With several seeds, a network is trained under each, and all go into the checkpoint, to answer together; the first
    seed draws the speakers that are held out. A training that was interrupted goes on.

    Held-out speakers score it, and then the files that a cross-validation writes lie beside it. They also choose the
    epoch where ``training.keep`` is ``best`` or there is patience; the report then says so.

    Args:
        plan: what to do.
        run: folder of the results.
        calibrate_by: folder of a finished cross-validation with the same settings, in which as many networks answer
            together as there are seeds; the checkpoint takes its temperature. The scores stay those of the networks'
            own probabilities: the held-out speakers helped to fit it.
        on_epoch: called with (epochs done, epochs in all, the loss as text), networks one after the other.

    Returns:
        What ``metrics.json`` holds; without held-out speakers its ``scores`` are None, and no such file is written.

    Raises:
        CheckpointError: the checkpoint to start from is damaged, or of another network or other features.
        LeakError: a held-out speaker trained the checkpoint to start from.
        ConfigError: ``run`` holds a run with other settings, or ``calibrate_by`` is of other settings or of another
            number of networks, or has no temperature.
        InputError: the corpus has too few speakers to hold any out.
        TrainingError: a loss is not finite.
    """
    started = time.monotonic()
    torch.set_num_threads(1)
    features = load_features(plan.cache)
    check_features(plan, features)
    settings = plan.config.training
    fold = training_fold(features.clips, settings.validation_share, plan.seeds[0])
    if fold.test and all(clip.speaker for clip in features.clips):
        warn_of_strangers(plan.config, "training.validation_share")
    start = load_start(plan, features, [fold])
    fitted_by = None
    if calibrate_by is not None:
        fitted_by = temperature_of(calibrate_by, plan.config, features, start, networks=len(plan.seeds))
    claim(run, plan, features, start)
    parts = make_parts(features, fold, settings)
    wccn = fit_wccn(features.at(fold.train), plan.config)
    states = {seed: run / f"state-{seed}.safetensors" for seed in plan.seeds}
    trained = start.checkpoint if start else None
    networks, histories = fit_each(plan, features, parts.train, parts.test, states, trained=trained, on_epoch=on_epoch)
    write_history(run / "history.csv", fold.name, histories)
    scores = None
    if parts.test is not None:
        probabilities = predict_probabilities(networks, parts.test, settings).numpy()
        by_itself = out_of_fold(features, fold, plan.seeds[0], probabilities)
        predictions = with_neighbours(by_itself, features, plan.config, wccn)
        write_predictions(predictions, run / "predictions.csv")
        scores = summarise(predictions, features.labels)
    single = Round(plan.seeds[0], fold)
    metrics = describe_run(plan, features, [single], _leaks(single, features, settings), start) | {
        "members": len(networks),
        "parameters": count_parameters(networks),
        "seconds": round(time.monotonic() - started, 1),
        "scores": scores,
        "baseline": None,
    }
    made = replace(_checkpoint(plan, features, fold, parts, metrics, networks), wccn=wccn)
    made = made if start is None else _adapted(made, start)
    save_checkpoint(run / CHECKPOINT_FOLDER, made if fitted_by is None else _scaled(made, fitted_by))
    if scores is not None:
        replace_file(run / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
    for state_path in states.values():
        state_path.unlink()
    return metrics


def training_fold(clips: Sequence[Clip], share: float, seed: int) -> Fold:
    """Everybody to learn from, or all but a share of the speakers, who then are the test part.

    Raises:
        InputError: too few speakers to hold any out, or no clips.
    """
    return hold_out(clips, share, seed) if share else Fold(EVERYBODY, tuple(range(len(clips))), (), ())


def _leaks(single: Round, features: FeatureSet, settings: TrainingConfig) -> tuple[str, ...]:
    """What makes the scores of the held-out clips flatter the model, as text. The model itself is no worse for it."""
    known = all(clip.speaker for clip in features.clips)
    told = leaks_into_test(features, single, {"speaker"} if known else (), allow=True)
    if single.fold.test and not known:
        told += ("speakers are unknown, so that clips were held out and not people: some may be in both parts",)
    if settings.chooses:
        told += ("the held-out speakers also chose the epoch that was kept, so these scores flatter it",)
    return told


def _checkpoint(
    plan: Plan, features: FeatureSet, fold: Fold, parts: Parts, metrics: dict[str, Any], networks: Sequence[Network]
) -> Checkpoint:
    sample, scores = features.samples[0].sample, metrics["scores"]
    corpora = {features.samples[index].clip.corpus for index in fold.train}
    return Checkpoint(
        tuple(networks),
        plan.config,
        features.labels,
        sample.audio.columns,
        sample.video.columns,
        parts.statistics.to_arrays(),
        tuple(sorted({features.samples[index].clip.speaker for index in fold.train})),
        {
            "recipe": plan.recipe,
            "corpus": sorted(corpora),
            "clips": len(fold.train),
            "sexes": {clip.speaker: clip.sex for clip in (features.samples[index].clip for index in fold.train)},
            "licence": sorted({LICENCES[corpus] for corpus in corpora if corpus in LICENCES}),
            "seeds": list(plan.seeds),
            "held_out_speakers": sorted({features.samples[index].clip.speaker for index in fold.test}),
            "held_out_scores": {
                name: score["pooled"] for name, score in (headline_only(scores) if scores else {}).items()
            },
            "chosen_on_held_out": plan.config.training.chooses,
        },
    )


def _adapted(made: Checkpoint, start: Start) -> Checkpoint:
    """The checkpoint with those who trained what it started from: their voices and faces are in its weights too."""
    before, facts = start.checkpoint.facts, dict(made.facts)
    for name in ("corpus", "licence"):
        facts[name] = sorted({*facts[name], *before.get(name, ())})
    speakers = tuple(sorted({*made.speakers, *start.checkpoint.speakers}))
    facts["sexes"] = {**before.get("sexes", {}), **facts["sexes"]}
    facts["clips"] += before.get("clips", 0)
    return replace(made, speakers=speakers, facts=facts | {"started_from": start.facts()})


def _scaled(made: Checkpoint, by: Fitted) -> Checkpoint:
    """The checkpoint with a temperature, and where that comes from."""
    source = {"run": by.run, "protocol": by.protocol, "seeds": list(by.seeds)}
    return replace(made, temperature=by.temperature, facts={**made.facts, "calibrated_by": source})
