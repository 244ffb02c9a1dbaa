"""Letters of any script in pictures: the fonts that are asked one after the other for each letter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import matplotlib as mpl
from matplotlib.font_manager import fontManager

FAMILIES = (
    "DejaVu Sans",  # comes with matplotlib; Latin, Greek, Cyrillic, Arabic, Hebrew
    "Noto Sans CJK JP",
    "Source Han Sans",
    "Hiragino Sans",
    "Yu Gothic",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Nirmala UI",
    "Arial Unicode MS",
)
"""Of Linux, macOS and Windows, by script: Chinese, Japanese and Korean, then Indic scripts and Thai, then all."""


@cache
def families() -> tuple[str, ...]:
    """Those of ``FAMILIES`` that this machine has, in the same order."""
    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FAMILIES if name in installed)


@contextmanager
def lettering() -> Iterator[None]:
    """Draw with all fonts there are; a letter that none has becomes a box, without a warning about each."""
    with mpl.rc_context({"font.family": list(families())}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
