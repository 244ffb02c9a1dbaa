from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from tiny_corpus import ENCODER, NETWORK, PLAIN, TRAINING, labelled, network, padded, quicker, samples
from torch import Tensor

from omsn.config import LossName, NetworkConfig, TrainingConfig
from omsn.data.padded import CHUNK, PaddedSet
from omsn.errors import CheckpointError, TrainingError
from omsn.models.batch import Batch
from omsn.models.network import Network
from omsn.training.loop import (
    Fitted,
    evaluate,
    fit,
    learning_rate,
    predict_probabilities,
    smooth,
    steps_per_epoch,
)
from omsn.training.state import Epoch

TRAIN = padded(samples(("1", "2")))
VALIDATION = padded(samples(("33",)))
MISLED = replace(VALIDATION, targets=(VALIDATION.targets + 1) % 3)
"""Validation with wrong labels: the better a network learns, the worse it scores here."""


class StoppedError(Exception):
    """Somebody has pulled the plug."""


def same_weights(first: Network, second: Network) -> bool:
    weights = second.state_dict()
    return all(torch.equal(weight, weights[name]) for name, weight in first.state_dict().items())


def without_dropout() -> Network:
    encoder = replace(ENCODER, input_dropout=0.0, dropout=0.0)
    fusion, classifier = replace(NETWORK.fusion, dropout=0.0), replace(NETWORK.classifier, dropout=0.0)
    return network(config=NetworkConfig(encoder, encoder, fusion, classifier))


def test_a_clip_at_several_speeds_is_scored_by_what_is_said_of_it_at_all_of_them() -> None:
    made = samples(("1",))
    part = padded(quicker(made))
    asked = network().eval()
    with torch.no_grad():
        logits = asked(part.whole)
        loss, war = evaluate(asked, part, TRAINING)
    said = torch.stack([logits[part.originals == row].log_softmax(dim=1).mean(dim=0) for row in range(len(made))])
    expected = said.softmax(dim=1)
    torch.testing.assert_close(predict_probabilities([asked], part, TRAINING), expected)
    truth = part.targets[: len(made)]
    assert not torch.allclose(expected, logits[: len(made)].softmax(dim=1), atol=1e-3)
    assert loss == pytest.approx(log_loss(truth, said.double().softmax(dim=1), labels=range(3)), rel=1e-5)
    assert war == pytest.approx(float((expected.argmax(dim=1) == truth).float().mean()))


# ---------------------------------------------------------------- schedule, targets, batches


def test_one_cycle_at_its_limits() -> None:
    config = replace(TRAINING, learning_rate=0.01)
    rates = [learning_rate(step, 100, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.01 / 25)
    assert rates[25] == max(rates) == pytest.approx(0.01)
    assert rates[100] == min(rates) == pytest.approx(0.01 / 1e4)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


def test_one_cycle_of_a_single_step() -> None:
    assert learning_rate(0, 1, replace(TRAINING, learning_rate=0.01)) == pytest.approx(0.01 / 25)


def test_one_cycle_against_torch() -> None:
    """torch puts its top and its end one step earlier than ours; with the share changed to suit, they agree."""
    n_steps, top = 40, 0.01
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=top)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=top,
        total_steps=n_steps + 1,
        pct_start=(0.25 * n_steps + 1) / (n_steps + 1),
        div_factor=25,
        final_div_factor=1e4 / 25,
        cycle_momentum=False,
    )
    for step in range(n_steps):
        assert learning_rate(step, n_steps, replace(TRAINING, learning_rate=top)) == pytest.approx(
            reference.get_last_lr()[0]
        )
        optimizer.step()
        reference.step()


def test_constant_rate() -> None:
    config = replace(TRAINING, schedule="constant", learning_rate=0.01)
    assert {learning_rate(step, 50, config) for step in range(50)} == {0.01}


