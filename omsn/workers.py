"""Tasks on several processes or machines through joblib; a task that kills its process costs only itself."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from itertools import islice
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config

from omsn.errors import InputError

CLUSTERS = ("dask", "ray")
BACKENDS = ("loky", "threading", *CLUSTERS)
"""joblib's own, and the clusters that it can hand tasks to; its "multiprocessing" hangs where a process is killed."""

SLICE = 8
"""Tasks a worker between two reports, where a backend cannot report each as it ends."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, jobs: int = 1, backend: str | None = None
) -> Iterator[tuple[int, Result | None]]:
    """Number and result of each task, as they end; None for a task that killed its process.

    Where a process is killed, nobody can say by which of the tasks that were in hand. Each of them runs again with no
    other beside it, and then the rest goes on. On Dask, joblib waits without end for a task that keeps killing its
    workers (the scheduler logs it), and the run must be stopped by hand.

    Args:
        function: is pickled, as the tasks and results are; what it raises ends everything.
        tasks: in the order in which they start.
        jobs: processes side by side; a Dask cluster uses all of its own.
        backend: a name in ``BACKENDS``; None takes processes of this machine, or just this one for one job.

    Raises:
        InputError: the backend is unknown, not installed, or its cluster cannot be reached.
    """
    if in_this_process(jobs, backend):
        yield from ((number, function(task)) for number, task in enumerate(tasks))
        return
    left = dict(enumerate(tasks))
    while left:
        handed_out: list[int] = []
        try:
            for number, result in _as_they_end(function, list(left.items()), handed_out, jobs, backend):
                del left[number]
                yield number, result
        except BrokenExecutor:
            for number in [number for number in handed_out if number in left]:
                yield number, _alone(function, left.pop(number), jobs, backend)


def in_this_process(jobs: int, backend: str | None) -> bool:
    """True where tasks run one after the other in the process that asks for them."""
    return jobs == 1 and backend is None


def on_this_machine(backend: str | None) -> bool:
    """True where the workers see the disk that this process sees."""
    return backend not in CLUSTERS


def check_backend(name: str) -> str:
    """The name, where it is that of a backend.

    Raises:
        InputError: it is not.
    """
    if name not in BACKENDS:
        raise InputError(f"unknown backend {name!r}; expected one of {', '.join(BACKENDS)}")
    return name


def _as_they_end(
    function: Callable[[Task], Result],
    tasks: Sequence[tuple[int, Task]],
    handed_out: list[int],
    jobs: int,
    backend: str | None,
) -> Iterator[tuple[int, Result]]:
    """Numbers and results, once; ``handed_out`` is given the numbers of the tasks that have started or may have."""

    def calls() -> Iterator[Any]:
        for number, task in tasks:
            handed_out.append(number)
            yield delayed(_numbered)(function, number, task)

    try:
        reporting = _parallel(jobs, backend, "generator_unordered")
    except ValueError:  # ray gives results only when all have ended
        with _parallel(jobs, backend, "list") as parallel:
            source = calls()
            while some := list(islice(source, SLICE * max(1, parallel.n_jobs))):
                yield from parallel(some)
    else:
        yield from reporting(calls())


def _numbered(function: Callable[[Task], Result], number: int, task: Task) -> tuple[int, Result]:
    return number, function(task)


def _alone(function: Callable[[Task], Result], task: Task, jobs: int, backend: str | None) -> Result | None:
    try:
        results: list[Result] = _parallel(jobs, backend, "list")([delayed(function)(task)])
    except BrokenExecutor:
        return None
    return results[0]


def _parallel(jobs: int, backend: str | None, return_as: str) -> Parallel:
    with parallel_config(check_backend(backend or "loky"), n_jobs=jobs, **_options(backend or "loky")):
        return Parallel(return_as=return_as)


def _options(backend: str) -> dict[str, Any]:
    """What joblib must be told of a backend, which is made known to it where it is not yet."""
    if backend == "loky":
        # It puts another process in the place of one that has grown or waited for long; no task is lost.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        return {"inner_max_num_threads": 1}
    if backend == "dask":
        return {"client": _dask_client()}
    if backend == "ray":
        _import("ray.util.joblib", backend).register_ray()
    return {}


def _dask_client() -> Any:
    """This process's client of a Dask cluster, or a new one of the cluster that Dask's settings name."""
    distributed = _import("distributed", "dask")
    address = _import("dask", "dask").config.get("scheduler-address", None)
    try:
        return distributed.get_client(address)
    except (OSError, ValueError) as error:
        raise InputError(
            f"backend dask: no cluster at {address or 'any address'} ({error}); start dask scheduler and dask worker, "
            "and set DASK_SCHEDULER_ADDRESS to the scheduler's address, such as tcp://127.0.0.1:8786"
        ) from error


def _import(module: str, backend: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = "ray" if backend == "ray" else "distributed"
        raise InputError(f"backend {backend}: {error}; install it with: pip install {package}") from error
