"""File to Prediction on one screen: what applications call.

from omsn import Recognizer
print(Recognizer("run/checkpoint").predict("clip.mp4").emotion())
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from omsn.config import Normalisation, PipelineConfig
from omsn.data.padded import pad_batch
from omsn.errors import InputError
from omsn.features.audio import audio_columns
from omsn.features.face import face_columns
from omsn.features.normalise import SampleStatistics, leave_out
from omsn.labels import LabelSet
from omsn.media.probe import probe
from omsn.models.checkpoint import check_columns, load_checkpoint, mode_for
from omsn.models.losses import probabilities_of
from omsn.pipeline import make_sample
from omsn.types import Clip, Prediction, Sample, Stream, Window

WINDOW_S = 4.0
"""Longer files are cut into windows of this length; RAVDESS clips last three to five seconds."""
HOP_S = 2.0
"""Windows begin this far apart."""
WHOLE_S = 6.0
"""Files up to this length are one window."""

logger = logging.getLogger(__name__)


class Recognizer:
    """Names the emotion in media files with one trained network; safe to share between threads."""

    def __init__(
        self,
        checkpoint: str | Path,
        normalisation: Normalisation | None = None,
        enrolment: Sequence[str | Path] = (),
    ) -> None:
        """Load a checkpoint once, and describe the files that enrol a person.

        Args:
            checkpoint: folder that ``omsn train`` wrote.
            normalisation: ``enrolled`` standardises by the frames of the enrolment and of the file itself, ``none`` by
                the training part; None takes the checkpoint's mode, and any other is logged as a warning.
            enrolment: files of the person in all files to come, of many emotions and no known one. Without them,
                ``enrolled`` has nothing but each file itself.

        Raises:
            CheckpointError: it is missing, damaged, or does not fit this version of OMSN.
            MediaError: a file of the enrolment cannot be read.
            InputError: one has neither sound nor a face, or there is an enrolment and the mode has no use for it.
        """
        self._trained = load_checkpoint(Path(checkpoint))
        pipeline = self._trained.config.pipeline
        check_columns(self._trained, audio_columns(pipeline.audio), face_columns(pipeline.video))
        self._statistics = SampleStatistics.from_arrays(self._trained.statistics)
        self._normalisation = mode_for(self._trained, normalisation)
        if enrolment and self._normalisation != "enrolled":
            raise InputError(
                f"enrolment: normalisation {self._normalisation} has no use for files of the person; "
                "leave them out, or take enrolled and a checkpoint that was trained with it"
            )
        each_once = {Path(path).resolve(): path for path in enrolment}
        self._enrolment = {identity: describe_file(path, pipeline) for identity, path in each_once.items()}

    @property
    def labels(self) -> LabelSet:
        """The emotions, in the order of every window's probabilities."""
        return self._trained.labels

    def predict(self, path: str | Path) -> Prediction:
        """Recognise the emotion of a file: decode, describe, cut into windows, ask the network.

        Raises:
            MediaError: the file cannot be read.
            InputError: it has neither sound nor a face.
        """
        sample = describe_file(path, self._trained.config.pipeline)
        scaled = self._statistics_for(path, sample).standardise(sample)
        scaled = leave_out(scaled, self._trained.config.training.left_out)
        spans = window_spans(scaled)
        parts = [between(scaled, *span) for span in spans]
        probabilities = self._ask(parts)
        windows = (
            Window(start_s, end_s, tuple(map(float, row)), modalities_of(part))
            for (start_s, end_s), row, part in zip(spans, probabilities, parts, strict=True)
            if modalities_of(part)
        )
        return Prediction(str(path), self.labels, tuple(windows))

    def _statistics_for(self, path: str | Path, sample: Sample) -> SampleStatistics:
        """Of the training part; or of the enrolment and the file, which counts once where it is one of them."""
        if self._normalisation != "enrolled":
            return self._statistics
        samples = list((self._enrolment | {Path(path).resolve(): sample}).values())
        if len(samples) == 1 and end_of(sample) <= WHOLE_S:
            logger.warning(
                "%s: enrolled normalisation from this file alone (%.1f s) takes out much of what tells the emotion; "
                "name more files of this person with enrolment= or --enrol",
                path,
                end_of(sample),
            )
        return SampleStatistics.of(samples)

    def _ask(self, samples: Sequence[Sample]) -> list[list[float]]:
        """Probabilities of each sample, in label order."""
        training = self._trained.config.training
        with torch.no_grad():
            logits = self._trained.network(pad_batch(samples, training.modality))  # (B, K)
            probabilities: list[list[float]] = probabilities_of(logits, training.loss).tolist()
        return probabilities


def describe_file(path: str | Path, pipeline: PipelineConfig) -> Sample:
    """The features of a file that nothing is known of.

    Raises:
        MediaError: the file cannot be read.
        InputError: it has neither sound nor a face.
    """
    sample = make_sample(clip_of(path), pipeline)
    if not (sample.audio.present or sample.video.present):
        raise InputError(f"{path}: neither sound nor a face in it; nothing to recognise an emotion or a person from")
    return sample


def clip_of(path: str | Path) -> Clip:
    """A file that nothing is known of, with the tracks that it has.

    Raises:
        MediaError: the file cannot be read.
    """
    info = probe(path)
    return Clip(str(path), "", "", audio=str(path) if info.has_audio else "", video=str(path) if info.has_video else "")


def end_of(sample: Sample) -> float:
    """Time of the last frame of either modality, in seconds."""
    return max(float(stream.times_s[-1]) for stream in (sample.audio, sample.video) if stream.present)


def window_spans(sample: Sample) -> list[tuple[float, float]]:
    """Start and end in seconds of each window: one for short files, overlapping ones for longer."""
    end_s = end_of(sample)
    if end_s <= WHOLE_S:
        return [(0.0, end_s)]
    starts = np.arange(0.0, end_s - WINDOW_S + HOP_S, HOP_S)
    return [(float(start), float(min(start + WINDOW_S, end_s))) for start in starts]


def between(sample: Sample, start_s: float, end_s: float) -> Sample:
    """The frames of both modalities from ``start_s`` to ``end_s``; absent where there are none."""
    return Sample(sample.clip, _cut(sample.audio, start_s, end_s), _cut(sample.video, start_s, end_s))


def modalities_of(sample: Sample) -> tuple[str, ...]:
    """Which of "audio" and "video" are present."""
    return tuple(name for name in ("audio", "video") if getattr(sample, name).present)


def _cut(stream: Stream, start_s: float, end_s: float) -> Stream:
    frames = np.flatnonzero((stream.times_s >= start_s) & (stream.times_s <= end_s))
    cut = stream.take(frames)
    return cut if len(frames) and cut.present else Stream.absent(stream.columns)
