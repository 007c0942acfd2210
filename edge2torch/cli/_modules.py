"""``edge2torch modules``: find gene-network modules, measure backends, compare results."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch.cli._console import Console
from edge2torch.cli._files import output_folder, write_file
from edge2torch.errors import Edge2TorchError, listing
from edge2torch.netmodules import (
    ModulesConfig,
    compare_modules,
    fit_modules,
    load_modules,
    override,
    read_transcript_data,
    score_modules,
)
from edge2torch.simulate import planted_modules

SUITES = ("core", "multiplex", "scale")


def fit(
    data: Path,
    out: Path,
    *,
    samples: Path | None,
    transcripts: Path | None,
    covariates: str,
    backend: str,
    seed: int,
    min_samples: int,
    settings: list[str],
    console: Console,
) -> None:
    """Fit one backend and write the result folder."""
    config = override(ModulesConfig(), settings)
    names = [name.strip() for name in covariates.split(",") if name.strip()]
    checked = read_transcript_data(
        data, transcripts=transcripts, samples=samples, covariates=names, min_samples=min_samples
    )
    result = fit_modules(checked, backend=backend, config=config, seed=seed, quiet=console.quiet)
    folder = result.save(out)
    for name in result.module_ids[:20]:
        genes = result.genes(name)
        console.say(f"{name}  {len(genes):5,} genes: {listing(genes)}")
    console.say(f"Written: {folder}")


def benchmark(
    suite: str, backends: list[str], seeds: int, out: Path | None, settings: list[str],
    console: Console,
) -> None:  # fmt: skip
    """Fit planted modules and say how well they are found."""
    config = override(ModulesConfig(), settings)
    rows = []
    for name, options in _suite(suite).items():
        for seed in range(seeds):
            planted = planted_modules(**options, seed=seed)
            for backend in backends:
                start = time.process_time()
                found = fit_modules(
                    planted.counts, planted.transcripts, planted.samples,
                    backend=backend, config=config, seed=seed, quiet=True,
                )  # fmt: skip
                seconds = time.process_time() - start
                scores = score_modules(found, planted.modules)
                rows.append({
                    "fixture": name, "backend": backend, "seed": seed, **scores,
                    "cpu_seconds": seconds, "peak_mb": _peak(),
                })  # fmt: skip
    table = pd.DataFrame(rows)
    mean = table.drop(columns="seed").groupby(["fixture", "backend"], sort=False).mean()
    console.say(mean.round(3).to_string())
    if out is not None:
        folder = output_folder(out)
        write_file(folder / "benchmark.csv", lambda path: table.to_csv(path, index=False))


def _peak() -> float:
    """Most memory that the process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _suite(name: str) -> dict[str, dict[str, Any]]:
    switch: dict[str, Any] = {"roles": ("switch_only",)}
    if name == "core":
        return {
            "plain": {"n_modules": 5, **switch},
            "graded": {"n_modules": 5, "amplitude": (0.2, 1.2), **switch},
            "unequal": {"n_modules": 5, "module_size": (60, 30, 15, 10, 7), **switch},
            "nonlinear": {"n_modules": 4, "nonlinear": True, "n_samples": 100, **switch},
            "noise": {"n_modules": 0, "n_background": 500},
        }
    if name == "multiplex":
        return {
            "plain": {"n_modules": 5},
            "graded": {"n_modules": 5, "amplitude": (0.2, 1.2)},
            "overlapping": {"n_modules": 4, "overlap": 0.25},
            "confounded": {"n_modules": 5, "confound": 0.5},
        }
    if name == "scale":
        return {"5,000 genes": {"n_modules": 20, "module_size": 50, "n_background": 4000,
                                "n_samples": 200}}  # fmt: skip
    raise Edge2TorchError(f"--suite: {name!r}. Use one of {listing(SUITES)}.")


def compare(first: Path, second: Path, console: Console) -> None:
    """Say how far two result folders agree."""
    table = compare_modules(load_modules(first), load_modules(second))
    console.say(table.round(3).to_string(index=False))
