"""``edge2torch modules``: find gene-network modules, measure backends, compare results."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import called, listing, require
from edge2torch.cli._options import File, Group, command

if TYPE_CHECKING:
    from edge2torch.netmodules import ModulesConfig

modules = typer.Typer(help="Gene-network modules.", no_args_is_help=True, cls=Group)

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
    with called("path|counts", "data"):
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
    from edge2torch._core.files import folder_of_results
    from edge2torch._core.tables import write_table
    from edge2torch.netmodules import benchmark_backends

    starts, chosen = range(seed, seed + seeds), _settings(config, settings)
    with nullcontext() if out is None else folder_of_results(out, "--out") as folder:
        table = benchmark_backends(suite, backends, starts, chosen, console)
    mean = table.drop(columns="seed").groupby(["fixture", "backend"], sort=False).mean()
    console.say(mean.round(3).to_string())
    if folder is not None:
        write_table(folder / "benchmark.csv", table)


@command(modules, "compare", "modules compare modules other_modules")
def compare(
    *,
    first: Annotated[Path, typer.Argument(help="A result folder.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
) -> None:
    """Say how far two results agree."""
    from edge2torch.netmodules import load_modules

    with called("path", "FIRST"):
        one = load_modules(first)
    with called("path", "SECOND"):
        table = one.compare(load_modules(second))
    print(table.round(3).to_string(index=False))
