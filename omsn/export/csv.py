"""Predictions as a table: comma-separated values after RFC 4180, one row a window, in UTF-8."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from omsn.errors import InputError
from omsn.files import replace_file
from omsn.types import Prediction

COLUMNS = ("source", "track", "start_s", "end_s", "emotion", "probability", "modalities")
"""Columns before those of the labels: ``modalities`` joins its names by "+", ``probability`` is the emotion's."""


def write_csv(prediction: Prediction, path: Path) -> None:
    """Write one file's prediction; the file appears whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    write_csv_table([prediction], path)


def write_csv_table(predictions: Sequence[Prediction], path: Path) -> None:
    """Write the predictions of many files as one table; it appears whole or not at all.

    After ``COLUMNS`` comes a column ``p_LABEL`` for each label, in label order. Numbers are those of the JSON format,
    unrounded. Without predictions the labels are unknown, and the header is ``COLUMNS`` alone.

    Raises:
        InputError: the predictions have different label sets.
        OSError: the disk is full or the folder cannot be written to.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow([*COLUMNS, *(f"p_{name}" for name in _shared_labels(predictions))])
    for prediction in predictions:
        writer.writerows(_rows(prediction))
    # File names may hold bytes that are no UTF-8; Python keeps them as lone surrogates.
    replace_file(path, table.getvalue().encode(errors="backslashreplace"))


def _shared_labels(predictions: Sequence[Prediction]) -> tuple[str, ...]:
    for prediction in predictions:
        if prediction.labels != predictions[0].labels:
            raise InputError(
                f"{prediction.source}: labels {', '.join(prediction.labels.names)}; "
                f"{predictions[0].source} has {', '.join(predictions[0].labels.names)}. "
                "One table holds one label set; write a table for each checkpoint."
            )
    return predictions[0].labels.names if predictions else ()


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
            *window.probabilities,
        )
        for number, window in enumerate(prediction.windows)
    ]
