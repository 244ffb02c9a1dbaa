import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omsn.data.leakage import find_leaks
from omsn.data.splits import EMOBOX_GROUPS, LUNA_GROUPS, PROTOCOLS, Fold, make_folds
from omsn.errors import InputError
from omsn.labels import RAVDESS_EMOTIONS
from omsn.types import Clip

FOURS = ({1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}, {13, 14, 15, 16}, {17, 18, 19, 20}, {21, 22, 23, 24})
TWENTY = range(1, 21)
TWENTY_FOUR = range(1, 25)


def _ravdess(actors: Sequence[int]) -> list[Clip]:
    """All sixty spoken trials of each actor, as the corpus names them."""
    trials = [
        (emotion, intensity, statement, repetition)
        for emotion, intensity, statement, repetition in product(
            RAVDESS_EMOTIONS.names, ("normal", "strong"), "12", "12"
        )
        if (emotion, intensity) != ("neutral", "strong")
    ]
    return [
        Clip(
            f"{actor:02}-{emotion}-{intensity}-{statement}-{repetition}",
            f"{actor:02}",
            emotion,
            intensity=intensity,
            statement=statement,
            repetition=repetition,
            sex="male" if actor % 2 else "female",
            corpus="ravdess",
        )
        for actor in actors
        for emotion, intensity, statement, repetition in trials
    ]


def _corpus(n_speakers: int, n_statements: int = 2, n_emotions: int = 3, corpus: str = "other") -> list[Clip]:
    return [
        Clip(
            f"{corpus}/{speaker}/{statement}/{emotion}",
            f"p{speaker}",
            f"e{emotion}",
            statement=f"s{statement}",
            corpus=corpus,
        )
        for speaker, statement, emotion in product(range(n_speakers), range(n_statements), range(n_emotions))
    ]


def _actors(clips: Sequence[Clip], part: Sequence[int]) -> set[int]:
    return {int(clips[i].speaker) for i in part}


def _speakers(clips: Sequence[Clip], part: Sequence[int]) -> set[tuple[str, str]]:
    return {(clips[i].corpus, clips[i].speaker) for i in part}


def test_no_clips_are_refused() -> None:
    for protocol in PROTOCOLS:
        with pytest.raises(InputError, match="no clips to cut"):
            make_folds([], protocol, 0)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(InputError, match="unknown protocol 'kfold'; expected one of random-80-20, actors-4"):
        make_folds(_corpus(4), "kfold", 0)


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_wrong_validation_share_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"validation_share: got .*, expected 0 to below 1"):
        make_folds(_corpus(4), "loso", 0, share)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed: got -1, expected 0 or more"):
        make_folds(_corpus(4), "loso", -1)


@pytest.mark.parametrize(
    ("protocol", "groups"), [("actors-4", FOURS), ("actors-luna", LUNA_GROUPS), ("actors-emobox", EMOBOX_GROUPS)]
)
@pytest.mark.parametrize("actors", [TWENTY_FOUR, TWENTY])
def test_published_folds(protocol: str, groups: Sequence[set[int]], actors: range) -> None:
    clips = _ravdess(actors)
    folds = make_folds(clips, protocol, 0)
    expected = [group & set(actors) for group in groups if group & set(actors)]
    assert [_actors(clips, fold.test) for fold in folds] == expected
    for fold in folds:
        assert _actors(clips, fold.train + fold.validation) == set(actors) - _actors(clips, fold.test)


@pytest.mark.parametrize("groups", [FOURS, LUNA_GROUPS, EMOBOX_GROUPS])
def test_published_groups_hold_every_actor_once(groups: Sequence[set[int]]) -> None:
    assert sorted(actor for group in groups for actor in group) == list(TWENTY_FOUR)


def test_a_fold_keeps_its_name_when_an_earlier_one_is_gone() -> None:
    folds = make_folds(_ravdess([5, 6, 7, 9, 10, 13]), "actors-4", 0)
    assert [fold.name for fold in folds] == ["fold-2", "fold-3", "fold-4"]


def test_actors_4_takes_other_speakers_in_order_of_number() -> None:
    clips = [replace(clip, speaker=str(int(clip.speaker[1:]) * 5)) for clip in _corpus(6)]
    folds = make_folds(clips, "actors-4", 0)
    assert [_actors(clips, fold.test) for fold in folds] == [{0, 5, 10, 15}, {20, 25}]


