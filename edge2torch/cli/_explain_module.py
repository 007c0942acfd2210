"""``edge2torch explain-module``: a fit and its data in, tables, figures and a manifest out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.files import output_folder, read_json
from edge2torch._core.messages import plural, require

if TYPE_CHECKING:
    import pandas as pd

    from edge2torch.explain import ExplainResult


@dataclass(frozen=True)
class Counts:
    """Counts that features are made of, as for ``modules fit``."""

    data: Annotated[Path | None, "Counts, as for `modules fit`; features are made of them."] = None
    transcripts: Annotated[
        Path | None, "transcript_id, gene_id, where --data does not hold them."
    ] = None
    transpose: Annotated[bool, "The table of --data is samples × genes."] = False
    all_features: Annotated[bool, "With --transpose, as for the fit."] = False
    scale: Annotated[Literal["counts", "log2", "log1p"] | None, "Of --data, as for the fit."] = None
    plain_ids: Annotated[bool, "Compare ids of --data as the fit did."] = False


@dataclass(frozen=True)
class Explaining:
    """Settings of :class:`~edge2torch.explain.ExplainConfig`, for help to come without pandas."""

    percentile: Annotated[float, "Percent of samples in each tail of the eigengene."] = 25.0
    all_genes: Annotated[bool, "List genes outside the module too."] = False
    vae_attribution: Annotated[bool, "Attribute through the vae's decoder."] = False
    vae_fdr_threshold: Annotated[float, "Largest q-value that passes."] = 0.05
    vae_percentile_threshold: Annotated[
        float, "Least percentile of |decoded_delta| that passes."
    ] = 75.0
    integrated_gradients: Annotated[bool, "Attribute through the vae's encoder."] = False
    ig_n_steps: Annotated[int, "Points on the way from the baseline."] = 50
    ig_baseline: Annotated[
        Literal["zero", "mean"], "No switching, or mean usage within the gene."
    ] = "zero"
    table_format: Annotated[Literal["parquet", "csv"], "Of the tables."] = "parquet"
    leave_gene_out: Annotated[
        bool,
        typer.Option(
            "--leave-gene-out/--whole-eigengene",
            help="Test genes against their module's eigengene without them, or with them.",
        ),
    ] = True
    min_samples: Annotated[int, "Fewest samples to accept."] = 10


def explain_module_command(
    *,
    artifact_dir: Annotated[Path, "Folder that `modules fit` wrote."],
    output_dir: Annotated[Path, "Folder for tables and figures."],
    counts: Counts,
    feature_table: Annotated[
        Path | None, "Samples × features: CSV, TSV or Parquet, ids first."
    ] = None,
    feature_meta: Annotated[
        Path | None, "feature_id, gene_id, feature_type, [transcript_id]."
    ] = None,
    module_id: Annotated[
        list[str] | None,
        typer.Option(
            "--module-id", metavar="<name>", help="Which module; may be repeated; default: all."
        ),
    ] = None,
    eigengenes: Annotated[Path | None, "module_id × samples, in place of the fit's."] = None,
    structure_annotation: Annotated[Path | None, "Table that annotate-structure wrote."] = None,
    figures: Annotated[Literal["png", "pdf", "none"], "Format of the figures."] = "png",
    settings: Explaining,
    console: Console,
) -> None:
    """Explain modules: drivers, polarity, contrast, attribution; tables, figures, a manifest."""
    from edge2torch._core.tables import read_table
    from edge2torch.cli._module_features import indexed, read_features
    from edge2torch.explain import ExplainConfig, explain_module
    from edge2torch.netmodules import load_modules

    config = ExplainConfig(**vars(settings))
    table, meta = read_features(
        feature_table, feature_meta, **vars(counts), min_samples=settings.min_samples
    )
    fit = load_modules(artifact_dir)
    with _folder_of_results(output_dir) as folder:
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
    manifest = output_dir / "module_explanation_manifest.json"
    console.say(read_json(manifest)["caveat"])
    console.say(f"Written to {output_dir}; {manifest.name} lists the files.")


@contextlib.contextmanager
def _folder_of_results(path: Path) -> Iterator[Path]:
    """Make the folder that results go to; where nothing comes of the work, none is left behind."""
    new = not path.exists()
    folder = output_folder(path, "--out")
    try:
        yield folder
    except Exception:
        if new:
            with contextlib.suppress(OSError):  # something has been written, and stays
                folder.rmdir()
        raise


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
