"""How fast, and with how much memory, files are answered: stage by stage, beside what users would otherwise do.

    OMSN_DATA=... python benchmarks/predict.py CHECKPOINT [--minutes 1 20] [--jobs 1 2] [--out figures.json]

All figures come from one run on the original 1280 x 720 clips of RAVDESS, and on films of minutes that are made of
one of them by repeating its packets. "x" is seconds of film for each second of work. Commands are whole processes:
starting Python and loading the networks is in their time, and in their memory, of which the largest is told.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from omsn.export.formats import FORMATS, Format
from omsn.media.probe import probe
from omsn.media.sound import read_sound
from omsn.recognizer import Recognizer
from omsn.timing import profiling
from omsn.types import Prediction

GOAL_SPEED = 8.0
"""Seconds of 720p film that one process answers in a second, from file to answer."""
CORES = 2
"""Cores that the goal is set for; the threads of the decoder work beside the calling one."""
GOAL_MEMORY_MIB = 1024.0
"""Peak of the process, for the longest film."""
GOAL_GROWTH = 1.1
"""Peak for the longest film, as a multiple of that for the shortest."""
GOAL_FIRST_S = 6.0
"""From the start of the command to the answer for one clip."""
RATE_HZ = 16000
FILES_A_JOB = 2
"""Films of the shortest length for each process, so that all are busy for most of the time."""
COLD_STARTS = 3
N_COMPARED = 2
"""Clips for what others do: a cascade on every picture takes its time."""


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: "x" (seconds of film a second), "s", "MiB", "times" or none.
        goal: what it should be: at least for speeds, at most for the rest; None where nothing was asked for.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.unit == "x" else self.value <= self.goal

    def __str__(self) -> str:
        """One line of the table."""
        verdict = "" if self.goal is None else f"  goal {self.goal:g} {self.unit}: {'met' if self.met else 'MISSED'}"
        return f"{self.name:58} {self.value:9.2f} {self.unit:5}{verdict}".rstrip()


@dataclass(frozen=True)
class Ran:
    """What a command took: seconds by the clock and of processors, and the peak memory of its process in MiB."""

    wall_s: float
    processor_s: float
    peak_mib: float


def main() -> None:
    """Run every measurement, print each as it comes, and write all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="folder that omsn train wrote")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 20], help="lengths of the long films")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="numbers of processes to compare")
    parser.add_argument("--clips", type=int, default=8, help="clips for the stages")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    data = os.environ.get("OMSN_DATA")
    parser.add_argument("--data", type=Path, default=data, required=not data, help="holds ravdess; or set OMSN_DATA")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    clips = sorted((arguments.data / "ravdess" / "video").rglob("*.mp4"))[: arguments.clips]
    rows = [Row("programs that wanted a core in the last minute", os.getloadavg()[0], "")]
    print(rows[0])
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        films = [repeat_film(clips[0], Path(folder) / f"{m:g}.mp4", 60 * m) for m in sorted(arguments.minutes)]
        for row in measure(arguments.checkpoint, clips, films, arguments.jobs):
            print(row, flush=True)
            rows.append(row)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(report(rows), indent=2) + "\n", encoding="utf-8")


