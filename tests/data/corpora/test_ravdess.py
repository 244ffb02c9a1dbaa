import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omsn.data.corpora import CORPORA
from omsn.data.corpora.ravdess import Trial, find, parse_name
from omsn.errors import ManifestError
from omsn.labels import RAVDESS_EMOTIONS

HEADS = {".wav": b"RIFF....WAVE", ".flac": b"fLaC....", ".mp4": b"\0\0\0\x20ftypisom", ".avi": b"RIFF....AVI "}


def _touch(root: Path, *names: str) -> None:
    """Files with the first bytes of their format and nothing else: finding clips reads no more."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(HEADS.get(path.suffix.lower(), b"?"))


def _archive(path: Path, entries: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.zeros((2, 68, 2), np.int16)
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **dict.fromkeys(entries, frames))


def _reasons(root: Path) -> dict[str, str]:
    return {Path(item.path).name: item.reason for item in find(root).skipped}


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no usable clip; found nothing; expected speech clips: RAVDESS files such"):
        find(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist"):
        CORPORA["ravdess"](tmp_path / "RAVDESS")


def test_a_folder_without_usable_clips_is_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "notes.txt", "holiday.mp4")
    with pytest.raises(ManifestError, match=r"(?s)found 1 .mp4, 1 .txt.*holiday.mp4: is no RAVDESS name"):
        find(tmp_path)


def test_an_unknown_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="channel: got 'opera', expected one of speech, song, both"):
        find(tmp_path, "opera")  # type: ignore[arg-type]


def test_one_trial_in_three_modalities_is_one_clip(tmp_path: Path) -> None:
    trial = "01-05-02-01-02-07"
    _touch(
        tmp_path,
        f"Video_Speech_Actor_07/Actor_07/01-{trial}.mp4",
        f"Video_Speech_Actor_07/Actor_07/02-{trial}.mp4",
        f"Audio_Speech_Actors_01-24/Actor_07/03-{trial}.wav",
    )
    _archive(tmp_path / "landmarks/Actor_07.npz", [f"02-{trial}"])
    corpus = find(tmp_path)
    assert corpus.skipped == ()
    (clip,) = corpus.clips
    assert clip.clip == trial
    assert (clip.speaker, clip.emotion, clip.intensity, clip.sex) == ("07", "angry", "strong", "male")
    assert (clip.statement, clip.repetition, clip.corpus) == ("01", "02", "ravdess")
    assert clip.audio == str(tmp_path / f"Audio_Speech_Actors_01-24/Actor_07/03-{trial}.wav")
    assert clip.video == str(tmp_path / f"Video_Speech_Actor_07/Actor_07/01-{trial}.mp4")
    assert clip.landmarks == f"{tmp_path / 'landmarks/Actor_07.npz'}#02-{trial}"


@pytest.mark.parametrize(
    ("modalities", "audio", "video"),
    [
        (("01.mp4",), "01.mp4", "01.mp4"),
        (("02.mp4",), "", "02.mp4"),
        (("03.flac",), "03.flac", ""),
        (("02.mp4", "03.WAV"), "03.WAV", "02.mp4"),
    ],
)
def test_missing_modalities(tmp_path: Path, modalities: tuple[str, ...], audio: str, video: str) -> None:
    names = {name: f"{name[:2]}-01-01-01-01-01-02{name[2:]}" for name in modalities}
    _touch(tmp_path, *names.values())
    (clip,) = find(tmp_path).clips
    assert clip.audio == (str(tmp_path / names[audio]) if audio else "")
    assert clip.video == (str(tmp_path / names[video]) if video else "")
    assert (clip.emotion, clip.intensity, clip.sex) == ("neutral", "normal", "female")


def test_paths_are_absolute_from_a_relative_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path, "corpus/03-01-01-01-01-01-01.wav")
    monkeypatch.chdir(tmp_path)
    (clip,) = find(Path("corpus")).clips
    assert clip.audio == str(tmp_path / "corpus/03-01-01-01-01-01-01.wav")


def test_channels(tmp_path: Path) -> None:
    _touch(tmp_path, "03-01-03-01-01-01-01.wav", "03-02-03-01-01-01-01.wav")
    assert [clip.clip for clip in find(tmp_path).clips] == ["01-03-01-01-01-01"]
    assert [clip.clip for clip in find(tmp_path, "song").clips] == ["02-03-01-01-01-01"]
    assert [clip.repetition for clip in find(tmp_path, "both").clips] == ["01", "song-01"]
    assert find(tmp_path).skipped == ()


def test_only_the_other_channel_is_said(tmp_path: Path) -> None:
    _touch(tmp_path, "03-02-03-01-01-01-01.wav")
    with pytest.raises(ManifestError, match="1 trials of the other channel are there"):
        find(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("03-01-05-02-01-01.wav", "got 6 fields between dashes, expected 7"),
        ("03-01-09-01-01-01-01.wav", "emotion is '09', expected 01 to 08"),
        ("03-01-00-01-01-01-01.wav", "emotion is '00', expected 01 to 08"),
        ("04-01-01-01-01-01-01.mp4", "modality is '04', expected 01 to 03"),
        ("03-03-01-01-01-01-01.wav", "channel is '03'"),
        ("03-01-02-03-01-01-01.wav", "intensity is '03'"),
        ("03-01-02-01-03-01-01.wav", "statement is '03'"),
        ("03-01-02-01-01-1-01.wav", "repetition is '1'"),
        ("03-01-02-01-01-01-25.wav", "actor is '25', expected 01 to 24"),
        ("03-01-01-02-01-01-01.wav", "neutral) has no strong intensity"),
        ("01-01-02-01-01-01-01.wav", "has modality 01, which does not fit a .wav file"),
        ("03-01-02-01-01-01-01.mp4", "has modality 03, which does not fit a .mp4 file"),
        ("01-01-02-01-01-01-01.avi", "has modality 01, which does not fit a .avi file"),
        ("Actor_02/03-01-02-01-01-01-01.wav", "is of actor 01 by its name but stands under Actor_02"),
        ("03-01-02-01-01-01-01 (1).wav", "actor is '01 (1)'"),
    ],
)
def test_wrong_names_are_listed_and_the_rest_goes_on(tmp_path: Path, name: str, reason: str) -> None:
    _touch(tmp_path, name, "03-01-08-02-02-02-11.wav")
    corpus = find(tmp_path)
    assert [clip.clip for clip in corpus.clips] == ["01-08-02-02-02-11"]
    (skipped,) = corpus.skipped
    assert skipped.path == str(tmp_path / name)
    assert reason in skipped.reason


def test_the_actor_folder_may_be_the_root_itself(tmp_path: Path) -> None:
    _touch(tmp_path, "Actor_03/03-01-02-01-01-01-03.wav", "Actor_03/03-01-02-01-01-01-04.wav")
    corpus = find(tmp_path / "Actor_03")
    assert [clip.speaker for clip in corpus.clips] == ["03"]
    assert "is of actor 04 by its name but stands under Actor_03" in corpus.skipped[0].reason


def test_a_corpus_unpacked_twice_is_listed_as_duplicates(tmp_path: Path) -> None:
    names = [f"Actor_01/03-01-0{emotion}-01-01-01-01.wav" for emotion in range(1, 9)]
    _touch(tmp_path, *(f"{copy}/{name}" for copy in ("a", "b") for name in names))
    corpus = find(tmp_path)
    assert len(corpus.clips) == len(corpus.skipped) == 8
    assert all("/a/" in clip.audio for clip in corpus.clips)
    assert all("is a duplicate of" in item.reason and "/b/" in item.path for item in corpus.skipped)


def test_wav_and_flac_of_one_trial_are_duplicates(tmp_path: Path) -> None:
    _touch(tmp_path, "03-01-01-01-01-01-01.flac", "03-01-01-01-01-01-01.wav")
    assert "is a duplicate of" in _reasons(tmp_path)["03-01-01-01-01-01-01.wav"]


def test_an_empty_copy_does_not_hide_the_good_one(tmp_path: Path) -> None:
    _touch(tmp_path, "b/03-01-01-01-01-01-01.wav")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/03-01-01-01-01-01-01.wav").touch()
    corpus = find(tmp_path)
    assert "/b/" in corpus.clips[0].audio
    assert [item.reason for item in corpus.skipped] == ["is empty (0 bytes)"]


def test_files_of_other_kinds_are_ignored(tmp_path: Path) -> None:
    _touch(tmp_path, "03-01-01-01-01-01-01.wav", "table.csv", "face.png", "readme", "03-01-02-01-01-01-01.txt")
    assert find(tmp_path).skipped == ()


def test_landmark_archives(tmp_path: Path) -> None:
    _archive(tmp_path / "Actor_01.npz", ["02-01-02-01-01-01-01", "03-01-03-01-01-01-01", "02-01-02-01-01-01-02", "x"])
    corpus = find(tmp_path)
    assert [clip.landmarks for clip in corpus.clips] == [f"{tmp_path / 'Actor_01.npz'}#02-01-02-01-01-01-01"]
    reasons = [item.reason for item in corpus.skipped]
    assert "does not fit a .npz file" in reasons[0]
    assert "is of actor 02 by its name but stands under Actor_01" in reasons[1]
    assert "got 1 fields" in reasons[2]


def test_tables_of_landmarks(tmp_path: Path) -> None:
    trial = "01-02-01-01-01-01"
    _touch(
        tmp_path, f"tracking/01-{trial}.csv", f"tracking/02-{trial}.csv", "tracking/03-01-03-01-01-01-01.csv", "1-2.csv"
    )
    _touch(tmp_path, "manifest.csv", "action_units_mean.csv")
    corpus = find(tmp_path)
    assert [clip.landmarks for clip in corpus.clips] == [str(tmp_path / f"tracking/01-{trial}.csv")]
    reasons = [item.reason for item in corpus.skipped]
    assert "got 2 fields" in reasons[0]
    assert reasons[1] == f"is a duplicate of {tmp_path / f'tracking/01-{trial}.csv'}"
    assert "has modality 03, which does not fit a .csv file" in reasons[2]


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_archive_is_listed(tmp_path: Path, damage: str) -> None:
    _touch(tmp_path, "03-01-02-01-01-01-01.wav")
    path = tmp_path / "Actor_01.npz"
    _archive(path, ["02-01-02-01-01-01-01"])
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    damaged = {"cut": bytes(content[:200]), "flipped": bytes(content), "text": b"PK and then text"}
    path.write_bytes(damaged[damage])
    corpus = find(tmp_path)
    assert [clip.landmarks for clip in corpus.clips] == [""]
    assert [item.path for item in corpus.skipped] == [str(path)]
    assert "is a damaged archive" in corpus.skipped[0].reason


codes = st.tuples(
    *(st.integers(1, highest) for highest in (3, 2, 8, 2, 2, 2, 24)),
)


@given(codes)
def test_every_official_name_is_read(code: tuple[int, ...]) -> None:
    name = "-".join(f"{number:02}" for number in code)
    if code[2:4] == (1, 2):
        with pytest.raises(ManifestError, match="no strong intensity"):
            parse_name(name)
    else:
        modality, trial = parse_name(name)
        assert f"{modality}-{trial.clip}" == name


@given(st.text(max_size=30))
def test_no_other_name_is_read(name: str) -> None:
    with pytest.raises(ManifestError, match="is no RAVDESS name"):
        parse_name(name)


def test_trial_name() -> None:
    assert Trial("01", "05", "02", "01", "01", "07").clip == "01-05-02-01-01-07"


def _real() -> Path:
    root = os.environ.get("OMSN_DATA")
    if not root:
        pytest.skip("OMSN_DATA is not set: the real RAVDESS corpus is not here")
    return Path(root) / "ravdess"


def test_the_real_corpus() -> None:
    corpus = find(_real())
    assert corpus.skipped == ()
    assert len(corpus.clips) == 1200
    assert all(clip.audio and clip.landmarks for clip in corpus.clips)
    assert sum(bool(clip.video) for clip in corpus.clips) == 8
    counts = Counter(clip.emotion for clip in corpus.clips)
    assert counts == {name: 80 if name == "neutral" else 160 for name in RAVDESS_EMOTIONS.names}
    assert set(Counter(clip.speaker for clip in corpus.clips).values()) == {60}


def test_real_files_in_the_published_layout(tmp_path: Path) -> None:
    for kind in ("audio", "video"):
        for source in sorted((_real() / kind / "Actor_05").iterdir())[:3]:
            target = tmp_path / f"{kind.title()}_Speech_Actor_05" / "Actor_05" / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    corpus = find(tmp_path)
    assert corpus.skipped == ()
    assert all(clip.speaker == "05" and clip.audio for clip in corpus.clips)
