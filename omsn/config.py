"""Settings: one frozen dataclass a stage, grouped as the three maps are: pipeline, network, training; then answer.

Every field has a default, a unit and a line that says what it does. A recipe (``omsn/recipes``) holds only
the differences from these defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, ClassVar, Literal

from omsn.errors import ConfigError
from omsn.types import Modality

Normalisation = Literal["none", "enrolled"]
LossName = Literal["cross_entropy", "binary_cross_entropy"]


def tunable(default: float | None, low: float, high: float, *, log: bool = False) -> Any:
    """A field that a search may vary between ``low`` and ``high``; the range is checked as any setting is."""
    return field(default=default, metadata={"low": low, "high": high, "log": log})


def bounded(default: float, low: float, high: float) -> Any:
    """A field that must lie in [low, high]; no search varies it."""
    return field(default=default, metadata={"low": low, "high": high, "fixed": True})


def check_ranges(section: object) -> None:
    """Check each field of a settings dataclass against the range it declares.

    Raises:
        ConfigError: some fields are out of range; all are listed.
    """
    problems = []
    for spec in fields(section):  # type: ignore[arg-type]
        value, low, high = getattr(section, spec.name), spec.metadata.get("low"), spec.metadata.get("high")
        if None not in (low, high, value) and not low <= value <= high:
            problems.append(f"{type(section).__name__}.{spec.name}: got {value}, expected {low} to {high}")
    if problems:
        raise ConfigError("; ".join(problems))


class _Checked:
    """Base of all settings sections: ranges are checked on creation."""

    __pydantic_config__: ClassVar[dict[str, bool]] = {"coerce_numbers_to_str": True}  # landmark_rate = 25 is "25"

    def __post_init__(self) -> None:
        check_ranges(self)


# ---------------------------------------------------------------- pipeline: file -> Sample


@dataclass(frozen=True)
class NoiseGate(_Checked):
    """Spectral noise gate (paper 2.2)."""

    enabled: bool = False
    """Gate the sound before features are taken from it."""
    threshold: float = bounded(0.1, 0.0, 1.0)
    """The paper's denoising threshold: the gain left on a time-frequency cell judged to be noise (1 = off)."""
    n_std: float = bounded(1.5, 0.0, 10.0)
    """A cell passes when it is this many standard deviations above the noise floor's mean, in dB."""


@dataclass(frozen=True)
class Speech(_Checked):
    """Speech regions (paper 2.2)."""

    trim: bool = True
    """Leave out the silence before and after speech."""
    method: Literal["level", "silero"] = "level"
    """Find speech by its level, or by Silero's network, which tells voices from other sounds (needs silero-vad)."""
    range_db: float = bounded(40.0, 10.0, 100.0)
    """Sound this far below the loudest moment still counts as speech."""
    margin_s: float = bounded(0.1, 0.0, 2.0)
    """Kept before and after speech, in seconds."""


