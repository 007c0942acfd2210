"""One pass beside layer by layer, and beside an older checkout: turns in alternation.

    PYTHONPATH=. python benchmarks/whole_graph.py --case f e d1 g b a --data folder [--before checkout]
        [--batch 64 --threads 1 --replicates 100 --norm]

Every contender has a process of its own and is asked for a turn of steps when it is its turn. A step
is forward and backward of a mean square, without and with fused Adam; "straight" is one pass within
``gradients_to_parameters``. With one thread the time is the
processor's, for others use the machine too; with more it is the clock's. ``--replicates`` times a
stack of so many networks in place of one; ``--norm`` puts tanh and batch normalisation at hidden nodes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

ROUNDS, SECONDS = 9, 0.1


def work(edges: str, engine: str, batch: int, threads: int, replicates: int, norm: bool) -> None:
    """Answer each line of the input with the milliseconds of a step."""
    import torch

    import edge2torch as e2t

    torch.set_num_threads(threads)
    options = {"engine": engine.removesuffix("-straight")} if engine else {}
    way: Any = contextlib.nullcontext
    if engine.endswith("-straight"):
        from edge2torch.nn import gradients_to_parameters as way
    table = pd.read_csv(edges, dtype=str)

    def start() -> tuple[Any, Any]:
        model, artifact = e2t.compile_graph(table, quiet=True, **options)
        if norm:
            model = e2t.customize_model(
                model, node_activation="tanh", node_normalization="batch", artifact=artifact
            )
        return model, artifact

    model, artifact = start()
    if replicates:
        from edge2torch.interpret import stack_replicates

        model = stack_replicates(start, replicates)
    x = torch.randn(batch, len(artifact.feature_names))
    adam = torch.optim.Adam(model.parameters(), fused=True)
    parameters = list(model.parameters())
    clock = time.process_time if threads == 1 else time.perf_counter

    def turn(with_adam: bool) -> float:
        begin, count = clock(), 0
        while clock() - begin < SECONDS:
            for one in parameters:  # not by zero_grad, which looks for them in every module
                one.grad = None
            with way():
                y = model(x)
            y.square().mean().backward()
            if with_adam:
                adam.step()
            count += 1
        return 1e3 * (clock() - begin) / count

    turn(True)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps([turn(False), turn(True)]), flush=True)


class Contender:
    """A process that takes its turns when asked."""

    def __init__(self, checkout: Path, edges: str, engine: str, args: argparse.Namespace) -> None:
        call = ["--worker", edges, "--engine", engine, "--batch", str(args.batch)]
        call += ["--threads", str(args.threads), "--replicates", str(args.replicates)]
        call += ["--norm"] if args.norm else []
        threads = str(args.threads)
        self.process = subprocess.Popen(  # noqa: S603 - this file itself
            [sys.executable, __file__, *call],
            env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": threads},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.answer()

    def answer(self) -> str:
        assert self.process.stdout is not None  # noqa: S101 - asked for above
        return self.process.stdout.readline()

    def turn(self) -> list[float]:
        assert self.process.stdin is not None  # noqa: S101 - asked for above
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return list(json.loads(self.answer()))


def compare(edges: pd.DataFrame, args: argparse.Namespace) -> list[str]:
    """Return a table's rows: who, milliseconds of both kinds of step, how many times one pass."""
    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "edges.csv")
        edges.to_csv(path, index=False)
        contenders = {
            "one pass": Contender(here, path, "graph", args),
            "straight": Contender(here, path, "graph-straight", args),
            "layer by layer": Contender(here, path, "layers", args),
            "auto": Contender(here, path, "auto", args),
        }
        if args.before:
            contenders["before"] = Contender(args.before.resolve(), path, "", args)
        turns, order = [], list(contenders)
        for _ in range(ROUNDS):
            turns.append({name: contenders[name].turn() for name in order})
            order.append(order.pop(0))  # who comes after whom matters on a busy machine
        for one in contenders.values():
            one.process.kill()
    rows = []
    for name in contenders:
        cells = []
        for kind in range(2):
            middle = statistics.median(turn[name][kind] for turn in turns)
            ratio = statistics.median(turn[name][kind] / turn["one pass"][kind] for turn in turns)
            cells.append(f"{middle:.3g} ({ratio:.2f})")
        rows.append(f"{name} | {cells[0]} | {cells[1]}")
    return rows


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--case", nargs="+", default=["e"])
    ask.add_argument("--data", type=Path)
    ask.add_argument("--before", type=Path, help="a checkout to hold this one against")
    ask.add_argument("--batch", type=int, default=64)
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--replicates", type=int, default=0)
    ask.add_argument("--norm", action="store_true")
    ask.add_argument("--worker", help=argparse.SUPPRESS)
    ask.add_argument("--engine", default="", help=argparse.SUPPRESS)
    args = ask.parse_args()
    if args.worker:
        work(args.worker, args.engine, args.batch, args.threads, args.replicates, args.norm)
        return
    from benchmarks.cases import CASES

    print(
        "| case | batch | threads | who | forward, backward | with Adam |\n|---|--:|--:|---|--:|--:|"
    )
    for name in args.case:
        for row in compare(CASES[name].draw(args.data), args):
            print(f"| {name} | {args.batch} | {args.threads} | {row} |", flush=True)


if __name__ == "__main__":
    main()
