"""Checkpoints: a folder with weights.safetensors and config.json. No pickle anywhere."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from omsn.columns import kinds_of
from omsn.config import Config, Normalisation
from omsn.errors import CheckpointError, InputError
from omsn.files import replace_file
from omsn.labels import LabelSet
from omsn.models.answers import answer_of
from omsn.models.batch import Batch
from omsn.models.network import CLOSED_FORM, Network, Sizes, count_parameters
from omsn.recipes import from_dict, to_dict
from omsn.types import Floats
from omsn.version import __version__
from omsn.weights import shipped_folder

WEIGHTS_NAME = "weights.safetensors"
CONFIG_NAME = "config.json"
CHECKPOINT_FORMAT = 2
MAX_SHIPPED_BYTES = 10_000_000
"""What the shipped folder may weigh: everybody who installs the package downloads it."""
SHOWN_CHARACTERS = 300
_REMEDY = "copy the whole folder again from where it came, or train again"
_NETWORK, _STATISTICS, _WCCN = re.compile(r"networks\.(\d+)\."), "statistics.", "wccn"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network, or several that answer together, and all that is needed to use and to judge them.

    Attributes:
        networks: in evaluation mode; of one size, and trained alike under different seeds.
        config: settings of every stage.
        labels: the order of its logits.
        audio_columns: feature columns of the sound, in order.
        video_columns: feature columns of the face, in order.
        statistics: means and deviations of the training part's columns, by name.
        speakers: who trained it.
        facts: protocol, metrics, data and its licence, package version: whatever JSON can hold.
        temperature: above 0; divides the logarithms of its probabilities, so that they say how often it is right.
            1 leaves them as they are.
        wccn: (S, D) tells which clips of a person are alike, by their statistics; None where it was trained without
            enrolment, or answers each clip by itself.
    """

    networks: tuple[Network, ...]
    config: Config
    labels: LabelSet
    audio_columns: tuple[str, ...]
    video_columns: tuple[str, ...]
    statistics: Mapping[str, Floats]
    speakers: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    wccn: Floats | None = None

    def answer(self, batch: Batch) -> Tensor:
        """What the networks say together of standardised samples: (B, K) probabilities before the temperature."""
        with torch.inference_mode():
            return answer_of(self.networks, batch, self.config.training.loss)


