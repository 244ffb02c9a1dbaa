"""A compact copy of a corpus as a whole: layout, resuming, bad clips, folders that are refused."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from made_clips import contents
from made_media import RATE_HZ, cut_short, tone
from made_portraits import moving_face, write_face_film

from omsn.config import Faces, PipelineConfig
from omsn.data.compact import NOTE_NAME, check_folder, keep_faces
from omsn.data.corpora import folder as folder_corpus
from omsn.data.corpora import pattern, ravdess
from omsn.data.prepare import MANIFEST_NAME, prepare
from omsn.errors import InputError
from omsn.features.geometry import geometry_columns
from omsn.pipeline import make_sample
from omsn.types import Clip, Sample

CONFIG = PipelineConfig()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three films named as RAVDESS names them; only to be read."""
    root = tmp_path_factory.mktemp("corpus")
    for number in (1, 2, 3):
        name = f"Actor_{number:02d}/01-01-0{number}-01-01-01-{number:02d}.mp4"
        write_face_film(root / name, moving_face(8, x=30 + number))
    return root


@pytest.fixture(scope="module")
def clips(corpus: Path) -> tuple[Clip, ...]:
    return ravdess.find(corpus).clips


@pytest.fixture(scope="module")
def copy(clips: tuple[Clip, ...], corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that nothing has disturbed; only to be read."""
    folder = tmp_path_factory.mktemp("copies") / "copy"
    keep_faces(clips, corpus, folder, CONFIG)
    return folder


def bare(clip: Clip) -> Clip:
    return replace(clip, audio="", video="", corpus="")


def test_no_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="copy: none of 0 clips could be copied"):
        keep_faces([], tmp_path / "corpus", tmp_path / "copy", CONFIG)


def test_the_copy_is_a_corpus_in_the_same_layout(clips: tuple[Clip, ...], corpus: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    made = keep_faces(clips, corpus, tmp_path / "copy", CONFIG, on_step=lambda done, n: steps.append((done, n)))
    assert (made.made, made.reused, made.skipped) == (3, 0, ())
    assert steps == [(1, 3), (2, 3), (3, 3)]
    films = {path.relative_to(corpus).as_posix() for path in corpus.rglob("*.mp4")}
    assert set(contents(made.folder)) == films | {MANIFEST_NAME, NOTE_NAME}
    by_name, by_manifest = ravdess.find(made.folder).clips, folder_corpus.find(made.folder).clips
    assert by_name == by_manifest == made.clips
    assert [bare(clip) for clip in by_name] == [bare(clip) for clip in clips]
    by_template = pattern.find(made.folder, "Actor_{speaker}/01-01-{emotion}-{intensity}-{statement}-{take}-{speaker}")
    assert {clip.speaker for clip in by_template.clips} == {"01", "02", "03"}


def test_sizes_are_those_of_the_files(clips: tuple[Clip, ...], corpus: Path, copy: Path) -> None:
    again = keep_faces(clips, corpus, copy, CONFIG)
    assert again.original_bytes == sum(path.stat().st_size for path in corpus.rglob("*.mp4"))
    assert again.copied_bytes == sum(path.stat().st_size for path in copy.rglob("*.mp4"))
    assert again.times_smaller == again.original_bytes / again.copied_bytes


def test_the_copy_can_be_prepared(copy: Path, tmp_path: Path) -> None:
    prepared = prepare(folder_corpus.find(copy).clips, tmp_path / "cache", CONFIG)
    assert (prepared.made, prepared.skipped) == (3, ())


def test_a_second_run_makes_what_is_missing_or_older_than_its_source(corpus: Path, tmp_path: Path) -> None:
    root, folder = tmp_path / "corpus", tmp_path / "copy"
    films = [write_face_film(root / f"{name}.mp4", moving_face(6)) for name in "abc"]
    before = {clip.clip: Path(clip.video) for clip in keep_faces(films, root, folder, CONFIG).clips}
    times_ns = {name: path.stat().st_mtime_ns for name, path in before.items()}
    before["a"].unlink()
    os.utime(films[1].video, ns=(times_ns["b"] + 10**9, times_ns["b"] + 10**9))
    (folder / ".omsn-77-0a1b2c3d.part").write_bytes(b"of a run that was killed")
    again = keep_faces(films, root, folder, CONFIG)
    assert (again.made, again.reused) == (2, 1)
    assert [path.stat().st_mtime_ns > times_ns[name] for name, path in before.items()] == [True, True, False]


def test_two_processes_give_the_same_bytes_as_one(
    clips: tuple[Clip, ...], corpus: Path, copy: Path, tmp_path: Path
) -> None:
    keep_faces(clips, corpus, tmp_path / "copy", CONFIG, jobs=2)
    assert contents(tmp_path / "copy") == contents(copy)


class Deadly(Clip):
    """Ends the process that it is handed to."""

    def __reduce__(self) -> tuple[Callable[[int], Any], tuple[int]]:
        return os._exit, (1,)


def test_clips_that_cannot_be_copied_are_left_out_with_the_reason(
    clips: tuple[Clip, ...], corpus: Path, tmp_path: Path
) -> None:
    broken = replace(clips[1], clip="broken", audio="", video=str(tmp_path / "cut.mp4"))
    cut_short(Path(clips[1].video)).replace(tmp_path / "cut.mp4")
    gone = replace(clips[1], clip="gone", audio=str(tmp_path / "gone.wav"), video="")
    deadly = Deadly(**(vars(clips[2]) | {"clip": "deadly"}))
    made = keep_faces([clips[0], broken, gone, deadly], corpus, tmp_path / "copy", CONFIG, jobs=2)
    assert [clip.clip for clip in made.clips] == [clips[0].clip]
    reasons = {skip.path: skip.reason for skip in made.skipped}
    assert list(reasons) == ["broken", "deadly", "gone"]
    for name, reason in (("broken", "cut.mp4"), ("deadly", "killed its process"), ("gone", "gone.wav: no such file")):
        assert re.search(reason, reasons[name])
    assert len(list((tmp_path / "copy").rglob("*.mp4"))) == 1
    with pytest.raises(InputError, match=r"none of 1 clips could be copied: gone: .*no such file"):
        keep_faces([gone], corpus, tmp_path / "other", CONFIG)


@pytest.mark.parametrize(("place", "apart"), [("a", "a"), ("a/b", "a"), ("a", "a/b"), ("a/../a/b", "a")])
def test_a_folder_in_or_around_the_corpus_or_cache_is_refused(tmp_path: Path, place: str, apart: str) -> None:
    with pytest.raises(
        InputError, match=r"is, holds or lies in .*a; a copy needs a folder|lies in .*a/b; a copy needs"
    ):
        check_folder(tmp_path / place, (tmp_path / "z", tmp_path / apart), CONFIG)


def test_a_link_into_the_corpus_is_refused(clips: tuple[Clip, ...], corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(corpus)
    with pytest.raises(InputError, match="a copy needs a folder of its own"):
        keep_faces(clips, corpus, tmp_path / "link" / "copy", CONFIG)
    assert not (corpus / "copy").exists()


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    check_folder(tmp_path / "mine", (), CONFIG)
    check_folder(tmp_path / "new", (), CONFIG)
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    for place in (tmp_path / "mine", tmp_path / "mine" / "thesis.txt"):
        with pytest.raises(
            InputError, match=r"holds something that is no compact copy \(compact.json: .*\); choose an"
        ):
            check_folder(place, (), CONFIG)


def test_a_copy_made_with_other_settings_is_refused(copy: Path) -> None:
    check_folder(copy, (), CONFIG)
    with pytest.raises(
        InputError, match=r"made with other settings: got .*0\.5.*, now asked for .*0\.7.*; choose another"
    ):
        check_folder(copy, (), replace(CONFIG, faces=Faces(min_score=0.7)))
    assert json.loads((copy / NOTE_NAME).read_text())["film_px"] == 224


def test_originals_are_never_overwritten(clips: tuple[Clip, ...], corpus: Path, copy: Path, tmp_path: Path) -> None:
    of_the_copy = folder_corpus.find(copy).clips
    with pytest.raises(InputError, match=r"mp4: lies in the folder of the copy, .*; choose another folder"):
        keep_faces(of_the_copy, corpus, copy, CONFIG)


def test_files_that_would_share_a_place_get_places_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    soundfile.write(root / "a.wav", tone(0.2), RATE_HZ, subtype="PCM_16")
    soundfile.write(root / "a.flac", tone(0.4), RATE_HZ, subtype="PCM_16")
    clips = [Clip(name, "", "sad", audio=str(root / f"a.{name}")) for name in ("wav", "flac")]
    clips.append(replace(clips[0], clip="again"))
    copies = keep_faces(clips, root, tmp_path / "copy", CONFIG).clips
    assert Path(copies[0].audio).name == "a.flac"
    assert re.fullmatch(r"a-[0-9a-f]{8}\.flac", Path(copies[1].audio).name)
    assert copies[2].audio == copies[0].audio
    assert [soundfile.info(copy.audio).duration for copy in copies] == [0.2, 0.4, 0.2]


def _groups(sample: Sample) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Values of the face's columns by kind; measures and angles as "shape"."""
    kinds = [name.split("_")[0] for name in geometry_columns()]
    known = ("position", "displacement", "velocity", "head")
    named = np.array([kind if kind in known else "shape" for kind in kinds])
    return {kind: sample.video.values[:, named == kind].ravel() for kind in (*known, "shape")}


@pytest.mark.slow
@pytest.mark.skipif("OMSN_DATA" not in os.environ, reason="needs the real corpora: set OMSN_DATA")
def test_features_of_a_copy_of_ravdess_are_those_of_the_original(tmp_path: Path) -> None:
    root = Path(os.environ["OMSN_DATA"]) / "ravdess" / "video"
    clip = next(clip for clip in ravdess.find(root).clips if clip.emotion == "happy")
    made = keep_faces([clip], root, tmp_path / "copy", CONFIG)
    before, after = make_sample(clip, CONFIG), make_sample(made.clips[0], CONFIG)
    assert made.times_smaller > 20
    np.testing.assert_array_equal(after.audio.values, before.audio.values)
    np.testing.assert_array_equal(after.video.mask, before.video.mask)
    limits = {"position": 0.999, "displacement": 0.9, "velocity": 0.9, "head": 0.97, "shape": 0.999}
    groups = zip(_groups(before).items(), _groups(after).values(), strict=True)
    found = {kind: float(np.corrcoef(values, others)[0, 1]) for (kind, values), others in groups}
    assert all(found[kind] > limit for kind, limit in limits.items()), found
