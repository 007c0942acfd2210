"""Modules of a large data set, both channels: seconds, memory at most, and what was found.

    python benchmarks/modules_scale.py --genes 20000 --samples 500 --backends vae latent graph

Counts with planted modules are written into a bundle folder; each backend reads and fits them in a
process of its own with one thread. Memory is the largest resident set of that process, imports and
reading included. A p × p array of single precision would hold the megabytes of the last column.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def write_bundle(folder: Path, n_genes: int, n_samples: int, n_modules: int, size: int) -> None:
    from edge2torch.simulate import planted_modules

    data = planted_modules(
        n_modules, module_size=size, n_background=n_genes - n_modules * size, n_samples=n_samples
    )
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "transcript_counts.npz", data=data.counts.to_numpy(np.float32))
    data.transcripts.to_parquet(folder / "transcripts.parquet")
    data.samples.to_parquet(folder / "samples.parquet")
    data.modules.to_parquet(folder / "truth.parquet")


def peak() -> float:
    """MB held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def contend(backend: str, folder: Path) -> dict[str, float]:
    import torch

    from edge2torch.netmodules import fit_modules, read_transcript_data, score_modules

    torch.set_num_threads(1)
    start, cpu = time.perf_counter(), time.process_time()
    data = read_transcript_data(folder)
    read = peak()
    found = fit_modules(data, backend=backend, quiet=True)
    row = {
        "CPU s": time.process_time() - cpu,
        "s": time.perf_counter() - start,
        "MB read": read,
        "MB at most": peak(),
    }
    scores = score_modules(found, pd.read_parquet(folder / "truth.parquet"))
    row |= {name: scores[name] for name in ("recovery", "pair_f1", "background", "roles")}
    return {**row, "features": len(found.features), "p × p, MB": len(found.features) ** 2 * 4e-6}


def main() -> None:
    from benchmarks.markdown import markdown

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--modules", type=int, default=20)
    parser.add_argument("--module-size", type=int, default=100)
    parser.add_argument("--backends", nargs="+", default=["vae", "latent", "graph"])
    parser.add_argument("--folder", type=Path, help="where to keep the counts, or find them")
    parser.add_argument("--contend", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contend:
        print(json.dumps(contend(args.contend, args.folder)))
        return
    with tempfile.TemporaryDirectory() as aside:
        folder = args.folder or Path(aside)
        if not (folder / "truth.parquet").exists():
            write_bundle(folder, args.genes, args.samples, args.modules, args.module_size)
        rows = {}
        for backend in args.backends:
            command = [sys.executable, __file__, "--contend", backend, "--folder", str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True,  # noqa: S603
                                  env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
            rows[backend] = json.loads(done.stdout.splitlines()[-1])
            print(backend, rows[backend], flush=True)
    print(markdown(pd.DataFrame(rows).T, "backend"))


if __name__ == "__main__":
    main()