def test_smooth_by_hand() -> None:
    expected = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    torch.testing.assert_close(smooth(torch.tensor([0, 2]), 3, 0.3), expected)
    assert smooth(torch.tensor([1]), 3, 0.0).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("n_clips", "batch_size", "steps"), [(1, 32, 1), (15, 32, 1), (64, 32, 2), (70, 32, 2), (90, 32, 3), (5, 1, 5)]
)
def test_clips_are_spread_over_the_steps(n_clips: int, batch_size: int, steps: int) -> None:
    assert steps_per_epoch(n_clips, batch_size) == steps


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_it_learns_what_can_be_learned(loss: LossName) -> None:
    net = without_dropout()
    config = replace(PLAIN, loss=loss, epochs=40, batch_size=6, learning_rate=0.005, schedule="constant")
    fitted = fit(net, TRAIN, None, config, seed=1)
    assert [epoch.number for epoch in fitted.history] == list(range(1, 41))
    assert fitted.history[-1].loss < fitted.history[0].loss / 4
    assert fitted.history[-1].validation is None
    assert torch.equal(predict_probabilities([net], TRAIN, config).argmax(dim=1), TRAIN.targets)


def test_the_classifier_learns_at_its_own_rate() -> None:
    """The first step of AdamW moves a weight that has a gradient by its learning rate."""
    before, after = without_dropout(), without_dropout()
    config = replace(
        PLAIN,
        epochs=1,
        batch_size=100,
        learning_rate=0.01,
        classifier_learning_rate=0.0001,
        weight_decay=0.0,
        schedule="constant",
    )
    fit(after, TRAIN, None, config, seed=1)
    pairs = zip(before.named_parameters(), after.parameters(), strict=True)
    moved = {name: float((new - old).detach().abs().max()) for (name, old), new in pairs}
    assert moved["classifier.classify.weight"] == pytest.approx(0.0001, rel=0.01)
    assert moved["audio_encoder.pool.project.weight"] == pytest.approx(0.01, rel=0.01)


def test_without_a_norm_gradients_are_not_scaled() -> None:
    free, wide, narrow = network(), network(), network()
    for net, clip_norm in ((free, 0.0), (wide, 100.0), (narrow, 0.01)):
        fit(net, TRAIN, None, replace(PLAIN, validation_share=0.0, clip_norm=clip_norm), seed=0)
    assert same_weights(free, wide)
    assert not same_weights(narrow, wide)


def test_same_seed_same_weights() -> None:
    def trained(seed: int) -> Network:
        net = network()
        fit(net, TRAIN, VALIDATION, TRAINING, seed=seed)
        return net

    assert same_weights(trained(3), trained(3))
    assert not same_weights(trained(3), trained(4))


def test_the_global_generator_is_left_as_found(tmp_path: Path) -> None:
    torch.manual_seed(8)
    before = torch.get_rng_state()
    fit(network(), TRAIN, VALIDATION, TRAINING, seed=3, state_path=tmp_path / "state")
    fit(network(), TRAIN, VALIDATION, TRAINING, seed=3, state_path=tmp_path / "state")  # loads a generator's state
    assert torch.equal(torch.get_rng_state(), before)


def test_the_data_stay_as_they_are() -> None:
    before = padded(samples(("1", "2")))
    fit(network(), TRAIN, VALIDATION, replace(TRAINING, epochs=2), seed=3)
    assert torch.equal(TRAIN.targets, before.targets)
    for field in fields(Batch):
        assert torch.equal(getattr(TRAIN.whole, field.name), getattr(before.whole, field.name))


def test_one_clip_alone_trains() -> None:
    fitted = fit(network(), padded([labelled("1", "sad", 1)]), None, replace(TRAINING, epochs=2), seed=1)
    assert all(math.isfinite(epoch.loss) for epoch in fitted.history)


@pytest.mark.parametrize("missing", [3, 4])
def test_a_part_without_a_modality_trains(missing: int) -> None:
    part = padded([labelled(speaker, emotion, missing) for speaker in "12" for emotion in ("bored", "sad")])
    fitted = fit(network(), part, part, replace(TRAINING, epochs=2), seed=1)
    assert all(math.isfinite(epoch.loss) for epoch in fitted.history)


