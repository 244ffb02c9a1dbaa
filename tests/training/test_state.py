from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_corpus import ENCODER, NETWORK, TRAINING, network, samples

from omsn.config import NetworkConfig
from omsn.errors import CheckpointError
from omsn.features.cache import write_entry
from omsn.models.network import Network
from omsn.training.state import Epoch, TrainingState, Weights, load_state, parameter_groups, save_state


def started(seed: int = 0, config: NetworkConfig = NETWORK) -> TrainingState:
    return TrainingState.start(network(seed, config), TRAINING, seed=5)


def moved() -> TrainingState:
    """A state with something in every field."""
    state = started()
    for number, loss in enumerate((0.9, 0.1, 0.5), start=1):
        for weight in state.network.parameters():
            weight.grad = torch.randn(weight.shape, generator=state.generator)
        state.optimizer.step()
        state.advance(decay=0.9)
        state.record(Epoch(number, 1 / 3 + loss, 0.25, (loss, 0.5)))
    return state


def fill(module: Network, value: float) -> None:
    with torch.no_grad():
        for weight in module.parameters():
            weight.fill_(value)


def level(weights: Weights) -> float:
    """The one number that fills all weights."""
    flat = torch.cat([weight.flatten() for weight in weights.values()])
    assert torch.equal(flat, flat[:1].expand_as(flat))
    return float(flat[0])


def same(first: Weights, second: Weights) -> bool:
    return first.keys() == second.keys() and all(torch.equal(weight, second[name]) for name, weight in first.items())


# ---------------------------------------------------------------- average, evaluation, best


def test_without_decay_there_is_no_average() -> None:
    state = started()
    state.advance(decay=0)
    assert state.step == 1
    assert state.average == {}
    assert same(state.kept_weights(), state.network.state_dict())


def test_running_average_by_hand() -> None:
    """The decay is at most step / (step + 10), so that the first weights are soon forgotten."""
    state = started()
    fill(state.network, 6.0)
    state.advance(decay=0.1)
    assert level(state.average) == 6.0
    fill(state.network, 0.0)
    state.advance(decay=0.1)
    assert level(state.average) == pytest.approx(0.1 * 6.0, rel=1e-5)
    state.step = 1
    state.average = {name: weight + 6 for name, weight in state.network.state_dict().items()}
    state.advance(decay=0.99)
    assert level(state.average) == pytest.approx(2 / 12 * 6.0, rel=1e-5)
    assert same(state.kept_weights(), state.average)


def test_evaluation_uses_the_weights_kept_and_puts_the_others_back() -> None:
    state = started()
    fill(state.network, 2.0)
    state.average = {name: torch.full_like(weight, 7.0) for name, weight in state.network.state_dict().items()}
    with state.evaluating():
        assert level(state.network.state_dict()) == 7.0
        assert (state.network.training, torch.is_grad_enabled()) == (False, False)
    assert level(state.network.state_dict()) == 2.0
    assert (state.network.training, torch.is_grad_enabled()) == (True, True)


def test_trouble_in_evaluation_puts_the_weights_back_too() -> None:
    state = started()
    before = {name: weight.clone() for name, weight in state.network.state_dict().items()}
    state.average = {name: weight + 1 for name, weight in before.items()}
    with pytest.raises(KeyError, match="trouble"), state.evaluating():
        raise KeyError("trouble")
    assert same(state.network.state_dict(), before)


def test_the_first_epoch_with_the_lowest_loss_is_the_best() -> None:
    state = started()
    for number, loss in enumerate((0.5, 0.2, 0.2, 0.4), start=1):
        fill(state.network, float(number))
        state.record(Epoch(number, 1.0, 0.5, (loss, 0.5)))
    assert state.best_epoch == 2
    assert level(state.best_weights) == 2.0
    fill(state.network, 9.0)
    assert level(state.best_weights) == 2.0  # a copy


def test_without_validation_no_epoch_is_the_best() -> None:
    state = started()
    state.record(Epoch(1, 1.0, 0.5, None))
    assert (state.best_epoch, state.best_weights, len(state.history)) == (0, {}, 1)


# ---------------------------------------------------------------- saving and loading


def test_a_state_before_the_first_step_comes_back(tmp_path: Path) -> None:
    save_state(tmp_path / "state", started())
    other = started(seed=0)
    fill(other.network, 0.0)
    load_state(tmp_path / "state", other)
    assert same(other.network.state_dict(), started().network.state_dict())
    assert (other.step, other.history, other.average, other.best_weights) == (0, [], {}, {})


