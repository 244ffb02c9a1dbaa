"""A checkpoint with made-up columns and an untrained network, and changes to what is written of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import NETWORK, SIZES, awake

from omsn.config import Config, TrainingConfig
from omsn.labels import LabelSet
from omsn.models.checkpoint import (
    CONFIG_NAME,
    Checkpoint,
    save_checkpoint,
)

AUDIO = tuple(f"sound_{i}" for i in range(SIZES.audio_features))
VIDEO = tuple(f"face_{i}" for i in range(SIZES.video_features))


def made_up() -> Checkpoint:
    return Checkpoint(
        networks=(awake(),),
        config=Config(network=NETWORK, training=TrainingConfig(epochs=3)),
        labels=LabelSet(("angry", "calm", "sad")),
        audio_columns=AUDIO,
        video_columns=VIDEO,
        statistics={
            "audio.mean": np.linspace(-1, 1, 5, dtype=np.float32),
            "audio.std": np.linspace(1, 2, 5, dtype=np.float32),
            "video.mean": np.zeros(4, np.float32),
            "video.std": np.full(4, np.pi, np.float32),
        },
        speakers=("1", "Åsa"),
        facts={"protocol": "loso", "metrics": {"war": 0.5, "auc": None}, "licence": "CC BY-NC-SA 4.0"},
        temperature=0.8,
    )


def change(folder: Path, **facts: Any) -> None:
    """Write other facts into a checkpoint's config.json."""
    described = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    (folder / CONFIG_NAME).write_text(json.dumps(described | facts), encoding="utf-8")


def write(folder: Path) -> Path:
    """The checkpoint as files."""
    save_checkpoint(folder, made_up())
    return folder
