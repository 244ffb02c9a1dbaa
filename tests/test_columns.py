from __future__ import annotations

from omsn.columns import kind_of, kinds_of
from omsn.config import AudioFeatures, VideoFeatures
from omsn.features.audio import audio_columns
from omsn.features.face import face_columns


def test_columns_of_the_sound_are_of_three_kinds() -> None:
    columns = audio_columns(AudioFeatures())
    assert kinds_of(columns) == (40, 40, len(columns) - 80)
    assert [kind_of(columns[at]) for at in (0, 39, 40, 79, 80)] == ["logmel", "logmel", "mfcc", "mfcc", ""]


def test_columns_of_the_face_are_of_six_kinds_and_hog_is_one_more() -> None:
    columns = face_columns(VideoFeatures(hog=True))
    firsts = [columns[sum(kinds_of(columns)[:number])] for number in range(7)]
    assert kinds_of(columns)[:6] == (102, 102, 102, 26, 26, 4)
    assert list(map(kind_of, firsts)) == ["position", "displacement", "velocity", "", "change", "head", "hog"]
    assert sum(kinds_of(columns)) == len(columns)


def test_kinds_that_are_apart_are_not_one() -> None:
    assert kinds_of(("pitch", "mfcc_00", "mfcc_delta_00", "loudness", "headless")) == (1, 2, 2)
    assert kinds_of(()) == ()
