"""Shares of a batch on several threads: they compute outside Python."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import torch

from edge2torch._core.messages import CALLED, say_if_slow

_AT_ONCE = 8  # threads are there from the first call on, or as many as cores
_WORTH_A_THREAD = 400_000  # edges times samples: less is done before another thread has begun


def count_threads(blocks: int, work: int) -> int:
    """Return how many threads to take for blocks of so many edges times samples each."""
    if blocks == 1:
        return 1
    return max(1, min(torch.get_num_threads(), blocks, blocks * work // _WORTH_A_THREAD))


def shares(blocks: int, threads: int) -> list[tuple[int, int]]:
    """Return each thread's first block, and the one after its last."""
    if threads == 1:
        return [(0, blocks)]
    return list(pairwise(k * blocks // threads for k in range(threads + 1)))


class _Job:
    """A share of a call: whoever comes first does it, a thread that waits for work or the caller."""

    def __init__(self, walk: Callable[..., None], call: tuple[Any, ...]) -> None:
        self._walk, self._call = walk, call
        # one that its owner may take again: who was interrupted right after it took it
        self._claim, self._end = threading.RLock(), threading.Lock()
        self._end.acquire()  # until it is done
        self.is_done = False
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it, unless another has begun."""
        if self.is_done or not self._claim.acquire(blocking=False):
            return
        try:
            self._walk(*self._call)
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            self.error = error
        self.is_done = True
        self._end.release()

    def wait(self) -> None:
        """Return once it is done."""
        if not self.is_done:
            self._end.acquire()


class _Pool:
    """Threads that wait for work; a forked process begins with its own."""

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0
        self._jobs: SimpleQueue[_Job] = SimpleQueue()

    def offer(self, jobs: Sequence[_Job]) -> None:
        """Let threads take jobs, if there are any threads by then."""
        if self._count < len(jobs):
            self._start(len(jobs))
        if self._count:  # else nobody would ever take them out
            for job in jobs:
                self._jobs.put(job)

    def _start(self, count: int) -> None:
        with self._lock:
            # as many as there are cores at once: others may call, too
            while self._count < max(count, min(os.cpu_count() or 1, _AT_ONCE)):
                name = f"edge2torch_{self._count}"
                thread = threading.Thread(target=_work, args=(self._jobs,), name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no more threads, or the interpreter ends: the caller does it
                    return
                self._count += 1


def _work(jobs: SimpleQueue[_Job]) -> None:
    while True:
        jobs.get().run()


_POOL = _Pool()
if hasattr(os, "register_at_fork"):  # the threads, and whoever held the lock, stay with the parent
    os.register_at_fork(after_in_child=_POOL.__init__)  # type: ignore[misc]


# What a line on a slow first call calls each function; the others are passes.
_SAID = {
    "settle": "The search for steady states",
    "invert": "The way back from steady states",
    "conduct": "The conductance",
}


def share_out(walk: Callable[..., None], calls: Sequence[tuple[Any, ...]]) -> None:
    """Call a compiled function with each of several arguments, at the same time.

    The first call of a type compiles, or reads what an earlier process compiled: it goes alone.
    """
    like = calls[0][0]
    kind = walk, like.dtype, like.ndim
    if kind not in CALLED:
        said = _SAID.get(walk.__name__, f"The {walk.__name__} pass")
        name = f"{said} of graphs in one pass ({kind[1]}, {32 * kind[2]} samples at once)"
        say_if_slow(kind, lambda: walk(*calls[0]), name)
        for call in calls[1:]:
            walk(*call)
        return
    if len(calls) == 1:
        walk(*calls[0])
        return
    jobs = [_Job(walk, call) for call in calls[1:]]
    try:
        _POOL.offer(jobs)
        walk(*calls[0])
    finally:
        _finish(jobs)
    for job in jobs:
        if job.error is not None:
            raise job.error


def _finish(jobs: Sequence[_Job]) -> None:
    """Do what no thread has begun, on a busy machine, and wait for the rest, whatever happens.

    Who was interrupted (Ctrl-C) gives back the memory that they write into.
    """
    interrupt: BaseException | None = None
    while True:
        try:
            for job in jobs:
                job.run()
            for job in jobs:
                job.wait()
            break
        except BaseException as error:  # noqa: BLE001 - raised below
            interrupt = error
    if interrupt is not None:
        raise interrupt
