"""Files in, answers out: many files on many processes, going on after bad ones, resumable at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import torch
from threadpoolctl import threadpool_limits

from omsn.config import Normalisation
from omsn.errors import CheckpointError, InputError, OmsnError
from omsn.export.folder import FAILURES_NAME, AnswerFolder
from omsn.export.formats import OVERLAY_SUFFIX, Format
from omsn.export.json import prediction_to_dict
from omsn.files import explain
from omsn.media.find import Found, MediaFile, find_media
from omsn.models.checkpoint import CONFIG_NAME, WEIGHTS_NAME
from omsn.progress import OnStep, Reached, clock, telling
from omsn.recognizer import Recognizer
from omsn.types import Prediction, Window
from omsn.version import __version__
from omsn.workers import run_tasks

_LOADING = Lock()
KILLED = (
    "the process that read it was killed, often for want of memory; try it by itself with fewer jobs, "
    "or write the file anew with other software"
)


@dataclass(frozen=True)
class Output:
    """What to write, and where.

    Attributes:
        folder: made where missing.
        formats: a file of each for every file that is answered.
        resume: leave out files whose outputs are there, made of the same file by the same checkpoint and settings.
    """

    folder: Path
    formats: tuple[Format, ...]
    resume: bool = False


@dataclass(frozen=True)
class Model:
    """How files are answered, in every process alike.

    Attributes:
        checkpoint: absolute path of the folder that ``omsn train`` wrote.
        normalisation: None takes the checkpoint's mode.
        digest: of the checkpoint's content.
        enrolment: absolute paths of files of the person in all files; see ``Recognizer``.
        enrolment_digest: of their content, in whatever order; empty where there are none.
        baseline: absolute path of a neutral clip of the person; see ``Recognizer``.
        baseline_digest: of its content; empty where there is none.
        decoder_threads: see ``Recognizer``.
    """

    checkpoint: Path
    normalisation: Normalisation | None
    digest: str
    enrolment: tuple[Path, ...] = ()
    enrolment_digest: str = ""
    baseline: Path | None = None
    baseline_digest: str = ""
    decoder_threads: int = 2

    @staticmethod
    def of(
        checkpoint: Path,
        normalisation: Normalisation | None = None,
        enrol: Sequence[Path] = (),
        baseline: Path | None = None,
    ) -> Model:
        """The model in a folder as it is now, and the files, folders and patterns that tell of a person.

        Raises:
            CheckpointError: it is there and cannot be read.
            InputError: a name of the enrolment stands for no file, or a file of it, or the baseline, cannot be read.
        """
        files = [checkpoint / name for name in (CONFIG_NAME, WEIGHTS_NAME)]
        try:
            content = b"".join(file.read_bytes() for file in files if file.is_file())
        except OSError as error:
            raise CheckpointError(f"{checkpoint}: cannot be read ({error.strerror}: {error.filename})") from error
        enrolment, digest = _enrolment(enrol), hashlib.sha256(content).hexdigest()
        model = Model(checkpoint.absolute(), normalisation, digest, enrolment, _digest("enrolment", enrolment))
        if baseline is None:
            return model
        return replace(model, baseline=baseline.absolute(), baseline_digest=_digest("baseline", [baseline]))

    def facts(self) -> dict[str, str]:
        """All that the answers depend on besides the file, as text."""
        return {
            "omsn": __version__,
            "checkpoint": self.digest,
            "normalisation": self.normalisation or "checkpoint's",
            "enrolment": self.enrolment_digest,
            "baseline": self.baseline_digest,
        }


@dataclass(frozen=True)
class Batch:
    """What became of the names that the user gave.

    Attributes:
        predictions: in the order of the files; those whose outputs could not be written too.
        done_before: files left out because their outputs are there.
        failures: (file, reason), names that stand for no file first: no answer, or an answer that was not written.
        passed_over: paths of files in folders that are hidden, have no suffix of a media file, or are films that an
            earlier run drew.
    """

    predictions: tuple[Prediction, ...]
    done_before: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]
    passed_over: tuple[str, ...]

    @property
    def media_s(self) -> float:
        """Seconds of film and sound that were answered."""
        return sum(prediction.end_s for prediction in self.predictions)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "predictions": [prediction_to_dict(prediction) for prediction in self.predictions],
            "done_before": list(self.done_before),
            "failed": [{"path": path, "reason": reason} for path, reason in self.failures],
            "passed_over": list(self.passed_over),
        }


@dataclass(frozen=True)
class _Ended:
    """What became of a file; neither prediction nor reason where it was done before.

    Attributes:
        prediction: the answer, where there is one; up to where the file broke off, where it did.
        reason: why there is none, why it ends early, or why it was not written.
    """

    prediction: Prediction | None = None
    reason: str = ""


def predict_batch(
    names: Sequence[Path],
    model: Model,
    output: Output | None = None,
    *,
    jobs: int = 1,
    backend: str | None = None,
    on_step: OnStep | None = None,
) -> Batch:
    """Answer all files that files, folders and patterns stand for.

    A file that cannot be answered, or whose outputs cannot be written, is a failure with a reason, and the rest goes
    on. One that breaks off after windows were answered keeps these, and is a failure too. Outputs are written by this
    process as soon as each file is answered, and each is recorded in the folder, so that a run that was killed goes on
    with ``Output.resume``.

    Args:
        names: as the user gave them.
        model: loaded once in each process.
        output: what to write; None writes nothing.
        jobs: processes, each on one thread from then on; for one and no backend, this process, and the decoder's
            threads beside it.
        backend: see ``omsn.workers.run_tasks``.
        on_step: called with (files done, files to do, name of the file that was done), and in between, where the
            workers are on this machine, with the share of the files in hand, and the time in the first behind its name.

    Raises:
        CheckpointError: the model is missing or damaged, here or on a worker.
        MediaError: a file of the model's enrolment cannot be read.
        InputError: the folder cannot be written to, there is no such backend or cluster, or the enrolment is of no use.
    """
    alone = jobs == 1 and backend is None
    model = model if alone else replace(model, decoder_threads=1)
    made_by = model.facts() | {"normalisation": _recognizer(model).normalisation}
    found = find_media(names) if output is None else _without_films_of(output, find_media(names))
    folder = AnswerFolder(output.folder, found.files, output.formats, model.facts()) if output else None
    ended = _known(found.files, folder, resume=output is not None and output.resume)
    to_do = [file for file in found.files if file not in ended]
    if folder is not None:
        folder.begin(to_do)
    with telling([file.path.name for file in to_do], on_step) as (reached, on_ended):
        work, tasks = partial(_answer, model=model, reached=reached), [file.path.absolute() for file in to_do]
        for number, answer in run_tasks(work, list(enumerate(tasks)), jobs=jobs, backend=backend):
            ended[to_do[number]] = _finish(to_do[number], answer or _Ended(reason=KILLED), folder, made_by)
            on_ended(number)
    return _gather(found, ended, folder)


def _without_films_of(output: Output, found: Found) -> Found:
    """Without the films that an earlier run wrote, where the output folder lies in a folder that was named."""
    home = output.folder.resolve()
    written = [
        file for file in found.files if file.path.name.endswith(OVERLAY_SUFFIX) and home in file.identity.parents
    ]
    files = tuple(file for file in found.files if file not in written)
    passed_over = (*found.passed_over, *(str(file.path) for file in written))
    return replace(found, files=files, passed_over=passed_over)


def _enrolment(names: Sequence[Path]) -> tuple[Path, ...]:
    """The files that the names stand for; one that cannot be used would change all answers, so it ends the run."""
    found = find_media(names)
    if found.failures:
        name, reason = found.failures[0]
        raise InputError(f"enrolment: {name}: {reason}. Name files of the person, or folders of them")
    return tuple(file.path.absolute() for file in found.files)


def _digest(what: str, files: Sequence[Path]) -> str:
    try:
        each = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files)
    except OSError as error:
        raise InputError(f"{what}: {error.filename}: cannot be read ({error.strerror})") from error
    return hashlib.sha256(b"".join(each)).hexdigest() if files else ""


def _known(files: Sequence[MediaFile], folder: AnswerFolder | None, *, resume: bool) -> dict[MediaFile, _Ended]:
    """What is known before the work: files that are done, and files whose outputs would go over another's."""
    known: dict[MediaFile, _Ended] = {}
    if folder is None:
        return known
    for file in files:
        if resume and folder.has(file):
            known[file] = _Ended()
        elif reason := folder.refusal(file):
            known[file] = _Ended(reason=reason)
    return known


