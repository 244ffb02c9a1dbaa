"""Which neighbouring feature columns are of one kind: log-mel bands, MFCC, positions of points, ..."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

_KINDS = re.compile(
    r"(?P<kind>logmel|mfcc|position|displacement|velocity|head|hog)_.*|.*_(?P<change>change)",
)


def kind_of(column: str) -> str:
    """The kind of a feature column; "" for one of no kind that has a name: pitch, loudness and the like."""
    found = _KINDS.fullmatch(column)
    return "" if found is None else found["kind"] or found["change"]


def kinds_of(columns: Sequence[str]) -> tuple[int, ...]:
    """How many neighbouring columns are of each kind, in order; they add up to all of them."""
    return tuple(len(list(same)) for _, same in groupby(columns, kind_of))
