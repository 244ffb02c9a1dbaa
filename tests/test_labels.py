import pytest

from omsn.errors import InputError
from omsn.labels import RAVDESS_EMOTIONS, LabelSet, label_set_for


def test_no_label_is_refused() -> None:
    with pytest.raises(InputError, match="a label set needs at least one name; got none"):
        LabelSet(())


def test_repeated_labels_are_refused() -> None:
    with pytest.raises(InputError, match="label names must differ; repeated: calm, sad"):
        LabelSet(("sad", "calm", "angry", "calm", "sad"))


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(InputError, match="unknown emotion 'joy'; expected one of calm, angry"):
        LabelSet(("calm", "angry")).index("joy")


def test_positions_are_those_of_the_names() -> None:
    assert [RAVDESS_EMOTIONS.index(name) for name in RAVDESS_EMOTIONS.names] == list(range(8))
    assert len(RAVDESS_EMOTIONS) == 8


def test_ravdess_order_is_that_of_the_file_name_codes() -> None:
    assert (RAVDESS_EMOTIONS.names[0], RAVDESS_EMOTIONS.names[2], RAVDESS_EMOTIONS.names[7]) == (
        "neutral",
        "happy",
        "surprised",
    )


def test_a_label_set_for_no_emotion_is_refused() -> None:
    with pytest.raises(InputError, match="needs at least one name"):
        label_set_for([])


@pytest.mark.parametrize(
    ("emotions", "expected"),
    [
        (["sad"], ("sad",)),
        (RAVDESS_EMOTIONS.names[::-1], RAVDESS_EMOTIONS.names),
        (["sad", "happy", "sad"], ("happy", "sad")),
        (["sad", "bored", "sad", "angry"], ("angry", "bored", "sad")),
        (["class_2", "class_1"], ("class_1", "class_2")),
    ],
)
def test_the_label_set_for_a_corpus(emotions: list[str], expected: tuple[str, ...]) -> None:
    assert label_set_for(emotions).names == expected
