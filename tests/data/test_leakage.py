from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.data.leakage import check_leaks, find_leaks
from omsn.data.splits import PROTOCOLS, Fold
from omsn.errors import LeakError
from omsn.types import Clip

SPEAKER = PROTOCOLS["actors-4"].disjoint_by
STATEMENT = PROTOCOLS["statement"].disjoint_by
BOTH = PROTOCOLS["speaker+statement"].disjoint_by
SHARED = PROTOCOLS["random-80-20"].disjoint_by

ANNA = Clip("k1", "anna", "sad", audio="/c/k1.wav", intensity="normal", statement="s1", repetition="1", corpus="c")
BEN = replace(ANNA, clip="k2", speaker="ben", audio="/c/k2.wav")
CARL = replace(ANNA, clip="k3", speaker="carl", audio="/c/k3.wav")


def _fold(train: Sequence[int] = (), validation: Sequence[int] = (), test: Sequence[int] = ()) -> Fold:
    return Fold("fold-1", tuple(train), tuple(validation), tuple(test))


def _kinds(here: Clip, there: Clip, disjoint_by: frozenset[str] = SPEAKER) -> set[tuple[str, bool]]:
    leaks = find_leaks([here, there], _fold(train=[0], test=[1]), disjoint_by)  # type: ignore[arg-type]
    return {(leak.kind, leak.forbidden) for leak in leaks}


def test_an_empty_fold_leaks_nothing() -> None:
    assert find_leaks([], _fold(), BOTH) == ()


def test_different_people_leak_nothing() -> None:
    assert find_leaks([ANNA, BEN, CARL], _fold([0], [1], [2]), SPEAKER) == ()


def test_two_copies_of_one_trial_under_other_names_leak() -> None:
    picture = replace(ANNA, clip="v1", audio="", video="/c/v1.mp4")
    assert _kinds(ANNA, picture, SHARED) == {("trial", True), ("speaker", False)}


@pytest.mark.parametrize("column", ["corpus", "emotion", "intensity", "statement", "repetition"])
def test_another_trial_of_the_same_speaker_is_no_copy(column: str) -> None:
    other = Clip(**{**vars(ANNA), "clip": "k9", "audio": "/c/k9.wav", column: "other"})
    assert "trial" not in {kind for kind, _ in _kinds(ANNA, other, SHARED)}


@pytest.mark.parametrize("column", ["speaker", "statement", "repetition"])
def test_without_these_facts_two_clips_are_no_copies(column: str) -> None:
    one = Clip(**{**vars(ANNA), column: ""})
    other = replace(one, clip="k9", audio="/c/k9.wav")
    assert _kinds(one, other, SHARED) <= {("speaker", False)}


def test_a_shared_speaker_is_forbidden_or_a_warning() -> None:
    again = replace(ANNA, clip="k9", audio="/c/k9.wav", repetition="2")
    assert _kinds(ANNA, again, SPEAKER) == {("speaker", True)}
    assert _kinds(ANNA, again, SHARED) == {("speaker", False)}
    assert _kinds(ANNA, replace(again, corpus="d"), SPEAKER) == set()


def test_a_shared_statement_counts_where_it_is_claimed() -> None:
    assert _kinds(ANNA, BEN, STATEMENT) == {("statement", True)}
    assert _kinds(ANNA, BEN, SPEAKER) == set()
    assert _kinds(ANNA, replace(BEN, statement="s2"), BOTH) == set()


def test_validation_may_speak_what_training_speaks() -> None:
    other = replace(CARL, statement="s2")
    assert find_leaks([ANNA, BEN, other], _fold([0], [1], [2]), BOTH) == ()
    (leak,) = find_leaks([other, ANNA, BEN], _fold([0], [1], [2]), BOTH)
    assert (leak.kind, leak.sides) == ("statement", ("validation", "test"))


def test_validation_speakers_are_no_training_speakers() -> None:
    again = replace(ANNA, clip="k9", audio="/c/k9.wav", repetition="2")
    (leak,) = find_leaks([ANNA, again, BEN], _fold([0], [1], [2]), SPEAKER)
    assert (leak.kind, leak.sides, leak.forbidden) == ("speaker", ("train", "validation"), True)


def test_the_same_clip_and_the_same_position_leak() -> None:
    bare = Clip("k", "", "sad", audio="/c/a.wav")
    assert _kinds(bare, bare) == {("clip", True), ("file", True)}
    assert {leak.kind for leak in find_leaks([bare], _fold([0], [], [0]), SHARED)} == {"clip", "file"}