def test_loso_has_a_fold_a_speaker() -> None:
    clips = _ravdess(TWENTY)
    folds = make_folds(clips, "loso", 0)
    assert [_actors(clips, fold.test) for fold in folds] == [{actor} for actor in TWENTY]
    assert folds[8].name == "speaker-09"


def test_statement_tests_the_sentence_not_trained() -> None:
    clips = _ravdess([1, 2, 3])
    first, second = make_folds(clips, "statement", 0)
    for fold, statement in ((first, "1"), (second, "2")):
        assert {clips[i].statement for i in fold.test} == {statement}
        assert statement not in {clips[i].statement for i in fold.train + fold.validation}
        assert _actors(clips, fold.test) == _actors(clips, fold.train) == {1, 2, 3}


def test_speaker_and_statement_are_both_unseen() -> None:
    clips = _ravdess(TWENTY)
    folds = make_folds(clips, "speaker+statement", 0)
    assert [fold.name for fold in folds[:3]] == ["fold-1-statement-1", "fold-1-statement-2", "fold-2-statement-1"]
    assert len(folds) == 10
    assert sorted(i for fold in folds for i in fold.test) == list(range(len(clips)))
    for fold in folds:
        seen = fold.train + fold.validation
        assert len(seen) == 16 * 30
        assert not _actors(clips, seen) & _actors(clips, fold.test)
        assert not {clips[i].statement for i in seen} & {clips[i].statement for i in fold.test}


@pytest.mark.parametrize("protocol", ["actors-luna", "actors-emobox"])
def test_published_actors_need_ravdess(protocol: str) -> None:
    fitting = "random-80-20, actors-4, loso, statement, speaker\\+statement"
    with pytest.raises(
        InputError, match=f"protocol {protocol}: its groups are RAVDESS actors.*fit these clips: {fitting}"
    ):
        make_folds(_corpus(8), protocol, 0)
    with pytest.raises(InputError, match="actors 1-24"):
        make_folds([replace(clip, speaker="25") for clip in _ravdess([1])], protocol, 0)


@pytest.mark.parametrize("protocol", ["actors-4", "loso", "speaker+statement"])
def test_missing_speakers_are_told(protocol: str) -> None:
    clips = [replace(clip, speaker="" if clip.speaker == "p1" else clip.speaker) for clip in _corpus(8)]
    with pytest.raises(InputError, match="6 of 48 clips have no speaker, the first is 'other/1/0/0'") as caught:
        make_folds(clips, protocol, 0)
    assert str(caught.value).endswith("protocols that fit these clips: random-80-20, statement")


def test_missing_statements_are_told() -> None:
    clips = [replace(clip, statement="") for clip in _corpus(8)]
    with pytest.raises(
        InputError, match=r"48 of 48 clips have no statement.*fit these clips: random-80-20, actors-4, loso"
    ):
        make_folds(clips, "statement", 0)


@pytest.mark.parametrize(
    ("protocol", "clips", "problem"),
    [
        ("loso", _corpus(1), "speaker-p0 leaves no clips to train on"),
        ("loso", _corpus(2), "validation needs a speaker of its own"),
        ("actors-4", _corpus(4), "fold-1 leaves no clips to train on"),
        ("statement", _corpus(4, n_statements=1), "statement-s0 leaves no clips to train on"),
        ("speaker+statement", _corpus(8, n_statements=1), "fold-1-statement-s0 leaves no clips to train on"),
        ("random-80-20", _corpus(1, 1, 3), "one clip only of 'e0', 'e1', 'e2'"),
        ("random-80-20", _corpus(1, 2, 3), "one clip only of 'e0', 'e1', 'e2'; each emotion needs one in each part"),
    ],
)
def test_too_small_corpora_are_refused(protocol: str, clips: Sequence[Clip], problem: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"protocol {protocol}: {problem}")):
        make_folds(clips, protocol, 0)


def test_a_validation_share_that_leaves_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="taking 22 of 24 clips leaves too few for 3 emotions"):
        make_folds(_corpus(5), "random-80-20", 0, validation_share=0.9)


def test_two_speakers_suffice_without_validation() -> None:
    folds = make_folds(_corpus(2), "loso", 0, validation_share=0)
    assert [fold.validation for fold in folds] == [(), ()]
    assert make_folds(_corpus(2), "random-80-20", 0, validation_share=0)[0].validation == ()


def test_speakers_of_one_name_in_two_corpora_are_two_people() -> None:
    clips = _corpus(3, corpus="a") + _corpus(3, corpus="b")
    folds = make_folds(clips, "loso", 0)
    assert [fold.name for fold in folds[::5]] == ["speaker-a-p0", "speaker-b-p2"]
    assert all(len(_speakers(clips, fold.test)) == 1 for fold in folds)


