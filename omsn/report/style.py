"""How every figure looks, and how it becomes a PNG for a paper or an SVG in the page's light or dark theme."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, PercentFormatter

from omsn.files import replace_file

INK = "#1b1d22"
MUTED = "#656a74"
LINE = "#d8dbe1"
SURFACE = "#fffffe"
BLUE = "#0f6cbf"
ORANGE = "#cf5a0c"
HEAT = "#0e5ba4"
ON_HEAT = "#fffffd"
"""Blue and orange are told apart by every common kind of colour blindness; each also has its own marker."""

THEMED = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    SURFACE: "surface",
    BLUE: "blue",
    ORANGE: "orange",
    HEAT: "heat",
    ON_HEAT: "on-heat",
}
"""Colours that the page's style sheet sets anew for its dark theme, by the name of their CSS variable."""

DARK = {
    "ink": "#e8eaee",
    "muted": "#a3a9b4",
    "line": "#383c45",
    "surface": "#14161a",
    "blue": "#58a6f0",
    "orange": "#f08c4b",
    "heat": "#2a78c8",
    "on-heat": "#ffffff",
}
"""The same variables on a dark page, as its style sheet has them; for pictures that stand in a file of their own."""

WIDTH_IN = 7.2
"""Width of every figure in inches: a page's text, so that text sizes agree between figures."""
_PNG_DPI = 200
_CAPTION_SIZE, _CAPTION_LINE_IN = 7.0, 0.12
_CAPTION_CHARACTERS = 140
"""As many of these small letters stand side by side in a figure."""


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and save within this: OMSN's text sizes and colours, and files that are the same each time."""
    with mpl.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 9.5,
            "axes.titlesize": 10,
            "text.color": INK,
            "svg.fonttype": "path",
            "svg.hashsalt": "omsn",
        }
    ):
        yield


def new_figure(height_in: float) -> Figure:
    """An empty figure of the common width, outside of pyplot's global state."""
    return Figure(figsize=(WIDTH_IN, height_in), facecolor=SURFACE, layout="constrained")


def clean(axes: Axes, *, grid: Literal["x", "y", "both"] | None = "y") -> Axes:
    """Leave only what carries information: no box, no ticks, and a faint grid across the named axes."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_facecolor("none")
    axes.tick_params(length=0, colors=MUTED, labelsize=9)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=LINE, linewidth=0.8)
    return axes


def title(axes: Axes, text: str) -> None:
    """A title flush with the left edge of the plot."""
    axes.set_title(text, loc="left", color=INK, fontweight="bold", pad=8)


def caption(figure: Figure, text: str) -> None:
    """Small words above everything that say what the figure is of; it grows by their height."""
    lines = textwrap.wrap(text, _CAPTION_CHARACTERS)
    figure.set_figheight(figure.get_figheight() + _CAPTION_LINE_IN * (len(lines) + 0.5))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=_CAPTION_SIZE, color=MUTED)


def percent_axis(axes: Axes, which: str, step: float = 0.25) -> None:
    """Label shares from 0 to 1 on the "x" or "y" axis as per cent."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator([step * k for k in range(round(1 / step) + 1)]))
    axis.set_major_formatter(PercentFormatter(1, decimals=0))


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure at print resolution; the file appears whole or not at all."""
    picture = io.BytesIO()
    FigureCanvasAgg(figure)
    with figure_style():
        figure.savefig(picture, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    replace_file(path, picture.getvalue())


def to_svg(figure: Figure, description: str) -> str:
    """A figure as an inline SVG element whose colours follow the page's theme.

    Args:
        figure: the figure.
        description: what it shows, for people who cannot see it; no quotes or angle brackets.
    """
    buffer = io.StringIO()
    FigureCanvasSVG(figure)
    with figure_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in THEMED.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{description}" ', 1)


def to_svg_file(figure: Figure, description: str) -> str:
    """A figure as a whole SVG file that knows light and dark pages by itself.

    Args:
        figure: the figure.
        description: what it shows, for people who cannot see it; no quotes or angle brackets.
    """
    light = " ".join(f"--{variable}: {colour};" for colour, variable in THEMED.items())
    dark = " ".join(f"--{variable}: {colour};" for variable, colour in DARK.items())
    themes = f"<style>svg {{ {light} }} @media (prefers-color-scheme: dark) {{ svg {{ {dark} }} }}</style>"
    opening, _, rest = to_svg(figure, description).partition(">")
    return f"{opening}>\n <title>{description}</title>\n {themes}{rest}"