# ---------------------------------------------------------------- what is kept, when it stops


def test_the_best_epoch_is_kept() -> None:
    net, config = network(), replace(TRAINING, keep="best", epochs=8, schedule="constant")
    fitted = fit(net, TRAIN, MISLED, config, seed=1)
    losses = [epoch.validation[0] for epoch in fitted.history if epoch.validation]
    assert len(losses) == 8
    assert fitted.best_epoch == 1 + int(np.argmin(losses)) < 8
    assert scores(net, MISLED, config) == fitted.history[fitted.best_epoch - 1].validation


def test_the_last_epoch_is_kept() -> None:
    net, config = network(), replace(TRAINING, keep="last", epochs=8, schedule="constant")
    fitted = fit(net, TRAIN, MISLED, config, seed=1)
    assert fitted.best_epoch == 8
    assert scores(net, MISLED, config) == fitted.history[-1].validation


def test_without_validation_the_last_epoch_is_the_best() -> None:
    net, other = network(), network()
    assert fit(net, TRAIN, None, replace(TRAINING, keep="best"), seed=1).best_epoch == TRAINING.epochs
    fit(other, TRAIN, None, replace(TRAINING, keep="last"), seed=1)
    assert same_weights(net, other)


def test_it_stops_when_patience_ends() -> None:
    config = replace(TRAINING, keep="best", epochs=60, schedule="constant", patience=3)
    fitted = fit(network(), TRAIN, MISLED, config, seed=1)
    assert len(fitted.history) == fitted.best_epoch + 3 < 60


def test_patience_without_validation_never_stops() -> None:
    assert len(fit(network(), TRAIN, None, replace(TRAINING, patience=1), seed=1).history) == TRAINING.epochs


def test_the_average_is_what_is_scored_and_kept() -> None:
    net, plain = network(), network()
    config = replace(TRAINING, average=0.9)
    fitted = fit(net, TRAIN, VALIDATION, config, seed=1)
    fit(plain, TRAIN, VALIDATION, TRAINING, seed=1)
    assert not same_weights(net, plain)
    assert scores(net, VALIDATION, config) == fitted.history[-1].validation


def scores(net: Network, part: PaddedSet, config: TrainingConfig) -> tuple[float, float]:
    with torch.no_grad():
        return evaluate(net.eval(), part, config)


# ---------------------------------------------------------------- interruption


RESUMED = {
    "as it is": TRAINING,
    "constant rate": replace(TRAINING, schedule="constant"),
    "average": replace(TRAINING, average=0.9),
    "best": replace(TRAINING, keep="best"),
    "best of averages": replace(TRAINING, keep="best", average=0.8),
    "patience": replace(TRAINING, keep="best", patience=2, epochs=6, schedule="constant"),
    "sigmoids": replace(TRAINING, loss="binary_cross_entropy"),
}


@pytest.mark.parametrize("config", RESUMED.values(), ids=list(RESUMED))
def test_a_run_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path, config: TrainingConfig) -> None:
    after, whole = 2, network()
    expected = fit(whole, TRAIN, MISLED, config, seed=2)

    def stop(epoch: Epoch) -> None:
        if epoch.number == after:
            raise StoppedError

    path = tmp_path / "state.safetensors"
    with pytest.raises(StoppedError):
        fit(network(), TRAIN, MISLED, config, seed=2, state_path=path, on_epoch=stop)
    torch.rand(5)  # others draw numbers meanwhile
    resumed, seen = network(seed=77), list[int]()
    fitted = fit(
        resumed, TRAIN, MISLED, config, seed=2, state_path=path, on_epoch=lambda epoch: seen.append(epoch.number)
    )
    assert fitted == expected
    assert seen == list(range(after + 1, len(expected.history) + 1))
    assert same_weights(resumed, whole)


