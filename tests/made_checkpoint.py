"""A checkpoint and sounds for the tests of everything that answers files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from omsn.columns import kinds_of
from omsn.config import (
    AudioFeatures,
    Config,
    EncoderConfig,
    FusionConfig,
    NetworkConfig,
    Normalisation,
    PipelineConfig,
    TrainingConfig,
)
from omsn.features.audio import audio_columns
from omsn.features.face import face_columns
from omsn.labels import RAVDESS_EMOTIONS
from omsn.models.checkpoint import Checkpoint, save_checkpoint
from omsn.models.network import Network, Sizes
from omsn.types import Modality

ENCODER = EncoderConfig(conv_layers=1, conv_width=8, lstm_width=4, steps=4, channels=8)
NETWORK = NetworkConfig(ENCODER, ENCODER, FusionConfig(maps=2, width=4, stages=2))


def write_checkpoint(
    folder: Path,
    seed: int = 0,
    normalisation: Normalisation = "none",
    modality: Modality = "both",
    speeds: tuple[float, ...] = (),
) -> Path:
    """An untrained network: the way from file to answer is the same."""
    training = TrainingConfig(normalisation=normalisation, modality=modality)
    config = Config(PipelineConfig(audio=AudioFeatures(speeds=speeds)), NETWORK, training)
    audio, video = audio_columns(config.pipeline.audio), face_columns(config.pipeline.video)
    torch.manual_seed(seed)
    network = Network(Sizes(kinds_of(audio), kinds_of(video), 8), config.network)
    statistics = {
        f"{name}.{part}": np.full(len(columns), value, np.float32)
        for name, columns in (("audio", audio), ("video", video))
        for part, value in (("mean", 0.0), ("std", 1.0))
    }
    save_checkpoint(folder, Checkpoint((network,), config, RAVDESS_EMOTIONS, audio, video, statistics, ("01",)))
    return folder


def write_hum(path: Path, seconds: float, level: float = 0.3, hz: float = 150.0) -> Path:
    """A tone as a WAV file; its folder is made."""
    times_s = np.arange(round(16000 * seconds)) / 16000
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, level * np.sin(2 * np.pi * hz * times_s), 16000)
    return path
