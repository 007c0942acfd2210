"""Work shared out: the same as in turn, and what was done is not lost."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from edge2torch._core.executor import map_on_executor
from edge2torch.errors import Edge2TorchError, MissingDependencyError

pytest.importorskip("loky", reason="needs loky: edge2torch[processes]")
ITEMS = {name: (k,) for k, name in enumerate("abcd")}


@pytest.mark.parametrize("executor", [None, 2, "threads"])
def test_every_item_once(executor):
    factor = 3

    def times(value):  # a function that no process can import
        return factor * value

    expected = {name: 3 * value for name, (value,) in ITEMS.items()}
    if executor == "threads":
        with ThreadPoolExecutor(2) as pool:
            assert dict(map_on_executor(pool, times, ITEMS)) == expected
    else:
        assert dict(map_on_executor(executor, times, ITEMS)) == expected


def test_workers_have_one_thread():
    def threads():
        import torch

        return torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]

    assert dict(map_on_executor(2, threads, {0: ()})) == {0: (1, "1")}


def openmp_threads():
    """How many cores the next product of this thread may use."""
    return {
        pool["num_threads"]
        for pool in threadpool_info()
        if pool["user_api"] == "openmp" and "torch" in Path(pool["filepath"]).parts
    }


def test_threads_compute_on_as_many_cores_as_who_sends_them():
    with ThreadPoolExecutor(1) as pool:
        (of_a_new_one,) = pool.submit(openmp_threads).result() or pytest.skip(
            "torch without OpenMP"
        )
    before = torch.get_num_threads()
    torch.set_num_threads(of_a_new_one + 1)
    try:
        with ThreadPoolExecutor(1) as pool:
            found = dict(map_on_executor(pool, openmp_threads, {0: ()}))
    finally:
        torch.set_num_threads(before)
    assert found == {0: {of_a_new_one + 1}}


class AtOnce(Executor):
    """All is done before anybody asks, the failure too."""

    def submit(self, fn, /, *arguments):
        future = Future()
        try:
            future.set_result(fn(*arguments))
        except ZeroDivisionError as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize("executor", [1, AtOnce()], ids=["process", "at once"])
def test_what_was_done_is_yielded_before_an_error(executor):
    def work(value):
        return 3 // (3 - value)

    found = []
    with pytest.raises(ZeroDivisionError):
        found.extend(map_on_executor(executor, work, {k: (k,) for k in range(4)}))
    assert sorted(found) == [(0, 1), (1, 1), (2, 3)]


def test_what_cannot_be_sent():
    lock = threading.Lock()
    with pytest.raises(Edge2TorchError, match=r"cannot be sent.*lock"):
        list(map_on_executor(2, lambda: lock, {0: ()}))


@pytest.mark.parametrize("executor", [0, -2, True, "four", 1.5])
def test_what_is_no_executor(executor):
    with pytest.raises(Edge2TorchError, match="executor"):
        list(map_on_executor(executor, abs, ITEMS))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "loky", None)
    with pytest.raises(MissingDependencyError, match=r"pip install \"edge2torch\[processes\]\""):
        list(map_on_executor(2, abs, ITEMS))


def test_a_killed_worker_is_one_clear_error():
    def dies():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Edge2TorchError, match=r"a worker process has ended.*fewer workers"):
        list(map_on_executor(2, dies, {0: ()}))
    assert dict(map_on_executor(2, abs, {0: (-1,)})) == {0: 1}  # the next call has new workers


def test_a_worker_that_is_replaced_loses_nothing():
    """loky ends a worker whose memory grew, and warns of it in a thread that nobody watches."""
    pytest.importorskip("psutil", reason="loky needs psutil to see how memory grows")

    def grows(value):
        if value == 1:  # the growth is counted from the first call on, and looked at every second
            sys.kept = np.ones(50_000_000)  # 400 MB
            time.sleep(1.1)
        return value, os.getpid()

    found = dict(map_on_executor(1, grows, {k: (k,) for k in range(6)}))
    assert [found[k][0] for k in range(6)] == list(range(6))
    assert found[5][1] != found[1][1]


SCRIPT = """
from edge2torch._core.executor import map_on_executor
print("begins")
def own(value):
    return value + 1
print(sorted(map_on_executor(1, own, {0: (1,), 1: (2,)})))
"""


def test_a_script_without_a_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, str(script)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert said.stdout.split("\n")[:2] == ["begins", "[(0, 2), (1, 3)]"]


def _as_loky_warns(x: int) -> int:
    warnings.warn("A worker stopped while some jobs were given to the executor.", stacklevel=1)
    return x


def test_a_worker_that_ends_is_no_error_where_warnings_are() -> None:
    """As an error it would end the thread that brings results, and they would never come."""
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as pool:
        warnings.simplefilter("error")
        assert dict(map_on_executor(pool, _as_loky_warns, {"a": (1,)})) == {"a": 1}
        with pytest.raises(UserWarning, match="A worker stopped"):
            _as_loky_warns(1)
