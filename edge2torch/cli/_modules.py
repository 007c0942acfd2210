"""``edge2torch modules``: find gene-network modules, measure backends, compare results."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import listing, require
from edge2torch.cli._options import File, Group, command
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from edge2torch.netmodules import ModulesConfig

modules = typer.Typer(help="Gene-network modules.", no_args_is_help=True, cls=Group)

_NAMED = "confounded, covariates named"
_SWITCH: dict[str, Any] = {"roles": ("switch_only",)}
SUITES: dict[str, dict[str, dict[str, Any]]] = {
    "core": {
        "plain": {"n_modules": 5, **_SWITCH},
        "graded": {"n_modules": 5, "amplitude": (0.2, 1.2), **_SWITCH},
        "unequal": {"n_modules": 5, "module_size": (60, 30, 15, 10, 7), **_SWITCH},
        "nonlinear": {"n_modules": 4, "nonlinear": True, "n_samples": 100, **_SWITCH},
        "noise": {"n_modules": 0, "n_background": 500},
    },
    "multiplex": {
        "plain": {"n_modules": 5},
        "graded": {"n_modules": 5, "amplitude": (0.2, 1.2)},
        "overlapping": {"n_modules": 4, "overlap": 0.25},
        "confounded": {"n_modules": 5, "confound": 0.5},
        _NAMED: {"n_modules": 5, "confound": 0.5},
    },
    "scale": {
        "5,000 genes": {"n_modules": 20, "module_size": 50, "n_background": 4000, "n_samples": 200}
    },
}

Config = Annotated[str, "Settings: a YAML file, or one of quick, switching and plain."]
Changes = Annotated[
    list[str] | None, typer.Argument(help="Settings after --, such as vae.hidden_dim=32.")
]


@command(modules, "fit", "modules fit --data counts.csv --transcripts genes.gtf --out modules")
def fit(
    *,
    data: Annotated[
        Path,
        "Counts: a table (CSV, TSV, Parquet) of genes or transcripts × samples, ids "
        "first; an h5ad of samples × genes; or a bundle folder.",
    ],
    out: Annotated[Path, "Folder for the result."],
    samples: Annotated[File, "Sample table: sample_id, traits and covariates."] = None,
    transcripts: Annotated[File, "A table of transcript_id and gene_id, or a GTF."] = None,
    transpose: Annotated[bool, "The table of --data is samples × genes."] = False,
    all_features: Annotated[
        bool, "With --transpose: columns named like metadata are genes, too."
    ] = False,
    scale: Annotated[
        Literal["counts", "log2", "log1p"] | None,
        "What the values are: counts, log2(x + 1) or the natural log(x + 1).",
    ] = None,
    plain_ids: Annotated[bool, "Compare ids without version and what follows a bar."] = False,
    covariates: Annotated[
        tuple[str, ...],
        "Columns, separated by commas; batch:category and age:number say how to take one.",
    ] = (),
    backend: Annotated[str, "How: vae, latent, ...; a wrong name lists all."] = "vae",
    seed: Annotated[int, "Same seed and versions, same result."] = 0,
    min_samples: Annotated[int, "Fewest samples to accept."] = 10,
    config: Config = "",
    settings: Changes = None,
    console: Console,
) -> None:
    """Find modules and write them into a folder."""
    from edge2torch._core.files import lock_folder
    from edge2torch.netmodules import fit_modules, read_transcript_data

    chosen = _settings(config, settings)
    checked = read_transcript_data(
        data, transcripts=transcripts, samples=samples, covariates=list(covariates),
        min_samples=min_samples, transpose=transpose, all_features=all_features, scale=scale,
        plain_ids=plain_ids,
    )  # fmt: skip
    with lock_folder(out, beside=True):
        result = fit_modules(
            checked, backend=backend, config=chosen, seed=seed, quiet=console.quiet
        )
        folder = result.save(out)
    for name in result.module_ids[:20]:
        genes = result.genes(name)
        console.say(f"{name}  {len(genes):5,} genes: {listing(genes)}")
    console.say(f"Written: {folder}")


def _settings(config: str, changes: list[str] | None) -> ModulesConfig:
    from edge2torch.netmodules import ModulesConfig, override, read_config

    return override(read_config(config) if config else ModulesConfig(), changes or [])


@command(modules, "settings", "modules settings --config quick")
def settings_command(*, config: Config = "", settings: Changes = None) -> None:
    """Print all settings as YAML, ready to be changed and given to --config."""
    yaml = require("yaml", extra="modules")
    print(yaml.safe_dump(_settings(config, settings).as_dict(), sort_keys=False), end="")


@command(modules, "benchmark", "modules benchmark --suite core --backends vae,latent --seeds 3")
def benchmark(
    *,
    suite: Annotated[str, "core, multiplex or scale."] = "core",
    backends: Annotated[tuple[str, ...], "Separated by commas."] = ("vae",),
    seed: Annotated[int, "First seed."] = 0,
    seeds: Annotated[int, "Repeats, each with its own data."] = 1,
    out: Annotated[File, "Folder for benchmark.csv."] = None,
    config: Config = "",
    settings: Changes = None,
    console: Console,
) -> None:
    """Fit planted modules and say how well they are found."""
    import pandas as pd

    from edge2torch._core.files import output_folder
    from edge2torch._core.tables import write_table
    from edge2torch.netmodules import BACKENDS, fit_modules, score_modules
    from edge2torch.simulate import planted_modules

    chosen = _settings(config, settings)
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
                backend=backend, config=chosen, seed=own, quiet=True,
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
        write_table(output_folder(out, "--out") / "benchmark.csv", table)


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
    if name not in SUITES:
        raise Edge2TorchError(f"--suite: {name!r}. Use one of {listing(SUITES)}.")
    return {
        fixture: (options, ("degradation", "composition") if fixture == _NAMED else ())
        for fixture, options in SUITES[name].items()
    }


@command(modules, "compare", "modules compare modules other_modules")
def compare(
    *,
    first: Annotated[Path, typer.Argument(help="A result folder.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
) -> None:
    """Say how far two results agree."""
    from edge2torch.netmodules import load_modules

    table = load_modules(first).compare(load_modules(second))
    print(table.round(3).to_string(index=False))
