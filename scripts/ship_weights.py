"""Put a trained checkpoint into the package, with a model card written from facts.

    python scripts/ship_weights.py RUN --card-from RUN_OR_JSON [RUN_OR_JSON ...]

RUN is a folder that omsn train wrote. The card's scores come from runs of omsn crossval with the same settings, or from
their records in docs/runs, the one that says most about new people first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model_card import model_card
from named_runs import ended

from omsn.errors import InputError
from omsn.files import replace_file
from omsn.models.checkpoint import (
    CONFIG_NAME,
    MAX_SHIPPED_BYTES,
    WEIGHTS_NAME,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from omsn.recipes import differing_settings, to_dict, with_defaults
from omsn.report.run import RunMetrics, parse_metrics, read_metrics
from omsn.training.single import CHECKPOINT_FOLDER
from omsn.weights import shipped_folder

CARD_NAME = "MODEL_CARD.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Ship what the command line names; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder that omsn train wrote")
    parser.add_argument("--card-from", type=Path, nargs="+", default=[], metavar="RUN_OR_JSON")
    parser.add_argument(
        "--to", type=Path, default=shipped_folder(), help="the package's folder of weights where not given"
    )
    given = parser.parse_args(arguments)

    def work() -> None:
        ship(given.run, given.card_from, given.to)
        print(f"shipped: {given.run} -> {given.to}")

    return ended("ship_weights", work)


def ship(run: Path, card_from: Sequence[Path], folder: Path) -> None:
    """Write weights, settings and model card to a folder.

    Args:
        run: folder that ``omsn train`` wrote.
        card_from: run folders or recorded runs whose settings are the checkpoint's.
        folder: made where missing.

    Raises:
        CheckpointError: the run has no checkpoint that can be read.
        InputError: a run has no metrics though it held speakers out, a judge has other settings, the first judge is of
            another number of networks, or the checkpoint is too large to be shipped.
    """
    trained = load_checkpoint(run / CHECKPOINT_FOLDER)
    metrics = read_metrics(run) if trained.facts.get("held_out_speakers") else None
    judged = [_judged(path, trained) for path in card_from]
    if judged and judged[0].members != len(trained.networks):
        raise InputError(
            f"{card_from[0]}: judges {judged[0].members} at a time, and {run} has {len(trained.networks)} networks; "
            "name a run first that judges as many together (scripts/ensemble.py makes one)"
        )
    size = sum((run / CHECKPOINT_FOLDER / name).stat().st_size for name in (WEIGHTS_NAME, CONFIG_NAME))
    if size > MAX_SHIPPED_BYTES:
        raise InputError(
            f"{run}: its checkpoint has {size:,} bytes, and a package carries at most {MAX_SHIPPED_BYTES:,}; "
            "train a narrower network"
        )
    recipe = Path(str(trained.facts.get("recipe", "default"))).name  # no path of the machine that trained it
    shipped = replace(trained, facts={**trained.facts, "recipe": recipe})
    save_checkpoint(folder, shipped)
    replace_file(folder / CARD_NAME, model_card(shipped, metrics, judged, size).encode())


def _judged(path: Path, trained: Checkpoint) -> RunMetrics:
    """The metrics of a run folder or of a recorded run, if they are of the checkpoint's settings."""
    run = _recorded(path) if path.suffix == ".json" else read_metrics(path)
    problems = [] if run.model == "network" else [f"it is of the {run.model}"]
    problems += differing_settings(with_defaults(run.config), to_dict(trained.config))
    if trained.config.takes_neighbours and run.by_itself is None:
        problems.append("it answers each clip by itself")
    corpora = {*run.data.corpus.split(", "), *(run.started_from.corpus if run.started_from else ())}
    if corpora != set(trained.facts.get("corpus", ())):
        problems.append(f"it is of {run.data.corpus}, not of {', '.join(trained.facts.get('corpus', ()))}")
    start = trained.facts.get("started_from", {}).get("digest")
    if start != (run.started_from.digest if run.started_from else None):
        problems.append("its networks started from other weights")
    if problems:
        raise InputError(f"{path}: cannot tell how well this checkpoint does: {'; '.join(problems)}")
    return run


def _recorded(path: Path) -> RunMetrics:
    try:
        return parse_metrics(json.loads(path.read_text(encoding="utf-8")), str(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error}); record the run again") from error


if __name__ == "__main__":
    sys.exit(main())
