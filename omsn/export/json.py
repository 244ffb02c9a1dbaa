"""Predictions as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omsn.files import replace_file
from omsn.types import Prediction


def prediction_to_dict(prediction: Prediction) -> dict[str, Any]:
    """Source, labels, and for each window its span in seconds, emotion, probabilities by label, modalities and track.

    Where there are several faces, each window also tells whether its face is the one that speaks.
    """
    names = prediction.labels.names
    several = len({window.track for window in prediction.windows}) > 1
    return {
        "source": prediction.source,
        "labels": list(names),
        "windows": [
            {
                "start_s": window.start_s,
                "end_s": window.end_s,
                "emotion": prediction.emotion(number),
                "probabilities": dict(zip(names, window.probabilities, strict=True)),
                "modalities": list(window.modalities),
                "track": window.track,
                **({"speaking": window.speaking} if several else {}),
            }
            for number, window in enumerate(prediction.windows)
        ],
    }


def write_json(prediction: Prediction, path: Path) -> None:
    """Write one file's prediction; the file appears whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    text = json.dumps(prediction_to_dict(prediction), indent=1, ensure_ascii=False) + "\n"
    # File names may hold bytes that are no UTF-8; Python keeps them as lone surrogates, and JSON escapes those so.
    replace_file(path, text.encode(errors="backslashreplace"))
