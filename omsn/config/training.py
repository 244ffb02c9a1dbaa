"""The training loop and what is done to features in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omsn.config.ranges import Checked, bounded, tunable
from omsn.errors import ConfigError
from omsn.types import Modality

Normalisation = Literal["none", "enrolled"]
LossName = Literal["cross_entropy", "binary_cross_entropy"]


@dataclass(frozen=True)
class AugmentConfig(Checked):
    """Changes made to standardised features in training only."""

    noise: float = bounded(0.2, 0.0, 1.0)
    """Standard deviation of the noise added to every value, in standard deviations of its column."""
    speaker_swap: float = bounded(0.5, 0.0, 1.0)
    """Share of clips given the columns' means and deviations of a random training speaker, where speakers are known."""
    mirror: float = bounded(0.5, 0.0, 1.0)
    """Share of clips whose face is mirrored."""
    time_masks: int = bounded(2, 0, 10)
    """Stretches of frames blanked in each modality of a clip."""
    time_mask_share: float = bounded(0.12, 0.0, 0.5)
    """Longest such stretch as a share of the clip."""
    mixup: float = bounded(0.3, 0.0, 2.0)
    """Beta parameter of mixup; 0 turns it off (Zhang et al. 2018)."""
    modality_dropout: float = bounded(0.1, 0.0, 0.5)
    """Share of clips that lose their sound, and as many that lose their face."""


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """The training loop."""

    epochs: int = bounded(80, 1, 10000)
    """Passes over the training part."""
    batch_size: int = bounded(32, 1, 4096)
    """Clips in a step."""
    learning_rate: float = bounded(2e-3, 1e-5, 1e-1)
    """Highest learning rate of AdamW."""
    classifier_learning_rate: float | None = tunable(None, 1e-5, 1e-1, log=True)
    """The same for SMGCNN, which the paper tunes by itself (paper 2.5.2); none takes ``learning_rate``."""
    weight_decay: float = tunable(0.05, 0.0, 1.0)
    """Decoupled weight decay."""
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    """Learning rate over time: a quarter of the steps up, the rest down along a cosine; or constant."""
    clip_norm: float = bounded(1.0, 0.0, 100.0)
    """Gradients are scaled down to this norm; 0 leaves them as they are."""
    loss: LossName = "cross_entropy"
    """Softmax over classes, or one-vs-rest sigmoids (the paper's)."""
    label_smoothing: float = bounded(0.1, 0.0, 0.5)
    """Share of each target spread over all classes."""
    joint: float = bounded(1.0, 0.0, 2.0)
    """Weight of the loss of the answer as a whole; 0, with late fusion, lets each modality learn by its own head."""
    auxiliary: float = bounded(1.0, 0.0, 2.0)
    """Weight of the losses of each modality's own head."""
    average: float = bounded(0.98, 0.0, 0.9999)
    """Decay of the running average of the weights that is evaluated and kept; 0 keeps the weights themselves."""
    validation_share: float = bounded(0.0, 0.0, 0.5)
    """Part of the training speakers (or clips, where speakers are shared) kept for validation; 0: all are learnt."""
    keep: Literal["best", "last"] = "last"
    """Weights kept: those of the epoch with the lowest validation loss, or of the last epoch."""
    patience: int = bounded(0, 0, 10000)
    """Epochs without a better validation loss before training stops; 0 never stops early."""
    normalisation: Normalisation = "none"
    """Standardise by the training part, or each speaker by that speaker's own unlabelled clips."""
    identity_columns: tuple[str, ...] = ("position",)
    """Columns, by how their names begin, that tell who somebody is; left out where speakers are not enrolled."""
    modality: Modality = "both"
    """What the network is given."""
    augment: AugmentConfig = AugmentConfig()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.joint == self.auxiliary == 0:
            raise ConfigError("TrainingConfig: joint and auxiliary are both 0, so that nothing would be learnt")
        if self.chooses and self.validation_share == 0:
            raise ConfigError(
                "TrainingConfig.validation_share: got 0, but keep = best and patience choose by a validation part; "
                "expected more, such as 0.15"
            )

    @property
    def chooses(self) -> bool:
        """Whether a validation part decides which weights are kept, or when training stops."""
        return self.keep == "best" or self.patience > 0

    @property
    def left_out(self) -> tuple[str, ...]:
        """Beginnings of the columns that a network trained so has never seen, however its inputs are standardised."""
        return self.identity_columns if self.normalisation == "none" else ()
