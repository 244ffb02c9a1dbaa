from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from omsn.config import ClassifierConfig, TrainingConfig
from omsn.errors import InputError
from omsn.models.losses import LOSSES
from omsn.models.smgcnn import SMGCNN
from omsn.training.loop import learning_rate, smooth
from omsn.tuning.population import Candidates, FusedMaps, Reals, _batches, fit_stack, train_population
from omsn.tuning.stacked import StackedSMGCNN

N_CLASSES = 3
TRAINING = TrainingConfig(batch_size=4, loss="cross_entropy", label_smoothing=0.1, clip_norm=1.0)
CANDIDATES = Candidates.of([1e-5, 1e-3, 3e-2], [0.0, 0.1, 0.01], 0.0)
CONFIGS = [
    ClassifierConfig(width=8, blocks=1),
    ClassifierConfig(width=4, blocks=0),
    ClassifierConfig(width=4, blocks=2, attention=False),
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads would spend more time on waiting for each other than these sizes take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fused(count: int, seed: int = 0) -> FusedMaps:
    generator = Generator().manual_seed(seed)
    maps = torch.randn(count, 3, 6, 4, generator=generator, dtype=torch.float64)
    return FusedMaps(maps, torch.randint(N_CLASSES, (count,), generator=generator))


def network(config: ClassifierConfig = CONFIGS[0]) -> SMGCNN:
    torch.manual_seed(0)
    built = SMGCNN(3, 4, N_CLASSES, config).double()
    for weight in built.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return built


def losses_of(candidates: Candidates, start: SMGCNN | None = None, **changed: Any) -> Reals:
    options: dict[str, Any] = {"training": TRAINING, "steps": 12, "seed": 5, **changed}
    training = options.pop("training")
    return train_population(start or network(), fused(17), fused(20, seed=1), candidates, training, **options)


class Masked(nn.Module):
    """In the place of a dropout layer: multiplies by the factors it is given."""

    factors: Tensor

    def forward(self, values: Tensor) -> Tensor:
        return values * self.factors.view(*self.factors.shape, *[1] * (values.ndim - 2))


def with_masks(start: SMGCNN) -> tuple[SMGCNN, Mapping[str, Masked]]:
    """A copy whose dropout layers take given factors, and these layers by name."""
    copied = deepcopy(start)
    masked = {"dropout": Masked()}
    copied.dropout = masked["dropout"]  # type: ignore[assignment]
    for side in ("before", "after"):
        for i, block in enumerate(getattr(copied, side)):
            masked[f"{side}.{i}"] = block.residual[5] = Masked()
    return copied, masked


def train_one(start: SMGCNN, rate: float, decay: float, dropout: float, training: TrainingConfig, steps: int) -> SMGCNN:
    """One candidate by the ordinary network, optimizer and clipping, with the same batches and factors."""
    alone, masked = with_masks(start)
    train, generator, stack = fused(17), Generator().manual_seed(5), StackedSMGCNN(start, 1)
    optimizer = torch.optim.AdamW(alone.parameters(), weight_decay=decay)
    batches = _batches(len(train), training.batch_size, generator)
    for step in range(steps):
        rows = next(batches)
        factors = stack.dropout_masks(len(rows), torch.tensor([dropout], dtype=torch.float64), generator)
        for name, layer in masked.items():
            layer.factors = factors[name][0].flatten(1)
        optimizer.param_groups[0]["lr"] = rate * learning_rate(step, steps, training) / training.learning_rate
        targets = smooth(train.targets[rows], N_CLASSES, training.label_smoothing).double()
        optimizer.zero_grad()
        LOSSES[training.loss](alone(train.maps[rows]), targets).backward()  # type: ignore[no-untyped-call]
        if training.clip_norm:
            torch.nn.utils.clip_grad_norm_(alone.parameters(), training.clip_norm)
        optimizer.step()
    trained = deepcopy(start).eval()
    trained.load_state_dict(alone.state_dict())
    return trained


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("dropouts", [[0.0, 0.0, 0.0], [0.1, 0.3, 0.7]])
@pytest.mark.parametrize(
    "training",
    [
        TRAINING,
        TrainingConfig(
            batch_size=8, loss="binary_cross_entropy", label_smoothing=0.0, clip_norm=0.05, schedule="constant"
        ),
        replace(TRAINING, clip_norm=0.0),
    ],
    ids=["cross-entropy", "binary", "unclipped"],
)
def test_equals_training_one_by_one(config: ClassifierConfig, dropouts: list[float], training: TrainingConfig) -> None:
    start, validation = network(config), fused(20, seed=1)
    candidates = Candidates.of(CANDIDATES.learning_rates, CANDIDATES.weight_decays, dropouts)
    losses = losses_of(candidates, start, training=training)
    one_hot = F.one_hot(validation.targets, N_CLASSES).double()
    for i, (rate, decay) in enumerate(zip(candidates.learning_rates, candidates.weight_decays, strict=True)):
        alone = train_one(start, float(rate), float(decay), dropouts[i], training, steps=12)
        expected = LOSSES[training.loss](alone(validation.maps), one_hot).item()
        assert losses[i] == pytest.approx(expected, abs=1e-8)


def test_weights_equal_those_of_training_one_by_one() -> None:
    start, candidates = network(), Candidates.of([1e-3, 1e-2], 0.1, 0.3)
    stack = StackedSMGCNN(start, 2)
    fit_stack(stack, fused(17), candidates, TRAINING, steps=12, seed=5)
    for i, rate in enumerate((1e-3, 1e-2)):
        expected = train_one(start, rate, 0.1, 0.3, TRAINING, steps=12).state_dict()
        for name, weight in stack.state_dict(i).items():
            torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-8, msg=name)


