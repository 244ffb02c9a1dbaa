"""Every way to run tasks gives the results of running them in turn, also where a process is killed."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from joblib.parallel import BACKENDS

from omsn.errors import InputError
from omsn.workers import SLICE, check_backend, run_tasks

DEADLY, WRONG = 7, 13


def square(number: int) -> int:
    return number * number


def write(path: Path) -> str:
    path.touch()
    return path.name


def square_or_die(number: int) -> int:
    if number == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def square_or_refuse(number: int) -> int:
    if number == WRONG:
        raise InputError("thirteen")
    return number * number


def test_no_tasks_give_no_results() -> None:
    assert list(run_tasks(square, [])) == list(run_tasks(square, [], jobs=2)) == []


def test_one_job_runs_in_this_process_and_in_turn() -> None:
    assert list(run_tasks(lambda _: os.getpid(), [1, 2])) == [(0, os.getpid()), (1, os.getpid())]


@pytest.mark.parametrize("backend", [None, "loky", "threading"])
def test_results_are_those_of_one_process(backend: str | None) -> None:
    tasks = list(range(40))
    assert dict(run_tasks(square, tasks, jobs=2, backend=backend)) == {task: task * task for task in tasks}


def test_a_backend_that_reports_only_at_the_end_is_given_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's backend is made of joblib's multiprocessing backend, and has this from it."""
    ray = ModuleType("ray.util.joblib")
    monkeypatch.setattr(ray, "register_ray", lambda: None, raising=False)
    monkeypatch.setitem(sys.modules, ray.__name__, ray)
    monkeypatch.setitem(BACKENDS, "ray", BACKENDS["multiprocessing"])
    paths = [tmp_path / str(number) for number in range(100)]
    ended = run_tasks(write, paths, jobs=2, backend="ray")
    assert next(ended) == (0, "0")
    assert len(list(tmp_path.iterdir())) == 2 * SLICE
    assert dict(ended) == {number: str(number) for number in range(1, 100)}


def test_a_task_that_kills_its_process_costs_only_itself() -> None:
    ended = list(run_tasks(square_or_die, [*range(20), DEADLY, 30], jobs=2))
    assert len(ended) == 22
    expected = {number: number * number if number != DEADLY else None for number in range(20)}
    assert dict(ended) == expected | {20: None, 21: 900}


@pytest.mark.parametrize(("jobs", "backend"), [(1, None), (2, None), (2, "threading")])
def test_what_a_task_raises_ends_everything(jobs: int, backend: str | None) -> None:
    with pytest.raises(InputError, match="thirteen"):
        list(run_tasks(square_or_refuse, list(range(20)), jobs=jobs, backend=backend))


def test_an_unknown_backend_is_refused() -> None:
    assert check_backend("dask") == "dask"
    with pytest.raises(InputError, match=r"unknown backend 'spark'; expected one of loky, .*dask, ray"):
        list(run_tasks(square, [1], backend="spark"))


@pytest.mark.parametrize(
    ("backend", "module", "package"), [("dask", "distributed", "distributed"), ("ray", "ray.util.joblib", "ray")]
)
def test_a_backend_that_is_not_installed_is_told(
    backend: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"backend {backend}: .*install it with: pip install {package}"):
        list(run_tasks(square, [1], backend=backend))


def test_dask_without_a_cluster_is_told() -> None:
    with pytest.raises(InputError, match=r"backend dask: no cluster at any address .*DASK_SCHEDULER_ADDRESS"):
        list(run_tasks(square, [1], backend="dask"))


def test_a_worker_that_was_replaced_is_nothing_to_warn_of(recwarn: pytest.WarningsRecorder) -> None:
    list(run_tasks(square, [1, 2], jobs=2))
    warnings.warn("A worker stopped while some jobs were given to the executor.", UserWarning, stacklevel=1)
    assert not recwarn.list
