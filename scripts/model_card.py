"""The model card of shipped weights, written from facts: the checkpoint, its run, and runs that judged its settings."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ensemble import SUFFIX as ENSEMBLE_SUFFIX

from omsn.models.checkpoint import Checkpoint
from omsn.models.network import count_parameters
from omsn.recipes import flat_settings, load_config, recipe_names, to_dict
from omsn.report.html import leak_warnings
from omsn.report.run import RunMetrics
from omsn.report.tables import (
    GIVEN,
    NONE,
    Table,
    calibration_table,
    class_table,
    percent,
    sex_table,
    to_markdown,
    with_interval,
)
from omsn.version import __version__

OWN_OPTIONS = frozenset({"training.normalisation", "training.modality"})
"""Settings that ``omsn train`` has options of their own for."""

NORMALISATIONS = {
    "none": "none: features are standardised by the training part, and nothing of the person need be known",
    "enrolled": "enrolled: features are standardised by the person's own recordings; give it some (`--enrol`)",
}


@dataclass(frozen=True)
class CorpusFacts:
    """What a card must say of a corpus that its clips do not tell.

    Attributes:
        prepared_by: the first words of the command that prepares it.
        citation: as its authors ask for it.
        people: who speaks in it, and what.
        licence: of the data, and so of the weights.
    """

    prepared_by: str
    citation: str
    people: str
    licence: str


CORPORA = {
    "ravdess": CorpusFacts(
        "omsn prepare RAVDESS --corpus ravdess",
        "Livingstone, S. R., & Russo, F. A. (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song "
        "(RAVDESS): A dynamic, multimodal set of facial and vocal expressions in North American English. PLoS ONE "
        "13(5): e0196391. https://doi.org/10.1371/journal.pone.0196391; https://zenodo.org/records/1188976",
        "Professional actors aged 21 to 33, who say two sentences in a neutral North American accent, each in eight "
        "emotions that they act, in a studio, facing the camera.",
        "[CC BY-NC-SA 4.0](https://creativecommons.org/licenses/by-nc-sa/4.0/): no commercial use; whoever passes the "
        "weights on, or what was made of them, names the corpus and keeps this licence",
    )
}

INTENDED = """\
## What it is for

- Research and teaching: a baseline whose training and judging can be repeated, on acted speech like that of its corpus.
- Sorting and annotating one's own recordings of people who know of it and have agreed, where a person looks at the
  result and a wrong answer harms nobody.
- Trying out the software.
"""

UNSUITABLE = """\
## What it must not be used for

- **Decisions about a person, of whatever kind**: hiring, work, school, credit, insurance, migration, policing, courts.
- **Health**: it diagnoses nothing, neither depression nor pain nor autism nor anything else.
- **Lie detection, or what somebody "really" feels.** It learnt what actors do when they are asked to show an emotion.
  Acted emotion is not felt emotion, and people show what they feel, or do not, in ways that it has never met.
- **Watching people who do not know of it or cannot refuse.** In the European Union, inferring emotions at workplaces
  and in education is prohibited but for medical and safety reasons (Regulation (EU) 2024/1689, article 5(1)(f)).
- **Commercial use**, where the licence below forbids it.
"""

LIMITS = """\
- Light, distance, a head that is turned away, a covered face, noise, music, a telephone: the recordings have none of
  these, and no score on this card says anything of them.
- Other languages and accents, other sentences, children, old people, other cultures, people whose face or voice moves
  in another way than those of its corpus: not measured. Expect worse answers, and for some people worse than for
  others.
