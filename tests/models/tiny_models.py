"""Networks small enough to test in milliseconds, and batches to feed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Generator, Tensor, nn

from omsn.config import ClassifierConfig, EncoderConfig, FusionConfig, NetworkConfig
from omsn.models.batch import Batch
from omsn.models.network import Network, Sizes

torch.set_num_threads(1)

SIZES = Sizes(audio_kinds=(5,), video_kinds=(4,), n_classes=3)
ENCODER = EncoderConfig(
    conv_layers=1,
    conv_width=8,
    conv_kernel=3,
    frame_group=2,
    recurrent=True,
    lstm_width=4,
    lstm_layers=1,
    steps=5,
    channels=8,
    attention_heads=2,
    input_dropout=0.0,
    dropout=0.0,
)
FUSION = FusionConfig(
    kind="mpdrf",
    maps=2,
    width=8,
    max_growth=2,
    stages=2,
    cardinality=2,
    bcpw=True,
    transformer=True,
    dense=True,
    dropout=0.0,
)
CLASSIFIER = ClassifierConfig(width=8, blocks=1, attention=True, dropout=0.0)
NETWORK = NetworkConfig(ENCODER, ENCODER, FUSION, CLASSIFIER)


def with_encoder(encoder: EncoderConfig) -> NetworkConfig:
    return replace(NETWORK, audio=encoder, video=encoder)


def with_matrix(steps: int, channels: int, maps: int) -> NetworkConfig:
    encoder = replace(ENCODER, steps=steps, channels=channels, attention_heads=1)
    return replace(NETWORK, audio=encoder, video=encoder, fusion=replace(FUSION, maps=maps))


VARIANTS: dict[str, NetworkConfig] = {
    "mpdrf": replace(NETWORK, fusion=replace(FUSION, stages=3)),
    "concatenation": replace(NETWORK, fusion=replace(FUSION, kind="concatenation")),
    "late": replace(NETWORK, fusion=replace(FUSION, kind="late")),
    "batch norm": with_encoder(replace(ENCODER, conv_norm="batch")),
    "no recurrent": with_encoder(replace(ENCODER, recurrent=False)),
    "no convolutions": with_encoder(replace(ENCODER, conv_layers=0)),
    "no encoder at all": with_encoder(replace(ENCODER, conv_layers=0, recurrent=False, frame_group=1)),
    "no grouping": with_encoder(replace(ENCODER, frame_group=1)),
    "two BiLSTM layers": with_encoder(replace(ENCODER, lstm_layers=2)),
    "no bcpw": replace(NETWORK, fusion=replace(FUSION, bcpw=False)),
    "no transformer": replace(NETWORK, fusion=replace(FUSION, transformer=False)),
    "not dense": replace(NETWORK, fusion=replace(FUSION, stages=3, dense=False)),
    "one stage": replace(NETWORK, fusion=replace(FUSION, stages=1)),
    "no attention": replace(NETWORK, classifier=replace(CLASSIFIER, attention=False)),
    "no blocks": replace(NETWORK, classifier=replace(CLASSIFIER, blocks=0)),
}
"""Every entry of FUSIONS and every switch of an ablation."""


def build(config: NetworkConfig = NETWORK, seed: int = 0) -> Network:
    """A network in evaluation mode, as it is before training."""
    torch.manual_seed(seed)
    return Network(SIZES, config).eval()


def stirred(config: NetworkConfig = NETWORK, seed: int = 0) -> Network:
    """A network whose branches that start at 0 are at work."""
    network = build(config, seed)
    stir(network)
    return network


awake = cache(stirred)
"""The same network each time, for tests that only ask it."""


def stir(module: nn.Module) -> None:
    """Move every parameter a little, so that none is 0."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.2 * torch.randn_like(weight))


def frames_of(lengths: Sequence[int], n_features: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """(B, T, F) noise and its mask; a clip of length 0 lacks the modality."""
    mask = torch.arange(max(1, *lengths))[None, :] < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, n_features, generator=generator) * mask.unsqueeze(2), mask


def batch_of(audio: Sequence[int] = (7, 0, 12, 3), video: Sequence[int] = (9, 6, 0, 2), seed: int = 0) -> Batch:
    """Clips with so many frames of sound and of face."""
    generator = Generator().manual_seed(seed)
    return Batch(*frames_of(audio, SIZES.audio_features, generator), *frames_of(video, SIZES.video_features, generator))


def one_of(batch: Batch, row: int) -> Batch:
    """One clip alone, without padding."""
    audio, video = (max(1, int(mask[row].sum())) for mask in (batch.audio_mask, batch.video_mask))
    rows = slice(row, row + 1)
    return Batch(
        batch.audio[rows, :audio],
        batch.audio_mask[rows, :audio],
        batch.video[rows, :video],
        batch.video_mask[rows, :video],
    )
