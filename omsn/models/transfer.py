"""A fresh network that starts from a trained one: its weights, where columns and emotions mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from omsn.columns import kinds_of
from omsn.config import NetworkConfig, PipelineConfig
from omsn.errors import CheckpointError
from omsn.models.checkpoint import Checkpoint
from omsn.models.network import CLOSED_FORM, Network, Sizes
from omsn.recipes import differing_settings, to_dict

_NAMED = 3
"""Columns that a message names."""


@dataclass(frozen=True)
class Meaning:
    """What the numbers that go into a network and come out of it stand for, each in order.

    Attributes:
        audio_columns: feature columns of the sound.
        video_columns: feature columns of the face.
        labels: emotions.
    """

    audio_columns: tuple[str, ...]
    video_columns: tuple[str, ...]
    labels: tuple[str, ...]

    def sizes(self) -> Sizes:
        """Of a network for them that is not fitted yet."""
        return Sizes(kinds_of(self.audio_columns), kinds_of(self.video_columns), len(self.labels))


@dataclass(frozen=True, eq=False)
class _Place:
    """A weight with an axis whose entries have names, in the fresh network and in the trained one."""

    own: Tensor
    trained: Tensor
    axis: int
    own_names: Sequence[str]
    trained_names: Sequence[str]


def start_from(network: Network, trained: Checkpoint, meaning: Meaning, seed: int = 0) -> None:
    """Copy the weights of a trained network into a fresh one, in place.

    Feature columns and emotions are matched by their names. A column that is new has weight 0, so that at first it
    changes nothing; the logit of an emotion that is new starts as in a fresh network.

    Args:
        network: built with the checkpoint's settings.
        trained: where the weights come from.
        meaning: of the fresh network's columns and logits.
        seed: of the fresh network; where the checkpoint has several networks, the seeds take them in turn.

    Raises:
        CheckpointError: the network is built with other settings, or lacks a column that the checkpoint was trained on.
    """
    check_fit(trained, network.config, meaning)
    source = trained.networks[seed % len(trained.networks)]
    with torch.no_grad():
        columns = list(_columns(network, source, trained, meaning))
        rows = list(_rows(network, source, trained, meaning))
        named = {id(place.own) for place in (*columns, *rows)}
        weights = source.state_dict()
        for name, own in network.state_dict(keep_vars=True).items():
            if id(own) not in named and not name.startswith(CLOSED_FORM):  # those are fitted anew
                own.copy_(weights[name])
        for place in columns:
            place.own.zero_()
        for place in (*columns, *rows):
            _copy_by_name(place)


def check_fit(trained: Checkpoint, config: NetworkConfig, meaning: Meaning) -> None:
    """Check that a network may start from a trained one.

    Raises:
        CheckpointError: it is built with other settings, or lacks a column that the checkpoint was trained on.
    """
    # what is fitted in closed form is fitted anew
    trained_as = replace(trained.config.network, statistics=config.statistics, known_speakers=config.known_speakers)
    differing = differing_settings(to_dict(trained_as), to_dict(config))
    if differing:
        raise CheckpointError(
            f"a network cannot start from one that is built otherwise: in the checkpoint, {'; '.join(differing)}. "
            "Take the recipe that the checkpoint was trained with (omsn info shows it)"
        )
    for modality, wanted, got in (
        ("audio", trained.audio_columns, meaning.audio_columns),
        ("video", trained.video_columns, meaning.video_columns),
    ):
        missing = [name for name in wanted if name not in got]
        if missing:
            named = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if missing[_NAMED:] else "")
            raise CheckpointError(
                f"{modality} features lack columns that the checkpoint was trained on: {named}. "
                "Prepare the corpus with the checkpoint's recipe"
            )


def check_pipeline(trained: PipelineConfig, features: PipelineConfig, source: str) -> None:
    """Check that features are made as those that a checkpoint was trained on; HOG may come to them, as more columns.

    Args:
        trained: the checkpoint's settings.
        features: the settings that made the features.
        source: where the features come from.

    Raises:
        CheckpointError: they are made with other settings, which are listed.
    """
    alike = replace(features, video=replace(features.video, hog=trained.video.hog))
    differing = differing_settings(to_dict(trained.at_one_speed), to_dict(alike.at_one_speed))
    if differing:
        raise CheckpointError(
            f"{source}: prepared with other settings than the checkpoint to start from was trained on: "
            f"in the checkpoint, {'; '.join(differing)}. Prepare the corpus with the checkpoint's recipe"
        )


def _columns(network: Network, source: Network, trained: Checkpoint, meaning: Meaning) -> Iterator[_Place]:
    """Weights by feature column."""
    for own, theirs, names, known in (
        (network.audio_encoder, source.audio_encoder, meaning.audio_columns, trained.audio_columns),
        (network.video_encoder, source.video_encoder, meaning.video_columns, trained.video_columns),
    ):
        for weight, known_weight in zip(own.input_weights(), theirs.input_weights(), strict=True):
            yield _Place(weight, known_weight, 1, names, known)


def _rows(network: Network, source: Network, trained: Checkpoint, meaning: Meaning) -> Iterator[_Place]:
    """Weights and offsets by emotion."""
    for own, theirs in zip(network.heads(), source.heads(), strict=True):
        yield _Place(own.weight, theirs.weight, 0, meaning.labels, trained.labels.names)
        yield _Place(own.bias, theirs.bias, 0, meaning.labels, trained.labels.names)


def _copy_by_name(place: _Place) -> None:
    """Entries that both name are copied; the others stay as they are."""
    shared = [name for name in place.own_names if name in place.trained_names]
    here = torch.tensor([place.own_names.index(name) for name in shared], dtype=torch.long)
    there = torch.tensor([place.trained_names.index(name) for name in shared], dtype=torch.long)
    place.own.index_copy_(place.axis, here, place.trained.index_select(place.axis, there))
