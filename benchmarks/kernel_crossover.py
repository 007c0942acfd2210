"""Where does a dense block beat a sparse one? Measures both and fits the cost model.

Run: python benchmarks/kernel_crossover.py [--threads 2]

Prints, for a grid of sizes, densities and batches, the time of one forward and backward pass of
each kernel, then the coefficients for edge2torch/nn/_kernels/_cost.py (non-negative least squares
on relative errors) and how often the fitted rule picks the slower kernel, and by how much.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import nnls

from edge2torch.nn import KernelChoice, MaskedLinear

SHAPES = [(50, 20), (200, 50), (500, 200), (1000, 500), (2000, 1000), (8000, 500), (500, 8000)]
DENSITIES = [0.003, 0.01, 0.03, 0.1, 0.3, 0.6]
BATCHES = [16, 64, 256, 1024]


def layer(n_in: int, n_out: int, density: float, dense_from: float) -> MaskedLinear:
    rng = np.random.default_rng(0)
    n_edges = max(1, round(density * n_in * n_out))
    slots = np.sort(rng.choice(n_in * n_out, n_edges, replace=False))
    made = MaskedLinear(
        slots // n_in, slots % n_in, (n_out, n_in), choice=KernelChoice(dense_from, "measured")
    )
    made.set_weights(torch.randn(n_edges))
    return made


def step(model: MaskedLinear, x: torch.Tensor, g: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        model.zero_grad()
        x.grad = None
        model(x).backward(g)

    return run


def seconds(runs: list[Callable[[], None]], repeats: int = 7) -> list[float]:
    taken: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _, (own, run) in itertools.product(range(repeats), zip(taken, runs, strict=True)):
        start = time.perf_counter()
        run()
        own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in taken]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    rows = []
    print(f"{'in':>6}{'out':>6}{'density':>9}{'batch':>7}{'sparse ms':>11}{'dense ms':>10}")
    for (n_in, n_out), density, batch in itertools.product(SHAPES, DENSITIES, BATCHES):
        # feature-major, as inside a model
        x = torch.randn(n_in, batch).t().requires_grad_()
        g = torch.randn(n_out, batch).t()
        kernels = [layer(n_in, n_out, density, dense_from) for dense_from in (math.inf, 0)]
        sparse, dense = seconds([step(kernel, x, g) for kernel in kernels])
        rows.append((n_in, n_out, kernels[0].n_edges, batch, sparse, dense))
        print(f"{n_in:6}{n_out:6}{density:9.3f}{batch:7}{sparse * 1e3:11.3f}{dense * 1e3:10.3f}")
    report(np.array(rows))


def report(rows: np.ndarray) -> None:
    n_in, n_out, edges, batch, sparse, dense = rows.T
    one, nodes, cells = np.ones(len(rows)), (n_in + n_out) * batch, n_in * n_out
    sparse_terms = np.stack([one, edges, edges * batch, nodes], 1)
    dense_terms = np.stack([one, cells, cells * batch, nodes, edges], 1)
    fits = {}
    for name, terms, taken in (("sparse", sparse_terms, sparse), ("dense", dense_terms, dense)):
        fits[name], _ = nnls(terms / taken[:, None], one)
        error = terms @ fits[name] / taken
        print(name, "ns:", np.round(fits[name] * 1e9, 4), "model / measured:", end=" ")
        print(np.round(np.quantile(error, [0.05, 0.5, 0.95]), 2))
    picks_dense = dense_terms @ fits["dense"] < sparse_terms @ fits["sparse"]
    taken = np.where(picks_dense, dense, sparse)
    loss = taken / np.minimum(dense, sparse)
    print(f"slower kernel picked in {np.mean(loss > 1.05):.0%} of cases,", end=" ")
    print(f"worst {loss.max():.2f} x, mean {loss.mean():.3f} x the better one")


if __name__ == "__main__":
    main()
