"""``edge2torch explain-module``: a fit and its data in, tables, figures and a manifest out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import plural, require

if TYPE_CHECKING:
    import pandas as pd

    from edge2torch.explain import ExplainResult


def explain_module_command(
    artifact_dir: Annotated[Path, typer.Option(help="Folder that `modules fit` wrote.")],
    output_dir: Annotated[Path, typer.Option(help="Folder for tables and figures.")],
    data: Annotated[
        Path | None, typer.Option(help="Counts, as for `modules fit`; features are made of them.")
    ] = None,
    transcripts: Annotated[
        Path | None, typer.Option(help="transcript_id, gene_id, where --data does not hold them.")
    ] = None,
    transpose: Annotated[
        bool, typer.Option("--transpose", help="The table of --data is samples × genes.")
    ] = False,
    all_features: Annotated[
        bool, typer.Option("--all-features", help="With --transpose, as for the fit.")
    ] = False,
    scale: Annotated[
        Literal["counts", "log2", "log1p"] | None, typer.Option(help="Of --data, as for the fit.")
    ] = None,
    plain_ids: Annotated[
        bool, typer.Option("--plain-ids", help="Compare ids of --data as the fit did.")
    ] = False,
    feature_table: Annotated[
        Path | None, typer.Option(help="Samples × features: CSV, TSV or Parquet, ids first.")
    ] = None,
    feature_meta: Annotated[
        Path | None, typer.Option(help="feature_id, gene_id, feature_type, [transcript_id].")
    ] = None,
    module_id: Annotated[
        list[str] | None, typer.Option(help="Which module; may be repeated; default: all.")
    ] = None,
    eigengenes: Annotated[
        Path | None, typer.Option(help="module_id × samples, in place of the fit's.")
    ] = None,
    structure_annotation: Annotated[
        Path | None, typer.Option(help="Table that annotate-structure wrote.")
    ] = None,
    percentile: Annotated[
        float, typer.Option(help="Percent of samples in each tail of the eigengene.")
    ] = 25.0,
    all_genes: Annotated[
        bool, typer.Option("--all-genes", help="List genes outside the module too.")
    ] = False,
    vae_attribution: Annotated[
        bool, typer.Option("--vae-attribution", help="Attribute through the vae's decoder.")
    ] = False,
    vae_fdr_threshold: Annotated[float, typer.Option(help="Largest q-value that passes.")] = 0.05,
    vae_percentile_threshold: Annotated[
        float, typer.Option(help="Least percentile of |decoded_delta| that passes.")
    ] = 75.0,
    integrated_gradients: Annotated[
        bool, typer.Option("--integrated-gradients", help="Attribute through the vae's encoder.")
    ] = False,
    ig_n_steps: Annotated[int, typer.Option(help="Points on the way from the baseline.")] = 50,
    ig_baseline: Annotated[
        Literal["zero", "mean"], typer.Option(help="No switching, or mean usage within the gene.")
    ] = "zero",
    table_format: Annotated[
        Literal["parquet", "csv"], typer.Option(help="Of the tables.")
    ] = "parquet",
    figures: Annotated[
        Literal["png", "pdf", "none"], typer.Option(help="Format of the figures.")
    ] = "png",
    leave_gene_out: Annotated[
        bool,
        typer.Option(
            "--leave-gene-out/--whole-eigengene",
            help="Test genes against their module's eigengene without them, or with them.",
        ),
    ] = True,
    min_samples: Annotated[int, typer.Option(help="Fewest samples to accept.")] = 10,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Explain modules: drivers, polarity, contrast, attribution; tables, figures, a manifest."""
    from edge2torch._core.table_arguments import read_table
    from edge2torch.cli._files import folder_of_results
    from edge2torch.cli._module_features import indexed, read_features
    from edge2torch.explain import ExplainConfig, explain_module
    from edge2torch.netmodules import load_modules

    console = Console(quiet)
    config = ExplainConfig(
        percentile=percentile,
        all_genes=all_genes,
        vae_attribution=vae_attribution,
        vae_fdr_threshold=vae_fdr_threshold,
        vae_percentile_threshold=vae_percentile_threshold,
        integrated_gradients=integrated_gradients,
        ig_n_steps=ig_n_steps,
        ig_baseline=ig_baseline,
        table_format=table_format,
        leave_gene_out=leave_gene_out,
        min_samples=min_samples,
    )
    with console.warnings_as_notes():
        table, meta = read_features(
            data,
            transcripts,
            feature_table,
            feature_meta,
            transpose=transpose,
            all_features=all_features,
            plain_ids=plain_ids,
            scale=scale,
            min_samples=min_samples,
        )
    fit = load_modules(artifact_dir)
    with console.warnings_as_notes(), folder_of_results(output_dir) as folder:
        found = explain_module(
            fit,
            table,
            meta,
            module_id or None,
            config,
            folder,
            eigengenes=None if eigengenes is None else indexed(eigengenes, "--eigengenes"),
            structure_annotation=None
            if structure_annotation is None
            else read_table(structure_annotation, "--structure-annotation"),
        )
    if figures != "none":
        shown = fit.feature_scores if table is None else table
        _draw(found, shown, output_dir, figures, console)
    for name, result in found.items():
        console.say(_line(name, result))
    console.say(f"Written to {output_dir}; module_explanation_manifest.json lists the files.")


def _draw(
    found: dict[str, ExplainResult],
    table: pd.DataFrame,
    folder: Path,
    kind: Literal["png", "pdf"],
    console: Console,
) -> None:
    require("matplotlib", extra="plot").use("agg")
    from edge2torch.explain import record_files
    from edge2torch.plot import save_module_figures

    table = table.set_axis(table.index.astype(str), axis=0)
    tqdm = require("tqdm", extra="cli").tqdm
    written = []
    bar = tqdm(found.items(), desc="  figures", leave=False, disable=console.quiet or None)
    for name, result in bar:
        written += save_module_figures(result, table, folder / name, kind=kind)
    record_files(folder, written)


def _line(name: str, result: ExplainResult) -> str:
    drivers = result.gene_driver_table.head(3)
    named = ", ".join(
        f"{gene} ({r:+.2f})" for gene, r in zip(drivers["gene_id"], drivers["r"], strict=True)
    )
    return f"{name}: {plural('gene', len(result.genes))}; led by {named}"
