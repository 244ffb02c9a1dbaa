from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import config, features

from omsn.data.splits import Fold, hold_out
from omsn.errors import InputError
from omsn.models.losses import cross_entropy
from omsn.training.loop import fit
from omsn.training.parts import make_parts
from omsn.training.rounds import build_network
from omsn.tuning.fitness import (
    DROPOUT,
    LEARNING_RATE,
    WEIGHT_DECAY,
    Fitness,
    Fused,
    fresh_classifier,
    fused_maps,
    load_fused,
    save_fused,
    usual_settings,
)
from omsn.tuning.space import dimensions

CORPUS = features()
CONFIG = config(epochs=2)
FOLD = hold_out(CORPUS.clips, 0.25, 0)


@pytest.fixture(scope="module")
def fused() -> Fused:
    return fused_maps(CORPUS, FOLD, CONFIG, seed=0)


def fitness_of(fused: Fused, *settings: str, jobs: int = 1, steps: int = 3) -> Fitness:
    return Fitness(fresh_classifier(CORPUS, CONFIG, 0), fused, dimensions(settings), CONFIG, steps, seed=4, jobs=jobs)


@pytest.mark.parametrize("known", [False, True], ids=["strangers", "known speakers"])
def test_maps_are_what_the_trained_network_hands_to_its_classifier(known: bool) -> None:
    """The classifier that was trained with them gives the network's own answers."""
    settings = replace(CONFIG, network=replace(CONFIG.network, known_speakers=known))
    fused, parts = fused_maps(CORPUS, FOLD, settings, seed=0), make_parts(CORPUS, FOLD, CONFIG.training)
    assert parts.test is not None
    network = build_network(settings, CORPUS, seed=0)
    fit(network, parts.train, None, CONFIG.training, seed=0)
    network.eval()
    assert network.classifier is not None
    for part, kept in ((parts.train, fused.train), (parts.test, fused.validation)):
        batch = part.batch(torch.arange(len(part)))
        with torch.no_grad():
            torch.testing.assert_close(kept.maps, network.fuse(*network.encode(network.standardised(batch))))
            torch.testing.assert_close(network.classifier(kept.maps), network(batch))
        assert torch.equal(kept.targets, part.targets)


def test_maps_follow_from_the_seed(fused: Fused) -> None:
    assert torch.equal(fused_maps(CORPUS, FOLD, CONFIG, seed=0).train.maps, fused.train.maps)
    assert not torch.equal(fused_maps(CORPUS, FOLD, CONFIG, seed=1).train.maps, fused.train.maps)


def test_maps_are_those_of_the_last_epoch_whatever_else_training_keeps(fused: Fused) -> None:
    """Its validation speakers judge the candidates; they must not choose the encoders too."""
    best = replace(CONFIG, training=replace(CONFIG.training, keep="best"))
    assert torch.equal(fused_maps(CORPUS, FOLD, best, seed=0).train.maps, fused.train.maps)


def test_maps_of_a_fold_without_kept_out_speakers() -> None:
    with pytest.raises(InputError, match="all: no speakers kept out to validate candidates on"):
        fused_maps(CORPUS, Fold("all", tuple(range(len(CORPUS.samples))), (), ()), CONFIG, seed=0)


def test_no_training_is_the_loss_of_the_start(fused: Fused) -> None:
    """A learning rate at the bottom of its range leaves the start nearly as it was."""
    fitness = fitness_of(fused, LEARNING_RATE, steps=1)
    start = fresh_classifier(CORPUS, CONFIG, 0).eval()
    with torch.no_grad():
        logits = start(fused.validation.maps)
    expected = cross_entropy(logits, torch.nn.functional.one_hot(fused.validation.targets, 3).float())
    assert fitness(np.array([[-5.0]])) == pytest.approx(float(expected), abs=1e-3)


def test_one_loss_a_candidate_and_processes_change_nothing(fused: Fused) -> None:
    points = np.array([[-4.0], [-3.0], [-2.0], [-1.5], [-1.0]])
    losses = fitness_of(fused, LEARNING_RATE)(points)
    assert losses.shape == (5,)
    assert len(set(losses.tolist())) == 5
    np.testing.assert_allclose(fitness_of(fused, LEARNING_RATE, jobs=2)(points), losses, rtol=1e-5)
    np.testing.assert_allclose(fitness_of(fused, LEARNING_RATE)(points[2:3]), losses[2:3], rtol=1e-5)


def test_candidates_take_what_no_axis_varies_from_the_settings(fused: Fused) -> None:
    varied = fitness_of(fused, WEIGHT_DECAY, DROPOUT).candidates(np.array([[0.2, 0.5], [0.4, 0.1]]))
    assert varied.weight_decays.tolist() == [0.2, 0.4]
    assert varied.dropouts.tolist() == [0.5, 0.1]
    assert varied.learning_rates.tolist() == [CONFIG.training.learning_rate] * 2
    own = replace(CONFIG, training=replace(CONFIG.training, classifier_learning_rate=0.03))
    fitness = replace(fitness_of(fused, WEIGHT_DECAY), config=own)
    assert fitness.candidates(np.array([[0.2]])).learning_rates.tolist() == [0.03]


@pytest.mark.parametrize(("own", "used"), [(None, 0.004), (0.03, 0.03)])
def test_the_usual_rate_is_the_one_that_the_classifier_learns_with(own: float | None, used: float) -> None:
    usual = config(epochs=1)
    training = replace(usual.training, learning_rate=0.004, classifier_learning_rate=own, weight_decay=0.2)
    assert usual_settings(replace(usual, training=training)) == {
        LEARNING_RATE: used,
        WEIGHT_DECAY: 0.2,
        DROPOUT: usual.network.classifier.dropout,
    }


def test_maps_come_back_from_disk(fused: Fused, tmp_path: Path) -> None:
    save_fused(tmp_path / "fused.safetensors", fused)
    back = load_fused(tmp_path / "fused.safetensors")
    for part in ("train", "validation"):
        assert torch.equal(getattr(back, part).maps, getattr(fused, part).maps)
        assert torch.equal(getattr(back, part).targets, getattr(fused, part).targets)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_damaged_maps(fused: Fused, tmp_path: Path, share: float) -> None:
    path = tmp_path / "fused.safetensors"
    save_fused(path, fused)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"fused\.safetensors: damaged .* delete it"):
        load_fused(path)


def test_missing_maps(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.safetensors: damaged"):
        load_fused(tmp_path / "none.safetensors")
