"""Options of ``edge2torch modules``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from edge2torch._core.console import Console

modules = typer.Typer(help="Gene-network modules.", no_args_is_help=True)


def _example(line: str) -> str:
    return f"Example: `edge2torch modules {line}`"


Backend = Annotated[str, typer.Option(help="How: vae, latent, ...; a wrong name lists all.")]
Config = Annotated[
    str, typer.Option(help="Settings: a YAML file, or one of quick, switching and plain.")
]
Settings = Annotated[
    list[str] | None, typer.Argument(help="Settings after --, such as vae.hidden_dim=32.")
]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
Scale = Annotated[
    Literal["counts", "log2", "log1p"] | None,
    typer.Option(help="What the values are: counts, log2(x + 1) or the natural log(x + 1)."),
]
PlainIds = Annotated[
    bool, typer.Option("--plain-ids", help="Compare ids without version and what follows a bar.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@modules.command(epilog=_example("fit --data counts.csv --transcripts genes.gtf --out modules"))
def fit(
    data: Annotated[
        Path,
        typer.Option(
            help="Counts: a table (CSV, TSV, Parquet) of genes or transcripts × samples, ids "
            "first; an h5ad of samples × genes; or a bundle folder."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the result.")],
    samples: Annotated[
        Path | None, typer.Option(help="Sample table: sample_id, traits and covariates.")
    ] = None,
    transcripts: Annotated[
        Path | None, typer.Option(help="A table of transcript_id and gene_id, or a GTF.")
    ] = None,
    transpose: Annotated[
        bool, typer.Option("--transpose", help="The table of --data is samples × genes.")
    ] = False,
    all_features: Annotated[
        bool,
        typer.Option(
            "--all-features", help="With --transpose: columns named like metadata are genes, too."
        ),
    ] = False,
    scale: Scale = None,
    plain_ids: PlainIds = False,
    covariates: Annotated[
        str,
        typer.Option(
            help="Columns, separated by commas; batch:category and age:number say how to take one."
        ),
    ] = "",
    backend: Backend = "vae",
    seed: Seed = 0,
    min_samples: Annotated[int, typer.Option(help="Fewest samples to accept.")] = 10,
    config: Config = "",
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Find modules and write them into a folder."""
    from edge2torch.cli import _modules

    _modules.fit(
        data,
        out,
        samples=samples,
        transcripts=transcripts,
        transpose=transpose,
        all_features=all_features,
        covariates=covariates,
        backend=backend,
        seed=seed,
        min_samples=min_samples,
        scale=scale,
        plain_ids=plain_ids,
        config=config,
        changes=settings or [],
        console=Console(quiet),
    )


@modules.command(epilog=_example("benchmark --suite core --backends vae,latent --seeds 3"))
def benchmark(
    suite: Annotated[str, typer.Option(help="core, multiplex or scale.")] = "core",
    backends: Annotated[str, typer.Option(help="Separated by commas.")] = "vae",
    seed: Annotated[int, typer.Option(help="First seed.")] = 0,
    seeds: Annotated[int, typer.Option(help="Repeats, each with its own data.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for benchmark.csv.")] = None,
    config: Config = "",
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Fit planted modules and say how well they are found."""
    from edge2torch.cli import _modules

    names = [name.strip() for name in backends.split(",") if name.strip()]
    _modules.benchmark(
        suite,
        names,
        seed=seed,
        seeds=seeds,
        out=out,
        config=config,
        changes=settings or [],
        console=Console(quiet),
    )


@modules.command(epilog=_example("compare modules other_modules"))
def compare(
    first: Annotated[Path, typer.Argument(help="A result folder.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
) -> None:
    """Say how far two results agree."""
    from edge2torch.cli import _modules

    _modules.compare(first, second, Console())


@modules.command("settings", epilog=_example("settings --config quick"))
def settings_command(config: Config = "", settings: Settings = None) -> None:
    """Print all settings as YAML, ready to be changed and given to --config."""
    from edge2torch.cli import _modules

    _modules.settings(config, settings or [])
