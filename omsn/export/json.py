"""Predictions as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omsn.files import replace_file
from omsn.types import Prediction


def prediction_to_dict(prediction: Prediction) -> dict[str, Any]:
    """The answers for one file; the keys are the same whatever is in it.

    ``source``; ``broke_off``, why the answers end before the file does, null where they go to its end; ``made_by``,
    version, checkpoint and settings; ``labels``; ``segments``, one answer at a time for each
    face; ``windows``, which overlap, with the probability of each label. ``face`` is the number of the face, and
    ``speaking`` tells, where there are several, whether it is the one that speaks. ``box_px`` is the mean left, top,
    right and bottom of its landmarks in pixels of the upright picture, null where there is no face.
    """
    names = prediction.labels.names
    return {
        "source": prediction.source,
        "broke_off": prediction.broke_off or None,
        "made_by": dict(prediction.made_by),
        "labels": list(names),
        "segments": [
            {
                "start_s": segment.start_s,
                "end_s": segment.end_s,
                "face": segment.track,
                "speaking": segment.speaking,
                "emotion": segment.emotion,
                "probability": segment.probability,
            }
            for segment in prediction.segments()
        ],
        "windows": [
            {
                "start_s": window.start_s,
                "end_s": window.end_s,
                "face": window.track,
                "speaking": window.speaking,
                "emotion": prediction.emotion(number),
                "probabilities": dict(zip(names, window.probabilities, strict=True)),
                "modalities": list(window.modalities),
                "box_px": None if window.box is None else list(window.box),
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
