import os
import string
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omsn.data.manifest import COLUMNS, read_manifest, write_manifest
from omsn.errors import ManifestError
from omsn.labels import RAVDESS_EMOTIONS
from omsn.types import Clip

HEADER = "clip,speaker,emotion,audio\n"


def _manifest(folder: Path, text: str | bytes, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    path = folder / "manifest.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _problems(path: Path, **options: bool) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, RAVDESS_EMOTIONS, **options)
    return str(caught.value).split("\n  ")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="line 1: is empty; expected the columns clip, speaker, emotion"):
        read_manifest(_manifest(tmp_path, ""))


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no clips, only a header"):
        read_manifest(_manifest(tmp_path, HEADER))


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"gone.csv: cannot be read as a CSV in UTF-8: .*No such file"):
        read_manifest(tmp_path / "gone.csv")


@pytest.mark.parametrize("content", [b"clip\xff\xfe", b'clip,"spe', b"clip,speaker\nx\xe4,b"])
def test_a_file_that_is_no_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ManifestError, match="cannot be read as a CSV in UTF-8"):
        read_manifest(_manifest(tmp_path, content))


def test_a_small_manifest(tmp_path: Path) -> None:
    path = _manifest(tmp_path, "emotion,clip,speaker,video,start_s\nhappy,a,anna,v/a.mp4,1.5\n", "v/a.mp4")
    film = str(tmp_path / "v/a.mp4")
    assert read_manifest(path) == (Clip("a", "anna", "happy", audio=film, video=film, start_s=1.5),)


def test_byte_order_mark_line_ends_quotes_and_foreign_names(tmp_path: Path) -> None:
    text = '\ufeffclip,speaker,emotion,audio\r\n"a, b",Jürgen,happy,"ä, ö.wav"\r\n\r\n"say ""hi""",明,sad,明.wav\r\n'
    first, second = read_manifest(_manifest(tmp_path, text, "ä, ö.wav", "明.wav"))
    assert (first.clip, first.speaker, first.audio) == ("a, b", "Jürgen", str(tmp_path / "ä, ö.wav"))
    assert (second.clip, second.speaker, second.audio) == ('say "hi"', "明", str(tmp_path / "明.wav"))


def test_paths_do_not_depend_on_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path)
    _manifest(tmp_path / "x", HEADER + "a,s,happy,a.wav\n", "a.wav")
    assert read_manifest(Path("x/manifest.csv"))[0].audio == str(tmp_path / "x/a.wav")


def test_header_problems_are_told_together(tmp_path: Path) -> None:
    problems = _problems(_manifest(tmp_path, "clip,clip,mood\n"))
    assert problems[0].endswith("manifest.csv: 5 problems")
    assert problems[1:] == [
        "line 1: column 'clip' stands there twice",
        f"line 1: unknown column 'mood'; expected some of {', '.join(COLUMNS)}, separated by commas",
        "line 1: missing column 'speaker'",
        "line 1: missing column 'emotion'",
        "line 1: missing column: at least one of audio, video, landmarks",
    ]


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_the_one_thing_that_is_told(tmp_path: Path, sign: str, name: str) -> None:
    text = (HEADER + "a,anna,sad,a.wav\n").replace(",", sign)
    with pytest.raises(ManifestError, match=rf"csv: its columns are separated by {name}; save it as CSV with commas"):
        read_manifest(_manifest(tmp_path, text, "a.wav"))


def test_another_coding_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"can't decode byte .*; save it as CSV UTF-8"):
        read_manifest(_manifest(tmp_path, (HEADER + "a,Jürgen,sad,a.wav\n").encode("cp1252"), "a.wav"))


def test_rows_without_anything_in_them_are_passed_over(tmp_path: Path) -> None:
    path = _manifest(tmp_path, HEADER + ",,,\na,anna,sad,a.wav\n,,\n\n", "a.wav")
    assert [clip.clip for clip in read_manifest(path)] == ["a"]