def test_float32_is_trained_in_float32_and_agrees() -> None:
    losses = losses_of(CANDIDATES, network().float())
    assert losses.dtype == np.float64
    assert_allclose(losses, losses_of(CANDIDATES), rtol=1e-3)


def test_short_training_lowers_the_loss_and_a_rate_of_zero_keeps_it() -> None:
    start = network()
    none, some = losses_of(Candidates.of([0.0, 3e-3], 0.0, 0.0), start, steps=40)
    again = losses_of(Candidates.of([0.0], 0.5, 0.7), start, steps=1)
    assert none == pytest.approx(again[0], rel=1e-12)
    trained_on = train_population(
        start, fused(17), fused(17), Candidates.of([0.0, 3e-3], 0.0, 0.0), TRAINING, steps=40, seed=0
    )
    assert trained_on[1] < 0.8 * trained_on[0]
    assert some != none


@pytest.mark.parametrize("chunk", [None, 1, 2, 3, 100])
def test_chunks_change_nothing(chunk: int | None) -> None:
    candidates = Candidates.of(np.geomspace(1e-5, 1e-2, 5), 0.05, [0.0, 0.1, 0.2, 0.3, 0.4])
    assert_allclose(losses_of(candidates, chunk=chunk), losses_of(candidates, chunk=5), rtol=1e-10)


def test_order_of_candidates_changes_nothing() -> None:
    forward = Candidates.of(np.geomspace(1e-5, 1e-2, 4), 0.05, 0.3)
    backward = Candidates.of(forward.learning_rates[::-1], 0.05, 0.3)
    assert_allclose(losses_of(backward)[::-1], losses_of(forward), rtol=1e-10)


def test_one_that_diverges_leaves_the_others_as_they_are() -> None:
    candidates = Candidates.of([1e-3, 1e300, 1e-2], 0.1, 0.3)
    losses = losses_of(candidates)
    assert not np.isfinite(losses[1])
    others = losses_of(Candidates.of([1e-3, 1e-2], 0.1, 0.3))
    assert_allclose(losses[[0, 2]], others, rtol=1e-10)


def test_same_seed_same_losses_another_seed_others() -> None:
    assert_array_equal(losses_of(CANDIDATES), losses_of(CANDIDATES))
    assert not np.allclose(losses_of(CANDIDATES), losses_of(CANDIDATES, seed=6))


def test_global_random_state_and_start_are_left_alone() -> None:
    start = network()
    before, state = deepcopy(start.state_dict()), torch.random.get_rng_state()
    losses_of(CANDIDATES, start)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(weight, before[name]) for name, weight in start.state_dict().items())
    assert all(weight.grad is None for weight in start.parameters())


