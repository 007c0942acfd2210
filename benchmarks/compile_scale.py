"""What compiling costs as the edges grow: processor time by edges, memory by pair of a dense block.

    python benchmarks/compile_scale.py [--edges 10000 ... ] [--rounds 7] [--block 20000 2500]

Drawn graphs of six layers with eight edges per node ("growing", names and all) or of 24,000 nodes
("fixed"). Sizes take turns, one thread; `x` is the median over that of half the edges. Names are
one object each, as readers of files make them. The block is compiled in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

import edge2torch as e2t
from edge2torch.priors import dense_block

LAYERS = 6


def drawn(n_edges: int, n_nodes: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    width = n_nodes // LAYERS
    layer, first, second = (
        rng.integers(0, size, int(1.2 * n_edges)) for size in (LAYERS - 1, width, width)
    )
    keys = np.unique((layer * width + first) * n_nodes + (layer + 1) * width + second)
    keys = rng.permutation(keys)[:n_edges]
    names = np.array([f"node_{k:07d}" for k in range(n_nodes)], object)
    return pd.DataFrame({"source": names[keys // n_nodes], "target": names[keys % n_nodes]})


def compile_time(table: pd.DataFrame) -> float:
    gc.collect()
    start = time.process_time()
    e2t.compile_graph(table, quiet=True, unused="keep", seed=0)
    return time.process_time() - start


def block_memory(n_first: int, n_second: int) -> dict[str, float]:
    """Bytes by pair: of the table, of what is held after compiling it, and of the peak."""
    first, second = [f"gene{k}" for k in range(n_first)], [f"set{k}" for k in range(n_second)]
    e2t.compile_graph(dense_block(first[:9], second[:9]), quiet=True)
    tracemalloc.start()
    block = dense_block(first, second)
    table = tracemalloc.get_traced_memory()[0]
    made = e2t.compile_graph(block, quiet=True)
    held, peak = tracemalloc.get_traced_memory()
    weights = sum(one.numel() * one.element_size() for one in made[0].parameters())
    parts = {"table": table, "held": held, "peak": peak, "weights": weights}
    rss = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {name: value / len(block) for name, value in (parts | {"peak RSS": rss}).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edges", type=int, nargs="+", default=[10_000 * 2**k for k in range(9)])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--block", type=int, nargs=2, default=[2000, 250])
    args = parser.parse_args()
    import warnings

    warnings.simplefilter("ignore")  # drawn graphs have nodes that reach no output
    kinds = {"growing": lambda n: n // 8, "fixed": lambda n: 24_000}
    tables = {(kind, n): drawn(n, of(n)) for kind, of in kinds.items() for n in args.edges}
    compile_time(tables["growing", args.edges[0]])
    times: dict[tuple[str, int], list[float]] = {key: [] for key in tables}
    for _ in range(args.rounds):
        for key, table in tables.items():
            times[key].append(compile_time(table))
    print("nodes    edges    ns per edge    x")
    before = dict.fromkeys(kinds, np.nan)
    for (kind, n), own in times.items():
        median = float(np.median(own))
        edges = len(tables[kind, n])
        print(f"{kind:8} {edges:9,} {1e9 * median / edges:7.0f}  {median / before[kind]:.2f}")
        before[kind] = median
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(block_memory, *args.block).result()
    print("bytes per pair:", {name: round(value, 1) for name, value in found.items()})


if __name__ == "__main__":
    main()
