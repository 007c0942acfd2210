"""A large pathway decoder on cells that stay on disk: throughput and memory, against dense masks.

    python benchmarks/vae_scale.py --cells 100000 --genes 20000 --latents 2500 --steps 20

Cells are simulated in chunks into a backed h5ad (CSR). Each contender trains for some steps in a
process of its own, from the same file and batch size: the compiled decoder, and the same decoder
with every block as a dense masked matrix. Memory is the largest resident set of the process, whole
and over what it has once its model and data are open; a second file of a quarter of the cells says
whether it grows with their number. An epoch's time is extrapolated from the median step.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def write_cells(path, n_cells, n_genes, per_cell):
    """Append chunks of a CSR matrix to a file, as AnnData lays it out."""
    import anndata
    import h5py
    import pandas as pd
    import scipy.sparse as sp
    from anndata.io import sparse_dataset

    rng = np.random.default_rng(0)

    def chunk(n):
        columns = np.sort(rng.integers(n_genes, size=(n, per_cell)), axis=1)
        values = 1 + rng.poisson(1, columns.size).astype("f4")
        start = np.arange(0, columns.size + 1, per_cell)
        return sp.csr_matrix((values, columns.ravel(), start), shape=(n, n_genes))

    size = min(n_cells, 5000)
    cells = anndata.AnnData(chunk(size), var=pd.DataFrame(index=[f"g{k}" for k in range(n_genes)]))
    obs = pd.DataFrame(index=[f"c{k}" for k in range(n_cells)])
    cells.write_h5ad(path)
    with h5py.File(path, "a") as file:
        matrix = sparse_dataset(file["X"])
        for start in range(size, n_cells, size):
            matrix.append(chunk(min(size, n_cells - start)))
        del file["obs"]
        anndata.io.write_elem(file, "obs", obs)


def sets(n_genes, n_latents, per_set):
    import pandas as pd

    rng = np.random.default_rng(1)
    genes = rng.integers(n_genes, size=(n_latents, per_set))
    source = np.repeat([f"P{k}" for k in range(n_latents)], per_set)
    table = pd.DataFrame({"source": source, "target": [f"g{k}" for k in genes.ravel()]})
    return table.drop_duplicates()


def memory(what):
    """Return MB resident now (VmRSS), or at most since the peak was forgotten (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def forget_peak():
    """Give back what compiling has left to the allocator, and start a new peak."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def contend(kind, path, n_genes, n_latents, steps, batch):
    import anndata
    import torch

    from edge2torch.compile import find_edge_model
    from edge2torch.vae import compile_vae
    from edge2torch.vae._cells import open_cells
    from edge2torch.vae._lightning import batches

    torch.set_num_threads(1)
    prior = sets(n_genes, n_latents, 40)
    start = time.perf_counter()
    model, artifact = compile_vae(decoder_edges=prior, features=[f"g{k}" for k in range(n_genes)])
    compiled = time.perf_counter() - start
    if kind == "dense":
        for layer in find_edge_model(model.decoder.network, artifact.decoder).edge_layers():
            layer.dense_from = 0
    compiled_mb = memory("VmHWM")
    cells = open_cells(anndata.read_h5ad(path, backed="r"), model.design)
    loader = iter(batches(cells, np.arange(len(cells)), batch, seed=0))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    forget_peak()
    before = memory("VmRSS")
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        values = next(loader)["values"]
        optimizer.zero_grad()
        (model.losses(values, None, {"beta": 1.0})["total"] / n_genes).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return {
        "cells": len(cells),
        "kind": kind,
        "compile, s": compiled,
        "cells per s": batch / float(np.median(times[2:])),
        "epoch, min": len(cells) / batch * float(np.median(times[2:])) / 60,
        "MB at most while compiled": compiled_mb,
        "MB in training": memory("VmHWM") - before,
        "MB at most in training": memory("VmHWM"),
    }


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--contend":
        kind, path, *numbers = sys.argv[2:]
        print(json.dumps(contend(kind, path, *map(int, numbers))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("cells", 100_000), ("genes", 20_000), ("latents", 2500), ("steps", 12), ("batch", 128), ("per-cell", 1000)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--folder", help="where to keep the cells, or find them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        rows = []
        for n_cells in (args.cells // 4, args.cells):
            path = Path(args.folder or aside) / f"{n_cells}x{args.genes}x{args.per_cell}.h5ad"
            if not path.exists():
                write_cells(path, n_cells, args.genes, args.per_cell)
            for kind in ("compiled", "dense") if n_cells == args.cells else ("compiled",):
                command = [sys.executable, __file__, "--contend", kind, path, args.genes, args.latents, args.steps, args.batch]  # fmt: skip
                done = subprocess.run([str(part) for part in command], check=True, capture_output=True,  # noqa: S603
                                      text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
                rows.append(json.loads(done.stdout.splitlines()[-1]))
                print(rows[-1], flush=True)
    small, ours, dense = rows
    print("throughput, compiled / dense:", round(ours["cells per s"] / dense["cells per s"], 2))
    print(
        "memory in training, dense / compiled:",
        round(dense["MB in training"] / ours["MB in training"], 2),
    )
    print(
        "memory in training, all cells / a quarter:",
        round(ours["MB in training"] / small["MB in training"], 3),
    )


if __name__ == "__main__":
    main()