def test_slips_that_would_make_groups_of_their_own(tmp_path: Path) -> None:
    rows = (
        "a,anna,Sad,a.wav,female",
        "b,anna,sad,a.wav,F",
        "c,ben,Sad,a.wav,male",
        "d,ben,Sad,a.wav,",
        "e,,Sad,a.wav,x",
    )
    path = _manifest(tmp_path, "clip,speaker,emotion,audio,sex\n" + "\n".join((*rows, "f,,Sad,a.wav,y")), "a.wav")
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert str(caught.value).split("\n  ")[1:] == [
        "line 3: emotion 'sad' is 'Sad' elsewhere; write it one way",
        "line 3: speaker 'anna' is 'F' here and 'female' elsewhere",
    ]
    assert len(read_manifest(path, check_files=False)) == 6


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,s,happy,a.wav,,,", ""),
        ("a,,happy,a.wav,,,", ""),
        (",s,happy,a.wav,,,", "clip is empty"),
        ("a,s,,a.wav,,,", "emotion is empty"),
        ("a,s, ,a.wav,,,", "emotion is empty"),
        ("a,s,happy ,a.wav,,,", "emotion 'happy ' has spaces around it"),
        ("a,s,merry,a.wav,,,", "unknown emotion 'merry', expected one of neutral, calm"),
        ("a,s,happy,,,,", "has none of audio, video, landmarks; give at least one"),
        ("a,s,happy,b.wav,,,", "audio 'b.wav' is no file in"),
        ("a,s,happy,sub,,,", "audio 'sub' is no file in"),
        ("a,s,happy,../a.wav,,,", "audio '../a.wav' leaves the manifest's folder; give an absolute path"),
        ("a,s,happy,sub/../../a.wav,,,", "leaves the manifest's folder"),
        ("a,s,happy,,lm.npz#a,,", ""),
        ("a,s,happy,,gone.npz#a,,", "landmarks 'gone.npz#a' is no file"),
        ("a,s,happy,,../lm.npz#a,,", "leaves the manifest's folder"),
        ("a,s,happy,a.wav,,one,", "start_s is 'one', expected seconds from the start"),
        ("a,s,happy,a.wav,,-1,", "start_s is '-1'"),
        ("a,s,happy,a.wav,,nan,", "start_s is 'nan'"),
        ("a,s,happy,a.wav,,,inf", "end_s is 'inf'"),
        ("a,s,happy,a.wav,,2,1.5", "end_s 1.5 is not after start_s 2"),
        ("a,s,happy,a.wav,,2,2", "end_s 2 is not after start_s 2"),
        ("a,s,happy,a.wav,,,0", "end_s 0 is not after start_s 0"),
        ("a,s,happy,a.wav,,0.5,2", ""),
        ("a,s,happy", "got 3 values, expected 7"),
        ("a,s,happy,a.wav,,,,", "got 8 values, expected 7"),
        ("a\tb,s,happy,a.wav,,,", "clip 'a\\tb' has a control character in it"),
    ],
)
def test_rows(tmp_path: Path, row: str, problem: str) -> None:
    text = "clip,speaker,emotion,audio,landmarks,start_s,end_s\nok,s,sad,a.wav,,,\n" + row + "\n"
    path = _manifest(tmp_path, text, "a.wav", "lm.npz", "sub/a.wav")
    if problem:
        found = _problems(path)
        assert any(line.startswith("line 3: ") and problem in line for line in found), found
    else:
        assert len(read_manifest(path, RAVDESS_EMOTIONS)) == 2


def test_all_problems_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    text = HEADER + 'a,s,merry,a.wav\n"a",s,happy,b.wav\n\na,s,,"a.wav"\nc,s\n'
    problems = _problems(_manifest(tmp_path, text, "a.wav"))
    assert sorted(problem.split(":")[0] for problem in problems[1:]) == [
        "line 2",
        "line 3",
        "line 3",
        "line 5",
        "line 5",
        "line 6",
    ]
    assert "line 3: clip 'a' stands on line 2 too" in problems
    assert "line 5: clip 'a' stands on line 2 too" in problems


def test_files_need_not_be_there_for_a_cache(tmp_path: Path) -> None:
    path = _manifest(tmp_path, HEADER + "a,s,happy,gone.wav\n")
    assert read_manifest(path, check_files=False)[0].audio == str(tmp_path / "gone.wav")
    assert "leaves" in _problems(_manifest(tmp_path, HEADER + "a,s,happy,../a.wav\n"), check_files=False)[1]


def test_absolute_paths_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "cache").mkdir()
    path = _manifest(tmp_path / "cache", HEADER + f"a,s,happy,{tmp_path / 'a.wav'}\n")
    assert read_manifest(path)[0].audio == str(tmp_path / "a.wav")


