from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from tiny_corpus import AUDIO, LABELS, TRAINING, VIDEO, features, labelled, quicker, samples, stream
from torch import Tensor

from omsn.config import Normalisation, TrainingConfig
from omsn.data.dataset import FeatureSet
from omsn.data.padded import PaddedSet
from omsn.data.splits import Fold
from omsn.errors import InputError
from omsn.features.normalise import LIMIT, SampleStatistics
from omsn.models.batch import Batch
from omsn.training.parts import make_parts, normalised, targets_of
from omsn.types import LabelledSample, Sample

ENROLLED = replace(TRAINING, normalisation="enrolled")
MADE = samples(("1", "22", "333"))
"""Three speakers of nine clips each, who speak at different levels."""
FOLD = Fold("one", train=tuple(range(9)), validation=tuple(range(9, 18)), test=tuple(range(18, 27)))


def same(first: PaddedSet | None, second: PaddedSet | None) -> bool:
    assert first is not None
    assert second is not None
    equal = [torch.equal(getattr(first.whole, f.name), getattr(second.whole, f.name)) for f in fields(Batch)]
    return all(equal) and torch.equal(first.targets, second.targets) and first.names == second.names


def louder(made: Sequence[LabelledSample], rows: Sequence[int]) -> FeatureSet:
    """The corpus with other numbers in some clips."""
    changed = list(made)
    for row in rows:
        sample, clip = made[row].sample, made[row].clip
        audio, video = (replace(one, values=3 * one.values + 1) for one in (sample.audio, sample.video))
        changed[row] = LabelledSample(Sample(sample.clip, audio, video), clip)
    return features(changed)


def real_frames(part: PaddedSet | None, modality: str) -> Tensor:
    assert part is not None
    frames: Tensor = getattr(part.whole, modality)
    return frames[getattr(part.whole, f"{modality}_mask")]


def test_no_clips_to_train_on() -> None:
    with pytest.raises(InputError, match="one: no clips to train on"):
        make_parts(features(MADE), replace(FOLD, train=()), TRAINING)


def test_parts_that_a_fold_lacks_are_none() -> None:
    parts = make_parts(features(MADE), replace(FOLD, validation=(), test=()), TRAINING)
    assert (parts.validation, parts.test) == (None, None)


def test_each_part_holds_its_clips_in_order() -> None:
    parts = make_parts(features(MADE), FOLD, TRAINING)
    for part, rows in ((parts.train, FOLD.train), (parts.validation, FOLD.validation), (parts.test, FOLD.test)):
        assert part is not None
        assert part.names == tuple(MADE[row].sample.clip for row in rows)
        assert part.targets.tolist() == [LABELS.index(MADE[row].clip.emotion) for row in rows]


def test_the_training_part_is_standardised_by_itself() -> None:
    parts = make_parts(features(MADE), FOLD, TRAINING)
    for modality, columns in (("audio", AUDIO), ("video", VIDEO)):
        frames = real_frames(parts.train, modality)
        torch.testing.assert_close(frames.mean(dim=0), torch.zeros(len(columns)), atol=1e-5, rtol=0)
        torch.testing.assert_close(frames.std(dim=0, correction=0), torch.ones(len(columns)))
    assert real_frames(parts.test, "audio").mean() > 0.5  # by the training part's mean, not its own


