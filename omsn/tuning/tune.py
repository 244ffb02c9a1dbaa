"""Find SMGCNN's learning rate with mountain gazelles (paper 2.5.2), and make sure of it with a round of finalists."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from omsn.config import Config
from omsn.data.dataset import FeatureSet, load_features
from omsn.data.splits import hold_out
from omsn.errors import ConfigError
from omsn.files import replace_file
from omsn.recipes import flat_settings, to_dict, with_settings
from omsn.report.search import EVALUATIONS_FILE, SEARCH_FILE
from omsn.training.loop import OnEpoch
from omsn.training.plan import Plan, check_features
from omsn.training.run_folder import claim
from omsn.tuning.finalists import FINALISTS_FILE, Finals, OnRound, train_again, well_spread
from omsn.tuning.fitness import (
    LEARNING_RATE,
    Fitness,
    Fused,
    fresh_classifier,
    fused_maps,
    load_fused,
    save_fused,
    usual_settings,
)
from omsn.tuning.gazelle import GazelleSettings
from omsn.tuning.space import dimensions
from omsn.tuning.storage import add_evaluations, open_study
from omsn.tuning.study import OnIteration, Reals, Study, Tried

FUSED_FILE, RECIPE_FILE = "fused.safetensors", "tuned.toml"


@dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Attributes:
        settings: to vary, of ``omsn.tuning.fitness.SEARCHABLE``.
        gazelles: the optimizer's own settings.
        steps: of each candidate's short training.
        batch_size: of each candidate's short training.
        held_out: share of the speakers that validate the candidates.
        finalists: the best candidates, lying apart, that are trained again; 0 for none, the lowest loss wins then.
        finalist_seeds: orders of the clips, and of dropout, in which each is.
    """

    settings: tuple[str, ...] = (LEARNING_RATE,)
    gazelles: GazelleSettings = field(default_factory=GazelleSettings)
    steps: int = 40
    batch_size: int = 8
    held_out: float = 0.2
    finalists: int = 20
    finalist_seeds: int = 8

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise ConfigError(f"search: got {self.steps} steps of {self.batch_size} clips, expected at least 1 of each")
        if self.finalists < 0 or self.finalist_seeds < 1:
            raise ConfigError(
                f"search: got {self.finalists} finalists under {self.finalist_seeds} seeds, "
                "expected at least 0 finalists and 1 seed"
            )

    def to_evaluate(self) -> dict[str, Any]:
        """What the losses of the candidates depend on; finalists come after them."""
        later = ("finalists", "finalist_seeds")
        return {name: value for name, value in to_dict(self).items() if name not in later}


def tune(
    plan: Plan,
    search: Search,
    run: Path,
    *,
    jobs: int = 1,
    resume: bool = False,
    storage: str | None = None,
    on_epoch: OnEpoch | None = None,
    on_iteration: OnIteration | None = None,
    on_round: OnRound | None = None,
) -> dict[str, Any]:
    """Search, and write what was found: ``search.json``, ``evaluations.csv``, and ``tuned.toml``, a recipe.

    Args:
        plan: the prepared corpus and the settings that the search does not vary; one seed.
        search: what it varies.
        run: folder of the search; with ``resume`` one that was cut short goes on in it.
        jobs: processes side by side.
        resume: go on where a search stopped; a finished one may be given other finalists.
        storage: where Optuna keeps studies; the evaluations are added to one with the name of the folder, after each
            iteration. See ``omsn.tuning.storage.open_study``.
        on_epoch: called after each epoch of the encoders' training, which comes first.
        on_iteration: called after each iteration of the search.
        on_round: called as the finalists, which come last, are trained under one seed after the other.

    Returns:
        what ``search.json`` holds.

    Raises:
        ConfigError: the folder or the storage holds another search, or the folder a finished or unfinished one
            without ``resume``; a setting cannot be searched; the storage cannot be opened.
        InputError: too few speakers to keep any out; no candidate has a finite loss, or no finalist under all seeds.
    """
    torch.set_num_threads(1)
    axes = dimensions(search.settings)
    search = replace(search, settings=tuple(axis.setting for axis in axes))
    features, seed = load_features(plan.cache), plan.seeds[0]
    check_features(plan, features)
    start = fresh_classifier(features, plan.config, seed)
    claim(run, plan, features)
    study = Study(run, axes, search.gazelles, seed, search.to_evaluate(), resume=resume)
    purpose = {"recipe": plan.recipe, "seed": seed, "search": search.to_evaluate()}
    kept = None if storage is None else open_study(storage, run.resolve().name, purpose)
    fitness = Fitness(
        start,
        _fused(features, plan.config, search, seed, run / FUSED_FILE, on_epoch),
        axes,
        short_training(plan.config, search),
        search.steps,
        seed,
        jobs,
    )

    def hear(tried: Tried) -> None:
        if kept is not None:
            add_evaluations(kept, tried)
        if on_iteration is not None:
            on_iteration(tried)

    tried = study.run(fitness, hear)
    if kept is not None:
        add_evaluations(kept, tried)  # what a start before this one was cut too soon to add
    _write_evaluations(tried, run / EVALUATIONS_FILE)
    finals = final_round(fitness, tried, search, run / FINALISTS_FILE, on_round) if search.finalists else None
    facts = _facts(plan, search, tried, _usual_loss(fitness), finals)
    found = [f"{name}={json.dumps(value)}" for name, value in facts["found"].items()]
    replace_file(run / RECIPE_FILE, recipe_text(with_settings(plan.config, found)).encode())
    replace_file(run / SEARCH_FILE, (json.dumps(facts, indent=1) + "\n").encode())
    return facts


