from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.errors import InputError
from omsn.export.folder import FAILURES_NAME, INDEX_NAME, AnswerFolder, places_of, write_outputs
from omsn.export.formats import Format, parse_formats
from omsn.labels import LabelSet
from omsn.media.find import MediaFile, find_media
from omsn.types import Prediction, Window

MADE_BY = {"omsn": "1", "checkpoint": "abc"}
PREDICTION = Prediction("a.mp4", LabelSet(("calm", "angry")), (Window(0.0, 1.0, (0.25, 0.75), ("audio",)),))


def named(path: str) -> MediaFile:
    return MediaFile(Path(path), PurePath(Path(path).name))


def places(*files: MediaFile) -> list[str]:
    return [place.as_posix() for place in places_of(files).values()]


@pytest.fixture
def film(tmp_path: Path) -> MediaFile:
    path = tmp_path / "films" / "a.mp4"
    path.parent.mkdir()
    path.write_bytes(b"film")
    return MediaFile(path, PurePath("a.mp4"))


def opened(folder: Path, *files: MediaFile, formats: str = "json", **made_by: str) -> AnswerFolder:
    return AnswerFolder(folder, files, parse_formats(formats), MADE_BY | made_by)


def answered(folder: Path, *files: MediaFile, formats: str = "json", **made_by: str) -> AnswerFolder:
    answers = opened(folder, *files, formats=formats, **made_by)
    answers.begin(files)
    for file in files:
        write_outputs(answers.outputs(file), PREDICTION)
        answers.record(file)
    return answers


def test_no_files_have_no_places_and_an_empty_index(tmp_path: Path) -> None:
    assert places_of([]) == {}
    opened(tmp_path / "new").begin([])
    assert (tmp_path / "new" / INDEX_NAME).read_bytes() == b""


def test_files_keep_their_path_below_the_folder_that_was_named() -> None:
    files = (MediaFile(Path("/x/films/1/a.mp4"), PurePath("1/a.mp4")), named("/y/b.mp4"))
    assert places(*files) == ["1/a.mp4", "b.mp4"]


def test_files_of_one_name_get_the_folders_above_them() -> None:
    assert places(*map(named, ["/1/x/a.mp4", "/2/x/a.mp4", "/3/a.mp4"])) == ["1/x/a.mp4", "2/x/a.mp4", "3/a.mp4"]
    assert places(*map(named, ["/a.mp4", "/x/a.mp4"])) == ["a.mp4", "x/a.mp4"]
    assert places(named("/x/a.mp4"), named("/x/a.wav")) == ["a.mp4", "a.wav"]


def test_no_output_goes_over_the_index_or_the_failures() -> None:
    assert places(*map(named, ["/x/predictions", "/x/failures", "/x/predictions.mp4"])) == [
        "x/predictions",
        "x/failures",
        "predictions.mp4",
    ]


NAMES = st.lists(st.sampled_from(["a", "b", "a.mp4", "predictions"]), min_size=1, max_size=4)


@given(st.sets(NAMES.map(tuple), max_size=12), st.data())
def test_no_two_files_share_a_place(whole: set[tuple[str, ...]], data: st.DataObject) -> None:
    files = [
        MediaFile(Path("/", *parts), PurePath(*parts[-data.draw(st.integers(1, len(parts))) :]))
        for parts in sorted(whole)
    ]
    found = places_of(files)
    assert len(set(found.values())) == len(files)
    assert all(file.path.parts[-len(place.parts) :] == place.parts for file, place in found.items())


