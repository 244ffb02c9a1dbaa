"""Put the recorded answers of cross-validations back into run folders, so that more seeds join them.

    python scripts/put_back.py CACHE actors-4-none --seeds 0,1,2 --out runs
    omsn crossval CACHE --protocol actors-4 --normalise none --seeds 0,1,2 --out runs/actors-4-none

The second command, or a script that makes such runs, trains only for the seeds that are not recorded. What comes back
is what each fold's network said, by itself, of each clip that it was tested on; history and weights are not recorded.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from named_runs import ended
from write_results import BY_ITSELF_SUFFIX, PREDICTIONS_SUFFIX, ROOT, RUNS_FOLDER

from omsn.config import Config
from omsn.data.dataset import FeatureSet, load_features
from omsn.errors import InputError
from omsn.files import replace_file
from omsn.options import parse_seeds
from omsn.recipes import from_dict
from omsn.report.run import PREDICTIONS_FILE, RunMetrics, parse_metrics
from omsn.training.crossval import ROUND_NAME
from omsn.training.out_of_fold import OutOfFold, read_predictions, write_predictions
from omsn.training.plan import Plan, Round, check_features, plan_rounds, speaker_names
from omsn.training.run_folder import claim


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Put back what the command line names; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cache", type=Path, help="folder that omsn prepare wrote")
    parser.add_argument("names", nargs="+", metavar="NAME", help="of a run in docs/runs")
    parser.add_argument("--seeds", required=True, help="of the run to be, those recorded among them")
    parser.add_argument("--out", type=Path, required=True, help="where the folders of the runs are")
    given = parser.parse_args(arguments)

    def work() -> None:
        features, seeds = load_features(given.cache), parse_seeds(given.seeds)
        for name in given.names:
            n_rounds, n_all = put_back(root / RUNS_FOLDER, name, features, given.cache, seeds, given.out / name)
            print(f"{given.out / name}: {n_rounds} of {n_all} folds are there", flush=True)

    return ended("put back", work)


def put_back(
    records: Path, name: str, features: FeatureSet, cache: Path, seeds: tuple[int, ...], run: Path
) -> tuple[int, int]:
    """Make the folder of a run whose recorded rounds are finished; returns how many are, of how many.

    Args:
        records: folder of the recorded runs.
        name: of the recorded run.
        features: the corpus in ``cache``.
        cache: what the run is of.
        seeds: of the run to be.
        run: the folder to make.

    Raises:
        ConfigError: the cache was prepared with other settings, or ``run`` holds another run.
        InputError: the run is not recorded with its predictions, has seeds that are not asked for, is no plain
            cross-validation, or is of other clips or folds than the cache gives.
    """
    metrics, said = _recorded(records, name)
    config = from_dict(Config, dict(metrics.config))
    plan = Plan(cache, metrics.protocol.name, seeds, metrics.model, config, metrics.recipe)
    check_features(plan, features)
    rounds, _ = plan_rounds(plan, features)
    if not set(metrics.seeds) <= set(seeds):
        there, asked = (", ".join(map(str, those)) for those in (metrics.seeds, seeds))
        raise InputError(f"{name}: recorded with seeds {there}, expected all of them in --seeds; got {asked}")
    found = [(one, _answers(name, said, one, features)) for one in rounds if one.seed in metrics.seeds]
    claim(run, plan, features)
    made_with = None if metrics.made_with is None else metrics.made_with.model_dump()
    facts = {"seconds": metrics.seconds / len(found), "parameters": metrics.parameters, "made_with": made_with}
    for one, answers in found:
        folder = run / "folds" / one.folder_name
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(answers, folder / PREDICTIONS_FILE)
        replace_file(folder / ROUND_NAME, json.dumps(facts).encode())
    return len(found), len(rounds)


def _recorded(records: Path, name: str) -> tuple[RunMetrics, OutOfFold]:
    path = records / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no recorded run ({error}); name one of a file in {records}") from error
    metrics = parse_metrics(content, str(path))
    if metrics.members > 1 or metrics.started_from is not None:
        raise InputError(f"{name}: {metrics.model_name}; only plain cross-validations can be put back")
    by_itself = records / f"{name}{BY_ITSELF_SUFFIX}"
    predictions = by_itself if metrics.by_itself is not None else records / f"{name}{PREDICTIONS_SUFFIX}"
    if not predictions.exists():
        raise InputError(f"{name}: recorded without what it said of each clip ({predictions}); run all its seeds anew")
    return metrics, read_predictions(predictions)


def _answers(name: str, said: OutOfFold, one: Round, features: FeatureSet) -> OutOfFold:
    """What was said of a round's clips, in the order of its fold."""
    clips = [features.clips[index].clip for index in one.fold.test]
    rows = np.flatnonzero((said.seeds == one.seed) & (said.folds == one.fold.name)).tolist()
    row_of = {str(said.clips[row]): row for row in rows}
    shared = row_of.keys() & set(clips)
    if not len(shared) == len(row_of) == len(clips):
        raise InputError(
            f"{name}: {one.fold.name} of seed {one.seed} is recorded with {len(row_of)} clips; the cache has "
            f"{len(clips)} there, {len(shared)} of them the same. Prepare it from the corpus that the run was of"
        )
    answers = said.take(np.array([row_of[clip] for clip in clips], np.intp))
    speakers = speaker_names(features)
    known = [(features.clips[index].clip, features.clips[index].emotion, speakers[index]) for index in one.fold.test]
    named = [said.labels.names[truth] for truth in answers.truth]
    recorded = zip(answers.clips.tolist(), named, answers.speakers.tolist(), strict=True)
    for there, here in zip(recorded, known, strict=True):
        if there != here:
            raise InputError(
                f"{name}: {there[0]} is recorded as {there[1]} by speaker {there[2] or 'unknown'}; the cache has "
                f"{here[1]} by {here[2] or 'unknown'}. Prepare it from the corpus that the run was of"
            )
    return answers


if __name__ == "__main__":
    sys.exit(main())
