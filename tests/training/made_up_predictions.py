"""Predictions of a classifier that was never built: known shapes, speakers and folds to score."""

from __future__ import annotations

import numpy as np

from omsn.labels import LabelSet
from omsn.training.out_of_fold import OutOfFold

LABELS = LabelSet(("angry", "calm", "sad"))


def simulate(n_seeds: int = 2, gain: float = 1.0, seed: int = 0) -> OutOfFold:
    """6 speakers of 12 clips each in 3 folds, right the more often the larger ``gain``."""
    generator = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(6), 12)
    truth = np.tile(np.arange(3), 24)
    n = n_seeds * len(truth)
    logits = generator.normal(size=(n, 3))
    logits[np.arange(n), np.tile(truth, n_seeds)] += gain + np.tile(speaker / 6, n_seeds)
    odds = np.exp(logits)
    return OutOfFold(
        LABELS,
        clips=np.tile([f"{who}-{k}" for k, who in enumerate(speaker)], n_seeds),
        speakers=np.tile([str(who + 5) for who in speaker], n_seeds),
        sexes=np.tile(np.where(speaker % 2, "male", "female"), n_seeds),
        folds=np.tile([f"fold {who // 2}" for who in speaker], n_seeds),
        seeds=np.repeat(np.arange(n_seeds), len(truth)),
        truth=np.tile(truth, n_seeds),
        probabilities=(odds / odds.sum(axis=1, keepdims=True)).astype(np.float32),
    )
