"""A corpus that never was: features in which emotions can be told apart, in memory and as a real cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from omsn.config import (
    AugmentConfig,
    ClassifierConfig,
    Config,
    EncoderConfig,
    FusionConfig,
    NetworkConfig,
    PipelineConfig,
    TrainingConfig,
)
from omsn.data.dataset import FeatureSet
from omsn.data.manifest import write_manifest
from omsn.data.padded import PaddedSet, pad
from omsn.data.prepare import CACHE_FORMAT, ENTRIES_FOLDER, INDEX_NAME, MANIFEST_NAME
from omsn.features.cache import FEATURES_VERSION, write_entry
from omsn.labels import LabelSet
from omsn.models.network import Network, Sizes
from omsn.recipes import to_dict
from omsn.training.parts import targets_of
from omsn.types import Clip, LabelledSample, Sample, Stream

torch.set_num_threads(1)

LABELS = LabelSet(("bored", "glad", "sad"))
AUDIO, VIDEO = ("energy", "pitch", "noise"), ("smile", "brow")

ENCODER = EncoderConfig(
    conv_layers=1,
    conv_width=6,
    conv_kernel=3,
    frame_group=2,
    recurrent=True,
    lstm_width=4,
    lstm_layers=1,
    steps=3,
    channels=6,
    attention_heads=2,
    input_dropout=0.1,
    dropout=0.1,
)
NETWORK = NetworkConfig(
    ENCODER,
    ENCODER,
    FusionConfig(kind="concatenation", maps=2, width=8, cardinality=2, dropout=0.1),
    ClassifierConfig(width=8, blocks=1, attention=True, dropout=0.1),
)
AUGMENT = AugmentConfig(noise=0.2, time_masks=1, time_mask_share=0.1, mixup=0.3, modality_dropout=0.1)
TRAINING = TrainingConfig(
    epochs=4,
    batch_size=8,
    learning_rate=0.02,
    weight_decay=0.01,
    schedule="one_cycle",
    clip_norm=1.0,
    loss="cross_entropy",
    label_smoothing=0.1,
    auxiliary=0.3,
    average=0.0,
    validation_share=0.2,
    keep="last",
    patience=0,
    normalisation="none",
    modality="both",
    augment=AUGMENT,
)
PLAIN = replace(
    TRAINING,
    label_smoothing=0.0,
    auxiliary=0.0,
    augment=AugmentConfig(noise=0, time_masks=0, mixup=0, modality_dropout=0),
)
"""Learning from the clips as they are."""


def stream(n_frames: int, columns: tuple[str, ...], level: float, generator: np.random.Generator) -> Stream:
    """Noise around a level that tells the emotion; absent for 0 frames."""
    if n_frames == 0:
        return Stream.absent(columns)
    values = (level + generator.normal(size=(n_frames, len(columns)))).astype(np.float32)
    return Stream(values, np.ones(n_frames, np.bool_), np.arange(n_frames) / 10, columns)


def labelled(speaker: str, emotion: str, repetition: int, **facts: str) -> LabelledSample:
    """One clip; the third repetition has no sound and the fourth no face."""
    name = f"{facts.get('corpus', '')}{speaker}-{emotion}-{repetition}"
    generator = np.random.default_rng(list(name.encode()))
    level = 2.0 * LABELS.index(emotion) + len(speaker)
    n_audio, n_video = (0 if repetition == missing else int(generator.integers(4, 9)) for missing in (3, 4))
    sample = Sample(name, stream(n_audio, AUDIO, level, generator), stream(n_video, VIDEO, -level, generator))
    sex = "female" if sum(speaker.encode()) % 2 else "male"
    clip = Clip(name, speaker, emotion, audio=f"{name}.wav", repetition=str(repetition), sex=sex)
    return LabelledSample(sample, replace(clip, **facts))  # type: ignore[arg-type]


def samples(speakers: Sequence[str] = ("1", "2", "3", "4"), repetitions: int = 3) -> tuple[LabelledSample, ...]:
    return tuple(
        labelled(speaker, emotion, repetition)
        for speaker in speakers
        for emotion in LABELS.names
        for repetition in range(1, repetitions + 1)
    )


def quicker(made: Sequence[LabelledSample]) -> tuple[LabelledSample, ...]:
    """The corpus with the sound of each clip at two other speeds."""

    def at(one: LabelledSample, shift: float) -> Stream:
        sound = one.sample.audio
        return replace(sound, values=(sound.values + shift) * sound.mask[:, None])

    return tuple(replace(one, sample=replace(one.sample, copies=(at(one, 5), at(one, -7)))) for one in made)


def features(made: Sequence[LabelledSample] | None = None) -> FeatureSet:
    return FeatureSet(tuple(made or samples()), LABELS, PipelineConfig(), "made up")


def padded(made: Sequence[LabelledSample] | None = None) -> PaddedSet:
    made = made or samples()
    return pad([one.sample for one in made], targets_of(made, LABELS))


def write_cache(
    folder: Path, made: Sequence[LabelledSample] | None = None, pipeline: PipelineConfig | None = None
) -> Path:
    """A cache as ``omsn prepare`` leaves it."""
    made = made or samples()
    (folder / ENTRIES_FOLDER).mkdir(parents=True, exist_ok=True)
    keys = {one.clip.clip: f"{number}-{content(one.sample)}" for number, one in enumerate(made)}
    for one in made:
        write_entry(folder / ENTRIES_FOLDER / f"{keys[one.clip.clip]}.safetensors", one.sample)
    write_manifest(folder / MANIFEST_NAME, [one.clip for one in made], allow_outside=True)
    index = {
        "format": CACHE_FORMAT,
        "features_version": FEATURES_VERSION,
        "pipeline": to_dict(pipeline or PipelineConfig()),
        "entries": keys,
    }
    (folder / INDEX_NAME).write_text(json.dumps(index))
    return folder


def content(sample: Sample) -> str:
    """Changes with the features."""
    return hashlib.sha256(sample.audio.values.tobytes() + sample.video.values.tobytes()).hexdigest()[:16]


def network(seed: int = 0, config: NetworkConfig = NETWORK) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(Sizes((len(AUDIO),), (len(VIDEO),), len(LABELS)), config)


def config(**training: object) -> Config:
    return Config(network=NETWORK, training=replace(TRAINING, **training))  # type: ignore[arg-type]
