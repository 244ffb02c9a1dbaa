import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.data.corpora import CORPORA
from omsn.data.corpora.pattern import compile_template, find
from omsn.errors import ManifestError

JAVANESE = "{speaker}-{statement}-{emotion}_{take}.mp4"


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"RIFF....WAVE" if name.endswith(".wav") else b"\0\0\0\x20ftypisom")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"found nothing; expected files named as \{emotion\}.mp4"):
        CORPORA["pattern"](tmp_path, "{emotion}.mp4")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("", r"has no \{emotion\}"),
        ("{speaker}.mp4", r"has no \{emotion\}"),
        ("{mood}-{emotion}.mp4", "unknown fields 'mood', expected some of clip, speaker, emotion"),
        ("{}-{emotion}.mp4", "unknown fields ''"),
        ("{speaker}{emotion}.mp4", r"\{speaker\} and \{emotion\} are adjacent"),
        ("{emotion:02}.mp4", "fields take no format"),
        ("{emotion!r}.mp4", "fields take no format"),
        ("{emotion", "write fields as {emotion}"),
        ("{emotion}-{take}-{repetition}.mp4", "fill the same column"),
    ],
)
def test_wrong_templates_are_refused(template: str, problem: str) -> None:
    with pytest.raises(ManifestError, match=problem):
        compile_template(template)


def test_all_problems_of_a_template_are_told() -> None:
    with pytest.raises(ManifestError, match=r"unknown fields 'mood'; has no|unknown fields 'mood'.*has no \{emotion\}"):
        compile_template("{mood}.mp4")


def test_names_with_all_fields(tmp_path: Path) -> None:
    root = tmp_path / "acted"
    _touch(root, "anna/f/k1_sad_high_s2_3.mp4")
    corpus = find(root, "{speaker}/{sex}/{clip}_{emotion}_{intensity}_{statement}_{take}.mp4")
    (clip,) = corpus.clips
    assert (clip.clip, clip.speaker, clip.emotion, clip.intensity) == ("k1", "anna", "sad", "high")
    assert (clip.statement, clip.repetition, clip.sex, clip.corpus) == ("s2", "3", "f", "acted")
    assert clip.audio == clip.video == str(root / "anna/f/k1_sad_high_s2_3.mp4")


def test_other_names_are_listed(tmp_path: Path) -> None:
    _touch(tmp_path, "01-02-03_01.mp4", "01-02_01.mp4", "01-02-03_01.wav", "readme.txt")
    (tmp_path / "01-02-04_01.mp4").touch()
    corpus = find(tmp_path, JAVANESE)
    assert [clip.clip for clip in corpus.clips] == ["01-02-03_01"]
    assert {Path(item.path).name: item.reason for item in corpus.skipped} == {
        "01-02_01.mp4": "is not named as the template says",
        "01-02-03_01.wav": "is not named as the template says",
        "01-02-04_01.mp4": "is empty (0 bytes)",
    }


def test_the_template_holds_for_the_end_of_the_path(tmp_path: Path) -> None:
    _touch(tmp_path, "part 1/anna/sad.mp4", "part 2/anna/sad.mp4")
    corpus = find(tmp_path, "{speaker}/{emotion}.mp4")
    assert [clip.clip for clip in corpus.clips] == ["part 1/anna/sad", "part 2/anna/sad"]


def test_a_template_without_suffix_joins_sound_and_picture(tmp_path: Path) -> None:
    _touch(tmp_path, "anna_sad.mp4", "anna_sad.wav", "ben_sad.wav")
    anna, ben = find(tmp_path, "{speaker}_{emotion}").clips
    assert (Path(anna.audio).name, Path(anna.video).name) == ("anna_sad.wav", "anna_sad.mp4")
    assert (Path(ben.audio).name, ben.video) == ("ben_sad.wav", "")


def test_copies_beside_each_other_are_listed(tmp_path: Path) -> None:
    _touch(tmp_path, "anna_sad.mp4", "anna_sad.mov")
    corpus = find(tmp_path, "{speaker}_{emotion}")
    assert len(corpus.clips) == 1
    assert "is a duplicate of" in corpus.skipped[0].reason


def test_a_clip_name_given_twice_is_listed(tmp_path: Path) -> None:
    _touch(tmp_path, "sad/k1.wav", "happy/k1.wav")
    corpus = find(tmp_path, "{emotion}/{clip}.wav")
    assert [clip.emotion for clip in corpus.clips] == ["happy"]
    assert corpus.skipped[0].path == str(tmp_path / "sad/k1.wav")
    assert corpus.skipped[0].reason == f"has the clip name 'k1' of {tmp_path / 'happy/k1.wav'}"


def test_a_field_given_twice_must_agree(tmp_path: Path) -> None:
    _touch(tmp_path, "anna/anna_sad.wav", "anna/ben_sad.wav")
    corpus = find(tmp_path, "{speaker}/{speaker}_{emotion}.wav")
    assert [clip.speaker for clip in corpus.clips] == ["anna"]
    assert len(corpus.skipped) == 1


def test_labels_rename_codes_and_leave_unknown_ones_out(tmp_path: Path) -> None:
    _touch(tmp_path, "01.mp4", "02.mp4", "07.mp4")
    corpus = find(tmp_path, "{emotion}.mp4", {"01": "class_1", "02": "class_2"})
    assert [clip.emotion for clip in corpus.clips] == ["class_1", "class_2"]
    assert [item.reason for item in corpus.skipped] == ["has emotion '07', expected one of 01, 02"]


words = st.text("abcäñ0123456789 .+()[]", min_size=1, max_size=8).filter(lambda word: word == word.strip(". "))


@given(st.tuples(words, words, words, words))
def test_a_name_made_from_a_template_is_read_back(values: tuple[str, str, str, str]) -> None:
    speaker, statement, emotion, take = values
    name = JAVANESE.format(speaker=speaker, statement=statement, emotion=emotion, take=take)
    match = compile_template(JAVANESE).fullmatch(name)
    assert match is not None
    assert match.groupdict() == dict(speaker=speaker, statement=statement, emotion=emotion, repetition=take)


def test_the_real_javanese_corpus() -> None:
    data = os.environ.get("OMSN_DATA")
    if not data:
        pytest.skip("OMSN_DATA is not set: the Javanese corpus is not here")
    corpus = find(Path(data) / "javanese", JAVANESE, {f"{code:02}": f"class_{code}" for code in range(1, 7)})
    assert corpus.skipped == ()
    assert len(corpus.clips) == 168
    assert {clip.speaker for clip in corpus.clips} == {f"{number:02}" for number in range(1, 8)}
    assert {clip.emotion for clip in corpus.clips} == {f"class_{code}" for code in range(1, 7)}
