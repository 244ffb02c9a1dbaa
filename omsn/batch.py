"""Files in, answers out: many files on many processes, going on after bad ones, resumable at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import torch
from threadpoolctl import threadpool_limits

from omsn.config import Normalisation
from omsn.errors import InputError, MediaError, in_words
from omsn.export.folder import FAILURES_NAME, AnswerFolder, Outputs, write_outputs
from omsn.export.formats import OVERLAY_SUFFIX, Format
from omsn.export.json import prediction_to_dict
from omsn.files import explain
from omsn.media.container import check_readable
from omsn.media.find import Found, MediaFile, find_media
from omsn.models.checkpoint import digest_of
from omsn.people import Enrolment
from omsn.progress import OnStep, Reached, clock, telling
from omsn.recognizer import Recognizer
from omsn.types import Prediction, Window
from omsn.version import __version__
from omsn.windows import OnTime
from omsn.workers import in_this_process, on_this_machine, run_tasks

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
        known: what this process has learnt of the person, so that no other has to; it follows from the rest.
    """

    checkpoint: Path
    normalisation: Normalisation | None
    digest: str
    enrolment: tuple[Path, ...] = ()
    enrolment_digest: str = ""
    baseline: Path | None = None
    baseline_digest: str = ""
    decoder_threads: int = 2
    known: Enrolment | None = field(default=None, compare=False)

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
        enrolment, digest = _enrolment(enrol), digest_of(checkpoint)
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
class _Task:
    """A file to answer.

    Attributes:
        number: among those to do.
        path: absolute.
        source: its name as the user gave it.
        outputs: what to write.
    """

    number: int
    path: Path
    source: str
    outputs: Outputs


@dataclass(frozen=True)
class _Ended:
    """What became of a file.

    Attributes:
        prediction: the answer, where there is one; up to where the file broke off, where it did.
        reason: why there is none, why it ends early, or why it was not written; empty where all is well.
        before: nothing was done, for an earlier run has written all.
    """

    prediction: Prediction | None = None
    reason: str = ""
    before: bool = False


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
    on. One that breaks off after windows were answered keeps these, and is a failure too. Outputs are written as soon
    as each file is answered, by the process that answered it (for a cluster, by this one), and each file is recorded
    in the folder, so that a run that was killed goes on with ``Output.resume``. This process and each other one is on
    one thread of torch, OpenCV and BLAS from then on.

    Args:
        names: as the user gave them.
        model: loaded once in each process.
        output: what to write; None writes nothing.
        jobs: processes; for one and no backend, this process, and the decoder's threads beside it.
        backend: see ``omsn.workers.run_tasks``.
        on_step: called with (files done, files to do, name of the file that was done), and in between, where the
            workers are on this machine, with the share of the files in hand, and the time in the first behind its name.
            Never by two threads at once, but not always by the caller's; it must not raise.

    Raises:
        CheckpointError: the model is missing or damaged, here or on a worker.
        MediaError: a file of the model's enrolment cannot be read.
        InputError: the folder cannot be written to, there is no such backend or cluster, or the enrolment is of no use.
    """
    model = model if in_this_process(jobs, backend) else replace(model, decoder_threads=1)
    recognizer = _recognizer(model)
    model = replace(model, known=recognizer.enrolment)
    made_by = model.facts() | {"normalisation": recognizer.normalisation}
    found = _without_drawn_films(find_media(names))
    folder = AnswerFolder(output.folder, found.files, output.formats, model.facts()) if output else None
    ended = _known(found.files, folder, resume=output is not None and output.resume)
    to_do = [file for file in found.files if file not in ended]
    if folder is not None:
        folder.begin(to_do)
    with telling([file.path.name for file in to_do], on_step) as (reached, on_ended):
        tasks = _tasks(to_do, folder)
        work = partial(_do, model=model, made_by=made_by, reached=reached, writes=on_this_machine(backend))
        for number, result in run_tasks(work, tasks, jobs=jobs, backend=backend):
            one = result or _Ended(reason=KILLED)
            one = one if on_this_machine(backend) else _written(one, tasks[number].outputs)
            ended[to_do[number]] = _recorded(one, to_do[number], folder)
            on_ended(number)
    return _gather(found, ended, folder)


def _tasks(files: Sequence[MediaFile], folder: AnswerFolder | None) -> list[_Task]:
    return [
        _Task(number, file.path.absolute(), str(file.path), folder.outputs(file) if folder else ())
        for number, file in enumerate(files)
    ]


def _without_drawn_films(found: Found) -> Found:
    """Without films that an earlier run drew into a folder that was named; by their own names they are answered."""
    written = [file for file in found.files if not file.named and file.path.name.endswith(OVERLAY_SUFFIX)]
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
        each = sorted(_digest_of(check_readable(file)) for file in files)
    except MediaError as error:
        raise InputError(f"{what}: {error}") from error
    return hashlib.sha256(b"".join(each)).hexdigest() if files else ""


def _digest_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _known(files: Sequence[MediaFile], folder: AnswerFolder | None, *, resume: bool) -> dict[MediaFile, _Ended]:
    """What is known before the work: files that are done, and files whose outputs would go over another's."""
    known: dict[MediaFile, _Ended] = {}
    if folder is None:
        return known
    for file in files:
        if resume and folder.has(file):
            known[file] = _Ended(before=True)
        elif reason := folder.refusal(file):
            known[file] = _Ended(reason=reason)
    return known