@pytest.mark.parametrize(
    ("here", "there", "leaks"),
    [
        (("/c/a.mp4", 0.0, None), ("/c/a.mp4", 0.0, None), True),
        (("/c/a.mp4", 0.0, None), ("/c/x/../a.mp4", 5.0, 6.0), True),
        (("/c/a.mp4", 0.0, 2.0), ("/c/a.mp4", 1.9, 3.0), True),
        (("/c/a.mp4", 0.0, 2.0), ("/c/a.mp4", 2.0, 4.0), False),
        (("/c/a.mp4", 0.0, 2.0), ("/c/b.mp4", 0.0, 2.0), False),
    ],
)
def test_the_same_stretch_of_a_file_leaks(
    here: tuple[str, float, float | None], there: tuple[str, float, float | None], leaks: bool
) -> None:
    one = Clip("k1", "", "sad", audio=here[0], start_s=here[1], end_s=here[2])
    other = Clip("k2", "", "sad", video=there[0], start_s=there[1], end_s=there[2])
    assert _kinds(one, other) == ({("file", True)} if leaks else set())


def test_entries_of_one_archive_are_apart() -> None:
    one = Clip("k1", "", "sad", landmarks="/c/a.npz#1")
    assert _kinds(one, Clip("k2", "", "sad", landmarks="/c/a.npz#2")) == set()
    assert _kinds(one, Clip("k2", "", "sad", landmarks="/c/a.npz#1")) == {("file", True)}


def test_a_copy_under_another_name_leaks_where_anything_is_kept_apart() -> None:
    contents = [{("sound", "ab"), ("face", "cd")}, {("sound", "ab")}, {("face", "ef")}]
    fold = _fold([0], [], [1, 2])
    (leak,) = find_leaks([ANNA, BEN, CARL], fold, SPEAKER, contents)
    assert leak.forbidden
    assert str(leak) == "copy sound is in train (k1) and in test (k2)"
    (leak,) = find_leaks([ANNA, BEN, CARL], fold, SHARED, contents)
    assert not leak.forbidden
    assert find_leaks([ANNA, BEN, CARL], fold, SPEAKER) == ()


def test_check_raises_with_what_leaks_where() -> None:
    clips = [ANNA, replace(ANNA, clip="v1", audio="", video="/c/v1.mp4")]
    with pytest.raises(LeakError) as caught:
        check_leaks(clips, _fold([0], [], [1]), SPEAKER)
    message = str(caught.value)
    assert "fold-1: parts share what the protocol keeps apart (1 x trial, 1 x speaker)" in message
    assert "trial c/anna/sad/normal/s1/1 is in train (k1) and in test (v1)" in message
    assert "speaker c/anna is in train (k1) and in test (v1)" in message
    assert "allow leaks (--allow-leaks)" in message


def test_check_shows_a_few_of_many() -> None:
    clips = [replace(ANNA, clip=str(i), speaker=str(i // 2), audio="", repetition="") for i in range(20)]
    with pytest.raises(LeakError, match="10 x speaker") as caught:
        check_leaks(clips, _fold(range(0, 20, 2), [], range(1, 20, 2)), SPEAKER)
    assert str(caught.value).count("is in train") == 3


def test_check_returns_what_it_lets_pass() -> None:
    again = replace(ANNA, clip="k9", audio="/c/k9.wav", repetition="2")
    fold = _fold([0], [], [1])
    assert [str(leak) for leak in check_leaks([ANNA, again], fold, SHARED)] == [
        "speaker c/anna is in train (k1) and in test (k9)"
    ]
    assert [leak.forbidden for leak in check_leaks([ANNA, again], fold, SPEAKER, allow=True)] == [True]
    assert check_leaks([ANNA, BEN], fold, SPEAKER) == ()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["train", "validation", "test"])), max_size=12))
def test_speaker_leaks_are_those_of_brute_force(rows: list[tuple[str, str]]) -> None:
    clips = [Clip(str(i), speaker, "sad") for i, (speaker, _) in enumerate(rows)]
    places = {
        part: [i for i, (_, place) in enumerate(rows) if place == part] for part in ("train", "validation", "test")
    }
    expected = {
        (clips[i].speaker, here, there)
        for here, there in (("train", "validation"), ("train", "test"), ("validation", "test"))
        for i in places[here]
        for j in places[there]
        if clips[i].speaker == clips[j].speaker
    }
    found = {(leak.what, *leak.sides) for leak in find_leaks(clips, _fold(**places), SPEAKER)}
    assert found == expected
