"""A page of a report: a template filled in, and its figures inside it as SVG and beside it as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from omsn.files import replace_file
from omsn.report.style import to_svg, write_png
from omsn.report.tables import interval, percent

PAGE_FILE, FIGURES_FOLDER = "report.html", "figures"


def write_page(
    folder: Path, template: str, figures: Mapping[str, Figure], descriptions: Mapping[str, str], **facts: object
) -> Path:
    """Write ``report.html`` and ``figures/NAME.png``, each whole or not at all.

    Args:
        folder: of the run.
        template: its name in this package; it extends ``base.html``.
        figures: by name; the template has each as ``figures.NAME``.
        descriptions: what each figure shows, for people who cannot see it; there may be more than figures.
        facts: what else the template calls by name.

    Returns:
        the path of the page, which needs nothing but itself.
    """
    for name, figure in figures.items():
        write_png(figure, folder / FIGURES_FOLDER / f"{name}.png")
    inlined = {name: to_svg(figure, descriptions[name]) for name, figure in figures.items()}
    page = folder / PAGE_FILE
    replace_file(page, _environment().get_template(template).render(facts, figures=inlined).encode())
    return page


def _environment() -> Environment:
    loader = PackageLoader("omsn", "report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"percent": percent, "interval": interval}
    return environment