def test_what_is_there_need_not_be_made_again(film: MediaFile, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert not opened(folder, film).has(film)
    assert not folder.exists()
    answered(folder, film, formats="json,csv")
    assert sorted(path.name for path in folder.iterdir()) == ["a.mp4.csv", "a.mp4.json", INDEX_NAME]
    assert opened(folder, film).has(film)
    assert opened(folder, film, formats="csv,json").has(film)


def test_other_settings_formats_files_and_missing_outputs_are_made_again(film: MediaFile, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    answered(folder, film)
    assert not opened(folder, film, checkpoint="def").has(film)
    assert not opened(folder, film, formats="json,srt").has(film)
    (folder / "a.mp4.json").unlink()
    assert not opened(folder, film).has(film)
    answered(folder, film)
    os.utime(film.path, ns=(0, 0))
    assert not opened(folder, film).has(film)
    answered(folder, film)
    film.path.unlink()
    assert not opened(folder, film).has(film)


def test_outputs_that_somebody_corrected_are_left_alone(film: MediaFile, tmp_path: Path) -> None:
    answered(tmp_path / "out", film, formats="eaf")
    (tmp_path / "out" / "a.mp4.eaf").write_text("corrected by hand")
    assert opened(tmp_path / "out", film, formats="eaf").has(film)


def test_a_format_of_an_earlier_checkpoint_does_not_count(film: MediaFile, tmp_path: Path) -> None:
    answered(tmp_path, film, formats="json,csv")
    answered(tmp_path, film, formats="json", checkpoint="def")
    assert not opened(tmp_path, film, formats="json,csv", checkpoint="def").has(film)


def test_a_run_that_has_begun_takes_back_what_it_makes_again(film: MediaFile, tmp_path: Path) -> None:
    other = named(str(film.path.with_name("b.mp4")))
    other.path.write_bytes(b"film")
    answered(tmp_path, film, other)
    opened(tmp_path, film, other).begin([film])
    assert not opened(tmp_path, film).has(film)
    assert opened(tmp_path, other).has(other)


@pytest.mark.parametrize("half", [b'{"place": "a.mp4", "sou', b"[]\n", b"{}\n", b'{"suffixes": []}\n', b"\xff\n"])
def test_a_line_that_a_killed_run_left_is_passed_over(film: MediaFile, tmp_path: Path, half: bytes) -> None:
    answered(tmp_path, film)
    index = tmp_path / INDEX_NAME
    whole = index.read_bytes()
    index.write_bytes(whole + half)
    assert opened(tmp_path, film).has(film)
    opened(tmp_path, film).begin([])
    assert index.read_bytes() == whole
    index.write_bytes(half)
    assert not opened(tmp_path, film).has(film)


def test_answers_for_another_file_of_the_same_name_are_not_written_over(film: MediaFile, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = named(str(tmp_path / "other" / "a.mp4"))
    other.path.write_bytes(b"film")
    folder = tmp_path / "out"
    answered(folder, film)
    refusal = opened(folder, other).refusal(other)
    assert refusal == f"{folder / 'a.mp4'} holds the answers for {film.identity}; choose another folder with --out"
    assert opened(folder, film).refusal(film) == ""
    film.path.unlink()
    assert opened(folder, other).refusal(other) == ""


def test_failures_are_a_table_that_the_next_run_replaces(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.write_failures([("a,b.mp4", 'no "face"'), ("c\udcff.mp4", "no sound")])
    with (tmp_path / FAILURES_NAME).open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["file", "reason"], ["a,b.mp4", 'no "face"'], ["c\\udcff.mp4", "no sound"]]
    folder.write_failures([])
    assert not (tmp_path / FAILURES_NAME).exists()
    folder.write_failures([])


@pytest.mark.parametrize("told", [None, "file:{folder}/.a.mp4.json.1.part"], ids=["no name", "a temporary name"])
def test_a_refusal_names_the_output_and_not_what_is_temporary(
    film: MediaFile, tmp_path: Path, told: str | None
) -> None:
    def write(_: Prediction, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", told and told.format(folder=path.parent))

    folder = AnswerFolder(tmp_path / "out", [film], [Format(".json", write)], MADE_BY)
    folder.begin([film])
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_outputs(folder.outputs(film), PREDICTION)
    assert caught.value.filename == str(tmp_path / "out" / "a.mp4.json")


def test_an_index_that_cannot_be_added_to_is_named(film: MediaFile, tmp_path: Path) -> None:
    folder = opened(tmp_path / "out", film)
    folder.begin([film])
    (tmp_path / "out" / INDEX_NAME).unlink()
    (tmp_path / "out" / INDEX_NAME).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as caught:
        folder.record(film)
    assert caught.value.filename == str(tmp_path / "out" / INDEX_NAME)


def test_a_file_in_the_way_of_a_folder_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "films" / "1").mkdir(parents=True)
    (tmp_path / "films" / "1" / "a.mp4").write_bytes(b"film")
    film = MediaFile(tmp_path / "films" / "1" / "a.mp4", PurePath("1/a.mp4"))
    folder = opened(tmp_path / "out", film)
    folder.begin([film])
    (tmp_path / "out" / "1").write_bytes(b"kept")
    with pytest.raises(FileExistsError) as caught:
        write_outputs(folder.outputs(film), PREDICTION)
    assert caught.value.filename == str(tmp_path / "out" / "1")


def test_any_name_comes_back_from_the_index(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode("Привет \xff\"'\n.mp4".encode("latin-1", "replace"))
    path.write_bytes(b"film")
    (film,) = find_media([path]).files
    answered(tmp_path / "out", film)
    assert opened(tmp_path / "out", film).has(film)
    (line,) = (tmp_path / "out" / INDEX_NAME).read_text(encoding="ascii").splitlines()
    assert json.loads(line)["source"] == str(film.identity)


def test_a_folder_that_is_a_file_is_refused(film: MediaFile) -> None:
    with pytest.raises(InputError, match=r"a\.mp4: cannot be written to \(.*\); choose another folder"):
        opened(film.path, film).begin([film])


def test_an_index_that_cannot_be_read_is_refused(film: MediaFile, tmp_path: Path) -> None:
    (tmp_path / INDEX_NAME).mkdir()
    with pytest.raises(InputError, match=r"predictions\.jsonl: cannot be read \(Is a directory\)"):
        opened(tmp_path, film)


def test_a_name_as_long_as_the_system_allows(tmp_path: Path) -> None:
    film = tmp_path / f"{'a' * 246}.mp4"
    film.write_bytes(b"film")
    answered(tmp_path / "out", named(str(film)))
    assert (tmp_path / "out" / f"{film.name}.json").exists()
    assert len(os.listdir(tmp_path / "out")) == 2
