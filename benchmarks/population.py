"""How long a short training of SMGCNN takes: many candidates at once beside one after the other, on one thread.

    python benchmarks/population.py [--batch-size 8] [--steps 40] [--recipes paper default] [--populations 1 10 50 200]

One by one is the ordinary module with PyTorch's own convolutions, ``AdamW(fused=True)`` and ``clip_grad_norm_``. Both
alternate; the medians over the rounds are printed, in CPU seconds of this process, so that other programs on the
machine disturb less. The bound is the ratio that products alone, at the speed of this machine's large matrix product,
would reach. Beneath stands where the time goes with the most candidates, by PyTorch's operators: the products, and what
passes weights and activations through memory. The maps are random numbers of each recipe's shape.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from statistics import median

import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from omsn.config import TrainingConfig
from omsn.models.losses import LOSSES
from omsn.models.smgcnn import SMGCNN
from omsn.recipes import load_config
from omsn.training.loop import learning_rate, smooth
from omsn.tuning.population import Candidates, FusedMaps, train_population

N_CLASSES = 8
N_CLIPS = 320
PRODUCT_SIZE = 512
PRODUCTS = frozenset({"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::baddbmm_"})
OPERATORS_SHOWN = 8


@dataclass(frozen=True)
class Job:
    """What is trained, and how long the short training is."""

    start: SMGCNN
    train: FusedMaps
    validation: FusedMaps
    training: TrainingConfig
    steps: int

    @classmethod
    def of(cls, recipe: str, batch_size: int, steps: int, n_validation: int) -> Job:
        """Of a recipe's sizes, with random maps."""
        config = load_config(recipe)
        matrix, fusion = config.network.audio, config.network.fusion
        shape = (fusion.width, matrix.steps, matrix.channels // fusion.maps)
        start = SMGCNN(shape[0], shape[2], N_CLASSES, config.network.classifier)
        train, validation = (
            FusedMaps(torch.randn(count, *shape), torch.randint(N_CLASSES, (count,)))
            for count in (N_CLIPS, n_validation)
        )
        return cls(start, train, validation, replace(config.training, batch_size=batch_size), steps)

    def alone(self) -> None:
        """One candidate, the ordinary way."""
        network, training = deepcopy(self.start).train(), self.training
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=training.weight_decay, fused=True)
        for step in range(self.steps):
            rows = torch.randint(N_CLIPS, (training.batch_size,))
            targets = smooth(self.train.targets[rows], N_CLASSES, training.label_smoothing)
            optimizer.param_groups[0]["lr"] = learning_rate(step, self.steps, training)
            optimizer.zero_grad()
            LOSSES[training.loss](network(self.train.maps[rows]), targets).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), training.clip_norm)
            optimizer.step()
        with torch.no_grad():
            one_hot = F.one_hot(self.validation.targets, N_CLASSES).float()
            LOSSES[training.loss](network.eval()(self.validation.maps), one_hot)

    def together(self, population: int, chunk: int | None) -> None:
        """Many candidates at once."""
        rates = torch.logspace(-5, -2, population).tolist()
        candidates = Candidates.of(rates, self.training.weight_decay, self.start.dropout.p)
        train_population(
            self.start, self.train, self.validation, candidates, self.training, steps=self.steps, seed=0, chunk=chunk
        )


@dataclass(frozen=True)
class Times:
    """CPU seconds, one a round: of one candidate alone, of one of P together, and of a large matrix product."""

    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    product: list[float] = field(default_factory=list)


def main() -> None:
    """Run every measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=8, help="clips in a step")
    parser.add_argument("--steps", type=int, default=40, help="steps of a short training")
    parser.add_argument("--validation", type=int, default=64, help="validation clips")
    parser.add_argument("--chunk", type=int, default=None, help="candidates trained together")
    parser.add_argument("--rounds", type=int, default=3, help="times that everything is measured")
    parser.add_argument("--recipes", nargs="+", default=["paper", "default"])
    parser.add_argument("--populations", nargs="+", type=int, default=[1, 10, 50, 200])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for recipe in arguments.recipes:
        job = Job.of(recipe, arguments.batch_size, arguments.steps, arguments.validation)
        alone_flop, together_flop = _flop(job.alone), _flop(lambda: job.together(1, 1))  # noqa: B023
        print(f"\n{recipe}: maps {tuple(job.train.maps.shape[1:])}, width {job.start.stem.out_channels}")
        print(f"{arguments.steps} steps of {arguments.batch_size} clips, then {arguments.validation} validation clips")
        print(f"GFLOP of a candidate: {alone_flop / 1e9:.2f} alone, {together_flop / 1e9:.2f} together")
        print("   P   alone s  together s  ratio  GFLOP/s  of machine's  bound")
        for population in arguments.populations:
            times = _measure(job, population, arguments.chunk, arguments.rounds)
            _print_row(population, times, together_flop)
        most = max(arguments.populations)
        _print_shares(most, operator_shares(lambda: job.together(most, arguments.chunk)))  # noqa: B023


def _measure(job: Job, population: int, chunk: int | None, rounds: int) -> Times:
    times = Times()
    square = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE)
    _seconds(job.alone)  # the first call of each shape prepares its kernels
    for _ in range(rounds):
        times.alone.append((_seconds(job.alone) + _seconds(job.alone)) / 2)
        times.product.append(min(_seconds(lambda: square @ square) for _ in range(5)))
        times.together.append(_seconds(lambda: job.together(population, chunk)) / population)
    return times


def _print_row(population: int, times: Times, flop: int) -> None:
    alone, together, product = median(times.alone), median(times.together), median(times.product)
    machine = 2 * PRODUCT_SIZE**3 / product / 1e9
    reached, bound = flop / together / 1e9, alone / (flop / machine / 1e9)
    print(
        f"{population:4} {alone:9.4f} {together:11.4f} {alone / together:6.2f} {reached:8.1f} {machine:13.1f} "
        f"{bound:6.1f}",
        flush=True,
    )


def operator_shares(job: Callable[[], object]) -> dict[str, float]:
    """Each operator's share of a job's time on this thread, without what it calls; the most first."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        job()
    times = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    total = sum(times.values())
    return {name: time / total for name, time in sorted(times.items(), key=lambda item: -item[1])}


def _print_shares(population: int, shares: dict[str, float]) -> None:
    products = sum(share for name, share in shares.items() if name in PRODUCTS)
    print(f"share of the time by operator, P = {population}; products {products:.0%}")
    for name, share in list(shares.items())[:OPERATORS_SHOWN]:
        print(f"{share:6.1%}  {name}")


def _flop(job: Callable[[], None]) -> int:
    """Operations in the products and convolutions of a job."""
    with FlopCounterMode(display=False) as counter:
        job()
    return int(counter.get_total_flops())


def _seconds(job: Callable[[], object]) -> float:
    started = time.process_time()
    job()
    return time.process_time() - started


if __name__ == "__main__":
    main()