def report(rows: Sequence[Row]) -> dict[str, object]:
    """All figures and what they were measured on, ready for JSON."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "figures": [{**asdict(row), "met": row.met} for row in rows],
    }


def measure(checkpoint: Path, clips: Sequence[Path], films: Sequence[Path], jobs: Sequence[int]) -> Iterator[Row]:
    """Everything, in the order of the table; films from the shortest to the longest."""
    yield from stage_rows(checkpoint, clips)
    yield from other_rows(clips[:N_COMPARED])
    yield first_answer_row(checkpoint, clips[0])
    for n_jobs in jobs:
        yield job_row(checkpoint, films[0], n_jobs)
    yield from memory_rows(checkpoint, films)


def stage_rows(checkpoint: Path, clips: Sequence[Path]) -> Iterator[Row]:
    """From file to answer in this process, and where the time goes."""
    recognizer = Recognizer(checkpoint)
    recognizer.predict(clips[0])  # the first call loads what the others find loaded
    predictions: list[Prediction] = []
    process_s, thread_s = time.process_time(), time.thread_time()
    with profiling() as profile:
        total_s = seconds(lambda: predictions.extend(map(recognizer.predict, clips)))
    process_s, thread_s = time.process_time() - process_s, time.thread_time() - thread_s
    film_s = sum(map(duration_s, clips))
    name = f"{len(clips)} clips of {film_s / len(clips):.1f} s, 720p: from file to answer, one process"
    yield Row(name, film_s / total_s, "x", GOAL_SPEED)
    yield Row("  by processor time of all threads, whatever else runs", film_s / process_s, "x", GOAL_SPEED / CORES)
    yield Row("  by processor time of the calling thread", film_s / thread_s, "x", GOAL_SPEED)
    for stage, spent_s in profile.seconds.items():
        yield Row(f"  {stage}", film_s / max(spent_s, 1e-9), "x")
    for name, form in FORMATS.items():
        yield Row(f"  writing {name}, where asked for", film_s / seconds(partial(write_all, predictions, form)), "x")


def write_all(predictions: Sequence[Prediction], form: Format) -> None:
    """Every answer in a format."""
    with tempfile.TemporaryDirectory() as folder:
        for number, prediction in enumerate(predictions):
            form.write(prediction, Path(folder) / f"{number}{form.suffix}")


def other_rows(clips: Sequence[Path]) -> Iterator[Row]:
    """What users would otherwise do: OpenCV for the face, librosa for the voice; neither names an emotion."""
    film_s = sum(map(duration_s, clips))
    yield Row("OpenCV: VideoCapture alone, every frame", film_s / seconds(lambda: list(map(capture, clips))), "x")
    spent_s = seconds(lambda: list(map(count_haar_faces, clips)))
    yield Row("OpenCV: VideoCapture and Haar cascade, every frame", film_s / spent_s, "x")
    sounds = [read_sound(clip, RATE_HZ).samples for clip in clips]
    describe_with_librosa(sounds[0])  # the first call compiles
    spent_s = seconds(lambda: list(map(describe_with_librosa, sounds)))
    yield Row("librosa: features of the decoded sound, warm", film_s / spent_s, "x")


def capture(path: Path) -> int:
    """Decode all pictures with OpenCV; how many there are."""
    reader, n_frames = cv2.VideoCapture(str(path)), 0
    while reader.read()[0]:
        n_frames += 1
    return n_frames


def count_haar_faces(path: Path) -> int:
    """Find faces in all pictures with OpenCV's frontal Haar cascade and its own settings; how many it finds."""
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))
    reader, n_faces = cv2.VideoCapture(str(path)), 0
    while True:
        there, image = reader.read()
        if not there:
            return n_faces
        n_faces += len(cascade.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)))