- It always names one of its emotions, also for a face at rest, for a yawn, and for an emotion that is not on its list.
"""


def model_card(trained: Checkpoint, run: RunMetrics | None, judged: Sequence[RunMetrics], size_bytes: int) -> str:
    """The whole card as markdown.

    Args:
        trained: the checkpoint that is shipped.
        run: the metrics of the training that made it; None where nobody was held out to score it.
        judged: runs with the same settings, the one that says most about new people first.
        size_bytes: of the checkpoint's files.
    """
    parts = [
        "# Model card of the weights in this package\n",
        "`scripts/ship_weights.py` writes this card from the checkpoint and from recorded runs; changes made by hand "
        "are lost.\n",
        to_markdown(_facts(trained, size_bytes)),
        INTENDED,
        UNSUITABLE,
        "## Who trained it\n",
        *_data(trained),
        "## Licence\n",
        _licence(trained),
        "## How it was trained\n",
        _training(trained),
        "## How well it does\n",
        *_judged(judged),
        _held_out(run) if run else "Nobody was held out of the training, so these very weights have no score.\n",
        "## Limits\n",
        LIMITS,
    ]
    return "\n".join(parts)


def _facts(trained: Checkpoint, size_bytes: int) -> Table:
    by = trained.facts.get("calibrated_by")
    told = (
        f"{trained.temperature:.3f}, from the cross-validation `{by['run']}`"
        if by
        else f"{trained.temperature:g}, not fitted"
    )
    rows = (
        ("names", ", ".join(trained.labels.names)),
        ("given", GIVEN[trained.config.training.modality]),
        ("normalisation", NORMALISATIONS[trained.config.training.normalisation]),
        ("networks", _networks(trained)),
        ("recipe", _recipe(trained)),
        ("parameters", f"{count_parameters(trained.networks):,}"),
        ("size", f"{size_bytes / 1e6:.1f} MB"),
        ("temperature", told),
        ("shipped by", f"omsn {__version__}"),
    )
    return Table(("", ""), rows)


def _networks(trained: Checkpoint) -> str:
    n_networks = len(trained.networks)
    return "one" if n_networks == 1 else f"{n_networks}, trained alike under different seeds, which answer together"


def _recipe(trained: Checkpoint) -> str:
    network = trained.config.network
    fusion = f"fusion {network.fusion.kind}" + ("" if network.fusion.kind == "late" else ", SMGCNN")
    beside = f"; statistics of the clip count {network.statistics.share:g}" if network.statistics.enabled else ""
    named = trained.facts.get("recipe")
    recipe = named if named in recipe_names() else "settings of its own"
    return f"{recipe}: an encoder each for voice and face, {fusion}{beside}"


def _data(trained: Checkpoint) -> Iterator[str]:
    corpora, held_out = _corpora(trained), trained.facts.get("held_out_speakers", ())
    clips = f"{trained.facts['clips']:,} clips of " if "clips" in trained.facts else ""
    yield (
        f"{clips}{len(trained.speakers)} speakers of {', '.join(corpora)}{_sexes(trained)}: "
        f"{', '.join(trained.speakers)}.\n"
    )
    kept_out = f"Kept out of the training, to score it: {', '.join(held_out)}. " if held_out else ""
    yield f"{kept_out}Nobody else's recordings trained or scored it.\n"
    if trained.config.network.statistics.enabled:
        yield (
            "The weights hold a description of the clips learnt from, one row each: statistics of its features, "
            "no sound and no pictures, but of a person all the same.\n"
        )
    yield from (f"{facts.people}\n\n{facts.citation}\n" for name in corpora if (facts := CORPORA.get(name)))


def _sexes(trained: Checkpoint) -> str:
    counts = Counter(trained.facts.get("sexes", {}).values())
    told = ", ".join(f"{count} {sex or 'of unknown sex'}" for sex, count in sorted(counts.items()))
    return f" ({told})" if told else ""


def _corpora(trained: Checkpoint) -> list[str]:
    return [name or "a corpus without a name" for name in trained.facts.get("corpus", ())]


def _licence(trained: Checkpoint) -> str:
    return "\n".join([*map(_licence_of, _corpora(trained)), "- **Code**: Apache-2.0."]) + "\n"


def _licence_of(corpus: str) -> str:
    facts = CORPORA.get(corpus)
    if facts is None:
        return f"- No licence of {corpus} is on record: do not pass these weights on before you know it."
    return f"- **Weights** (the files of this folder), as trained on {corpus}: {facts.licence}."


def _training(trained: Checkpoint) -> str:
    lines = "\n".join(commands(trained))
    return f"```sh\n{lines}\n```\n"


def commands(trained: Checkpoint) -> list[str]:
    """The commands that make these weights again from the recordings."""
    named = trained.facts.get("recipe", "default")
    recipe = named if named in recipe_names() else "default"
    changed = _changed(trained, recipe)
    pipeline = [part for name, part in changed if name.startswith("pipeline.")]
    start = trained.facts.get("started_from")
    corpora = [name for name in _corpora(trained) if start is None or name not in start["corpus"]]
    known = CORPORA.get(corpora[0]) if len(corpora) == 1 else None
    prepare = known.prepared_by if known else "omsn prepare FOLDER --corpus folder"
    by, training = trained.facts.get("calibrated_by"), trained.config.training
    option = [f"--recipe {recipe}"] if recipe != "default" else []
    whole = [
        *option,
        f"--normalise {training.normalisation}",
        f"--modality {training.modality}",
        *(["--start-from CHECKPOINT"] if start else []),
        *(p for _, p in changed),
    ]
    judge = _judging(by, whole) if by else []
    calibrated = [f"--calibrate-by runs/{by['run']}"] if by else []
    seeds = f"--seeds {','.join(map(str, trained.facts.get('seeds', [0])))}"
    return [
        " ".join([prepare, *option, *pipeline, "--out cache"]),
        *judge,
        " ".join(["omsn train cache", seeds, *whole, *calibrated, "--out runs/model"]),
    ]


def _judging(by: Mapping[str, Any], settings: Sequence[str]) -> list[str]:
    """The cross-validation that a temperature comes from, and its networks together where it is theirs."""
    run = by["run"].removesuffix(ENSEMBLE_SUFFIX)
    start = f"omsn crossval cache --protocol {by['protocol']} --seeds {','.join(map(str, by['seeds']))}"
    judge = [" ".join([start, *settings, f"--out runs/{run}"])]
    return judge if run == by["run"] else [*judge, f"python scripts/ensemble.py runs/{run}"]


def _changed(trained: Checkpoint, recipe: str) -> list[tuple[str, str]]:
    """Name and ``--set`` of each setting that is not the recipe's."""
    usual, used = (flat_settings(to_dict(config)) for config in (load_config(recipe), trained.config))
    return [
        (name, f"--set {shlex.quote(f'{name}={json.dumps(value)}')}")
        for name, value in used.items()
        if usual.get(name) != value and name not in OWN_OPTIONS
    ]


