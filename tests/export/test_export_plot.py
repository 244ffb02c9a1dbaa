"""The timeline as a picture: what is drawn, and that a viewer can read it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex

from omsn.export.palette import colours_of
from omsn.export.plot import DPI, WIDTH_IN, draw, write_plot
from omsn.labels import RAVDESS_EMOTIONS, LabelSet
from omsn.types import Prediction, Window

SHARES = (0.65, *[0.05] * 7)


def several(n: int, track: int = 0) -> tuple[Window, ...]:
    """Windows of four seconds, of each emotion in turn."""
    return tuple(
        Window(2.0 * k, 2.0 * k + 4.0, SHARES[-k % 8 :] + SHARES[: -k % 8], ("audio",), track) for k in range(n)
    )


@pytest.mark.parametrize("windows", [(), several(1), several(40)], ids=["none", "one", "many"])
def test_a_png_of_the_promised_width_appears_whole(tmp_path: Path, windows: tuple[Window, ...]) -> None:
    path = tmp_path / "new" / "a.png"
    write_plot(Prediction("x/$a_\udcff.mp4", RAVDESS_EMOTIONS, windows), path)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[1] == WIDTH_IN * DPI
    assert [one.name for one in path.parent.iterdir()] == ["a.png"]


def test_the_strip_shows_segments_and_the_table_shows_means() -> None:
    windows = (Window(0.0, 4.0, (0.9, 0.1), ()), Window(2.0, 6.0, (0.3, 0.7), ()), Window(9.0, 10.0, (0.0, 1.0), ()))
    labels = LabelSet(("calm", "happy"))
    strip, table = draw(Prediction("a.mp4", labels, windows)).axes
    bars = [(bar.get_x(), bar.get_width(), to_hex(bar.get_facecolor())) for bar in strip.patches]  # type: ignore[attr-defined]
    colours = colours_of(labels.names)
    assert bars == [(0.0, 4.0, colours["calm"]), (4.0, 2.0, colours["happy"]), (9.0, 1.0, colours["happy"])]
    cells = [np.asarray(mesh.get_array()) for mesh in table.collections]
    np.testing.assert_allclose(cells[0], [[0.9, 0.6, 0.3], [0.1, 0.4, 0.7]])
    np.testing.assert_allclose(cells[1], [[0.0], [1.0]])
    assert [text.get_text() for text in table.texts][:2] == ["90 %", "10 %"]
    assert strip.get_xlim() == (0, 10)


def test_each_face_has_its_panels() -> None:
    figure = draw(Prediction("a.mp4", RAVDESS_EMOTIONS, (*several(3), *several(3, track=4))))
    assert [axes.get_title("left") for axes in figure.axes] == ["face 0", "", "face 4", ""]


def test_a_colour_for_every_label_whatever_their_number() -> None:
    names = [*RAVDESS_EMOTIONS.names, *(f"other {number}" for number in range(20))]
    assert set(colours_of(names)) == set(names)
    assert len(set(colours_of(RAVDESS_EMOTIONS.names).values())) == 8
