"""A timeline of the answers for one file as a picture: which emotion when, and how probable each was."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omsn.export.fonts import lettering
from omsn.export.palette import colours_of
from omsn.files import replace_file
from omsn.segments import Segment, Stretch, stretches
from omsn.types import Prediction

WIDTH_IN, ROW_IN, STRIP_IN, MARGIN_IN = 10.0, 0.26, 0.42, 1.15
"""Sizes in inches: the picture, a row of the table of probabilities, the strip of emotions, all around them."""
DPI = 150
INK, MUTED, SURFACE = "#1b1d22", "#656a74", "#fffffe"
HEAT = LinearSegmentedColormap.from_list("heat", ["#f4f6f9", "#9cc4e4", "#0e5ba4", "#06294f"])
MANY_STRETCHES = 16
"""Up to so many stretches, each cell shows its probability in per cent."""
NAME_IN, CELL_IN = 0.085, 0.42
"""Widths in inches, of a letter of a name and of a probability in a cell: they are written only where they fit."""


def write_plot(prediction: Prediction, path: Path) -> None:
    """Write a PNG: for each face a strip with its segments, and under it the probability of each emotion over time.

    Times and probabilities are those of ``omsn.segments``: means over the windows that cover a moment.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    picture = io.BytesIO()
    with lettering(), mpl.rc_context({"font.size": 9, "text.color": INK}):
        figure = draw(prediction)
        FigureCanvasAgg(figure)
        figure.savefig(picture, format="png", metadata={"Software": None})
    replace_file(path, picture.getvalue())


def draw(prediction: Prediction) -> Figure:
    """The figure: two panels a face, one under the other, on one axis of time."""
    tracks = sorted({window.track for window in prediction.windows}) or [0]
    names = prediction.labels.names
    heights = [STRIP_IN, ROW_IN * len(names)] * len(tracks)
    size = (WIDTH_IN, sum(heights) + MARGIN_IN * (0.4 + 0.6 * len(tracks)))
    figure = Figure(figsize=size, dpi=DPI, facecolor=SURFACE, layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    found = prediction.segments()
    for place, track in enumerate(tracks):
        strip, table = panels[2 * place], panels[2 * place + 1]
        mine = [segment for segment in found if segment.track == track]
        _draw_strip(strip, mine, prediction)
        _draw_table(table, prediction, track)
        if len(tracks) > 1:
            strip.set_title(_title(track, mine), loc="left", fontsize=9.5, color=INK)
    panels[-1].set_xlim(0, max([end.end_ms for end in found], default=1000) / 1000)
    panels[-1].xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 3, 6, 10]))
    panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda time_s, _: _clock(time_s)))
    panels[-1].tick_params(axis="x", length=3)
    name = Path(prediction.source).name + (" (broke off)" if prediction.broke_off else "")
    name = name.encode(errors="backslashreplace").decode().replace("$", r"\$")
    figure.suptitle(name, x=0.006, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def _title(track: int, found: Sequence[Segment]) -> str:
    """Number of the face, and for how much of its time it is the one that speaks: where its strip is underlined."""
    spoken_s = sum(segment.end_s - segment.start_s for segment in found if segment.speaking)
    share = spoken_s / sum(segment.end_s - segment.start_s for segment in found)
    return f"face {track}" + (f", speaks for {100 * share:.0f} % of its time (underlined)" if share else "")


def _draw_strip(axes: Axes, found: list[Segment], prediction: Prediction) -> None:
    """The segments as bars of their emotions' colours, named where the name fits."""
    _clean(axes)
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    colours, inches_a_second = colours_of(prediction.labels.names), _inches_a_second(prediction)
    for segment in found:
        start_s, length_s = segment.start_ms / 1000, (segment.end_ms - segment.start_ms) / 1000
        axes.barh(0.5, length_s, left=start_s, height=1, color=colours[segment.emotion], edgecolor=SURFACE, linewidth=1)
        if segment.speaking:
            axes.barh(0.06, length_s, left=start_s, height=0.12, color=INK)
        room_in = inches_a_second * length_s
        if room_in > NAME_IN * len(segment.emotion):
            text = f"{segment.emotion} {100 * segment.probability:.0f} %"
            text = text if room_in > NAME_IN * len(text) else segment.emotion
            ink = ink_on(to_rgb(colours[segment.emotion]))
            axes.text(start_s + length_s / 2, 0.48, text, ha="center", va="center", color=ink, fontweight="bold")


def _draw_table(axes: Axes, prediction: Prediction, track: int) -> None:
    """A row for each emotion; the darker, the more probable."""
    _clean(axes)
    names, found = prediction.labels.names, list(stretches(prediction.windows, track))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    for run in _touching(found):
        edges_s = [run[0].start_ms / 1000, *(one.end_ms / 1000 for one in run)]
        table = np.array([one.probabilities for one in run]).T  # (K, n)
        axes.pcolormesh(edges_s, np.arange(len(names) + 1) - 0.5, table, cmap=HEAT, vmin=0, vmax=1, linewidth=0)
    shortest_ms = 1000 * CELL_IN / _inches_a_second(prediction)
    for one in found if len(found) <= MANY_STRETCHES else ():
        if one.length_ms < shortest_ms:
            continue
        middle_s = (one.start_ms + one.end_ms) / 2000
        for row, probability in enumerate(one.probabilities):
            colour = ink_on(HEAT(probability)[:3])
            axes.text(middle_s, row, f"{100 * probability:.0f} %", ha="center", va="center", color=colour, fontsize=8)


def _inches_a_second(prediction: Prediction) -> float:
    """How wide a second is drawn."""
    return 0.85 * WIDTH_IN / max((window.end_s for window in prediction.windows), default=1.0)


def _touching(found: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """Runs of stretches without a gap between them."""
    run: list[Stretch] = []
    for one in found:
        if run and run[-1].end_ms != one.start_ms:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def ink_on(ground: tuple[float, float, float]) -> str:
    """The ink, dark or white, that can be read better on a colour of red, green and blue, each 0 to 1.

    By contrast ratio after WCAG 2.1: (L1 + 0.05) / (L2 + 0.05), the lighter of two relative luminances above.
    """
    here, dark = _luminance(ground), _luminance(to_rgb(INK))
    return INK if (here + 0.05) ** 2 > (1 + 0.05) * (dark + 0.05) else "white"


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2.1)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _clean(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, colors=MUTED, labelcolor=INK)


def _clock(time_s: float) -> str:
    """Seconds, or minutes and seconds from a minute on.

    >>> _clock(0.025), _clock(2.5), _clock(75)
    ('0.025 s', '2.5 s', '1:15')
    """
    minutes, seconds = divmod(round(time_s, 3), 60)
    return f"{minutes:.0f}:{seconds:02.0f}" if minutes else f"{seconds:g} s"