def test_everything_comes_back(tmp_path: Path) -> None:
    first, second = moved(), started()
    torch.manual_seed(11)
    save_state(tmp_path / "state", first)
    drawn = torch.rand(3), torch.rand(3, generator=first.generator)
    load_state(tmp_path / "state", second)
    assert torch.equal(torch.rand(3), drawn[0])
    assert torch.equal(torch.rand(3, generator=second.generator), drawn[1])
    for name in ("step", "history", "best_epoch", "run"):
        assert getattr(second, name) == getattr(first, name)
    assert same(second.network.state_dict(), first.network.state_dict())
    assert same(second.average, first.average)
    assert same(second.best_weights, first.best_weights)
    moments = first.optimizer.state_dict()["state"]
    assert moments
    for number, found in second.optimizer.state_dict()["state"].items():
        assert same(found, moments[number])
    assert second.optimizer.state_dict()["param_groups"] == first.optimizer.state_dict()["param_groups"]


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_state(path, moved())
    content = path.read_bytes()
    for kept in (0, 5, 500, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(CheckpointError, match=r"state: damaged training state .* delete it to start again"):
            load_state(path, started())


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none: damaged training state .*No such file"):
        load_state(tmp_path / "none", started())


def rewrite(path: Path, tensors: Weights, facts: object) -> None:
    save_file(tensors, path, {"omsn": json.dumps(facts)})


@pytest.mark.parametrize("facts", [{}, [], "text", {"run": 3}, None])
def test_file_of_something_else(tmp_path: Path, facts: object) -> None:
    rewrite(tmp_path / "state", {"weight": torch.zeros(1)}, facts)
    with pytest.raises(CheckpointError, match="training state"):
        load_state(tmp_path / "state", started())


def test_a_cache_entry_is_no_training_state(tmp_path: Path) -> None:
    write_entry(tmp_path / "entry", samples()[0].sample)
    with pytest.raises(CheckpointError, match="training state"):
        load_state(tmp_path / "entry", started())


@pytest.mark.parametrize("lost", ["rng.global", "rng.generator", "network.classifier.classify.weight"])
def test_a_tensor_is_missing(tmp_path: Path, lost: str) -> None:
    path, state = tmp_path / "state", moved()
    save_state(path, state)
    tensors = load_file(path)
    del tensors[lost]
    rewrite(path, tensors, {"run": state.run, "step": 3, "best_epoch": 0, "history": []})
    with pytest.raises(CheckpointError, match=f"(?s)training state.*{lost.removeprefix('network.')}"):
        load_state(path, started())


def test_history_that_cannot_be_read(tmp_path: Path) -> None:
    path, state = tmp_path / "state", moved()
    save_state(path, state)
    rewrite(path, load_file(path), {"run": state.run, "step": 3, "best_epoch": 0, "history": [{"epoch": 1}]})
    with pytest.raises(CheckpointError, match="damaged training state"):
        load_state(path, started())


def test_other_settings(tmp_path: Path) -> None:
    save_state(tmp_path / "state", moved())
    for seed, config in ((6, TRAINING), (5, replace(TRAINING, learning_rate=0.05))):
        with pytest.raises(CheckpointError, match="training state of other settings; delete it or choose another"):
            load_state(tmp_path / "state", TrainingState.start(network(), config, seed))


def test_other_settings_of_the_network(tmp_path: Path) -> None:
    """The same weights, but more dropout: going on would not be the same run."""
    save_state(tmp_path / "state", moved())
    other = replace(NETWORK, audio=replace(ENCODER, dropout=0.6))
    with pytest.raises(CheckpointError, match="training state of other settings"):
        load_state(tmp_path / "state", started(config=other))


def test_other_network(tmp_path: Path) -> None:
    save_state(tmp_path / "state", moved())
    smaller = network()
    smaller.audio_head = torch.nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match=r"(?s)training state of another network.*audio_head"):
        load_state(tmp_path / "state", TrainingState.start(smaller, TRAINING, seed=5))


def test_the_classifier_may_have_a_learning_rate_of_its_own() -> None:
    torch.manual_seed(0)
    whole = network()
    assert whole.classifier is not None
    rest, own = parameter_groups(whole, replace(TRAINING, learning_rate=0.02, classifier_learning_rate=0.005))
    assert (rest["share"], own["share"]) == (1.0, 0.25)
    assert {id(weight) for weight in own["params"]} == {id(weight) for weight in whole.classifier.parameters()}
    assert len(rest["params"]) + len(own["params"]) == len(list(whole.parameters()))
    assert [group["share"] for group in parameter_groups(whole, TRAINING)] == [1.0, 1.0]