def _answer(task: tuple[int, Path], model: Model, reached: Reached | None) -> _Ended:
    """The windows of a file, or those up to where it broke off, or why there is none; runs in a worker."""
    (number, path), recognizer, windows, reason = task, _recognizer(model), list[Window](), ""
    try:
        windows.extend(recognizer.stream(path, reached.on_time(number) if reached else None))
    except Exception as error:  # whatever a file does to the decoders must not end the batch
        reason = _reason(error, path)
    if not windows:
        return _Ended(reason=reason)
    answer = Prediction(str(path), recognizer.labels, tuple(windows), broke_off=reason)
    return _Ended(answer, f"answered only up to {clock(answer.end_s)}: {reason}" if reason else "")


def _recognizer(model: Model) -> Recognizer:
    """The one of this process, loaded at the first call."""
    with _LOADING:
        return _load(model)


@lru_cache(maxsize=1)
def _load(model: Model) -> Recognizer:
    # Threads of processes side by side would fight for the same cores; and sums by one thread come out the same in
    # whatever process, so that answers do not depend on the number of jobs; save where FFmpeg makes up parts of damaged
    # pictures, which its one and its two decoder threads do differently.
    # OpenCV's threads are the worst: on a busy machine of two cores, two of them took four times as long as one.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    threadpool_limits(limits=1)
    threads = model.decoder_threads
    return Recognizer(model.checkpoint, model.normalisation, model.enrolment, model.baseline, decoder_threads=threads)


