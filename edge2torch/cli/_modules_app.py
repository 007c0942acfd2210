"""Options of ``edge2torch modules``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge2torch.cli import _modules
from edge2torch.cli._console import Console

modules = typer.Typer(help="Gene-network modules.", no_args_is_help=True)

Backend = Annotated[str, typer.Option(help="baseline, latent, graph, vae or wgcna.")]
Settings = Annotated[
    list[str] | None, typer.Argument(help="Settings after --, such as vae.hidden_dim=32.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@modules.command()
def fit(
    data: Annotated[Path, typer.Option(help="Bundle folder, h5ad, CSV, TSV or Parquet.")],
    out: Annotated[Path, typer.Option(help="Folder for the result.")],
    samples: Annotated[Path | None, typer.Option(help="Sample table.")] = None,
    transcripts: Annotated[Path | None, typer.Option(help="transcript_id, gene_id.")] = None,
    covariates: Annotated[str, typer.Option(help="Columns, separated by commas.")] = "",
    backend: Backend = "vae",
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 0,
    min_samples: Annotated[int, typer.Option(help="Fewest samples to accept.")] = 10,
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Find modules and write them into a folder."""
    _modules.fit(
        data,
        out,
        samples=samples,
        transcripts=transcripts,
        covariates=covariates,
        backend=backend,
        seed=seed,
        min_samples=min_samples,
        settings=settings or [],
        console=Console(quiet),
    )


@modules.command()
def benchmark(
    suite: Annotated[str, typer.Option(help="core, multiplex or scale.")] = "core",
    backends: Annotated[str, typer.Option(help="Separated by commas.")] = "vae",
    seeds: Annotated[int, typer.Option(help="Repeats.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for benchmark.csv.")] = None,
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Fit planted modules and say how well they are found."""
    names = [name.strip() for name in backends.split(",") if name.strip()]
    _modules.benchmark(suite, names, seeds, out, settings or [], Console(quiet))


@modules.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A result folder.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
) -> None:
    """Say how far two results agree."""
    _modules.compare(first, second, Console())
