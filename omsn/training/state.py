"""Everything that training needs to go on exactly where it stopped, saved as tensors and JSON, never as a pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Generator, Tensor

from omsn.config import TrainingConfig
from omsn.errors import CheckpointError
from omsn.files import replace_file
from omsn.models.network import Network
from omsn.recipes import to_json

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Epoch:
    """One line of the history.

    Attributes:
        number: from 1.
        loss: mean training loss of the fused logits, on augmented clips with smoothed targets.
        war: training accuracy on augmented clips.
        validation: (loss, WAR) of the weights that would be kept, or None without validation.
    """

    number: int
    loss: float
    war: float
    validation: tuple[float, float] | None


@dataclass(eq=False)
class TrainingState:
    """The moving parts of a training run.

    Attributes:
        network: trained in place.
        optimizer: its moments.
        generator: decides order and augmentation; dropout takes torch's global one.
        run: seed and settings as text; a saved state goes on with equal ones only.
        step: batches so far.
        history: epochs so far.
        average: running average of the weights; empty where none is kept.
        best_weights: weights of the epoch with the lowest validation loss; empty without validation.
        best_epoch: its number, 0 for none.
    """

    network: Network
    optimizer: torch.optim.AdamW
    generator: Generator
    run: str
    step: int = 0
    history: list[Epoch] = field(default_factory=list)
    average: Weights = field(default_factory=dict)
    best_weights: Weights = field(default_factory=dict)
    best_epoch: int = 0

    @staticmethod
    def start(network: Network, config: TrainingConfig, seed: int) -> TrainingState:
        """The state before the first step."""
        optimizer = torch.optim.AdamW(
            parameter_groups(network, config), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        run = f"{seed} {to_json(config)} {to_json(network.config)}"
        return TrainingState(network, optimizer, Generator().manual_seed(seed), run)

    def advance(self, decay: float) -> None:
        """Count a step and move the running average of the weights."""
        self.step += 1
        if decay == 0:
            return
        weights = self.network.state_dict()
        if not self.average:
            self.average = {name: weight.clone() for name, weight in weights.items()}
        share = 1 - min(decay, self.step / (self.step + 10))
        for name, weight in weights.items():
            self.average[name].lerp_(weight, share)

    def kept_weights(self) -> Weights:
        """A copy of the weights that are evaluated and kept: the average where there is one."""
        return {name: weight.clone() for name, weight in (self.average or self.network.state_dict()).items()}

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The network in evaluation mode, without gradients, with the weights that would be kept."""
        trained = {name: weight.clone() for name, weight in self.network.state_dict().items()}
        self.network.load_state_dict(self.kept_weights())
        self.network.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.network.load_state_dict(trained)
            self.network.train()

    def record(self, epoch: Epoch) -> None:
        """Add an epoch to the history; keep its weights when its validation loss is the lowest so far."""
        self.history.append(epoch)
        if epoch.validation is None:
            return
        best = self.history[self.best_epoch - 1].validation if self.best_epoch else None
        if best is None or epoch.validation[0] < best[0]:
            self.best_epoch, self.best_weights = epoch.number, self.kept_weights()


def parameter_groups(network: Network, config: TrainingConfig) -> list[dict[str, Any]]:
    """The optimizer's groups: all but SMGCNN, and SMGCNN; ``share`` is its learning rate as a multiple of the usual."""
    own = [] if network.classifier is None else list(network.classifier.parameters())
    rest = [weight for name, weight in network.named_parameters() if not name.startswith("classifier.")]
    rate = config.learning_rate if config.classifier_learning_rate is None else config.classifier_learning_rate
    return [{"params": rest, "share": 1.0}, {"params": own, "share": rate / config.learning_rate}]


def save_state(path: Path, state: TrainingState) -> None:
    """Write the state; the file appears whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    tensors = {f"network.{name}": weight for name, weight in state.network.state_dict().items()}
    tensors |= {f"average.{name}": weight for name, weight in state.average.items()}
    tensors |= {f"best.{name}": weight for name, weight in state.best_weights.items()}
    for number, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": moment for name, moment in moments.items()}
    tensors |= {"rng.global": torch.get_rng_state(), "rng.generator": state.generator.get_state()}
    facts = {
        "run": state.run,
        "step": state.step,
        "best_epoch": state.best_epoch,
        "history": [asdict(epoch) for epoch in state.history],
    }
    replace_file(
        path, save({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, {"omsn": json.dumps(facts)})
    )


def load_state(path: Path, state: TrainingState) -> None:
    """Bring a freshly started state, and the random generators, to where ``save_state`` left them.

    Raises:
        CheckpointError: the file is damaged, or of a run with other settings or another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["omsn"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        run, step, best_epoch = facts["run"], facts["step"], facts["best_epoch"]
        history = [_epoch(item) for item in facts["history"]]
        rng_global, rng_generator = tensors["rng.global"], tensors["rng.generator"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged training state ({error}); delete it to start again") from error
    if run != state.run:
        raise CheckpointError(f"{path}: training state of other settings; delete it or choose another output folder")
    try:
        state.network.load_state_dict(_part(tensors, "network."))
        _load_moments(state.optimizer, _part(tensors, "optimizer."))
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: training state of another network ({error}); delete it to start again"
        ) from error
    state.average, state.best_weights = _part(tensors, "average."), _part(tensors, "best.")
    state.step, state.best_epoch, state.history = step, best_epoch, history
    torch.set_rng_state(rng_global)
    state.generator.set_state(rng_generator)


def _epoch(item: Mapping[str, Any]) -> Epoch:
    """An epoch as JSON holds it."""
    return Epoch(item["number"], item["loss"], item["war"], item["validation"] and tuple(item["validation"]))


def _load_moments(optimizer: torch.optim.AdamW, tensors: Weights) -> None:
    whole = optimizer.state_dict()
    whole["state"] = {}
    for name, tensor in tensors.items():
        number, _, moment = name.partition(".")
        whole["state"].setdefault(int(number), {})[moment] = tensor
    optimizer.load_state_dict(whole)


def _part(tensors: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