def test_standardised_by_hand() -> None:
    """(value - training mean) / training deviation, cut at the limit."""
    training = np.concatenate([MADE[row].sample.audio.values[MADE[row].sample.audio.mask] for row in FOLD.train])
    parts = make_parts(features(MADE), FOLD, TRAINING)
    assert parts.test is not None
    own = MADE[FOLD.test[0]].sample.audio.values
    expected = np.clip((own - training.mean(axis=0)) / training.std(axis=0), -LIMIT, LIMIT)
    np.testing.assert_allclose(parts.test.whole.audio[0, : len(own)], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.statistics.audio.mean, training.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("config", [TRAINING, ENROLLED], ids=["none", "enrolled"])
@pytest.mark.parametrize("side", ["validation", "test"])
def test_other_parts_change_nothing_in_the_training_part(config: TrainingConfig, side: str) -> None:
    first = make_parts(features(MADE), FOLD, config)
    second = make_parts(louder(MADE, getattr(FOLD, side)), FOLD, config)
    assert same(first.train, second.train)
    for name, array in first.statistics.to_arrays().items():
        np.testing.assert_array_equal(array, second.statistics.to_arrays()[name])
    other = "test" if side == "validation" else "validation"
    assert same(getattr(first, other), getattr(second, other))


def test_one_test_clip_changes_no_other_without_enrolment() -> None:
    first, second = (make_parts(made, FOLD, TRAINING).test for made in (features(MADE), louder(MADE, [18])))
    assert first is not None
    assert second is not None
    assert torch.equal(first.whole.audio[1:], second.whole.audio[1:])
    assert not torch.equal(first.whole.audio[0], second.whole.audio[0])


def test_enrolled_speakers_are_standardised_by_their_own_clips() -> None:
    everyone = replace(FOLD, train=(0, 1), validation=(), test=tuple(range(2, 27)))
    parts = make_parts(features(MADE), everyone, ENROLLED)
    assert parts.test is not None
    for speaker in ("22", "333"):
        rows = [row for row, name in enumerate(parts.test.names) if name.startswith(f"{speaker}-")]
        frames = parts.test.whole.audio[rows][parts.test.whole.audio_mask[rows]]
        torch.testing.assert_close(frames.mean(dim=0), torch.zeros(len(AUDIO)), atol=1e-4, rtol=0)
        torch.testing.assert_close(frames.std(dim=0, correction=0), torch.ones(len(AUDIO)), rtol=1e-3, atol=0)


def test_enrolled_speakers_know_nothing_of_each_other() -> None:
    whole = normalised(MADE, make_parts(features(MADE), FOLD, ENROLLED).statistics, ENROLLED)
    alone = normalised(MADE[9:18], SampleStatistics.of([MADE[0].sample]), ENROLLED)
    for first, second in zip(whole[9:18], alone, strict=True):
        np.testing.assert_array_equal(first.audio.values, second.audio.values)


def test_speakers_of_one_name_in_two_corpora_are_two_people() -> None:
    here, there = labelled("1", "sad", 1, corpus="a"), labelled("1", "sad", 1, corpus="b")
    loud = replace(there.sample, audio=stream(6, AUDIO, 100.0, np.random.default_rng(0)))
    made = [here, LabelledSample(loud, there.clip)]
    for sample in normalised(made, make_parts(features(MADE), FOLD, ENROLLED).statistics, ENROLLED):
        np.testing.assert_allclose(sample.audio.values.mean(axis=0), 0, atol=1e-4)


def test_enrolment_needs_speakers() -> None:
    nobody = LabelledSample(MADE[0].sample, replace(MADE[0].clip, speaker=""))
    with pytest.raises(InputError, match="1-bored-1: no speaker; enrolled normalisation needs one for every clip"):
        make_parts(features([*MADE[1:], nobody]), replace(FOLD, test=(26,)), ENROLLED)


@pytest.mark.parametrize("config", [TRAINING, ENROLLED], ids=["none", "enrolled"])
def test_labels_are_never_looked_at(config: TrainingConfig) -> None:
    emotions = np.random.default_rng(0).permutation([one.clip.emotion for one in MADE]).tolist()
    shuffled = [
        LabelledSample(one.sample, replace(one.clip, emotion=emotion))
        for one, emotion in zip(MADE, emotions, strict=True)
    ]
    first, second = (make_parts(features(made), FOLD, config) for made in (MADE, shuffled))
    for name in ("train", "validation", "test"):
        one, other = getattr(first, name), getattr(second, name)
        assert same(one, replace(other, targets=one.targets))
    assert second.train.targets.tolist() == targets_of(shuffled[:9], LABELS)


@pytest.mark.parametrize(("modality", "gone"), [("audio", "video"), ("video", "audio")])
def test_a_modality_that_is_not_wanted_is_masked(modality: str, gone: str) -> None:
    parts = make_parts(features(MADE), FOLD, replace(TRAINING, modality=modality))  # type: ignore[arg-type]
    for part in (parts.train, parts.validation, parts.test):
        assert part is not None
        assert not getattr(part.whole, f"{gone}_mask").any()
        assert not getattr(part.whole, gone).any()
        assert getattr(part.whole, f"{modality}_mask").any()


def test_targets_follow_the_label_order() -> None:
    assert targets_of([labelled("1", emotion, 1) for emotion in ("sad", "bored", "glad")], LABELS) == [2, 0, 1]


def test_an_unknown_emotion() -> None:
    with pytest.raises(InputError, match="unknown emotion 'joy'"):
        targets_of([replace(MADE[0], clip=replace(MADE[0].clip, emotion="joy"))], LABELS)


def test_what_tells_who_somebody_is_counts_only_where_speakers_are_enrolled() -> None:
    known = (VIDEO[0],)
    plain = make_parts(features(MADE), FOLD, replace(TRAINING, identity_columns=known)).train.whole
    enrolled = make_parts(features(MADE), FOLD, replace(ENROLLED, identity_columns=known)).train.whole
    assert not plain.video[..., 0].any()
    assert plain.video[..., 1].any()
    assert enrolled.video[..., 0].any()


def test_what_tells_who_somebody_is_is_left_out_at_all_speeds() -> None:
    train = make_parts(features(quicker(MADE)), FOLD, replace(TRAINING, identity_columns=(AUDIO[0],))).train
    assert len(train) == 9 + 12
    assert not train.whole.audio[..., 0].any()
    assert train.whole.audio[9:, :, 1].any()


@pytest.mark.parametrize("normalisation", ["none", "enrolled"])
def test_copies_stand_behind_the_training_part_as_of_other_people(normalisation: Normalisation) -> None:
    settings = replace(TRAINING, normalisation=normalisation)
    parts, usual = (make_parts(features(made), FOLD, settings) for made in (quicker(MADE), MADE))
    train = parts.train
    for asked, of in ((parts.validation, usual.validation), (parts.test, usual.test)):
        assert asked is not None
        assert of is not None
        n = len(of)
        assert len(asked) > n
        assert asked.names[:n] == of.names
        torch.testing.assert_close(asked.batch(torch.arange(n)).audio, of.batch(torch.arange(n)).audio)
        assert all(asked.names[row] == of.names[original] for row, original in enumerate(asked.originals.tolist()))
    copied = [row for row in FOLD.train if MADE[row].sample.audio.present]
    assert len(copied) == 6  # the third repetition has no sound
    assert len(train) == 9 + 12
    assert [FOLD.train[row] for row in train.originals.tolist()] == [*FOLD.train, *copied, *copied]
    assert usual.train.originals.tolist() == list(range(9))
    assert train.names == tuple(MADE[row].clip.clip for row in (*FOLD.train, *copied, *copied))
    assert train.targets.tolist() == [int(usual.train.targets[row]) for row in (*FOLD.train, *copied, *copied)]
    torch.testing.assert_close(train.batch(torch.arange(9)).audio, usual.train.batch(torch.arange(9)).audio)
    assert train.speakers is not None
    assert train.speakers.own.tolist() == [0] * 9 + [1] * 6 + [2] * 6
    std = torch.from_numpy(parts.statistics.audio.std)
    means = [
        train.whole.audio[rows][train.whole.audio_mask[rows]].mean(dim=0)
        for rows in (slice(0, 9), slice(9, 15), slice(15, 21))
    ]
    if normalisation == "none":  # by the clips as they are
        torch.testing.assert_close(means[1] - means[0], 5 / std, rtol=0.3, atol=0.1)
    else:  # each by its own
        assert all(float(mean.abs().max()) < 0.05 for mean in means)


def test_the_face_alone_has_no_copies() -> None:
    parts = make_parts(features(quicker(MADE)), FOLD, replace(TRAINING, modality="video"))
    assert (len(parts.train), parts.train.originals.tolist()) == (9, list(range(9)))


def test_speakers_are_known_to_the_training_part_alone() -> None:
    parts = make_parts(features(MADE), replace(FOLD, train=(0, 9, 1)), TRAINING)
    assert parts.train.speakers is not None
    assert parts.train.speakers.own.tolist() == [0, 1, 0]
    assert parts.validation is not None
    assert parts.validation.speakers is None


def test_no_speakers_where_one_is_unknown() -> None:
    nameless = replace(MADE[1], clip=replace(MADE[1].clip, speaker=""))
    parts = make_parts(features([MADE[0], nameless, *MADE[2:]]), FOLD, TRAINING)
    assert parts.train.speakers is None
