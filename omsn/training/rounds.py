"""One fold with one seed: train on it, say what its test part is. The network, or the SVM beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from omsn.config import Config, TrainingConfig
from omsn.data.dataset import FeatureSet
from omsn.data.padded import PaddedSet
from omsn.data.splits import Fold
from omsn.models.checkpoint import Checkpoint
from omsn.models.network import Network
from omsn.models.transfer import Meaning, start_from
from omsn.training.loop import fit
from omsn.training.out_of_fold import OutOfFold
from omsn.training.parts import targets_of
from omsn.training.plan import Plan, speaker_names
from omsn.training.state import Epoch
from omsn.training.svm import fit_svm, part_statistics, svm_probabilities

OnProgress = Callable[[int, int, str], None]


def meaning_of(features: FeatureSet) -> Meaning:
    """What goes into a network for a corpus, and what comes out."""
    sample = features.samples[0].sample
    return Meaning(sample.audio.columns, sample.video.columns, features.labels.names)


def build_network(config: Config, features: FeatureSet, seed: int, trained: Checkpoint | None = None) -> Network:
    """A network for a corpus, fresh or with the weights of a trained one; the same seed gives the same weights.

    Raises:
        CheckpointError: the trained one is built with other settings, or on columns that the features lack.
    """
    meaning = meaning_of(features)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(meaning.sizes(), config.network)
    if trained is not None:
        start_from(network, trained, meaning, seed)
    return network


def fit_each(
    plan: Plan,
    features: FeatureSet,
    train: PaddedSet,
    validation: PaddedSet | None,
    states: Mapping[int, Path],
    *,
    trained: Checkpoint | None = None,
    on_epoch: OnProgress | None = None,
) -> tuple[list[Network], dict[int, tuple[Epoch, ...]]]:
    """Networks that differ by nothing but luck, one after the other.

    Args:
        plan: their settings.
        features: the corpus.
        train: what they learn from.
        validation: what chooses; None where nothing does.
        states: seed of each, and where its training is saved and goes on from, or comes back if it has ended.
        trained: what they start from; None starts afresh.
        on_epoch: called with (epochs done, epochs in all, the loss as text).

    Returns:
        The networks, in evaluation mode, and the epochs of each seed.

    Raises:
        CheckpointError: ``trained`` does not fit, or a state is damaged or of another run.
        TrainingError: a loss is not finite.
    """
    networks, histories, settings = [], {}, plan.config.training
    for number, (seed, state_path) in enumerate(states.items()):

        def tell(epoch: Epoch, before: int = number * settings.epochs) -> None:
            if on_epoch is not None:
                on_epoch(before + epoch.number, len(states) * settings.epochs, f"loss {epoch.loss:.3f}")

        network = build_network(plan.config, features, seed, trained)
        fitted = fit(network, train, validation, settings, seed=seed, state_path=state_path, on_epoch=tell)
        networks.append(network.eval())
        histories[seed] = fitted.history
    return networks, histories


def svm_round(features: FeatureSet, fold: Fold, config: TrainingConfig) -> NDArray[np.float64]:
    """Probabilities of the test part by the SVM, which also learns from the validation part: it needs none."""
    learned, tested = features.at((*fold.train, *fold.validation)), features.at(fold.test)
    targets = np.array(targets_of(learned, features.labels))
    model = fit_svm(part_statistics(learned, config), targets)
    return svm_probabilities(model, part_statistics(tested, config), len(features.labels))


def out_of_fold(features: FeatureSet, fold: Fold, seed: int, probabilities: NDArray[np.floating]) -> OutOfFold:
    """The table of what was said of a fold's test part."""
    clips, speakers = [features.samples[index].clip for index in fold.test], speaker_names(features)
    probabilities = probabilities.astype(np.float64)
    return OutOfFold(
        features.labels,
        clips=np.array([clip.clip for clip in clips]),
        speakers=np.array([speakers[index] for index in fold.test]),
        sexes=np.array([clip.sex for clip in clips]),
        folds=np.array([fold.name] * len(clips)),
        seeds=np.full(len(clips), seed),
        truth=np.array([features.labels.index(clip.emotion) for clip in clips]),
        probabilities=probabilities / probabilities.sum(axis=1, keepdims=True),
    )
