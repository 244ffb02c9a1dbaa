"""The timeline as a picture: what is drawn, and that a viewer can read it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from omsn.export.palette import NAMED, colours_of
from omsn.export.plot import DPI, HEAT, INK, WIDTH_IN, draw, ink_on, write_plot
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


def test_the_title_of_a_face_tells_how_much_it_speaks() -> None:
    windows = (
        Window(0.0, 1.0, SHARES, (), 0, True),
        Window(1.0, 4.0, SHARES[1:] + SHARES[:1], ()),
        *several(1, track=4),
    )
    figure = draw(Prediction("a.mp4", RAVDESS_EMOTIONS, windows))
    assert [axes.get_title("left") for axes in figure.axes][::2] == [
        "face 0, speaks for 25 % of its time (underlined)",
        "face 4",
    ]


def test_letters_that_no_font_has_are_drawn_without_a_word(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    write_plot(Prediction("怒り \U00016a40.mp4", RAVDESS_EMOTIONS, several(1)), tmp_path / "a.png")
    assert not recwarn.list


@pytest.mark.parametrize("ground", [*(HEAT(k / 20)[:3] for k in range(21)), *map(to_rgb, NAMED.values())])
def test_what_is_written_on_a_colour_can_be_read(ground: tuple[float, float, float]) -> None:
    """4.5 is what WCAG asks of text; colours in the middle reach a little less with the better of two inks."""

    def luminance(colour: tuple[float, float, float]) -> float:
        parts = np.array(colour)
        return float(
            np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        )

    def contrast(ink: str) -> float:
        dark, light = sorted((luminance(ground), luminance(to_rgb(ink))))
        return (light + 0.05) / (dark + 0.05)

    assert contrast(ink_on(ground)) == max(contrast(INK), contrast("white")) > 3.9


def test_a_colour_for_every_label_whatever_their_number() -> None:
    names = [*RAVDESS_EMOTIONS.names, *(f"other {number}" for number in range(20))]
    assert set(colours_of(names)) == set(names)
    assert len(set(colours_of(RAVDESS_EMOTIONS.names).values())) == 8


def test_numbers_are_written_only_where_they_fit() -> None:
    windows = (Window(0.0, 10.0, (0.9, 0.1), ("audio",)), Window(10.0, 10.2, (0.4, 0.6), ("audio",)))
    table = draw(Prediction("a.mp4", LabelSet(("calm", "sad")), windows)).axes[1]
    assert sorted(text.get_text() for text in table.texts) == ["10 %", "90 %"]


def test_where_a_face_speaks_its_strip_is_underlined() -> None:
    said = [Window(2.0 * k, 2.0 * k + 2, (0.9, 0.1), ("audio",), 0, speaks) for k, speaks in enumerate((True, False))]
    strip = draw(Prediction("a.mp4", LabelSet(("calm", "sad")), tuple(said))).axes[0]
    spans = [(bar.get_x(), bar.get_width()) for bar in strip.patches if bar.get_height() < 0.5]  # type: ignore[attr-defined]
    assert spans == [(0.0, 2.0)]
