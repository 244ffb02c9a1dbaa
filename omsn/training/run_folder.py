"""The files of a run's folder: what the run is of, its facts for ``metrics.json``, and its history."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from omsn.data.dataset import FeatureSet
from omsn.data.prepare import INDEX_NAME, MANIFEST_NAME
from omsn.data.splits import PROTOCOLS
from omsn.errors import ConfigError, InputError
from omsn.files import replace_file
from omsn.recipes import flat_settings, to_dict, with_defaults
from omsn.training.plan import Plan, Round, corpus_of, speaker_names
from omsn.training.start import Start
from omsn.training.state import Epoch
from omsn.version import __version__

CLOCK_FILE = "wall_clock.json"
HISTORY_COLUMNS = ("seed", "fold", "epoch", "part", "loss", "war")
MAX_NAMED = 3
"""Settings that the refusal of a run's folder names."""
HELD_OUT = "held-out"
"""Stands for the protocol where one model is trained on everything and judged by a few speakers kept out."""
HELD_OUT_TITLES = {True: "one model on everything but a few speakers", False: "one model on everything but a few clips"}
"""By whether the speakers are known."""


RESULTS = ("folds", "metrics.json", "checkpoint", "state-*.safetensors", "study.json", "fused.safetensors")
"""What runs of any kind leave in their folder."""


def claim(run: Path, plan: Plan, features: FeatureSet, start: Start | None = None) -> None:
    """Note in the run's folder what it is of.

    Raises:
        ConfigError: the folder holds a run of other settings or other data, the first of which are named; or results
            without the file that says of what.
    """
    facts = {
        "protocol": plan.protocol,
        "model": plan.model,
        "seeds": list(plan.seeds),
        "networks": plan.networks,
        "config": to_dict(plan.config),
        "data": digest_of(Path(features.source)),
    } | ({} if start is None else {"started_from": start.digest})
    path = run / "run.json"
    text = json.dumps(facts, sort_keys=True, indent=1) + "\n"
    left = sorted(found.name for pattern in RESULTS for found in run.glob(pattern))
    if left and not path.exists():
        raise ConfigError(
            f"{run}: holds {left[0]} and no {path.name} that says of what; choose another --out or delete the folder"
        )
    if path.exists() and (held := _with_defaults(path.read_text(encoding="utf-8"))) != text:
        raise ConfigError(
            f"{run}: holds a run with other settings or data ({path.name} differs: {_differences(held, facts)}); "
            "choose another --out or delete the folder"
        )
    replace_file(path, text.encode())


def _with_defaults(held: str) -> str:
    """A run's file with the settings that were not there yet when it was written; as it is where it is damaged."""
    try:
        facts = json.loads(held)
        facts["config"] = with_defaults(facts["config"])
    except (ValueError, KeyError, TypeError, ConfigError):
        return held
    return json.dumps(facts, sort_keys=True, indent=1) + "\n"


def _differences(held: str, facts: Mapping[str, Any]) -> str:
    """The first settings that a run's file has otherwise, each with what is asked for now."""
    try:
        there, now = (flat_settings(values) for values in (json.loads(held), facts))
    except (ValueError, AttributeError):
        return "it is damaged"
    names = [name for name in sorted({*there, *now}) if there.get(name) != now.get(name)]
    told = [
        "prepared with other clips, labels or features"
        if name == "data"
        else f"{name.removeprefix('config.')}: got {now.get(name)}, the run has {there.get(name)}"
        for name in names[:MAX_NAMED]
    ]
    return "; ".join(told) + (f"; and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")


def digest_of(cache: Path) -> str:
    """Changes with the clips, labels and features of a prepared corpus: its index names entries by their content."""
    files = ((cache / name).read_bytes() for name in (INDEX_NAME, MANIFEST_NAME))
    return hashlib.sha256(b"".join(files)).hexdigest()


class WallClock:
    """Seconds by the clock on the wall that a run has taken, over all the times that it was started.

    Raises:
        InputError: what earlier starts have noted in the run's folder is damaged.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / CLOCK_FILE
        self._before_s = self._noted()
        self._started_s = time.monotonic()

    def note(self) -> float:
        """The seconds so far, written down; a run that is killed loses those since its last note."""
        seconds = self._before_s + time.monotonic() - self._started_s
        replace_file(self._path, json.dumps({"seconds": seconds}).encode())
        return seconds

    def _noted(self) -> float:
        try:
            return float(json.loads(self._path.read_text(encoding="utf-8"))["seconds"])
        except (FileNotFoundError, NotADirectoryError):
            return 0.0
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._path}: damaged ({error}); delete it, and the clock starts at 0 again") from error


def describe_run(
    plan: Plan, features: FeatureSet, rounds: Sequence[Round], leaks: tuple[str, ...], start: Start | None = None
) -> dict[str, Any]:
    """The facts of a run that are not results."""
    protocol = PROTOCOLS.get(plan.protocol)
    clips = features.clips
    known = all(clip.speaker for clip in clips)
    return {
        "format": 1,
        "omsn": __version__,
        "made_with": made_with(),
        "model": plan.model,
        "recipe": plan.recipe,
        "modality": plan.config.training.modality,
        "normalisation": plan.config.training.normalisation,
        "labels": list(features.labels.names),
        "protocol": {
            "name": plan.protocol,
            "title": protocol.title if protocol else HELD_OUT_TITLES[known],
            "speaker_independent": "speaker" in protocol.disjoint_by if protocol else known,
            "folds": [_describe_fold(features, one) for one in rounds],
            "leaks": [*leaks, *(start.leaks if start else ())],
        },
        "data": {
            "corpus": corpus_of(clips),
            "clips": len(clips),
            "speakers": len({(clip.corpus, clip.speaker) for clip in clips if clip.speaker}),
            "cache": features.source,
            "digest": digest_of(Path(features.source)),
        },
        "seeds": list(plan.seeds),
        "config": to_dict(plan.config),
        "started_from": None if start is None else start.facts(),
    }


def made_with() -> dict[str, str]:
    """What decides the last digits beside settings and data: the same seed is another network with other kernels."""
    return {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _describe_fold(features: FeatureSet, one: Round) -> dict[str, Any]:
    names = speaker_names(features)

    def speakers(indices: Sequence[int]) -> list[str]:
        return sorted({names[index] for index in indices} - {""})

    fold = one.fold
    return {
        "name": fold.name,
        "seed": one.seed,
        "train_speakers": speakers(fold.train),
        "validation_speakers": speakers(fold.validation),
        "test_speakers": speakers(fold.test),
        "n_train": len(fold.train),
        "n_validation": len(fold.validation),
        "n_test": len(fold.test),
    }


def write_history(path: Path, fold: str, histories: Mapping[int, Sequence[Epoch]]) -> None:
    """One row a seed, epoch and part, as the report reads them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HISTORY_COLUMNS)
    for seed, epoch in ((seed, epoch) for seed, history in histories.items() for epoch in history):
        writer.writerow([seed, fold, epoch.number, "training", epoch.loss, epoch.war])
        if epoch.validation is not None:
            writer.writerow([seed, fold, epoch.number, "validation", *epoch.validation])
    replace_file(path, text.getvalue().encode())


def join_histories(folders: Sequence[Path], path: Path) -> None:
    """The histories of all rounds in one file."""
    lines = [",".join(HISTORY_COLUMNS)]
    for folder in folders:
        history = folder / "history.csv"
        lines += history.read_text(encoding="utf-8").splitlines()[1:] if history.exists() else []
    replace_file(path, ("\n".join(lines) + "\n").encode())