def _judged(judged: Sequence[RunMetrics]) -> Iterator[str]:
    """Results of the same settings, protocol by protocol, and how far to trust the probabilities."""
    if not judged:
        yield "No cross-validation with these settings was on record when this card was written.\n"
        return
    yield (
        "Networks with the same settings, trained and tested as each protocol says. Intervals are 95%, by a bootstrap "
        "over speakers. These weights themselves come from one more training, on the speakers named above. The "
        "settings were chosen earlier, by trials on the same corpus (docs/decisions.md), which flatters a little.\n"
    )
    yield to_markdown(_protocols(judged))
    yield from (f"**{run.protocol.name} leaks:** {warning}\n" for run in judged for warning in leak_warnings(run))
    first = judged[0]
    yield f"### By class, {first.protocol.name}\n"
    yield to_markdown(class_table(first.scores))
    if first.scores.per_sex:
        yield f"### By sex, {first.protocol.name}\n"
        yield to_markdown(sex_table(first.scores))
    calibrated = calibration_table(first)
    if calibrated is not None:
        yield f"### How far its probabilities can be believed, {first.protocol.name}\n"
        yield to_markdown(calibrated)


def _protocols(judged: Sequence[RunMetrics]) -> Table:
    rows = tuple(
        (
            *(f"{run.protocol.name}: {run.protocol.title}", run.model_name, run.normalisation, str(len(run.seeds))),
            *(with_interval(run.scores.war), with_interval(run.scores.uar), percent(run.scores.chance.war)),
            with_interval(run.baseline.scores.war) if run.baseline else NONE,
        )
        for run in judged
    )
    scores = ("WAR [95%]", "UAR [95%]", "chance, WAR", "SVM WAR [95%]")
    return Table(("protocol", "model", "normalisation", "seeds", *scores), rows)


def _held_out(run: RunMetrics) -> str:
    scores = run.scores
    people = "one held-out speaker" if scores.speakers == 1 else f"{scores.speakers} held-out speakers"
    return (
        f"These very weights name {percent(scores.war.pooled)} of {scores.clips} clips of {people} rightly (WAR), "
        "before any temperature. That is few people: trust the tables above more.\n"
    )
