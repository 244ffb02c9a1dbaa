"""Batch to logits: encoders, fusion, classifier, and the statistics of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omsn.config.ranges import Checked, bounded, tunable
from omsn.errors import ConfigError
from omsn.types import Modality

_LONGEST_WINDOW = 31


@dataclass(frozen=True)
class EncoderConfig(Checked):
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
class FusionConfig(Checked):
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
class ClassifierConfig(Checked):
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
class FisherConfig(Checked):
    """Fisher vectors of one modality: Gaussian mixtures of short stretches of frames."""

    gaussians: int = bounded(32, 1, 256)
    """Gaussians of the mixture of each kind of columns."""
    dimensions: int = bounded(20, 1, 200)
    """Principal components that a stretch is brought to at most."""
    window: int = bounded(1, 1, _LONGEST_WINDOW)
    """Frames of a stretch; odd."""
    centred_windows: tuple[int, ...] = ()
    """Frames of stretches that are looked at as well, each by itself, less the clip's mean of each column; odd."""
    step: int = bounded(1, 1, 16)
    """Frames from one frame of a stretch to the next."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 2 == 0:
            raise ConfigError(f"FisherConfig.window: got {self.window}, expected an odd number of frames")
        if not all(window % 2 and 1 <= window <= _LONGEST_WINDOW for window in self.centred_windows):
            raise ConfigError(
                f"FisherConfig.centred_windows: got {list(self.centred_windows)}, "
                f"expected odd numbers of frames from 1 to {_LONGEST_WINDOW}"
            )


@dataclass(frozen=True)
class StatisticsConfig(Checked):
    """A kernel machine on what a clip is like as a whole, which answers beside encoders and fusion (ours)."""

    enabled: bool = False
    """Let it answer."""
    share: float = bounded(0.7, 0.0, 1.0)
    """Its weight in the mean of its logits and theirs."""
    modality: Modality = "both"
    """What of a clip it looks at; a network that is given one modality alone need not make room for the other."""
    audio: FisherConfig = FisherConfig(window=7, step=2)
    """Stretches of sound."""
    video: FisherConfig = FisherConfig(gaussians=16)
    """Stretches of the face."""
    components: int = bounded(128, 1, 2000)
    """Principal components of each view that are kept; fewer where few clips are learnt from."""
    shrinkage: float = bounded(0.3, 0.01, 1.0)
    """Share of the within-class covariance that is replaced by its mean variance."""
    ridge: float = bounded(0.3, 1e-3, 1e3)
    """Ridge penalty: the more, the smoother are its answers."""


@dataclass(frozen=True)
class NetworkConfig:
    """Batch to logits."""

    audio: EncoderConfig = EncoderConfig()
    video: EncoderConfig = EncoderConfig()
    fusion: FusionConfig = FusionConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    statistics: StatisticsConfig = StatisticsConfig()
    known_speakers: bool = False
    """Standardise each clip by the training speaker whom it is identified as; for people who are trained on alone."""

    def __post_init__(self) -> None:
        audio, video = (self.audio.steps, self.audio.channels), (self.video.steps, self.video.channels)
        if audio != video:
            raise ConfigError(f"NetworkConfig: audio matrix {audio} and video matrix {video} must be of one size")
        if self.audio.channels % self.fusion.maps:
            raise ConfigError(
                f"NetworkConfig.fusion.maps: got {self.fusion.maps}, "
                f"expected a divisor of channels = {self.audio.channels}"
            )
