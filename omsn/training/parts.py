"""A fold's clips -> standardised, padded parts; the test part never decides how anything is standardised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from omsn.config import TrainingConfig
from omsn.data.dataset import FeatureSet
from omsn.data.padded import PaddedSet, pad
from omsn.data.splits import Fold
from omsn.errors import InputError
from omsn.features.normalise import SampleStatistics, leave_out
from omsn.labels import LabelSet
from omsn.types import LabelledSample, Sample

Person = tuple[str, str]
"""Corpus and speaker."""


@dataclass(frozen=True, eq=False)
class Parts:
    """One fold ready for a network.

    Attributes:
        train: what it learns from.
        validation: what chooses; None where the fold has none.
        test: what is scored; None where the fold has none.
        statistics: of the training part, for the checkpoint.
    """

    train: PaddedSet
    validation: PaddedSet | None
    test: PaddedSet | None
    statistics: SampleStatistics


def make_parts(features: FeatureSet, fold: Fold, config: TrainingConfig) -> Parts:
    """Standardise and pad the parts of a fold.

    With ``none`` every part is standardised by the training part; with ``enrolled`` each speaker by that speaker's
    own clips in the same part, without their labels. Behind the clips of each part stand those at other speeds.

    Raises:
        InputError: no clips to train on, or ``enrolled`` is asked for and a speaker is unknown.
    """
    if not fold.train:
        raise InputError(f"{fold.name}: no clips to train on")
    statistics = SampleStatistics.of([labelled.sample for labelled in features.at(fold.train)]).of_any_speed()

    def part(labelled: Sequence[LabelledSample], people: Sequence[Person] | None = None) -> PaddedSet:
        samples = normalised(labelled, statistics, config)
        return pad(samples, targets_of(labelled, features.labels), config.modality, people)

    learned = features.at(fold.train)
    train = part(learned, people_of(learned) if all(item.clip.speaker for item in learned) else None)
    validation = part(features.at(fold.validation)) if fold.validation else None
    test = part(features.at(fold.test)) if fold.test else None
    return Parts(train, validation, test, statistics)


def normalised(
    labelled: Sequence[LabelledSample], statistics: SampleStatistics, config: TrainingConfig
) -> list[Sample]:
    """Samples standardised in the mode of ``config.normalisation``, in the same order.

    Raises:
        InputError: ``enrolled`` is asked for and a speaker is unknown.
    """
    if config.normalisation == "none":
        return [leave_out(statistics.standardise(item.sample), config.identity_columns) for item in labelled]
    people = people_of(labelled)
    by_person: dict[Person, list[Sample]] = defaultdict(list)
    for person, item in zip(people, labelled, strict=True):
        by_person[person].append(item.sample)
    own = {person: SampleStatistics.of(samples) for person, samples in by_person.items()}
    return [own[person].standardise(item.sample) for person, item in zip(people, labelled, strict=True)]


def people_of(labelled: Sequence[LabelledSample]) -> list[Person]:
    """Who speaks in each sample; speakers of one name in two corpora are two people.

    Raises:
        InputError: a speaker is unknown.
    """
    unknown = next((item.clip.clip for item in labelled if not item.clip.speaker), None)
    if unknown is not None:
        raise InputError(f"{unknown}: no speaker; enrolled normalisation needs one for every clip, or use none")
    return [(item.clip.corpus, item.clip.speaker) for item in labelled]


def targets_of(labelled: Sequence[LabelledSample], labels: LabelSet) -> list[int]:
    """Class number of each sample."""
    return [labels.index(item.clip.emotion) for item in labelled]