def final_round(fitness: Fitness, tried: Tried, search: Search, path: Path, on_round: OnRound | None = None) -> Finals:
    """Train the finalists and the recipe's own settings again, under the seeds that follow the search's.

    Args:
        fitness: of the search.
        tried: all that it has evaluated.
        search: how many finalists and seeds.
        path: where their losses are kept, and taken from where they are there.
        on_round: called before the first seed and after each.

    Raises:
        InputError: no candidate has a finite loss, or the file is damaged.
    """
    rows = well_spread(tried, search.finalists)
    points = tried.points[rows]

    def evaluate(seed: int) -> Reals:
        again = replace(fitness, seed=seed)
        return np.append(again(points), _usual_loss(again))

    seeds = tuple(range(fitness.seed + 1, fitness.seed + 1 + search.finalist_seeds))
    of = {"search": search.to_evaluate(), "seed": fitness.seed, "points": points.tolist()}
    losses = train_again(path, of, seeds, evaluate, on_round)
    return Finals(rows, seeds, losses[:, :-1], losses[:, -1])


def short_training(config: Config, search: Search) -> Config:
    """The settings of a candidate's training: those of the plan in smaller batches."""
    return replace(config, training=replace(config.training, batch_size=search.batch_size))


def recipe_text(config: Config) -> str:
    """All settings as a TOML recipe, one a line; what is None is left to its default."""
    values = flat_settings(to_dict(config))
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
    return "\n".join(["# Every setting of a tuned training, written by omsn tune.", *lines]) + "\n"


def _fused(
    features: FeatureSet, config: Config, search: Search, seed: int, path: Path, on_epoch: OnEpoch | None
) -> Fused:
    if path.exists():
        return load_fused(path)
    fold = hold_out(features.clips, search.held_out, seed)
    fused = fused_maps(features, fold, config, seed, on_epoch)
    save_fused(path, fused)
    return fused


def _usual_loss(fitness: Fitness) -> float:
    """The fitness of the plan's own settings, for comparison."""
    usual = replace(fitness, axes=(), jobs=1)
    return float(usual(np.empty((1, 0)))[0])


def _write_evaluations(tried: Tried, path: Path) -> None:
    """One row an evaluation: iteration, the value of each setting, loss (empty where training diverged)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["iteration", *(axis.setting for axis in tried.axes), "loss"])
    for index, (iteration, loss) in enumerate(zip(tried.iterations.tolist(), tried.losses.tolist(), strict=True)):
        writer.writerow([iteration, *tried.settings(index).values(), loss if np.isfinite(loss) else ""])
    replace_file(path, text.getvalue().encode())


def _facts(plan: Plan, search: Search, tried: Tried, usual: float, finals: Finals | None) -> dict[str, Any]:
    return {
        "format": 1,
        "recipe": plan.recipe,
        "normalisation": plan.config.training.normalisation,
        "modality": plan.config.training.modality,
        "seed": plan.seeds[0],
        "search": asdict(search),
        "axes": [asdict(axis) for axis in tried.axes],
        "evaluations": len(tried.losses),
        "unusable": int((~np.isfinite(tried.losses)).sum()),
        "found": tried.settings(tried.best if finals is None else finals.winner),
        "loss": float(tried.losses[tried.best]),
        "usual": {axis.setting: usual_settings(plan.config)[axis.setting] for axis in tried.axes},
        "usual_loss": usual,
        "finalists": None if finals is None else finals.facts(tried),
    }