def digest_of(folder: Path) -> str:
    """SHA-256 of the files of a checkpoint, those that are there: changes with anything in it.

    Raises:
        CheckpointError: one is there and cannot be read.
    """
    files = [folder / name for name in (CONFIG_NAME, WEIGHTS_NAME)]
    try:
        return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.is_file())).hexdigest()
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read ({error.strerror}: {error.filename})") from error


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write both files, each whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    weights = {
        _network(number) + name: weight.contiguous()
        for number, network in enumerate(checkpoint.networks)
        for name, weight in network.state_dict().items()
    }
    for name, weight in _closed_form(weights).items():
        for number in range(1, len(checkpoint.networks)):
            if torch.equal(weights[_network(number) + name], weight):
                del weights[_network(number) + name]  # fitted on the same clips
    weights |= {_STATISTICS + name: torch.from_numpy(array) for name, array in checkpoint.statistics.items()}
    if checkpoint.wccn is not None:
        weights[_WCCN] = torch.from_numpy(checkpoint.wccn)
    described = {
        "format": CHECKPOINT_FORMAT,
        "omsn": __version__,
        "networks": len(checkpoint.networks),
        "config": to_dict(checkpoint.config),
        "labels": checkpoint.labels.names,
        "audio_columns": checkpoint.audio_columns,
        "video_columns": checkpoint.video_columns,
        "speakers": checkpoint.speakers,
        "temperature": checkpoint.temperature,
        "facts": dict(checkpoint.facts),
    }
    content = save(weights)
    described["weights_sha256"] = hashlib.sha256(content).hexdigest()
    replace_file(folder / WEIGHTS_NAME, content)
    replace_file(folder / CONFIG_NAME, (json.dumps(described, indent=1) + "\n").encode())


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint; its networks are in evaluation mode.

    Raises:
        CheckpointError: it is missing, damaged, a pickle, of another format, or does not fit this code.
    """
    described = _read_config(folder)
    try:
        config = from_dict(Config, described["config"])
        labels = LabelSet(tuple(described["labels"]))
        audio, video = tuple(described["audio_columns"]), tuple(described["video_columns"])
        speakers, facts = tuple(described["speakers"]), dict(described["facts"])
        temperature, n_networks = _temperature_of(described), described["networks"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG_NAME}: does not fit this version of OMSN: {error}") from error
    tensors = _read_weights(folder / WEIGHTS_NAME)
    once = _closed_form(tensors)
    sizes = Sizes(kinds_of(audio), kinds_of(video), len(labels), *_fitted_on(once))
    found = {int(match[1]) for match in map(_NETWORK.match, tensors) if match}
    if not found or found != set(range(len(found))) or n_networks != len(found):
        raise CheckpointError(
            f"{folder / WEIGHTS_NAME}: weights of networks {sorted(found)}; "
            f"{CONFIG_NAME} says that there are {n_networks!r}, counted from 0; {_REMEDY}"
        )
    networks = tuple(Network(sizes, config.network) for _ in found)
    try:
        for number, network in enumerate(networks):
            network.load_state_dict(once | _part(tensors, _network(number)))
    except RuntimeError as error:
        raise CheckpointError(
            f"{folder / WEIGHTS_NAME}: weights of another network than {CONFIG_NAME}: {_first_of(error)}; {_REMEDY}"
        ) from error
    statistics = {name: tensor.numpy() for name, tensor in _part(tensors, _STATISTICS).items()}
    found_shapes = {name: values.shape for name, values in statistics.items()}
    shapes = {
        f"{name}.{kind}": (len(of),) for name, of in (("audio", audio), ("video", video)) for kind in ("mean", "std")
    }
    if found_shapes != shapes:
        raise CheckpointError(
            f"{folder / WEIGHTS_NAME}: statistics of shapes {found_shapes}, {CONFIG_NAME} asks for {shapes}; {_REMEDY}"
        )
    ready = tuple(network.eval() for network in networks)
    modality = config.training.modality
    n_columns = len(audio) * (modality != "video") + len(video) * (modality != "audio")
    wccn = _wccn_of(tensors, n_columns, folder)
    _check_unchanged(folder / WEIGHTS_NAME, described.get("weights_sha256"))
    return Checkpoint(ready, config, labels, audio, video, statistics, speakers, facts, temperature, wccn)


def shipped_checkpoint() -> Path:
    """The folder of the weights that the package carries.

    Raises:
        CheckpointError: this build of the package carries none.
    """
    folder = shipped_folder()
    if not (folder / CONFIG_NAME).is_file():
        raise CheckpointError(
            f"{folder}: this build of OMSN carries no weights; name a folder that omsn train wrote "
            '(--checkpoint RUN/checkpoint, or Recognizer("RUN/checkpoint")), or install a release'
        )
    return folder


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """What ``omsn info`` tells, ready for JSON."""
    return {
        "labels": list(checkpoint.labels.names),
        "trained_on_speakers": list(checkpoint.speakers),
        "networks": len(checkpoint.networks),
        "parameters": count_parameters(checkpoint.networks),
        "audio_columns": len(checkpoint.audio_columns),
        "video_columns": len(checkpoint.video_columns),
        "normalisation": checkpoint.config.training.normalisation,
        "temperature": checkpoint.temperature,
        **checkpoint.facts,
        "config": to_dict(checkpoint.config),
    }


def check_columns(checkpoint: Checkpoint, audio_columns: tuple[str, ...], video_columns: tuple[str, ...]) -> None:
    """Raise where features are not those that the checkpoint was trained on.

    Raises:
        CheckpointError: the first column that differs, of either modality, is named.
    """
    for name, trained, got in (
        ("audio", checkpoint.audio_columns, audio_columns),
        ("video", checkpoint.video_columns, video_columns),
    ):
        if trained != got:
            pairs = enumerate(zip_longest(got, trained, fillvalue="nothing"))
            where, (found, expected) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
            raise CheckpointError(
                f"{name} features: got {len(got)} columns, the checkpoint was trained on {len(trained)}; "
                f"column {where} is {found}, expected {expected}. "
                "Prepare the data with the checkpoint's settings (omsn info shows them)"
            )


def mode_for(checkpoint: Checkpoint, asked: Normalisation | None) -> Normalisation:
    """The mode of normalisation asked for, with a warning where training used another; training's where None.

    Whoever asks is also warned of a checkpoint that takes everyone for somebody who trained it.
    """
    trained = checkpoint.config.training.normalisation
    if checkpoint.config.network.known_speakers:
        logger.warning(
            "this checkpoint takes everyone for one of the %d speakers that trained it (network.known_speakers); "
            "expect worse answers for other people",
            len(checkpoint.speakers),
        )
    if asked is None or asked == trained:
        return trained
    logger.warning(
        "normalisation %s for a checkpoint that was trained with %s: "
        "its inputs are not scaled as those that it learnt from; expect worse answers",
        asked,
        trained,
    )
    return asked


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_NAME
    if folder.is_file():
        raise CheckpointError(f"{folder}: a checkpoint is a folder with {WEIGHTS_NAME} and {CONFIG_NAME}; got a file")
    if not (path.is_file() and (folder / WEIGHTS_NAME).is_file()):
        found = ", ".join(sorted(item.name for item in folder.iterdir())[:8]) if folder.is_dir() else "no such folder"
        raise CheckpointError(
            f"{folder}: no checkpoint; expected {WEIGHTS_NAME} and {CONFIG_NAME}, found {found or 'nothing'}; "
            f"{_advice(folder)}"
        )
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = described["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged ({error}); {_REMEDY}") from error
    if version != CHECKPOINT_FORMAT:
        raise CheckpointError(f"{path}: checkpoint format {version}, this version of OMSN reads {CHECKPOINT_FORMAT}")
    return described


def _temperature_of(described: Mapping[str, Any]) -> float:
    """1 for checkpoints that were written before there was one."""
    temperature = float(described.get("temperature", 1.0))
    if not 0 < temperature < math.inf:  # also False for NaN
        raise InputError(f"temperature: got {temperature}, expected a finite number above 0")
    return temperature


def _wccn_of(tensors: Mapping[str, Tensor], n_columns: int, folder: Path) -> Floats | None:
    """None for checkpoints that answer each clip by itself, as all did that were written before."""
    if _WCCN not in tensors:
        return None
    wccn: Floats = tensors[_WCCN].numpy()
    if wccn.ndim != 2 or not len(wccn) or len(wccn) % n_columns or not np.isfinite(wccn).all():
        raise CheckpointError(
            f"{folder / WEIGHTS_NAME}: {_WCCN} of shape {wccn.shape}, expected finite numbers, some for each of "
            f"{n_columns} feature columns; {_REMEDY}"
        )
    return wccn


def _closed_form(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What networks of a checkpoint have alike, by its names inside a network."""
    return {name: weight for name, weight in _part(tensors, _network(0)).items() if name.startswith(CLOSED_FORM)}


