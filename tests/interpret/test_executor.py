"""Work shared out: the same as in turn, and what was done is not lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge2torch import Edge2TorchError
from edge2torch.interpret._executor import shared_out

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
            assert dict(shared_out(pool, times, ITEMS)) == expected
    else:
        assert dict(shared_out(executor, times, ITEMS)) == expected


def test_workers_have_one_thread():
    def threads():
        import torch

        return torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]

    assert dict(shared_out(2, threads, {0: ()})) == {0: (1, "1")}


def test_what_was_done_is_yielded_before_an_error():
    def work(value):
        if value == 3:
            time.sleep(0.5)
            raise ZeroDivisionError
        return value

    found = []
    with pytest.raises(ZeroDivisionError):
        found.extend(shared_out(2, work, {k: (k,) for k in range(4)}))
    assert sorted(found) == [(k, k) for k in range(3)]


def test_what_cannot_be_sent():
    lock = threading.Lock()
    with pytest.raises(Edge2TorchError, match=r"cannot be sent.*lock"):
        list(shared_out(2, lambda: lock, {0: ()}))


@pytest.mark.parametrize("executor", [0, -2, True, "four", 1.5])
def test_what_is_no_executor(executor):
    with pytest.raises(Edge2TorchError, match="executor"):
        list(shared_out(executor, abs, ITEMS))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "loky", None)
    with pytest.raises(Edge2TorchError, match=r"pip install \"edge2torch\[processes\]\""):
        list(shared_out(2, abs, ITEMS))


def test_a_killed_worker_is_one_clear_error():
    def dies():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Edge2TorchError, match=r"a worker process has ended.*fewer workers"):
        list(shared_out(2, dies, {0: ()}))
    assert dict(shared_out(2, abs, {0: (-1,)})) == {0: 1}  # the next call has new workers


SCRIPT = """
from edge2torch.interpret._executor import shared_out
print("begins")
def own(value):
    return value + 1
print(sorted(shared_out(1, own, {0: (1,), 1: (2,)})))
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
