"""Train with changed settings inside the training part of one fold, and add the score to docs/experiments.csv.

    python scripts/try_settings.py CACHE --name NAME --protocol actors-4 --fold 1 --set training.augment.mixup=0

A trial never sees the test part of its fold: the training part is cut once more by the same protocol, and the first
of those cuts scores the trial. So settings are chosen without any clip that will judge them.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from omsn.config import Config
from omsn.data.dataset import FeatureSet, load_features
from omsn.data.splits import Fold, make_folds
from omsn.errors import InputError
from omsn.models.network import Logits
from omsn.recipes import load_config
from omsn.training.loop import fit
from omsn.training.metrics import score
from omsn.training.parts import make_parts
from omsn.training.rounds import build_network, count_parameters

TABLE = Path(__file__).resolve().parent.parent / "docs" / "experiments.csv"

COLUMNS = (
    "name",
    "protocol",
    "fold",
    "seed",
    "recipe",
    "settings",
    "train_clips",
    "scored_clips",
    "war",
    "uar",
    "loss",
    "war_audio_head",
    "war_video_head",
    "parameters",
    "minutes",
)


def nested_fold(features: FeatureSet, protocol: str, number: int, seed: int) -> Fold:
    """What the training part of a fold is cut into, without validation: its test part scores a trial.

    Raises:
        InputError: the protocol has no such fold, or does not fit the clips.
    """
    folds = make_folds(features.clips, protocol, seed, 0.0)
    if not 1 <= number <= len(folds):
        raise InputError(f"--fold: got {number}, expected 1 to {len(folds)} for {protocol}")
    inside = folds[number - 1].train
    inner = make_folds([features.clips[index] for index in inside], protocol, seed, 0.0)[0]
    return Fold(
        f"{folds[number - 1].name} nested",
        tuple(inside[index] for index in inner.train),
        (),
        tuple(inside[index] for index in inner.test),
    )


def run_trial(features: FeatureSet, fold: Fold, config: Config, seed: int) -> Mapping[str, str]:
    """Train once and score: the columns of a row that a training fills."""
    torch.set_num_threads(1)
    parts, network = make_parts(features, fold, config.training), build_network(config, features, seed)
    start = time.perf_counter()
    fit(network, parts.train, None, config.training, seed=seed)
    network.eval()
    scored = parts.test
    assert scored is not None  # a nested fold always has a test part
    with torch.no_grad():
        logits = network.logits(scored.whole)
    return {
        "train_clips": str(len(parts.train)),
        "scored_clips": str(len(scored)),
        **scores(logits, scored.targets),
        "parameters": str(count_parameters(network)),
        "minutes": f"{(time.perf_counter() - start) / 60:.1f}",
    }


def scores(logits: Logits, targets: Tensor) -> Mapping[str, str]:
    """WAR, UAR and cross-entropy of the whole, WAR of each modality's own head."""
    whole = score(targets.numpy(), torch.softmax(logits.fused.double(), dim=1).numpy())
    heads = {"war_audio_head": logits.audio, "war_video_head": logits.video}
    return {
        "war": f"{whole.war:.4f}",
        "uar": f"{whole.uar:.4f}",
        "loss": f"{float(F.cross_entropy(logits.fused, targets)):.4f}",
        **{name: f"{float((head.argmax(dim=1) == targets).float().mean()):.4f}" for name, head in heads.items()},
    }


def add_row(table: Path, row: Mapping[str, str]) -> None:
    """Append a row, below a header where the table is new."""
    new = not table.exists()
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one trial and record it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--name", required=True, help="what the trial is called in the table")
    parser.add_argument("--protocol", default="actors-4")
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="A.B=VALUE")
    parser.add_argument("--table", type=Path, default=TABLE)
    given = parser.parse_args(arguments)
    features, config = load_features(given.cache), load_config(given.recipe, given.settings)
    fold = nested_fold(features, given.protocol, given.fold, given.seed)
    facts = {key: str(getattr(given, key)) for key in ("name", "protocol", "fold", "seed", "recipe")}
    facts["recipe"] = Path(given.recipe).name
    row = facts | {"settings": " ".join(given.settings)} | dict(run_trial(features, fold, config, given.seed))
    add_row(given.table, row)
    print(", ".join(f"{key} {value}" for key, value in row.items() if value), flush=True)


if __name__ == "__main__":
    main()
