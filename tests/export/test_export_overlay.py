"""The film with its answers: boxes where faces are, labels that hold, the sound as it was."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from omsn.errors import MediaError
from omsn.export.overlay import Painter, write_overlay
from omsn.export.palette import colours_of
from omsn.labels import LabelSet
from omsn.media.encode import write_film
from omsn.media.sound import read_sound
from omsn.media.video import Frame, Image, read_frames
from omsn.types import FacePath, Mask, Prediction, Window

LABELS = LabelSet(("sad", "happy"))
GREY: Image = np.full((240, 320, 3), 128, np.uint8)
BOX = (100.0, 100.0, 180.0, 200.0)


def path_of_a_face(*times_s: float) -> FacePath:
    return FacePath(np.array(times_s), np.tile(np.array(BOX, np.float32), (len(times_s), 1)))


def answer(*windows: Window) -> Painter:
    return Painter(Prediction("a.mp4", LABELS, windows))


def in_colour(picture: Image, name: str) -> Mask:
    """True where a picture has exactly the colour of an emotion. (H, W)."""
    red, green, blue = bytes.fromhex(colours_of(LABELS.names)[name][1:])
    return np.asarray((picture == np.array([blue, green, red], np.uint8)).all(axis=2))


def has_colour(picture: Image, name: str) -> bool:
    return bool(in_colour(picture, name).any())


def test_nothing_to_draw() -> None:
    np.testing.assert_array_equal(answer().paint(GREY, 0.0), GREY)
    assert (GREY == 128).all()


def test_a_face_gets_a_box_and_a_label_while_it_is_seen() -> None:
    painter = answer(Window(0.0, 2.0, (0.2, 0.8), ("video",), path=path_of_a_face(0.0, 0.1, 1.0)))
    there = painter.paint(GREY, 0.05)
    assert has_colour(there, "happy")
    changed = np.argwhere((there != GREY).any(axis=2))
    assert changed.min(axis=0)[0] >= 30
    assert changed.max(axis=0) == pytest.approx((212, 190), abs=3)
    np.testing.assert_array_equal(there[120:180, 110:170], GREY[120:180, 110:170])
    away = painter.paint(GREY, 0.6)
    assert np.argwhere((away != GREY).any(axis=2)).min(axis=0)[0] > 200  # the label waits in the lower left corner
    np.testing.assert_array_equal(painter.paint(GREY, 2.5), GREY)


def test_labels_change_with_the_segments() -> None:
    painter = answer(Window(0.0, 1.0, (0.9, 0.1), ()), Window(1.0, 2.0, (0.1, 0.9), ()))
    early, late = painter.paint(GREY, 0.5), painter.paint(GREY, 1.5)
    assert (has_colour(early, "sad"), has_colour(early, "happy")) == (True, False)
    assert (has_colour(late, "sad"), has_colour(late, "happy")) == (False, True)


def test_the_bar_is_as_long_as_the_probability() -> None:
    lengths = []
    for share in (0.5, 1.0):
        picture = answer(Window(0.0, 1.0, (1 - share, share), ())).paint(GREY, 0.5)
        lengths.append(int(in_colour(picture, "happy" if share > 0.5 else "sad").sum(axis=1).max()))
    assert lengths[0] == pytest.approx(lengths[1] / 2, abs=1)


@pytest.mark.parametrize("box", [(-50, -80, 60, 40), (250, 180, 400, 300), (-900, -900, -800, -800)])
def test_a_face_at_the_edge_or_beyond_keeps_its_label_inside(box: tuple[float, ...]) -> None:
    path = FacePath(np.zeros(1), np.array([box], np.float32))
    picture = answer(Window(0.0, 1.0, (0.0, 1.0), (), path=path)).paint(GREY, 0.0)
    assert (picture.shape, has_colour(picture, "happy")) == (GREY.shape, True)


def test_two_faces_have_two_labels_and_a_tiny_picture_has_room_for_none() -> None:
    windows = (Window(0.0, 1.0, (1.0, 0.0), (), 0), Window(0.0, 1.0, (0.0, 1.0), (), 1))
    picture = answer(*windows).paint(GREY, 0.5)
    assert has_colour(picture, "sad")
    assert has_colour(picture, "happy")
    assert answer(*windows).paint(GREY[:16, :16], 0.5).shape == (16, 16, 3)


def test_the_face_that_speaks_has_a_longer_label() -> None:
    widths = []
    for speaking in (False, True):
        windows = (Window(0.0, 1.0, (0.0, 1.0), ("audio",), 0, speaking), Window(3.0, 4.0, (1.0, 0.0), (), 1))
        picture = answer(*windows).paint(GREY, 0.5)
        widths.append(int((picture != GREY).any(axis=(0, 2)).sum()))
    assert widths[0] < widths[1]


def test_letters_that_no_font_has_are_drawn_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    labels = LabelSet(("\U00016a40$", "happy"))
    painter = Painter(Prediction("a.mp4", labels, (Window(0.0, 1.0, (1.0, 0.0), ()),)))
    assert (painter.paint(GREY, 0.5) != GREY).any()
    assert not recwarn.list


def test_a_film_keeps_its_sound_and_its_times(tmp_path: Path) -> None:
    film = film_with_tone(tmp_path)
    window = Window(0.0, 1.0, (0.0, 1.0), ("audio",), path=path_of_a_face(0.0, 0.5, 1.0))
    write_overlay(Prediction(str(film), LABELS, (window,)), tmp_path / "out" / "b.mp4")
    written = list(read_frames(tmp_path / "out" / "b.mp4"))
    assert [frame.time_s for frame in written] == pytest.approx([number / 10 for number in range(10)], abs=1e-3)
    hue = cv2.cvtColor(written[0].image, cv2.COLOR_BGR2HSV)[..., 1]
    assert hue.max() > 150  # the box is the only colour in a grey film
    before, after = (read_sound(path, 16000).samples for path in (film, tmp_path / "out" / "b.mp4"))
    np.testing.assert_array_equal(before, after)


def test_a_sound_becomes_a_film_of_its_answers(tmp_path: Path) -> None:
    film_with_tone(tmp_path)
    prediction = Prediction(str(tmp_path / "tone.m4a"), LABELS, (Window(0.0, 0.5, (0.0, 1.0), ("audio",)),))
    write_overlay(prediction, tmp_path / "b.mp4")
    assert len(list(read_frames(tmp_path / "b.mp4"))) == 10
    assert read_sound(tmp_path / "b.mp4", 16000).samples.any()


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.mp4: no such file"):
        write_overlay(Prediction(str(tmp_path / "gone.mp4"), LABELS), tmp_path / "b.mp4")


def film_with_tone(folder: Path) -> Path:
    """A second of grey at ten pictures a second with a tone; and the tone alone beside it."""
    samples = (0.3 * np.sin(np.arange(48000) / 20)).astype(np.float32)
    with av.open(str(folder / "tone.m4a"), "w") as container:
        track = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.rate, frame.pts = 48000, 0
        container.mux([*track.encode(frame), *track.encode(None)])
    write_film(folder / "film.mp4", folder / "tone.m4a", (Frame(GREY, number / 10) for number in range(10)))
    return folder / "film.mp4"