def _finish(file: MediaFile, ended: _Ended, folder: AnswerFolder | None, made_by: Mapping[str, str]) -> _Ended:
    """The answer under the name that the user gave, its outputs written; or why there is none, or none written."""
    if ended.prediction is None:
        return ended
    answer = replace(ended.prediction, source=str(file.path), made_by=made_by)
    unwritten = ""
    try:
        if folder is not None:
            folder.write(file, answer)
    except OSError as error:
        unwritten = f"answered, but not written: {explain(error)}"
    except Exception as error:
        unwritten = f"answered, but not written: {_reason(error)}"
    return _Ended(answer, "; ".join(filter(None, (ended.reason, unwritten))))


def _reason(error: Exception, path: Path | None = None) -> str:
    """An error in one line, with its kind where it is not one that OMSN raises on purpose; without the file's path."""
    text = str(error) if isinstance(error, OmsnError) else f"{type(error).__name__}: {error}"
    return " ".join(text.removeprefix(f"{path}: ").split())


def _gather(found: Found, ended: Mapping[MediaFile, _Ended], folder: AnswerFolder | None) -> Batch:
    in_order = [(str(file.path), ended[file]) for file in found.files]
    failures = [*found.failures, *((path, one.reason) for path, one in in_order if one.reason)]
    if folder is not None:
        try:
            folder.write_failures(failures)
        except OSError as error:
            failures.append((FAILURES_NAME, explain(error)))
    return Batch(
        tuple(one.prediction for _, one in in_order if one.prediction is not None),
        tuple(path for path, one in in_order if one == _Ended()),
        tuple(failures),
        found.passed_over,
    )
