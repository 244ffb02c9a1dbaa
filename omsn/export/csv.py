"""Predictions as a table: comma-separated values after RFC 4180, one row a window, in UTF-8."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from omsn.files import replace_file
from omsn.types import Prediction

BOX_COLUMNS = ("left_px", "top_px", "right_px", "bottom_px")
COLUMNS = ("source", "face", "start_s", "end_s", "emotion", "probability", "modalities", "speaking", *BOX_COLUMNS)
"""Columns before those of the labels.

``probability`` is the emotion's, ``modalities`` joins its names by "+", and ``speaking`` is true or false: where there
are several faces, whether this is the one that speaks. The box is the mean of that around the landmarks, in pixels of
the upright picture, and empty where there is no face.
"""


def write_csv(prediction: Prediction, path: Path) -> None:
    """Write one file's prediction; the table appears whole or not at all.

    After ``COLUMNS`` comes a column ``p_LABEL`` for each label, in label order. Numbers are those of the JSON format,
    unrounded.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow([*COLUMNS, *(f"p_{name}" for name in prediction.labels.names)])
    writer.writerows(_rows(prediction))
    # File names may hold bytes that are no UTF-8; Python keeps them as lone surrogates.
    replace_file(path, table.getvalue().encode(errors="backslashreplace"))


def _rows(prediction: Prediction) -> list[tuple[object, ...]]:
    return [
        (
            prediction.source,
            window.track,
            window.start_s,
            window.end_s,
            prediction.emotion(number),
            max(window.probabilities),
            "+".join(window.modalities),
            str(window.speaking).lower(),
            *(window.box or [""] * len(BOX_COLUMNS)),
            *window.probabilities,
        )
        for number, window in enumerate(prediction.windows)
    ]
