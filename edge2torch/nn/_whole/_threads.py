"""Shares of a batch on several threads: they compute outside Python."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

import torch

from edge2torch._core.messages import CALLED, say_if_slow

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


class _Pool:
    """Threads that wait for work; a forked process begins with its own."""

    def __init__(self) -> None:
        self._lock, self._owner = threading.Lock(), 0
        self._executor: ThreadPoolExecutor | None = None

    def executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None or self._owner != os.getpid():
                self._executor = ThreadPoolExecutor(thread_name_prefix="edge2torch")
                self._owner = os.getpid()
            return self._executor


_POOL = _Pool()


def share_out(walk: Callable[..., None], calls: Sequence[tuple[Any, ...]]) -> None:
    """Call a compiled function with each of several arguments, at the same time.

    The first call of a type compiles, or reads what an earlier process compiled: it goes alone.
    """
    kind = walk, calls[0][0].dtype
    if kind not in CALLED:
        name = f"The {walk.__name__} pass in {kind[1]} of graphs in one pass"
        say_if_slow(kind, lambda: walk(*calls[0]), name)
        for call in calls[1:]:
            walk(*call)
        return
    if len(calls) == 1:
        walk(*calls[0])
        return
    others: list[Future[None]] = []
    try:
        others.extend(_submit(walk, call) for call in calls[1:])
        walk(*calls[0])
    finally:
        _wait(others)
    for other in others:
        other.result()


def _submit(walk: Callable[..., None], call: tuple[Any, ...]) -> Future[None]:
    try:
        return _POOL.executor().submit(walk, *call)
    except RuntimeError:  # the interpreter is about to end, and starts no threads: do it here
        done: Future[None] = Future()
        walk(*call)
        done.set_result(None)
        return done


def _wait(others: Sequence[Future[None]]) -> None:
    """Wait whatever happens: who was interrupted (Ctrl-C) gives back the memory that they write into."""
    interrupt: BaseException | None = None
    while not all(one.done() for one in others):
        try:
            wait(others)
        except BaseException as error:  # noqa: BLE001, PERF203 - raised below
            interrupt = error
    if interrupt is not None:
        raise interrupt
