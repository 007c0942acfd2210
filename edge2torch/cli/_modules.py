"""``edge2torch modules``: find gene-network modules, measure backends, compare results."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from edge2torch._core.console import Console
from edge2torch._core.files import lock_folder, output_folder, write_file
from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules import (
    BACKENDS,
    ModulesConfig,
    compare_modules,
    fit_modules,
    load_modules,
    override,
    read_config,
    read_transcript_data,
    score_modules,
)
from edge2torch.simulate import planted_modules

SUITES = ("core", "multiplex", "scale")
Scale = Literal["counts", "log2", "log1p"]
_NAMED = "confounded, covariates named"


def fit(
    data: Path,
    out: Path,
    *,
    samples: Path | None,
    transcripts: Path | None,
    transpose: bool,
    all_features: bool,
    covariates: str,
    backend: str,
    seed: int,
    min_samples: int,
    scale: Scale | None,
    plain_ids: bool,
    config: str,
    changes: list[str],
    console: Console,
) -> None:
    """Fit one backend and write the result folder."""
    names = [name.strip() for name in covariates.split(",") if name.strip()]
    with console.warnings_as_notes():
        settings = _settings(config, changes)
        checked = read_transcript_data(
            data, transcripts=transcripts, samples=samples, covariates=names,
            min_samples=min_samples, transpose=transpose, all_features=all_features, scale=scale,
            plain_ids=plain_ids,
        )  # fmt: skip
    with lock_folder(out, beside=True), console.warnings_as_notes():
        result = fit_modules(
            checked, backend=backend, config=settings, seed=seed, quiet=console.quiet
        )
        folder = result.save(out)
    for name in result.module_ids[:20]:
        genes = result.genes(name)
        console.say(f"{name}  {len(genes):5,} genes: {listing(genes)}")
    console.say(f"Written: {folder}")


def _settings(config: str, changes: list[str]) -> ModulesConfig:
    return override(read_config(config) if config else ModulesConfig(), changes)


def settings(config: str, changes: list[str]) -> None:
    """Print all settings as YAML, ready for --config."""
    yaml = require("yaml", extra="modules")
    print(yaml.safe_dump(_settings(config, changes).as_dict(), sort_keys=False), end="")


def benchmark(
    suite: str, backends: list[str], *, seed: int, seeds: int, out: Path | None, config: str,
    changes: list[str], console: Console,
) -> None:  # fmt: skip
    """Fit planted modules and say how well they are found."""
    with console.warnings_as_notes():
        settings = _settings(config, changes)
    if unknown := [name for name in backends if name not in BACKENDS]:
        raise Edge2TorchError(
            f"--backends: no such backend {listing(unknown)}. Use some of {listing(BACKENDS)}."
        )
    jobs = list(itertools.product(_suite(suite).items(), range(seed, seed + seeds), backends))
    rows = []
    for k, show in console.count(len(jobs), "benchmark", "fits"):
        (name, (options, covariates)), own, backend = jobs[k]
        show(f"{name}, {backend}")
        planted = planted_modules(**options, seed=own)
        start = _cpu()
        with Console(quiet=True).warnings_as_notes():  # the table counts them
            found = fit_modules(
                planted.counts, planted.transcripts, planted.samples, covariates=covariates,
                backend=backend, config=settings, seed=own, quiet=True,
            )  # fmt: skip
        seconds = _cpu() - start
        scores = score_modules(found, planted.modules)
        rows.append({
            "fixture": name, "backend": backend, "seed": own, **scores,
            "warnings": int((found.checks["warning"] != "").sum()),
            "cpu_seconds": seconds, **_peak(),
        })  # fmt: skip
    table = pd.DataFrame(rows)
    mean = table.drop(columns="seed").groupby(["fixture", "backend"], sort=False).mean()
    console.say(mean.round(3).to_string())
    if out is not None:
        folder = output_folder(out, "--out")
        write_file(folder / "benchmark.csv", lambda path: table.to_csv(path, index=False))


def _cpu() -> float:
    """Seconds of this process and of those it has started, such as R."""
    return sum(os.times()[:4])


def _peak() -> dict[str, float]:
    """Most memory that the process has held, in MB; Windows does not say."""
    try:
        import resource
    except ImportError:
        return {}
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # bytes there, kilobytes elsewhere
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


def _suite(name: str) -> dict[str, tuple[dict[str, Any], tuple[str, ...]]]:
    """Of each fixture, how it is planted, and the covariates that a fit is told."""
    switch: dict[str, Any] = {"roles": ("switch_only",)}
    if name == "core":
        planted = {
            "plain": {"n_modules": 5, **switch},
            "graded": {"n_modules": 5, "amplitude": (0.2, 1.2), **switch},
            "unequal": {"n_modules": 5, "module_size": (60, 30, 15, 10, 7), **switch},
            "nonlinear": {"n_modules": 4, "nonlinear": True, "n_samples": 100, **switch},
            "noise": {"n_modules": 0, "n_background": 500},
        }
    elif name == "multiplex":
        planted = {
            "plain": {"n_modules": 5},
            "graded": {"n_modules": 5, "amplitude": (0.2, 1.2)},
            "overlapping": {"n_modules": 4, "overlap": 0.25},
            "confounded": {"n_modules": 5, "confound": 0.5},
            _NAMED: {"n_modules": 5, "confound": 0.5},
        }
    elif name == "scale":
        planted = {"5,000 genes": {"n_modules": 20, "module_size": 50, "n_background": 4000,
                                   "n_samples": 200}}  # fmt: skip
    else:
        raise Edge2TorchError(f"--suite: {name!r}. Use one of {listing(SUITES)}.")
    named = {_NAMED: ("degradation", "composition")}
    return {fixture: (options, named.get(fixture, ())) for fixture, options in planted.items()}


def compare(first: Path, second: Path, console: Console) -> None:
    """Say how far two result folders agree."""
    table = compare_modules(load_modules(first), load_modules(second))
    console.say(table.round(3).to_string(index=False))