def describe_with_librosa(samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """The features that OMSN takes and librosa has, in frames of the same length and distance."""
    import librosa  # a test dependency, loaded only where it is compared with

    cepstra = librosa.feature.mfcc(y=samples, sr=RATE_HZ, n_mfcc=20, n_mels=40, n_fft=512, hop_length=320)
    librosa.feature.delta(cepstra)
    mels = librosa.feature.melspectrogram(y=samples, sr=RATE_HZ, n_mels=40, n_fft=512, hop_length=320)
    librosa.power_to_db(mels)
    for spectral in ("centroid", "bandwidth", "rolloff", "contrast"):
        getattr(librosa.feature, f"spectral_{spectral}")(y=samples, sr=RATE_HZ, n_fft=512, hop_length=320)
    librosa.feature.spectral_flatness(y=samples, n_fft=512, hop_length=320)
    librosa.onset.onset_strength(y=samples, sr=RATE_HZ, hop_length=320)
    librosa.feature.rms(y=samples, frame_length=512, hop_length=320)
    librosa.feature.zero_crossing_rate(samples, frame_length=512, hop_length=320)
    librosa.yin(samples, fmin=65, fmax=600, sr=RATE_HZ, frame_length=1024, hop_length=320)


def first_answer_row(checkpoint: Path, clip: Path) -> Row:
    """The command from its start to its end, for one clip; the files themselves may be in the system's memory."""
    times_s = [run_predict(checkpoint, [clip]).wall_s for _ in range(COLD_STARTS)]
    name = f"omsn predict, one clip of {duration_s(clip):.1f} s, from a cold start"
    return Row(name, statistics.median(times_s), "s", GOAL_FIRST_S)


def job_row(checkpoint: Path, film: Path, n_jobs: int) -> Row:
    """The command on several films with so many processes."""
    n_films = FILES_A_JOB * n_jobs
    with tempfile.TemporaryDirectory() as folder:
        links = [Path(folder) / f"{number}{film.suffix}" for number in range(n_films)]
        for link in links:
            link.symlink_to(film)
        spent_s = run_predict(checkpoint, links, "--jobs", str(n_jobs)).wall_s
    film_s = n_films * duration_s(film)
    name = f"omsn predict --jobs {n_jobs}, {n_films} films of {duration_s(film) / 60:.1f} min"
    return Row(name, film_s / spent_s, "x", n_jobs * GOAL_SPEED if n_jobs == 1 else None)


def memory_rows(checkpoint: Path, films: Sequence[Path]) -> Iterator[Row]:
    """Peak memory of the command for each film, and how it grows from the shortest to the longest."""
    peaks_mib = []
    for film in films:
        film_s, ran = duration_s(film), run_predict(checkpoint, [film])
        peaks_mib.append(ran.peak_mib)
        name = f"omsn predict, a film of {film_s / 60:.1f} min"
        yield Row(f"{name}: peak memory", ran.peak_mib, "MiB", GOAL_MEMORY_MIB)
        yield Row(f"{name}: speed", film_s / ran.wall_s, "x", GOAL_SPEED)
        yield Row(f"{name}: by processor time", film_s / ran.processor_s, "x", GOAL_SPEED / CORES)
    yield Row("peak memory, longest film to shortest", peaks_mib[-1] / peaks_mib[0], "times", GOAL_GROWTH)


def run_predict(checkpoint: Path, files: Sequence[Path], *options: str) -> Ran:
    """Run the command to its end.

    Raises:
        subprocess.CalledProcessError: it did not answer all files.
    """
    command = [sys.executable, "-m", "omsn", "predict", *map(str, files), "--checkpoint", str(checkpoint), "--json"]
    started = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    wall_s, processor_s = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    return Ran(wall_s, processor_s, usage.ru_maxrss / 1024)  # Linux counts memory in KiB


def repeat_film(clip: Path, film: Path, length_s: float) -> Path:
    """A film of about ``length_s`` made of a clip's packets, again and again, as they are."""
    period_s, n_turns, turn = 0.0, 1, 0
    with av.open(str(clip)) as reader, av.open(str(film), "w") as writer:
        tracks = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
        while turn < n_turns:
            first_s, last_s = np.inf, -np.inf
            for packet in reader.demux():
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue
                first_s = min(first_s, float(packet.dts * packet.time_base))
                last_s = max(last_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                shift = round(turn * period_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = tracks[packet.stream.index]
                writer.mux(packet)
            if turn == 0:
                period_s = last_s - first_s
                n_turns = max(round(length_s / period_s), 1)
            turn += 1
            reader.seek(0)
    return film


def duration_s(path: Path) -> float:
    """Length of a film whose file tells it."""
    return float(probe(path).duration_s or np.nan)


def seconds(job: Callable[[], object]) -> float:
    """How long a job takes."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