def _do(task: _Task, *, model: Model, made_by: Mapping[str, str], reached: Reached | None, writes: bool) -> _Ended:
    """Answer a file and write its outputs; runs in a worker, which on a cluster leaves writing to who asked."""
    on_time = reached.on_time(task.number) if reached else None
    ended = _answer(task, _recognizer(model), made_by, on_time)
    if not (writes and task.outputs):
        return ended
    if reached is not None:
        reached.writes(task.number)
    return _written(ended, task.outputs)


def _answer(task: _Task, recognizer: Recognizer, made_by: Mapping[str, str], on_time: OnTime | None) -> _Ended:
    """The windows of a file, or those up to where it broke off, or why there is none."""
    windows: list[Window] = []
    reason = ""
    try:
        for window in recognizer.stream(task.path, on_time):
            windows.append(window)
    except Exception as error:  # whatever a file does to the decoders must not end the batch
        reason = _reason(error, task.path)
    if not windows:
        return _Ended(reason=reason)
    answer = Prediction(task.source, recognizer.labels, tuple(windows), made_by, broke_off=reason)
    return _Ended(answer, f"answered only up to {clock(answer.end_s)}: {reason}" if reason else "")


def _written(ended: _Ended, outputs: Outputs) -> _Ended:
    """The same with its outputs written, or why they are not."""
    if ended.prediction is None:
        return ended
    try:
        write_outputs(outputs, ended.prediction)
    except OSError as error:
        return _not_written(ended, explain(error))
    except Exception as error:
        return _not_written(ended, _reason(error))
    return ended


def _recorded(ended: _Ended, file: MediaFile, folder: AnswerFolder | None) -> _Ended:
    """The same, in the folder's index where all is well; what broke off is tried again."""
    if folder is None or ended.reason:
        return ended
    try:
        folder.record(file)
    except OSError as error:
        return _not_written(ended, explain(error))
    return ended


def _not_written(ended: _Ended, why: str) -> _Ended:
    return replace(ended, reason="; ".join(filter(None, (ended.reason, f"answered, but not written: {why}"))))


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
    if model.known is not None:
        return Recognizer(model.checkpoint, model.normalisation, model.known, decoder_threads=threads)
    return Recognizer(model.checkpoint, model.normalisation, model.enrolment, model.baseline, decoder_threads=threads)


def _reason(error: Exception, path: Path | None = None) -> str:
    """An error in one line, with its kind where it is not one that OMSN raises on purpose; without the file's path."""
    return " ".join(in_words(error).removeprefix(f"{path}: ").split())


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
        tuple(path for path, one in in_order if one.before),
        tuple(failures),
        found.passed_over,
    )
