"""A clip as one row of numbers: statistics of its feature columns over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omsn.types import Floats, Modality, Sample, Stream

PERCENTILES = (10, 50, 90)


def clip_statistics(samples: Sequence[Sample], modality: Modality) -> Floats:
    """Mean, standard deviation and percentiles of every feature column over a clip's real frames. (n, S)."""
    parts = ("audio", "video") if modality == "both" else (modality,)
    return np.stack([np.concatenate([_statistics(getattr(sample, part)) for part in parts]) for sample in samples])


def _statistics(stream: Stream) -> Floats:
    """(5 F,); zeros for an absent stream."""
    real = stream.values[stream.mask] if stream.present else np.zeros((1, len(stream.columns)), np.float32)
    rows = [real.mean(axis=0), real.std(axis=0), *np.percentile(real, PERCENTILES, axis=0)]
    return np.concatenate(rows).astype(np.float32)
