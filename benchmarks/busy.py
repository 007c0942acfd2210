"""How a training step fares on a machine with other work.

    PYTHONPATH=. python benchmarks/busy.py [--case f e --batch 64 --neighbours 4 --threads 1 2]

Beside busy neighbours: turns of steps while nothing else of ours runs, and turns beside
``--neighbours`` processes that do nothing but compute, in alternation. Side by side: one process
trains alone at one thread, then two train at the same time, each with the threads it is given.

The scheduler gives each of p busy processes on c cores c/p of a core, so a step of one thread
takes at least p/c times as long beside p - 1 neighbours; that is printed as ``fair``. What is
beyond it is the step's own doing: threads that wait for one another. A mean is over all steps of
a turn, a median is of single steps.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.markdown import markdown

# torch and edge2torch are imported where they are used: the neighbours, which import this file
# too, are to begin at once.

Row = dict[str, Any]


def cores() -> int:
    """Cores that this process may use."""
    known = getattr(os, "sched_getaffinity", None)
    return len(known(0)) if known else os.cpu_count() or 1


class Trainer:
    """A process that trains a network of one graph when it is told to."""

    def __init__(self, edges: pd.DataFrame, batch: int, threads: int, **options: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.ours, theirs = context.Pipe()
        self.process = context.Process(
            target=_train, args=(theirs, edges, batch, threads, options), daemon=True
        )
        self.process.start()
        self.ours.recv()  # ready

    def start(self, seconds: float) -> None:
        """Begin a turn."""
        self.ours.send(seconds)

    def result(self) -> Row:
        """Wait for the turn to end: seconds and CPU seconds per step, mean and median."""
        found: Row = self.ours.recv()
        return found

    def turn(self, seconds: float) -> Row:
        """A turn of steps."""
        self.start(seconds)
        return self.result()

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()


def _train(pipe: Connection, edges: pd.DataFrame, batch: int, threads: int, options: Row) -> None:
    import torch

    import edge2torch as e2t

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model, artifact = e2t.compile_graph(edges, quiet=True, **options)
    model = e2t.customize_model(model, node_activation="tanh")
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x = torch.randn(batch, len(artifact.feature_names))

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    for _ in range(5):
        step()
    pipe.send("ready")
    while True:
        seconds: float = pipe.recv()
        taken: list[float] = []
        cpu = time.process_time()
        begun = now = time.perf_counter()
        end = begun + seconds
        while now < end:
            step()
            before, now = now, time.perf_counter()
            taken.append(now - before)
        pipe.send(
            {
                "mean": (now - begun) / len(taken),
                "median": statistics.median(taken),
                "cpu": (time.process_time() - cpu) / len(taken),
            }
        )


def _compute(go: Event) -> None:
    """Keep one core busy as long as the event is set."""
    while True:
        go.wait()
        total = 0
        for k in range(20_000):
            total += k


@contextmanager
def neighbours(count: int) -> Iterator[Event]:
    """Start processes that compute while the event that is yielded is set."""
    context = multiprocessing.get_context("spawn")
    go = context.Event()
    others = [context.Process(target=_compute, args=(go,), daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    try:
        yield go
    finally:
        for other in others:
            other.kill()
            other.join()


def beside_neighbours(
    edges: pd.DataFrame,
    *,
    batch: int = 64,
    threads: int = 2,
    count: int = 4,
    rounds: int = 9,
    seconds: float = 0.5,
    **options: Any,
) -> Row:
    """A step quiet and beside busy processes, medians of alternating turns; options to compile."""
    quiet, busy = [], []
    with Trainer(edges, batch, threads, **options) as trainer, neighbours(count) as go:
        for _ in range(rounds):
            quiet.append(trainer.turn(seconds))
            go.set()
            time.sleep(0.05)  # until the neighbours have woken
            busy.append(trainer.turn(seconds))
            go.clear()
            time.sleep(0.05)
    alone, with_them = _medians(quiet), _medians(busy)
    return {
        "threads": threads,
        "batch": batch,
        "quiet ms": 1e3 * alone["mean"],
        f"beside {count} ms": 1e3 * with_them["mean"],
        "ratio": with_them["mean"] / alone["mean"],
        "ratio of medians": with_them["median"] / alone["median"],
        "ratio of CPU": with_them["cpu"] / alone["cpu"],
        "fair": max(1.0, (count + 1) / cores()),
    }


def side_by_side(
    edges: pd.DataFrame,
    *,
    batch: int = 64,
    threads: int = 2,
    rounds: int = 9,
    seconds: float = 0.5,
    **options: Any,
) -> Row:
    """Steps per second of two processes at once, over those of one alone at one thread."""
    single, pair = [], []
    with (
        Trainer(edges, batch, 1, **options) as alone,
        Trainer(edges, batch, threads, **options) as first,
        Trainer(edges, batch, threads, **options) as second,
    ):
        for _ in range(rounds):
            single.append(alone.turn(seconds))
            first.start(seconds)
            second.start(seconds)
            both = (first.result(), second.result())
            pair.append({key: max(one[key] for one in both) for key in both[0]})  # the slower
    before, at_once = _medians(single), _medians(pair)
    return {
        "threads": threads,
        "batch": batch,
        "alone, 1 thread, ms": 1e3 * before["mean"],
        "slower of two ms": 1e3 * at_once["mean"],
        "reaches": before["mean"] / at_once["mean"],
    }


def _medians(turns: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}


def main() -> None:
    """Print both tables."""
    import torch

    from benchmarks.cases import CASES

    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    ask.add_argument("--case", nargs="+", default=["f", "e"], choices=list(CASES))
    ask.add_argument("--batch", type=int, default=64)
    ask.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    ask.add_argument("--neighbours", type=int, default=4)
    ask.add_argument("--rounds", type=int, default=9)
    ask.add_argument("--seconds", type=float, default=0.5, help="of a turn")
    ask.add_argument("--kernel", default="auto", help="of compile_graph")
    ask.add_argument("--data", type=Path, help="folder with the real graphs; else random ones")
    told = ask.parse_args()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"torch {torch.__version__}, {cores()} cores{load}", flush=True)
    beside, pairs = [], []
    for name in told.case:
        edges = CASES[name].draw_any(told.data)
        for threads in told.threads:
            given: Row = {"batch": told.batch, "threads": threads, "kernel": told.kernel}
            given |= {"rounds": told.rounds, "seconds": told.seconds}
            beside.append({"case": name} | beside_neighbours(edges, count=told.neighbours, **given))
            pairs.append({"case": name} | side_by_side(edges, **given))
    for rows in (beside, pairs):
        print(markdown(pd.DataFrame(rows).set_index("case"), "case"), "\n", flush=True)


if __name__ == "__main__":
    main()
