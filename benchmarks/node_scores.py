"""All-node conductance in one call, beside a call of Captum's LayerConductance per layer.

    python benchmarks/node_scores.py [--rounds 5] [--threads 1] [--rows 32] [--steps 50]

Both explain the same samples of the same model in turns, and have to agree. Captum runs as it does
by itself, and once more in parts of as many rows as ours takes at once. Memory is what a process
peaked at beyond what it held before; each contender has a process of its own for it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import captum.attr
import numpy as np
import pandas as pd
import torch
from torch import Tensor

import edge2torch as e2t
from edge2torch.simulate import layered_graph

NETWORKS = {
    "6 layers": ([6000, 3000, 1500, 800, 400, 100, 5], [20_000, 14_000, 8_000, 6_000, 3_000, 400]),
    "20 layers": ([1000] * 20 + [5], [3_000] * 19 + [1_500]),
}
PART = 512  # rows at once of the third contender
Scores = dict[str, np.ndarray]


class Problem:
    """A network with tanh at its nodes, and samples."""

    def __init__(self, network: str, rows: int, steps: int) -> None:
        sizes, hops = NETWORKS[network]
        torch.manual_seed(0)
        self.edges = layered_graph(sizes, hops, seed=0)
        model, self.artifact = e2t.compile_graph(self.edges, quiet=True)
        self.model = e2t.customize_model(model, node_activation="tanh").eval()
        values = np.random.default_rng(0).normal(size=(rows, sizes[0])).astype(np.float32)
        self.data = pd.DataFrame(values, columns=self.artifact.feature_names)
        self.steps = steps

    def ours(self) -> Scores:
        tables = e2t.interpret_model(
            self.model,
            self.artifact,
            self.data,
            target="nodes",
            output=0,
            attribute_kwargs={"n_steps": self.steps},
            quiet=True,
        )
        return {site: table.to_numpy() for site, table in tables.items()}

    def captum(self, **options: int) -> Scores:
        x = e2t.align_features_to_input_nodes(self.data, self.artifact)
        found: dict[str, Tensor] = {}
        for site, block in self.model.base_model.sites().items():
            engine = captum.attr.LayerConductance(self.model, block)
            found[site] = engine.attribute(x, target=0, n_steps=self.steps, **options)
        return {site: scores.detach().numpy() for site, scores in found.items()}

    def contenders(self) -> dict[str, Callable[[], Scores]]:
        return {
            "ours": self.ours,
            "captum": self.captum,
            "captum in parts": lambda: self.captum(internal_batch_size=PART),
        }


def peak_megabytes(network: str, contender: str, options: argparse.Namespace) -> float:
    """Run one contender in a process of its own."""
    command = [sys.executable, __file__, "--only", network, contender]
    command += [f"--{name}={getattr(options, name)}" for name in ("threads", "rows", "steps")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)


def weigh(network: str, contender: str, rows: int, steps: int) -> float:
    warm = Problem(network, 2, 2)
    warm.contenders()[contender]()
    problem = Problem(network, rows, steps)
    run = problem.contenders()[contender]
    before = _held("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    run()
    return _held("VmHWM") - before


def _held(what: str) -> float:
    """Megabytes that this process holds, or held at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(what))


def race(network: str, options: argparse.Namespace) -> None:
    problem = Problem(network, options.rows, options.steps)
    contenders = problem.contenders()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    found = {name: run() for name, run in contenders.items()}  # and warms up
    for _ in range(options.rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    seconds = {name: statistics.median(taken) for name, taken in times.items()}
    for name in contenders:
        apart = max(
            np.abs(found[name][site] - scores).max() / np.abs(scores).max()
            for site, scores in found["captum"].items()
        )
        memory = peak_megabytes(network, name, options) if options.memory else float("nan")
        print(
            f"| {network}, {len(problem.edges):,} edges | {name} | {seconds[name]:.3f} | "
            f"{seconds[name] / seconds['ours']:.1f} | {memory:.0f} | {apart:.1e} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.only:
        print(weigh(*options.only, options.rows, options.steps))
        return
    print("| network | contender | seconds | times ours | peak MB | apart |")
    print("|---|---|---|---|---|---|")
    for network in options.networks:
        race(network, options)


if __name__ == "__main__":
    main()