def test_written_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    clip = Clip("a", "s", "happy", audio=str(tmp_path / "x/a.wav"), landmarks=str(tmp_path / "x/lm.npz") + "#a")
    path = tmp_path / "manifest.csv"
    write_manifest(path, [clip])
    assert path.read_text() == f"{','.join(COLUMNS)}\na,s,happy,x/a.wav,,x/lm.npz#a,,,,,,0.0,\n"
    assert read_manifest(path, check_files=False) == (clip,)


def test_a_moved_folder_still_reads(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "a.wav").touch()
    write_manifest(old / "manifest.csv", [Clip("a", "s", "happy", audio=str(old / "a.wav"))])
    old.rename(new)
    assert read_manifest(new / "manifest.csv")[0].audio == str(new / "a.wav")


def test_files_outside_are_written_only_when_allowed(tmp_path: Path) -> None:
    clip = Clip("a", "s", "happy", audio=str(tmp_path / "a.wav"))
    path = tmp_path / "cache" / "manifest.csv"
    path.parent.mkdir()
    with pytest.raises(ManifestError, match=r"line 2: audio .*a.wav' is not below .*cache; allow files outside"):
        write_manifest(path, [clip])
    assert not path.exists()
    write_manifest(path, [clip], allow_outside=True)
    assert read_manifest(path, check_files=False) == (clip,)


@pytest.mark.parametrize(
    ("clips", "problem"),
    [
        ([], "no clips to write"),
        ([Clip("a", "s", "happy", audio="a.wav")] * 2, "line 3: clip 'a' stands on line 2 too"),
        ([Clip("a", "s", "happy")], "line 2: has none of audio, video, landmarks"),
        ([Clip("a", "s", "", audio="a.wav")], "line 2: emotion is empty"),
        ([Clip("a", "s", "happy", audio="../a.wav")], "leaves the manifest's folder"),
        ([Clip("a", "s", "happy", audio="a.wav", end_s=-1.0)], "end_s is '-1.0'"),
        ([Clip("a", "s", "happy", audio="a.wav", start_s=3.0, end_s=1.0)], "end_s 1.0 is not after start_s 3.0"),
        ([Clip("a", "s", "happy", audio="a\udce4.wav")], "is no valid text; rename the file"),
        ([Clip("a", "s\n", "happy", audio="a.wav")], "speaker 's\\\\n' has a control character"),
    ],
)
def test_clips_that_cannot_be_read_back_are_not_written(tmp_path: Path, clips: Sequence[Clip], problem: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("before")
    with pytest.raises(ManifestError, match=problem):
        write_manifest(path, clips)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["manifest.csv"]


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "manifest.csv"
    (target / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match=r"manifest\.csv"):
        write_manifest(target, [Clip("a", "s", "happy", audio="a.wav")])
    assert os.listdir(tmp_path) == ["manifest.csv"]


letters = st.characters(exclude_categories=("Cc", "Cs"))
texts = st.text(letters, max_size=6).map(str.strip)
names = texts.filter(bool)
parts = st.text(letters, min_size=1, max_size=6).filter(lambda part: "/" not in part and part not in (".", ".."))
seconds = st.floats(0, 1e6)


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    files = {name: "/corpus/" + "/".join(draw(st.lists(parts, min_size=1, max_size=3))) for name in ("audio", "video")}
    start = draw(seconds)
    return Clip(
        clip=draw(names),
        speaker=draw(texts),
        emotion=draw(names),
        audio=files["audio"],
        video=draw(st.sampled_from(["", files["video"]])),
        landmarks=draw(st.sampled_from(["", "/corpus/lm.npz#" + draw(st.sampled_from(string.ascii_letters))])),
        intensity=draw(texts),
        statement=draw(texts),
        repetition=draw(texts),
        sex=draw(texts),
        corpus=draw(texts),
        start_s=start,
        end_s=draw(st.none() | st.floats(start, 2e6, exclude_min=True)),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(clips(), min_size=1, max_size=4, unique_by=lambda clip: clip.clip), st.booleans())
def test_what_is_written_is_read_back(tmp_path: Path, rows: list[Clip], inside: bool) -> None:
    root = str(tmp_path) if inside else "/elsewhere"
    moved = [_under(clip, root) for clip in rows]
    path = tmp_path / "manifest.csv"
    write_manifest(path, moved, allow_outside=not inside)
    assert read_manifest(path, check_files=False) == tuple(moved)


def _under(clip: Clip, root: str) -> Clip:
    columns = {name: value.replace("/corpus", root, 1) for name, value in vars(clip).items() if isinstance(value, str)}
    return Clip(**{**vars(clip), **columns})
