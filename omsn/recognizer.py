"""File to Prediction on one screen: what applications call.

from omsn import Recognizer
print(Recognizer("run/checkpoint").predict("clip.mp4").emotion())
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from omsn.config import Normalisation
from omsn.data.padded import pad_batch
from omsn.errors import InputError, OmsnError
from omsn.features.audio import audio_columns
from omsn.features.face import face_columns
from omsn.features.neutral import RestingFace
from omsn.features.normalise import SampleStatistics, SampleSums, leave_out
from omsn.labels import LabelSet
from omsn.media.probe import probe
from omsn.models.answers import mean_over_speeds
from omsn.models.checkpoint import check_columns, digest_of, load_checkpoint, mode_for, shipped_checkpoint
from omsn.people import Enrolment, Neighbours, describe, enrolled, standardised
from omsn.timing import timed
from omsn.training.calibration import tempered
from omsn.types import Modality, Prediction, Sample, Window
from omsn.windows import OnTime, View, views_of

TOGETHER = 8
"""Views that the networks are asked of at a time: on so few frames, most of their time goes into the asking."""


class Recognizer:
    """Names the emotion in media files with trained weights; safe to share between threads."""

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        normalisation: Normalisation | None = None,
        enrolment: str | Path | Sequence[str | Path] | Enrolment = (),
        baseline: str | Path | None = None,
        *,
        decoder_threads: int = 2,
    ) -> None:
        """Load a checkpoint once, and describe the files that tell of a person.

        Args:
            checkpoint: folder that ``omsn train`` wrote; None takes the weights that the package carries.
            normalisation: ``enrolled`` standardises by the frames of the enrolment and of the file so far, ``none`` by
                the training part; None takes the checkpoint's mode, and any other is logged as a warning.
            enrolment: a file or files of the person in all files to come, of many emotions and no known one. Answers
                also take account of what is said of the windows in them that are most like the one in question
                (``answer.neighbours``). Without them, ``enrolled`` has nothing but each file itself. Or the
                ``enrolment`` of another recognizer with the same checkpoint and mode, which need not read the files
                again; its baseline is in it.
            baseline: a clip of the same person, neutral throughout. The main face's displacements, and the changes of
                its distances and angles, are measured from what it shows there, instead of from the start or the usual
                look of the face in each file. ``enrolled`` takes it as one more file of the enrolment, voice and face.
                ``none`` leaves the sound as it is: moving each voice by its neutral clip did harm.
            decoder_threads: threads that decode each file's pictures ahead, while the caller's looks at one; 1 decodes
                on the caller's, best where other processes keep all cores busy. Answers do not depend on them, save
                where a picture is damaged.

        Raises:
            CheckpointError: it is missing, damaged, or does not fit this version of OMSN; or none is named, and this
                build of the package carries none.
            MediaError: a file of the enrolment, or the baseline, cannot be read.
            InputError: one has neither sound nor a face, or the mode has no use for an enrolment or a neutral voice; an
                enrolment is of another checkpoint, or has a baseline beside it; the mode is unknown, or the threads are
                no whole number above 0.
        """
        if normalisation not in (None, *get_args(Normalisation)):
            raise InputError(f"normalisation: got {normalisation!r}, expected none or enrolled")
        if not isinstance(decoder_threads, int) or decoder_threads < 1:
            raise InputError(f"decoder_threads: got {decoder_threads!r}, expected a whole number of at least 1")
        folder = shipped_checkpoint() if checkpoint is None else Path(checkpoint)
        with timed("load model"):
            self._trained = load_checkpoint(folder)
        self._pipeline = self._trained.config.pipeline
        self._decoder_threads = decoder_threads
        columns = audio_columns(self._pipeline.audio), face_columns(self._pipeline.video)
        check_columns(self._trained, *columns)
        self._statistics = SampleStatistics.from_arrays(self._trained.statistics)
        self._normalisation = mode_for(self._trained, normalisation)
        sums = SampleSums.none(len(columns[0]), len(columns[1]), len(self._pipeline.audio.speeds))
        self._known = Enrolment(sums, checkpoint=digest_of(folder))
        if isinstance(enrolment, Enrolment):
            self._known = self._usable(enrolment, baseline)
        else:
            self._meet([enrolment] if isinstance(enrolment, str | Path) else enrolment, baseline)

    @property
    def labels(self) -> LabelSet:
        """The emotions, in the order of every window's probabilities."""
        return self._trained.labels

    @property
    def normalisation(self) -> Normalisation:
        """How features are standardised: as asked for, or the checkpoint's mode."""
        return self._normalisation

    @property
    def enrolment(self) -> Enrolment:
        """What is known of the person before a file is read: the enrolment's files and the baseline."""
        return self._known

    def predict(self, path: str | Path, on_time: OnTime | None = None) -> Prediction:
        """Recognise the emotion of a file: all that ``stream`` yields.

        Raises:
            MediaError: the file cannot be read to its end; ``stream`` gives the answers before it breaks off.
            InputError: it has neither sound nor a face.
        """
        return Prediction(str(path), self.labels, tuple(self.stream(path, on_time)))

    def stream(self, path: str | Path, on_time: OnTime | None = None) -> Iterator[Window]:
        """Recognise the emotions of a file while it is read: decode, describe, standardise, ask the network.

        Args:
            path: any media file, of any length; memory does not grow with it.
            on_time: called with the seconds that are done, and the length in seconds where it is known.

        Yields:
            The answers in order of time, and within a window by the number of the face. A few come together
            (``TOGETHER``); those of the first minute do where the normalisation is ``enrolled``.

        Raises:
            MediaError: the file cannot be read, or not further than to where it broke off.
            InputError: it has neither sound nor a face; nothing was yielded.
        """
        for views in _together(self._standardised(Path(path), self._views(path, on_time))):
            present = [view for view in views if modalities_of(view.sample)]
            said = self._ask([view.sample for view in present])  # (B, K)
            for view, by_itself in zip(present, said, strict=True):
                probabilities, modalities = self._answer(Path(path), view, by_itself), modalities_of(view.sample)
                yield Window(view.start_s, view.end_s, probabilities, modalities, view.track, view.speaking, view.path)

    def _usable(self, known: Enrolment, baseline: str | Path | None) -> Enrolment:
        """What another recognizer knows, where this one can take it as it is."""
        if known.checkpoint != self._known.checkpoint:
            raise InputError(
                "enrolment: it is of a recognizer with another checkpoint; give this one the files instead"
            )
        if baseline is not None:
            raise InputError(
                "baseline: got one beside the enrolment of another recognizer, whose files were read without it; "
                "give it to that recognizer, or the files to this one"
            )
        self._check_use(known.files)
        return known

    def _meet(self, enrolment: Iterable[str | Path], baseline: str | Path | None) -> None:
        """Read the files that tell of the person."""
        files = list(enrolment)
        self._check_use(files)
        if baseline is not None:
            self._known = replace(self._known, resting=self._face_at_rest(baseline))
            files += [baseline] if self._normalisation == "enrolled" else []
        for path in files:
            self._known = self._known.plus(Path(path), self._views(path))
        self._known = replace(self._known, views=(), neighbours=self._neighbours_in(self._known))

    def _check_use(self, files: Collection[str | Path]) -> None:
        if files and self._normalisation != "enrolled":
            raise InputError(
                f"enrolment: normalisation {self._normalisation} has no use for files of the person; "
                "leave them out, or take enrolled and a checkpoint that was trained with it"
            )

    def _face_at_rest(self, path: str | Path) -> RestingFace | None:
        """Of the main face of a clip that is neutral throughout."""
        seen = [view.sample.video for views in self._views(path) for view in views if view.track == 0]
        resting = RestingFace.throughout(seen)
        if resting is None and self._normalisation != "enrolled":
            raise InputError(
                f"{path}: no face in it to measure changes from, and normalisation {self._normalisation} "
                "has no use for a neutral voice; give a clip that shows the face, or take enrolled"
            )
        return resting

    def _views(self, path: str | Path, on_time: OnTime | None = None) -> Iterator[tuple[View, ...]]:
        """The windows of a file that has a sound or a face somewhere, with what the checkpoint was trained to use."""
        nothing, modality = True, self._trained.config.training.modality
        threads, resting = self._decoder_threads, self._known.resting
        for views in views_of(path, self._pipeline, resting, on_time, modality=modality, decoder_threads=threads):
            nothing = nothing and not any(modalities_of(view.sample) for view in views)
            yield views
        if nothing:
            raise InputError(f"{path}: {_why_nothing(path, modality)}")

    def _standardised(self, path: Path, windows: Iterator[tuple[View, ...]]) -> Iterator[tuple[View, ...]]:
        if self._normalisation == "enrolled":
            return enrolled(windows, path, self._known)
        return standardised(windows, self._statistics)

    def _ask(self, samples: Sequence[Sample]) -> NDArray[np.floating]:
        """Probabilities (B, K) of each standardised sample by itself, in label order, before temperature scaling."""
        if not samples:
            return np.zeros((0, len(self.labels)))
        training = self._trained.config.training
        given = [leave_out(sample, training.left_out) for sample in samples]
        inputs, originals = pad_batch(given, training.modality)
        with timed("network"):
            return mean_over_speeds(self._trained.answer(inputs), originals).numpy()

    def _answer(self, path: Path, view: View, probabilities: NDArray[np.floating]) -> tuple[float, ...]:
        """What is said of a window by itself, beside what is said of the enrolment where it is its person, scaled."""
        if self._known.neighbours is not None and view.track == 0:
            probabilities = self._known.neighbours.adjust(path, view.sample, probabilities)
        return tuple(tempered(probabilities[None], self._trained.temperature)[0].tolist())

    def _neighbours_in(self, known: Enrolment) -> Neighbours | None:
        """The enrolment's windows with what is said of each; None where answers take no account of them."""
        wccn, modality = self._trained.wccn, self._trained.config.training.modality
        if self._normalisation != "enrolled" or wccn is None or not known.views:
            return None
        statistics = known.sums.statistics()
        files, samples = zip(*((file, statistics.standardise(sample)) for file, sample in known.views), strict=True)
        said = [self._ask(samples[first : first + TOGETHER]) for first in range(0, len(samples), TOGETHER)]
        answer = self._trained.config.answer
        return Neighbours(files, describe(samples, modality), np.concatenate(said), answer, modality, wccn)


def _together(windows: Iterable[tuple[View, ...]]) -> Iterator[list[View]]:
    """The views of several windows at a time; what is waiting where the file breaks off is not lost."""
    waiting: list[View] = []
    try:
        for views in windows:
            waiting += views
            if len(waiting) >= TOGETHER:
                yield waiting
                waiting = []
    except OmsnError:
        yield waiting
        raise
    yield waiting


def modalities_of(sample: Sample) -> tuple[str, ...]:
    """Which of "audio" and "video" are present."""
    return tuple(name for name in ("audio", "video") if getattr(sample, name).present)


def _why_nothing(path: str | Path, modality: Modality) -> str:
    info = probe(path)
    sound = "its sound is silent" if info.has_audio else "it has no sound"
    face = "no face is seen" if info.has_video else "it has no picture"
    if modality == "both":
        told = f"neither sound nor a face in it: {sound}, and {face}"
        return f"{told}; nothing to recognise an emotion or a person from"
    return f"{sound if modality == 'audio' else face}, and the checkpoint was trained on {modality} alone"
