"""Settings: one frozen dataclass a stage, grouped as the three maps are: pipeline, network, training; then answer.

Every field has a default, a unit and a line that says what it does. A recipe (``omsn/recipes``) holds only
the differences from these defaults.
"""

from __future__ import annotations

from dataclasses import dataclass

from omsn.config.network import (
    ClassifierConfig,
    EncoderConfig,
    FisherConfig,
    FusionConfig,
    NetworkConfig,
    StatisticsConfig,
)
from omsn.config.pipeline import AudioFeatures, Faces, NoiseGate, PipelineConfig, Speech, VideoFeatures
from omsn.config.ranges import Checked, bounded, check_ranges, tunable
from omsn.config.training import AugmentConfig, LossName, Normalisation, TrainingConfig
from omsn.errors import ConfigError

__all__ = [
    "AnswerConfig",
    "AudioFeatures",
    "AugmentConfig",
    "ClassifierConfig",
    "Config",
    "EncoderConfig",
    "Faces",
    "FisherConfig",
    "FusionConfig",
    "LossName",
    "NetworkConfig",
    "NoiseGate",
    "Normalisation",
    "PipelineConfig",
    "Speech",
    "StatisticsConfig",
    "TrainingConfig",
    "VideoFeatures",
    "check_ranges",
    "tunable",
]


@dataclass(frozen=True)
class AnswerConfig(Checked):
    """What is made of the networks' answers where several clips of a person are known (normalisation enrolled)."""

    neighbours: int = bounded(3, 0, 100)
    """Clips of a person, the most alike, that an answer takes account of at most; 0 leaves each answer by itself."""
    neighbour_weight: float = bounded(1.0, 0.0, 3.0)
    """Weight of a neighbour's answer beside the clip's own, where both are each other's neighbours."""


@dataclass(frozen=True)
class Config:
    """All settings: pipeline (file to Sample), network (Batch to logits), training, answer (of a person's clips)."""

    pipeline: PipelineConfig = PipelineConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    answer: AnswerConfig = AnswerConfig()

    def __post_init__(self) -> None:
        if self.network.fusion.kind == "late" and self.training.classifier_learning_rate is not None:
            raise ConfigError(
                f"TrainingConfig.classifier_learning_rate: got {self.training.classifier_learning_rate}, but "
                "network.fusion.kind = late has no SMGCNN to train with it; leave it out, or choose another fusion"
            )
        if self.training.joint == 0 and self.network.fusion.kind != "late":
            raise ConfigError(
                f"TrainingConfig.joint: got 0, but network.fusion.kind = {self.network.fusion.kind} would learn "
                "nothing; expected late fusion with it, or more"
            )
        if self.network.known_speakers and self.training.normalisation == "enrolled":
            raise ConfigError(
                "NetworkConfig.known_speakers: got true with training.normalisation = enrolled, "
                "which standardises each speaker already; choose one of the two"
            )
        if self.network.known_speakers and (speeds := self.pipeline.audio.speeds):
            raise ConfigError(
                f"NetworkConfig.known_speakers: got true with pipeline.audio.speeds = {list(speeds)}, "
                "whose copies would be known as further speakers; choose one of the two"
            )
        if self.network.statistics.enabled and self.training.loss != "cross_entropy":
            raise ConfigError(
                f"TrainingConfig.loss: got {self.training.loss}, but network.statistics answers with softmax logits; "
                "take cross_entropy, or leave statistics out"
            )

    @property
    def takes_neighbours(self) -> bool:
        """Whether clips of a person are answered together: only whoever is enrolled is known to have several."""
        weighed = self.answer.neighbours > 0 and self.answer.neighbour_weight > 0
        return weighed and self.training.normalisation == "enrolled"
