"""A colour for each emotion, the same in every picture: told apart on light and on dark ground."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = {
    "neutral": "#8a929e",
    "calm": "#3fa7d6",
    "happy": "#f2b400",
    "sad": "#3566b8",
    "angry": "#d7352f",
    "fearful": "#8f5bb8",
    "disgust": "#3d9a50",
    "surprised": "#ef7d2d",
}
"""Of the RAVDESS emotions; others take those that are left over, and then begin again."""


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """Each name with its colour as #rrggbb.

    >>> colours_of(["happy", "bored"])
    {'happy': '#f2b400', 'bored': '#8a929e'}
    """
    taken = [NAMED[name] for name in names if name in NAMED]
    left = [colour for colour in NAMED.values() if colour not in taken] or list(NAMED.values())
    others = iter(left * (1 + len(names) // len(left)))
    return {name: NAMED.get(name) or next(others) for name in names}
