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
from omsn.features.normalise import SampleStatistics
from omsn.labels import LabelSet
from omsn.types import LabelledSample, Sample


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
    own clips in the same part, without their labels.

    Raises:
        InputError: ``enrolled`` is asked for and a speaker is unknown.
    """
    train = features.at(fold.train)
    statistics = SampleStatistics.of([labelled.sample for labelled in train])

    def part(indices: Sequence[int]) -> PaddedSet | None:
        labelled = features.at(indices)
        if not labelled:
            return None
        samples = normalised(labelled, statistics, config)
        return pad(samples, targets_of(labelled, features.labels), config.modality)

    padded_train = part(fold.train)
    if padded_train is None:
        raise InputError(f"{fold.name}: no clips to train on")
    return Parts(padded_train, part(fold.validation), part(fold.test), statistics)


def normalised(
    labelled: Sequence[LabelledSample], statistics: SampleStatistics, config: TrainingConfig
) -> list[Sample]:
    """Samples standardised in the mode of ``config.normalisation``, in the same order.

    Raises:
        InputError: ``enrolled`` is asked for and a speaker is unknown.
    """
    if config.normalisation == "none":
        return [statistics.standardise(item.sample) for item in labelled]
    by_speaker: dict[str, list[Sample]] = defaultdict(list)
    for item in labelled:
        if not item.clip.speaker:
            raise InputError(
                f"{item.clip.clip}: no speaker; enrolled normalisation needs one for every clip, or use none"
            )
        by_speaker[item.clip.speaker].append(item.sample)
    own = {speaker: SampleStatistics.of(samples) for speaker, samples in by_speaker.items()}
    return [own[item.clip.speaker].standardise(item.sample) for item in labelled]


def targets_of(labelled: Sequence[LabelledSample], labels: LabelSet) -> list[int]:
    """Class number of each sample."""
    return [labels.index(item.clip.emotion) for item in labelled]