def _fitted_on(closed_form: Mapping[str, Tensor]) -> tuple[int, int]:
    """Clips and speakers that it was fitted on; 0 where there is nothing of the kind."""
    coefficients, bias = closed_form.get("statistics.coefficients"), closed_form.get("speakers.bias")
    n_clips, n_speakers = (0 if found is None or found.ndim == 0 else len(found) for found in (coefficients, bias))
    return n_clips, n_speakers


def _network(number: int) -> str:
    """How the names of a network's weights begin."""
    return f"networks.{number}."


def _part(tensors: Mapping[str, Tensor], beginning: str) -> dict[str, Tensor]:
    """Those whose names begin so, by the rest of their names."""
    return {name.removeprefix(beginning): tensor for name, tensor in tensors.items() if name.startswith(beginning)}


def _advice(folder: Path) -> str:
    """The checkpoint of a run where its folder was named, else where checkpoints come from."""
    inside = folder / "checkpoint"
    return f"did you mean {inside}?" if (inside / CONFIG_NAME).is_file() else "name a folder that omsn train wrote"


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        if _is_pickle(path):
            raise CheckpointError(
                f"{path}: a pickle (torch.save), which is never loaded; OMSN reads safetensors only"
            ) from error
        raise CheckpointError(f"{path}: damaged weights ({error}); {_REMEDY}") from error


def _check_unchanged(path: Path, written: object) -> None:
    """Refuse weights whose bytes are not those that were saved; checkpoints of before do not tell."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if written is not None and found != written:
        raise CheckpointError(
            f"{path}: damaged weights (SHA-256 {found[:12]}..., {CONFIG_NAME} was saved with {str(written)[:12]}...); "
            f"{_REMEDY}"
        )


def _first_of(error: RuntimeError) -> str:
    """What torch says of weights that do not fit, as one line of at most ``SHOWN_CHARACTERS``."""
    told = " ".join(str(error).split())
    return told if len(told) <= SHOWN_CHARACTERS else f"{told[:SHOWN_CHARACTERS]}..."


def _is_pickle(path: Path) -> bool:
    """True for the first bytes of a pickle or of torch.save's archive; safetensors may begin like that too."""
    with path.open("rb") as file:
        return file.read(2) in {b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK"}