def test_a_run_stopped_within_an_epoch_goes_on_from_its_last_state(tmp_path: Path) -> None:
    whole = network()
    fit(whole, TRAIN, VALIDATION, TRAINING, seed=2)
    path, net = tmp_path / "state", network()
    net.audio_head.register_forward_hook(stop_at_call(9))  # in the third epoch
    with pytest.raises(StoppedError):
        fit(net, TRAIN, VALIDATION, TRAINING, seed=2, state_path=path)
    assert path.exists()
    resumed = network()
    assert len(fit(resumed, TRAIN, VALIDATION, TRAINING, seed=2, state_path=path).history) == TRAINING.epochs
    assert same_weights(resumed, whole)


def stop_at_call(number: int) -> Callable[..., None]:
    calls = iter(range(1, number + 1))

    def hook(*_: object) -> None:
        if next(calls) == number:
            raise StoppedError

    return hook


def test_a_finished_run_stays_finished(tmp_path: Path) -> None:
    first, again = network(), network(seed=5)
    config = replace(TRAINING, keep="best")
    runs: list[Fitted] = [
        fit(net, TRAIN, MISLED, config, seed=2, state_path=tmp_path / "state") for net in (first, again)
    ]
    assert runs[0] == runs[1]
    assert same_weights(first, again)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"half of it")
    with pytest.raises(CheckpointError, match="state: damaged training state"):
        fit(network(), TRAIN, None, TRAINING, seed=2, state_path=tmp_path / "state")


def test_a_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    fit(network(), TRAIN, None, TRAINING, seed=2, state_path=tmp_path / "state")
    with pytest.raises(CheckpointError, match="training state of other settings"):
        fit(network(), TRAIN, None, replace(TRAINING, epochs=5), seed=2, state_path=tmp_path / "state")


# ---------------------------------------------------------------- numbers that are none


def test_a_loss_that_is_no_number_names_the_clips() -> None:
    audio = TRAIN.whole.audio.clone()
    audio[4] = math.nan
    broken = replace(TRAIN, whole=replace(TRAIN.whole, audio=audio))
    config = replace(PLAIN, batch_size=1)
    with pytest.raises(TrainingError, match=f"the loss is nan in epoch 1, batch of {TRAIN.names[4]} .*learning_rate"):
        fit(without_dropout(), broken, None, config, seed=1)


def test_a_gradient_that_is_no_number_is_no_step() -> None:
    """The loss may be finite where its gradient is not; the network must not be ruined in silence."""
    net = network()
    net.audio_head.weight.register_hook(lambda gradient: gradient * math.inf)  # type: ignore[no-untyped-call]
    with pytest.raises(TrainingError, match=r"gradient is .* in epoch 1, batch of"):
        fit(net, TRAIN, None, replace(TRAINING, epochs=1), seed=1)


# ---------------------------------------------------------------- scoring


def test_evaluation_against_scikit_learn() -> None:
    net = network().eval()
    with torch.no_grad():
        loss, war = evaluate(net, VALIDATION, TRAINING)
    logits = torch.log(predict_probabilities([net], VALIDATION, TRAINING).double())
    probabilities = torch.softmax(logits, dim=1)  # rounded to float32, they do not quite sum to 1
    assert loss == pytest.approx(log_loss(VALIDATION.targets, probabilities, labels=[0, 1, 2]), abs=1e-5)
    assert war == pytest.approx(float((probabilities.argmax(dim=1) == VALIDATION.targets).double().mean()))


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_probabilities_stand_in_the_order_of_the_part(loss: LossName) -> None:
    made = samples(tuple("abcdefghijklmno"), repetitions=4)
    part, config = padded(made), replace(TRAINING, loss=loss)
    assert len(part) > CHUNK
    net = network().train()
    probabilities = predict_probabilities([net], part, config)
    assert not net.training
    assert probabilities.shape == (len(part), 3)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(len(part)))
    for row in (0, 1, CHUNK - 1, CHUNK, len(part) - 1):
        alone: Tensor = predict_probabilities([net], padded([made[row]]), config)
        torch.testing.assert_close(alone[0], probabilities[row])
