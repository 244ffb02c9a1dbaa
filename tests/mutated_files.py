"""Damaged copies of media files, and a process with little memory that answers them.

    python tests/mutated_files.py CHECKPOINT FILE...

prints a line of JSON a file: its path, what came of it, and the seconds that it took. The process ends by itself,
with a trace of where it hung, when a file takes longer than ``LIMIT_S``.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LIMIT_S = 30.0
"""Time for one file."""
ROOM_BYTES = 1 << 30
"""Memory for the files on top of what the package and its libraries take."""
ENDS_BYTES = 8192
"""Half of the damage is done this near to an end of the file, where its table of contents is."""
LONGEST_RUN = 4096


@dataclass(frozen=True)
class Outcome:
    """What came of a file: "answered", the one line of an OmsnError, or the trace of any other error."""

    file: str
    outcome: str
    seconds: float


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """A damaged copy: bits flipped, a run cut out, zeroed or put in, or the end cut off."""
    kinds: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (_flip, _cut, _zero, _insert, _truncate)
    return kinds[rng.integers(len(kinds))](content, rng)


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for _ in range(int(2 ** rng.uniform(0, 7))):
        damaged[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = _run(content, rng)
    return content[:start] + content[end:]


def _zero(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = _run(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def _insert(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = _run(content, rng)
    return content[:start] + rng.bytes(end - start) + content[start:]


def _truncate(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng)]


def _run(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = _place(content, rng)
    return start, min(start + int(2 ** rng.uniform(0, np.log2(LONGEST_RUN))), len(content))


def _place(content: bytes, rng: np.random.Generator) -> int:
    if rng.random() < 0.5:
        return int(rng.integers(len(content)))
    near = int(rng.integers(min(ENDS_BYTES, len(content))))
    return near if rng.random() < 0.5 else len(content) - 1 - near


def write_mutants(source: Path, folder: Path, number: int, seed: int = 0) -> list[Path]:
    """So many damaged copies of a file; the same seed damages in the same way."""
    content, paths = source.read_bytes(), []
    for copy in range(number):
        path = folder / f"{source.stem}_{seed}_{copy}{source.suffix}"
        path.write_bytes(mutate(content, np.random.default_rng((seed, copy))))
        paths.append(path)
    return paths


def outcomes_of(checkpoint: Path, files: Sequence[Path]) -> list[Outcome]:
    """What came of each file in a process of its own; one that kills or hangs it is told by what the process left."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(files):
        rest = files[len(outcomes) :]
        command = [sys.executable, __file__, str(checkpoint), *map(str, rest)]
        ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        told = [Outcome(**json.loads(line)) for line in ran.stdout.splitlines() if line.startswith("{")]
        outcomes += told
        if len(told) < len(rest):
            fatal = f"the process ended with {ran.returncode}: {ran.stderr[-3000:]}"
            outcomes.append(Outcome(str(rest[len(told)]), fatal, float("nan")))
    return outcomes


def _answer_all(checkpoint: Path, files: Sequence[Path]) -> Iterator[Outcome]:
    import torch

    from omsn.errors import OmsnError
    from omsn.recognizer import Recognizer

    torch.set_num_threads(1)
    recognizer = Recognizer(checkpoint)
    _limit_memory()
    for file in files:
        faulthandler.dump_traceback_later(LIMIT_S, exit=True)
        started = time.perf_counter()
        try:
            recognizer.predict(file)
            outcome = "answered"
        except OmsnError as error:
            outcome = str(error)
        except Exception:
            outcome = traceback.format_exc()
        faulthandler.cancel_dump_traceback_later()
        yield Outcome(str(file), outcome, time.perf_counter() - started)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    faulthandler.enable()
    for done in _answer_all(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]):
        print(json.dumps(vars(done)), flush=True)