@pytest.mark.parametrize("seed", range(5))
def test_validation_speakers_are_balanced_by_sex(seed: int) -> None:
    clips = _ravdess(TWENTY)
    for fold in make_folds(clips, "actors-4", seed):
        assert sorted(actor % 2 for actor in _actors(clips, fold.validation)) == [0, 1]
    for fold in make_folds(clips, "loso", seed):
        males = sum(actor % 2 for actor in _actors(clips, fold.validation))
        assert (len(_actors(clips, fold.validation)), males) in {(3, 1), (3, 2)}


def test_validation_speakers_change_with_the_seed_and_the_fold() -> None:
    clips = _ravdess(TWENTY)
    chosen = {
        frozenset(_actors(clips, fold.validation)) for seed in range(4) for fold in make_folds(clips, "actors-4", seed)
    }
    assert len(chosen) > 10


def test_random_is_a_stratified_fifth_with_speakers_shared() -> None:
    clips = _ravdess(TWENTY)
    (fold,) = make_folds(clips, "random-80-20", 3)
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (816, 144, 240)
    counts = Counter(clips[i].emotion for i in fold.test)
    assert counts == {name: 16 if name == "neutral" else 32 for name in RAVDESS_EMOTIONS.names}
    assert _actors(clips, fold.test) == _actors(clips, fold.train) == set(TWENTY)
    assert make_folds(clips, "random-80-20", 4) != (fold,)


corpora = st.builds(_corpus, st.integers(6, 9), st.integers(2, 4), st.integers(1, 4)).flatmap(st.permutations)
ravdess_actors = st.sets(st.sampled_from(TWENTY_FOUR), min_size=9, max_size=24).map(sorted)


def _check_parts(clips: Sequence[Clip], folds: Sequence[Fold], protocol: str) -> None:
    disjoint_by = PROTOCOLS[protocol].disjoint_by
    for fold in folds:
        everything = fold.train + fold.validation + fold.test
        assert len(everything) == len(set(everything))
        assert fold.train
        assert fold.validation
        assert fold.test
        assert all(list(part) == sorted(part) for part in (fold.train, fold.validation, fold.test))
        if protocol != "speaker+statement":
            assert sorted(everything) == list(range(len(clips)))
        if "speaker" in disjoint_by:
            parts = [_speakers(clips, part) for part in (fold.train, fold.validation, fold.test)]
            assert sum(map(len, parts)) == len(set.union(*parts))
        assert not [leak for leak in find_leaks(clips, fold, disjoint_by) if leak.forbidden]
    if protocol != "random-80-20":
        assert sorted(i for fold in folds for i in fold.test) == list(range(len(clips)))


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name not in {"actors-luna", "actors-emobox"}])
@settings(max_examples=15)
@given(clips=corpora, seed=st.integers(0, 2**40), share=st.floats(0.01, 0.5))
def test_parts_of_any_corpus(protocol: str, clips: list[Clip], seed: int, share: float) -> None:
    folds = make_folds(clips, protocol, seed, share)
    _check_parts(clips, folds, protocol)
    assert folds == make_folds(list(clips), protocol, seed, share)


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
@settings(max_examples=8)
@given(actors=ravdess_actors, seed=st.integers(0, 1000))
def test_parts_of_any_actors(protocol: str, actors: list[int], seed: int) -> None:
    clips = [clip for clip in _ravdess(actors) if clip.repetition == "1" and clip.emotion in ("neutral", "sad")]
    _check_parts(clips, make_folds(clips, protocol, seed), protocol)


@settings(max_examples=50)
@given(st.lists(st.integers(4, 40), min_size=1, max_size=5), st.integers(0, 1000))
def test_random_is_stratified_within_a_clip_of_each_emotion(counts: list[int], seed: int) -> None:
    emotions = [f"e{number}" for number, count in enumerate(counts) for _ in range(count)]
    clips = [Clip(str(i), "", emotion) for i, emotion in enumerate(emotions)]
    (fold,) = make_folds(clips, "random-80-20", seed)
    for part, whole in ((fold.test, range(len(clips))), (fold.validation, fold.train + fold.validation)):
        share = len(part) / len(whole)
        got, of = Counter(emotions[i] for i in part), Counter(emotions[i] for i in whole)
        assert all(abs(got[name] - share * of[name]) <= 1 for name in of)