def test_no_candidates_no_losses() -> None:
    assert losses_of(Candidates.of([], 0.0, 0.0)).shape == (0,)


@pytest.mark.parametrize("name", ["steps", "chunk"])
def test_counts_start_at_one(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: got 0, expected at least 1"):
        losses_of(CANDIDATES, None, **{name: 0})


@pytest.mark.parametrize("shape", [(4, 5, 6, 4), (4, 3, 6, 5)])
@pytest.mark.parametrize("part", ["train", "validation"])
def test_maps_must_fit_the_network(part: str, shape: tuple[int, ...]) -> None:
    wrong = FusedMaps(torch.zeros(shape), torch.zeros(4, dtype=torch.int64))
    train, validation = (wrong if part == name else fused(4) for name in ("train", "validation"))
    with pytest.raises(InputError, match=rf"{part} maps: got shape .*, expected 3 maps of 3 or 4 columns"):
        train_population(network(), train, validation, CANDIDATES, TRAINING, steps=1, seed=0)


def test_targets_must_fit_the_network() -> None:
    part = FusedMaps(torch.zeros(1, 3, 6, 4), torch.tensor([N_CLASSES]))
    with pytest.raises(InputError, match="validation targets: got class 3, expected 0 to 2"):
        train_population(network(), fused(4), part, CANDIDATES, TRAINING, steps=1, seed=0)


@pytest.mark.parametrize(
    ("maps", "targets", "message"),
    [
        (torch.zeros(0, 3, 6, 4), torch.zeros(0, dtype=torch.int64), r"maps: got shape \(0, 3, 6, 4\), expected"),
        (torch.zeros(3, 6, 4), torch.zeros(3, dtype=torch.int64), r"maps: got shape \(3, 6, 4\), expected"),
        (torch.zeros(1, 3, 6, 4, dtype=torch.int64), torch.tensor([0]), "maps: got torch.int64, expected floating"),
        (torch.full((1, 3, 6, 4), torch.nan), torch.tensor([0]), "maps: got NaN or infinite"),
        (torch.zeros(2, 3, 6, 4), torch.tensor([0]), r"targets: got shape \(1,\), expected \(2,\)"),
        (torch.zeros(1, 3, 6, 4), torch.tensor([0.0]), "targets: got torch.float32, expected torch.int64"),
        (torch.zeros(1, 3, 6, 4), torch.tensor([-1]), "targets: got negative class numbers"),
    ],
)
def test_fused_maps_are_checked(maps: Tensor, targets: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FusedMaps(maps, targets)


def test_all_problems_of_fused_maps_are_listed() -> None:
    with pytest.raises(InputError, match=r"FusedMaps.maps: got NaN .*; FusedMaps.targets: got negative"):
        FusedMaps(torch.full((1, 3, 6, 4), torch.inf), torch.tensor([-1]))


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", ["learning_rates", "weight_decays", "dropouts"])
def test_candidates_are_checked(name: str, wrong: float) -> None:
    values: dict[str, Any] = {"learning_rates": 1e-3, "weight_decays": 0.1, "dropouts": 0.3}
    with pytest.raises(InputError, match=rf"Candidates\.{name}: got {wrong}, expected at least 0 and below"):
        Candidates.of(**{**values, name: [0.1, wrong]})


def test_dropout_stays_below_one() -> None:
    with pytest.raises(InputError, match=r"Candidates.dropouts: got 1.0, expected at least 0 and below 1.0"):
        Candidates.of(1e-3, 0.1, 1.0)


@pytest.mark.parametrize("wrong", [[0.1, 0.2, 0.3], [[0.1, 0.2]]])
def test_candidates_are_of_one_length(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"Candidates.weight_decays: got shape .*, expected \(2,\), one a candidate"):
        Candidates(np.array([1e-3, 1e-2]), np.array(wrong), np.array([0.1, 0.1]))


def test_one_number_is_every_candidates() -> None:
    candidates = Candidates.of([1e-3, 1e-2], 0.1, [0.2, 0.3])
    assert len(candidates) == 2
    assert candidates.weight_decays.tolist() == [0.1, 0.1]
    assert candidates[1:].dropouts.tolist() == [0.3]
    assert len(Candidates.of(1e-3, 0.1, 0.2)) == 1
