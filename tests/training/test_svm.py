from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_corpus import AUDIO, TRAINING, VIDEO, labelled, samples, stream

from omsn.errors import InputError
from omsn.features.clip_statistics import clip_statistics
from omsn.training.svm import fit_svm, part_statistics, svm_probabilities
from omsn.types import Floats, LabelledSample, Modality, Sample, Stream

N_STATISTICS = 5
ENROLLED = replace(TRAINING, normalisation="enrolled")


def clouds(classes: list[int], n: int = 12, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Points around one corner for each class."""
    generator = np.random.default_rng(seed)
    targets = np.repeat(classes, n)
    return (6 * np.eye(4)[targets] + generator.normal(size=(len(targets), 4))).astype(np.float32), targets


# ---------------------------------------------------------------- statistics


def test_a_clip_without_anything_is_zeros() -> None:
    nothing = Sample("silent", Stream.absent(AUDIO), Stream.absent(VIDEO))
    statistics = clip_statistics([nothing], "both")
    assert statistics.shape == (1, N_STATISTICS * (len(AUDIO) + len(VIDEO)))
    assert not statistics.any()


def test_statistics_by_hand() -> None:
    """Mean, deviation, 10th, 50th and 90th percentile over real frames only."""
    values = np.array([[0.0], [10.0], [777.0], [2.0]], np.float32)
    mask = np.array([True, True, False, True])
    audio = Stream(values * mask[:, None], mask, np.arange(4.0), ("energy",))
    statistics = clip_statistics([Sample("clip", audio, Stream.absent(("smile",)))], "audio")
    assert statistics.tolist() == [pytest.approx([4, np.sqrt(56 / 3), 0.4, 2, 8.4])]
    assert statistics.dtype == np.float32


@pytest.mark.parametrize(("modality", "columns"), [("both", AUDIO + VIDEO), ("audio", AUDIO), ("video", VIDEO)])
def test_only_the_modality_that_is_wanted(modality: Modality, columns: tuple[str, ...]) -> None:
    clips = [one.sample for one in samples(("1",))]
    assert clip_statistics(clips, modality).shape == (9, N_STATISTICS * len(columns))


def test_without_enrolment_a_clip_is_described_alone() -> None:
    made = samples(("1", "2"))
    alone = np.concatenate([part_statistics([one], TRAINING) for one in made])
    np.testing.assert_array_equal(part_statistics(made, TRAINING), alone)


def test_enrolled_speakers_are_standardised_by_their_own_clips() -> None:
    made = samples(("1", "22"), repetitions=2)
    statistics = part_statistics(made, ENROLLED)
    np.testing.assert_allclose(statistics[:6].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(statistics[6:].std(axis=0), 1, atol=1e-4)
    np.testing.assert_array_equal(statistics[6:], part_statistics(made[6:], ENROLLED))


def test_speakers_of_one_name_in_two_corpora_are_two_people() -> None:
    here = [labelled("1", "sad", number, corpus="a") for number in (1, 2)]
    there = [
        LabelledSample(
            Sample(name, stream(5, AUDIO, 50.0 + number, np.random.default_rng(number)), Stream.absent(VIDEO)),
            replace(here[0].clip, clip=name, corpus="b"),
        )
        for number, name in enumerate(("x", "y"))
    ]
    together = part_statistics([*here, *there], ENROLLED)
    np.testing.assert_array_equal(together[:2], part_statistics(here, ENROLLED))


def test_enrolment_needs_speakers() -> None:
    one = samples(("1",))[0]
    nobody = LabelledSample(one.sample, replace(one.clip, speaker=""))
    assert len(part_statistics([nobody], TRAINING)) == 1
    with pytest.raises(InputError, match="1-bored-1: no speaker; enrolled normalisation needs one"):
        part_statistics([nobody], ENROLLED)


def test_one_clip_of_a_speaker_is_finite() -> None:
    assert np.isfinite(part_statistics(samples(("1",))[:1], ENROLLED)).all()


# ---------------------------------------------------------------- the machine


def test_it_learns_what_can_be_separated() -> None:
    model = fit_svm(*clouds([0, 1, 2]))
    statistics, targets = clouds([0, 1, 2], seed=1)
    probabilities = svm_probabilities(model, statistics, 3)
    assert (probabilities.argmax(axis=1) == targets).all()
    assert probabilities.max(axis=1).min() > 0.6


def test_probabilities_sum_to_1() -> None:
    model = fit_svm(*clouds([0, 1, 2]))
    probabilities = svm_probabilities(model, 100 * clouds([0, 1, 2, 3])[0], 4)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_a_class_that_training_lacks_gets_0() -> None:
    probabilities = svm_probabilities(fit_svm(*clouds([0, 3])), clouds([0, 1, 3])[0], 4)
    assert probabilities.shape == (36, 4)
    assert not probabilities[:, [1, 2]].any()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities[:12].argmax(axis=1) == 0).all()
    assert (probabilities[24:].argmax(axis=1) == 3).all()


def test_there_is_no_luck_in_it() -> None:
    statistics = clouds([0, 1, 2], seed=2)[0]
    first, second = (svm_probabilities(fit_svm(*clouds([0, 1, 2])), statistics, 3) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_two_clips_of_a_class_are_enough() -> None:
    """Calibration takes as many folds as the rarest class has clips, three at most."""
    statistics, targets = clouds([0, 1])
    few = np.concatenate([np.flatnonzero(targets == 0), np.flatnonzero(targets == 1)[:2]])
    probabilities = svm_probabilities(fit_svm(statistics[few], targets[few]), statistics, 2)
    assert np.isfinite(probabilities).all()


def test_one_clip_of_a_class_is_too_few() -> None:
    statistics, targets = clouds([0, 1])
    with pytest.raises(InputError, match="class 1 has 1 clip to learn from, expected at least 2 of each"):
        fit_svm(statistics[:13], targets[:13])


def test_one_class_alone_is_too_few() -> None:
    with pytest.raises(InputError, match="got clips of 1 class, expected at least 2"):
        fit_svm(*clouds([2]))
