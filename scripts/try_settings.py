"""Train with changed settings inside the training parts of folds, and add the score to docs/experiments.csv.

    python scripts/try_settings.py CACHE --name NAME --folds 1,2,3,4,5 --set training.augment.mixup=0

A trial never sees the test part of its fold: the training part is cut once more by the same protocol, and one of those
cuts scores the trial. Another one is taken for each fold, so that all five folds of ``actors-4`` score everybody once.
One fold is a fifth of the work, but a WAR from its 240 clips moves by three points by chance. What is chosen by all
five was chosen by everybody who judges in the end, though never by their clips in the fold that judges them: say so.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from omsn.config import Config
from omsn.data.dataset import FeatureSet, load_features
from omsn.data.splits import Fold, make_folds
from omsn.errors import ConfigError, InputError
from omsn.models.answers import mean_of_each
from omsn.models.network import Logits, count_parameters
from omsn.recipes import load_config
from omsn.training.calibration import negative_log_likelihood
from omsn.training.loop import fit, predict_probabilities
from omsn.training.metrics import score
from omsn.training.neighbours import answered_together, wccn_of
from omsn.training.out_of_fold import OutOfFold, join
from omsn.training.parts import make_parts
from omsn.training.rounds import build_network, out_of_fold

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
    "war_by_itself",
    "war_audio_head",
    "war_video_head",
    "parameters",
    "minutes",
)


def nested_fold(features: FeatureSet, protocol: str, number: int, seed: int) -> Fold:
    """What the training part of a fold is cut into, without validation: its test part scores a trial.

    Of the cuts inside fold n the n-th is taken, beginning again after the last: the part that follows the fold's own.

    Raises:
        InputError: the protocol has no such fold, or does not fit the clips.
    """
    folds = make_folds(features.clips, protocol, seed, 0.0)
    if not 1 <= number <= len(folds):
        raise InputError(f"--folds: got {number}, expected 1 to {len(folds)} for {protocol}")
    inside = folds[number - 1].train
    cuts = make_folds([features.clips[index] for index in inside], protocol, seed, 0.0)
    inner = cuts[(number - 1) % len(cuts)]
    return Fold(
        f"{folds[number - 1].name} nested",
        tuple(inside[index] for index in inner.train),
        (),
        tuple(inside[index] for index in inner.test),
    )


def run_trial(features: FeatureSet, folds: Sequence[Fold], config: Config, seed: int) -> Mapping[str, str]:
    """Train once a fold and score all answers together: the columns of a row that trainings fill.

    Raises:
        ConfigError: the settings let a validation part choose, and a trial has none.
    """
    if config.training.chooses:
        raise ConfigError(
            f"training.keep: got {config.training.keep}, patience {config.training.patience}, but nobody is kept out "
            "of a trial to choose; set training.keep=last and training.patience=0"
        )
    torch.set_num_threads(1)
    start = time.perf_counter()
    said, logits, parameters = zip(*(_train(features, fold, config, seed) for fold in folds), strict=True)
    by_itself = join(said)
    answers = answered_together(zip(folds, said, strict=True), wccn_of(folds, features, config), features, config)
    heads = [torch.cat([getattr(one, name) for one in logits]) for name in ("audio", "video")]
    return {
        "train_clips": str(sum(len(fold.train) for fold in folds)),
        "scored_clips": str(len(answers)),
        **scores(answers, by_itself, *heads),
        "parameters": str(max(parameters)),
        "minutes": f"{(time.perf_counter() - start) / 60:.1f}",
    }


def _train(features: FeatureSet, fold: Fold, config: Config, seed: int) -> tuple[OutOfFold, Logits, int]:
    """What a network says of each of the clips that score it by itself, its heads beside it, and its parameters."""
    parts, network = make_parts(features, fold, config.training), build_network(config, features, seed)
    fit(network, parts.train, None, config.training, seed=seed)
    part = parts.test
    assert part is not None  # a nested fold always has a test part
    said = predict_probabilities([network], part, config.training)
    with torch.no_grad():
        logits = [network.logits(part.batch(rows)) for rows in part.in_turn()]
    fused, audio, video = (
        mean_of_each(torch.cat([getattr(one, name) for one in logits]), part.originals)
        for name in ("fused", "audio", "video")
    )
    return out_of_fold(features, fold, seed, said.numpy()), Logits(fused, audio, video), count_parameters([network])


def scores(answers: OutOfFold, by_itself: OutOfFold, audio: Tensor, video: Tensor) -> Mapping[str, str]:
    """WAR, UAR and cross-entropy of the answers, WAR of each clip by itself and of each modality's own head."""
    whole, truth = score(answers.truth, answers.probabilities), torch.from_numpy(answers.truth)
    heads = {"war_audio_head": audio, "war_video_head": video}
    return {
        "war": f"{whole.war:.4f}",
        "uar": f"{whole.uar:.4f}",
        "loss": f"{negative_log_likelihood(answers.probabilities, answers.truth):.4f}",
        "war_by_itself": f"{score(by_itself.truth, by_itself.probabilities).war:.4f}",
        **{name: f"{float((head.argmax(dim=1) == truth).float().mean()):.4f}" for name, head in heads.items()},
    }


def add_row(table: Path, row: Mapping[str, str]) -> None:
    """Append a row, below a header where the table is new."""
    new = not table.exists()
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def parse_folds(text: str) -> tuple[int, ...]:
    """Numbers with commas between them, none twice.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    try:
        numbers = tuple(map(int, text.split(",")))
    except ValueError:
        numbers = ()
    if not numbers or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected different numbers such as 1,2,3")
    return numbers


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one trial and record it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--name", required=True, help="what the trial is called in the table")
    parser.add_argument("--protocol", default="actors-4")
    parser.add_argument("--folds", type=parse_folds, default=(1,), metavar="1,2", help="1 if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="A.B=VALUE")
    parser.add_argument("--table", type=Path, default=TABLE)
    given = parser.parse_args(arguments)
    features, config = load_features(given.cache), load_config(given.recipe, given.settings)
    folds = [nested_fold(features, given.protocol, number, given.seed) for number in given.folds]
    facts = {
        "name": given.name,
        "protocol": given.protocol,
        "fold": ",".join(map(str, given.folds)),
        "seed": str(given.seed),
        "recipe": Path(given.recipe).name,
        "settings": " ".join(given.settings),
    }
    row = facts | dict(run_trial(features, folds, config, given.seed))
    add_row(given.table, row)
    print(", ".join(f"{key} {value}" for key, value in row.items() if value), flush=True)


if __name__ == "__main__":
    main()
