"""The OMSN network on one screen: Batch -> logits (paper figure 1, right half)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from einops import rearrange
from torch import Tensor, nn

from omsn.config import NetworkConfig
from omsn.models.batch import Batch
from omsn.models.encoders import BiLSTMEncoder
from omsn.models.known_speakers import KnownSpeakers
from omsn.models.mpdrf import FUSIONS, ConcatenationFusion, MPDRFNet
from omsn.models.smgcnn import SMGCNN
from omsn.models.statistics import StatisticsClassifier

CLOSED_FORM = "statistics.", "speakers."
"""How the names of weights begin that are fitted in closed form: the same whatever the seed."""


@dataclass(frozen=True)
class Sizes:
    """What the data decides: feature columns of sound and face, by kind, classes, and clips and speakers fitted on."""

    audio_kinds: tuple[int, ...]
    video_kinds: tuple[int, ...]
    n_classes: int
    n_clips: int = 0
    n_speakers: int = 0

    @property
    def audio_features(self) -> int:
        """Columns of the sound."""
        return sum(self.audio_kinds)

    @property
    def video_features(self) -> int:
        """Columns of the face."""
        return sum(self.video_kinds)


@dataclass(frozen=True, eq=False)
class Logits:
    """Scores before softmax or sigmoid, each (B, K): the answer, and each modality's own for auxiliary losses."""

    fused: Tensor
    audio: Tensor
    video: Tensor


def count_parameters(networks: Sequence[Network]) -> int:
    """Numbers that training found: by gradient in each network, and in closed form, which they share, once."""
    parts = ((number, *named) for number, network in enumerate(networks) for named in network.named_parameters())
    return sum(weight.numel() for number, name, weight in parts if number == 0 or not name.startswith(CLOSED_FORM))


class Network(nn.Module):
    """BiLSTM encoders, MPDRF-Net, SMGCNN; works with either modality masked out.

    With late fusion there are neither MPDRF-Net nor SMGCNN: the answer is the sum of each modality's own logits. Where
    statistics of the clip answer as well, it is the weighted mean of that and theirs; they take no part in training.
    Where speakers are known, clips are standardised by them first; in training, they come so.
    """

    fusion: MPDRFNet | ConcatenationFusion | None
    classifier: SMGCNN | None

    def __init__(self, sizes: Sizes, config: NetworkConfig) -> None:
        super().__init__()
        self.audio_encoder = BiLSTMEncoder(sizes.audio_features, config.audio)
        self.video_encoder = BiLSTMEncoder(sizes.video_features, config.video)
        self.sizes, self.config = sizes, config
        self.n_folded = config.fusion.maps
        self.fusion = self.classifier = None
        if config.fusion.kind != "late":
            self.fusion = FUSIONS[config.fusion.kind](config.fusion.maps, config.fusion)
            folded_width = config.audio.channels // config.fusion.maps
            self.classifier = SMGCNN(self.fusion.n_maps, folded_width, sizes.n_classes, config.classifier)
        self.audio_head = nn.Linear(config.audio.channels, sizes.n_classes)
        self.video_head = nn.Linear(config.video.channels, sizes.n_classes)
        self.speakers: KnownSpeakers | None = None
        if config.known_speakers:
            self.speakers = KnownSpeakers(sizes.audio_features, sizes.video_features, sizes.n_speakers)
        self.statistics: StatisticsClassifier | None = None
        if config.statistics.enabled:
            kinds = sizes.audio_kinds, sizes.video_kinds
            self.statistics = StatisticsClassifier(*kinds, sizes.n_classes, sizes.n_clips, config.statistics)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K)."""
        return self.logits(batch).fused

    def logits(self, batch: Batch) -> Logits:
        """Logits of the whole and of each modality alone."""
        batch = self.standardised(batch)
        audio, video = self.encode(batch)  # (B, N, D) each
        by_audio, by_video = self.audio_head(audio.mean(dim=1)), self.video_head(video.mean(dim=1))  # (B, K) each
        fused = by_audio + by_video if self.classifier is None else self.classifier(self.fuse(audio, video))
        if self.statistics is not None and self.statistics.fitted:
            of_clip = self.statistics(batch.audio, batch.audio_mask, batch.video, batch.video_mask)
            fused = fused.lerp(of_clip, self.config.statistics.share)
        return Logits(fused, by_audio, by_video)

    def standardised(self, batch: Batch) -> Batch:
        """Clips as the encoders are given them: by their speakers, where these are known and it is not training."""
        return batch if self.speakers is None or self.training else self.speakers(batch)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The matrices of sound and face, each (B, N, D)."""
        audio = self.audio_encoder(batch.audio, batch.audio_mask)
        return audio, self.video_encoder(batch.video, batch.video_mask)

    def fuse(self, audio: Tensor, video: Tensor) -> Tensor:
        """Two matrices (B, N, D) to the maps (B, C, N, D / maps) that SMGCNN is given; not with late fusion."""
        assert self.fusion is not None
        fused: Tensor = self.fusion(self._fold(audio), self._fold(video))
        return fused

    def heads(self) -> tuple[nn.Linear, ...]:
        """The layers that give logits: their rows are the classes."""
        own = self.audio_head, self.video_head
        return own if self.classifier is None else (self.classifier.classify, *own)

    def _fold(self, matrix: Tensor) -> Tensor:
        """A matrix (B, N, D) as maps (B, M, N, D / M)."""
        return rearrange(matrix, "batch step (map width) -> batch map step width", map=self.n_folded)