@dataclass(frozen=True)
class AudioFeatures(_Checked):
    """Frame features of the sound (paper 2.3)."""

    rate_hz: int = bounded(16000, 8000, 48000)
    """The sound is resampled to this rate, once."""
    window_s: float = bounded(0.032, 0.02, 0.064)
    """Length of an analysis frame in seconds."""
    hop_s: float = bounded(0.02, 0.005, 0.05)
    """Distance between frames in seconds."""
    frames_per_row: int = bounded(1, 1, 16)
    """Neighbouring frames averaged into one row of features, for speed."""
    n_mels: int = bounded(40, 10, 128)
    """Bands of the mel filter bank."""
    n_mfcc: int = bounded(20, 5, 40)
    """Mel-frequency cepstral coefficients; their deltas double this."""
    pitch_low_hz: float = bounded(65.0, 30.0, 200.0)
    """Lowest fundamental frequency that YIN looks for."""
    pitch_high_hz: float = bounded(600.0, 200.0, 2000.0)
    """Highest fundamental frequency that YIN looks for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_mfcc > self.n_mels:
            raise ConfigError(f"AudioFeatures.n_mfcc: got {self.n_mfcc}, expected at most n_mels = {self.n_mels}")


@dataclass(frozen=True)
class VideoFeatures(_Checked):
    """Frame features of the face (paper 2.3)."""

    geometry: bool = True
    """Landmark positions, displacement, velocity, distances and angles (ours)."""
    hog: bool = False
    """Histograms of oriented gradients of the aligned grey face crop (the paper's); needs the picture."""
    rate_hz: float = bounded(15.0, 5.0, 60.0)
    """Frames per second that the features are brought to."""
    landmark_rate: str = "30000/1001"
    """Frames per second of landmark files, as a fraction."""
    keyframes: int = bounded(0, 0, 1000)
    """Frames to keep, picked by how far the face has moved from those already picked; 0 keeps all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            rate = Fraction(self.landmark_rate)
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if rate <= 0:
            raise ConfigError(
                f"VideoFeatures.landmark_rate: got {self.landmark_rate!r}, expected a fraction such as '30000/1001'"
            )
        if not (self.geometry or self.hog):
            raise ConfigError("VideoFeatures: geometry and hog are both off; turn one on")


@dataclass(frozen=True)
class Faces(_Checked):
    """Face detection and landmarks in pictures (paper 2.2)."""

    min_score: float = bounded(0.5, 0.0, 1.0)
    """Detections below this score are dropped."""
    min_presence: float = bounded(0.5, 0.0, 1.0)
    """Face meshes below this presence score are dropped."""
    bilateral: bool = False
    """Smooth the face crop with a bilateral filter before landmarks and HOG (the paper's denoising of pictures)."""


@dataclass(frozen=True)
class PipelineConfig:
    """File to Sample: everything that decides what is in a feature cache."""

    noise_gate: NoiseGate = NoiseGate()
    speech: Speech = Speech()
    audio: AudioFeatures = AudioFeatures()
    video: VideoFeatures = VideoFeatures()
    faces: Faces = Faces()


# ---------------------------------------------------------------- network: Batch -> logits


@dataclass(frozen=True)
class EncoderConfig(_Checked):
    """BiLSTM encoder of one modality (paper 2.3)."""

    conv_layers: int = bounded(2, 0, 6)
    """Convolutions over time before the BiLSTM; 0 is the paper's."""
    conv_width: int = bounded(64, 4, 512)
    """Channels of these convolutions."""
    conv_kernel: int = bounded(5, 1, 15)
    """Their length in frames; odd."""
    conv_norm: Literal["layer", "batch"] = "layer"
    """Norm after each: of a frame over its channels, or of a channel over the real frames of a training batch."""
    frame_group: int = bounded(1, 1, 8)
    """Neighbouring frames averaged into one before the convolutions and the BiLSTM, for speed."""
    recurrent: bool = True
    """Use the BiLSTM; without it the frames themselves are pooled."""
    lstm_width: int = bounded(64, 2, 512)
    """Units in each direction."""
    lstm_layers: int = bounded(1, 1, 4)
    """Stacked BiLSTM layers."""
    steps: int = bounded(10, 1, 128)
    """N, rows of the matrix handed to the fusion; the paper's is 10."""
    channels: int = bounded(64, 1, 512)
    """D, columns of the matrix; the paper's is 10."""
    attention_heads: int = bounded(4, 0, 64)
    """Heads that weigh the frames when they are pooled into rows; 0 gives all the same weight."""
    input_dropout: float = bounded(0.1, 0.0, 0.5)
    """Share of feature columns dropped in training."""
    dropout: float = bounded(0.2, 0.0, 0.7)
    """Dropout after each convolution and after the BiLSTM."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.conv_kernel % 2 == 0:
            raise ConfigError(f"EncoderConfig.conv_kernel: got {self.conv_kernel}, expected an odd number of frames")
        if self.attention_heads and self.channels % self.attention_heads:
            raise ConfigError(
                f"EncoderConfig.attention_heads: got {self.attention_heads}, "
                f"expected 0 or a divisor of channels = {self.channels}"
            )


@dataclass(frozen=True)
class FusionConfig(_Checked):
    """MPDRF-Net (paper 2.4)."""

    kind: Literal["mpdrf", "concatenation", "late"] = "mpdrf"
    """MPDRF-Net; plain concatenation to measure it against; or late: the sum of each modality's logits, no SMGCNN."""
    maps: int = bounded(16, 1, 512)
    """Maps that the N x D matrix is folded into: (maps, N, D / maps). 1 is the paper's single picture."""
    width: int = bounded(32, 4, 256)
    """Channels of stage 1."""
    max_growth: int = bounded(1, 1, 8)
    """Channels double from stage to stage up to this multiple of the first."""
    stages: int = bounded(4, 1, 6)
    """Stages of progressive fusion; the paper's is 4."""
    cardinality: int = bounded(4, 1, 64)
    """Groups of the aggregated residual's convolution."""
    bcpw: bool = True
    """Gate both modalities by bilateral channel-pixel weighting; without it they are averaged."""
    transformer: bool = True
    """Add the residual transformer path to every aggregated residual."""
    dense: bool = True
    """Dense skips in the decoder."""
    dropout: float = bounded(0.1, 0.0, 0.7)
    """Share of maps dropped in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.cardinality:
            raise ConfigError(
                f"FusionConfig.cardinality: got {self.cardinality}, expected a divisor of width = {self.width}"
            )


@dataclass(frozen=True)
class ClassifierConfig(_Checked):
    """SMGCNN (paper 2.5)."""

    width: int = bounded(64, 4, 512)
    """Channels."""
    blocks: int = bounded(1, 0, 8)
    """Residual blocks before and again after the self-attention."""
    attention: bool = True
    """The self-attention block."""
    dropout: float = tunable(0.3, 0.0, 0.7)
    """Dropout inside the blocks and before the fully connected layer."""


@dataclass(frozen=True)
class NetworkConfig:
    """Batch to logits."""

    audio: EncoderConfig = EncoderConfig()
    video: EncoderConfig = EncoderConfig()
    fusion: FusionConfig = FusionConfig()
    classifier: ClassifierConfig = ClassifierConfig()

    def __post_init__(self) -> None:
        audio, video = (self.audio.steps, self.audio.channels), (self.video.steps, self.video.channels)
        if audio != video:
            raise ConfigError(f"NetworkConfig: audio matrix {audio} and video matrix {video} must be of one size")
        if self.audio.channels % self.fusion.maps:
            raise ConfigError(
                f"NetworkConfig.fusion.maps: got {self.fusion.maps}, "
                f"expected a divisor of channels = {self.audio.channels}"
            )


# ---------------------------------------------------------------- training


@dataclass(frozen=True)
class AugmentConfig(_Checked):
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
class TrainingConfig(_Checked):
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


# ---------------------------------------------------------------- answer: probabilities of one person's clips


@dataclass(frozen=True)
class AnswerConfig(_Checked):
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

    @property
    def takes_neighbours(self) -> bool:
        """Whether clips of a person are answered together: only whoever is enrolled is known to have several."""
        weighed = self.answer.neighbours > 0 and self.answer.neighbour_weight > 0
        return weighed and self.training.normalisation == "enrolled"
