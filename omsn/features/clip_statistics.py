"""A clip as one row of numbers: statistics of its feature columns over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omsn.types import Floats, Modality, Sample, Stream

PERCENTILES = (10, 50, 90)


def clip_statistics(samples: Sequence[Sample], modality: Modality, absent: float = 0.0) -> Floats:
    """Mean, standard deviation and percentiles of every feature column over a clip's real frames.

    Args:
        samples: n clips.
        modality: whose columns.
        absent: stands for all statistics of a stream that a clip does not have.

    Returns:
        (n, S).
    """
    parts = ("audio", "video") if modality == "both" else (modality,)
    rows = [[_statistics(getattr(sample, part), absent) for part in parts] for sample in samples]
    return np.stack([np.concatenate(row) for row in rows])


def _statistics(stream: Stream, absent: float) -> Floats:
    """(5 F,)."""
    if not stream.present:
        return np.full((2 + len(PERCENTILES)) * len(stream.columns), absent, np.float32)
    real = stream.values[stream.mask]
    rows = [real.mean(axis=0), real.std(axis=0), *np.percentile(real, PERCENTILES, axis=0)]
    return np.concatenate(rows).astype(np.float32)
