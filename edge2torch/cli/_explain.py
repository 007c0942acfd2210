"""``explain-module`` and ``annotate-structure``: modules in; tables, figures and a manifest out."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import called, plural, require
from edge2torch.cli._options import File, changed, refuse, refuse_without
from edge2torch.errors import Edge2TorchError
from edge2torch.explain import ExplainConfig

if TYPE_CHECKING:
    import pandas as pd

    from edge2torch.explain import ExplainResult
    from edge2torch.netmodules import TranscriptData

_IDS = ("feature_id", "gene_id", "transcript_id")
_PAIR = ("gene_id", "transcript_id_a", "transcript_id_b")


@dataclass(frozen=True)
class Counts:
    """Counts that features or scores are made of, as for ``modules fit``."""

    data: Annotated[File, "Counts, as for `modules fit`; features are made of them."] = None
    new_data: Annotated[
        File, "Counts of samples that the fit has not seen: do modules hold there?"
    ] = None
    samples: Annotated[File, "Of --new-data: sample_id, and the fit's covariates if any."] = None
    transcripts: Annotated[File, "transcript_id, gene_id, where the counts do not hold them."] = (
        None
    )
    transpose: Annotated[bool, "The table of counts is samples × genes."] = False
    all_features: Annotated[bool, "With --transpose, as for the fit."] = False
    scale: Annotated[
        Literal["counts", "log2", "log1p"] | None, "Of the counts, as for the fit."
    ] = None
    plain_ids: Annotated[bool, "Compare ids of the counts as the fit did."] = False


_EXPLAINED = {
    "Options": (
        "percentile", "all_genes", "vae_attribution", "vae_fdr_threshold", "vae_percentile_threshold",
        "integrated_gradients", "ig_n_steps", "ig_baseline", "table_format", "leave_gene_out",
        "min_samples",
    ),
}  # fmt: skip
_EITHER = typer.Option(
    "--leave-gene-out/--whole-eigengene",
    help="Test genes against their module's eigengene without them, or with them.",
)


def explain_module_command(
    *,
    artifact_dir: Annotated[Path, "Folder that `modules fit` wrote."],
    output_dir: Annotated[Path, "Folder for tables and figures."],
    counts: Counts,
    feature_table: Annotated[File, "Samples × features: CSV, TSV or Parquet, ids first."] = None,
    feature_meta: Annotated[File, "feature_id, gene_id, feature_type, [transcript_id]."] = None,
    module_id: Annotated[
        list[str] | None,
        typer.Option(
            "--module-id", metavar="<name>", help="Which module; may be repeated; default: all."
        ),
    ] = None,
    eigengenes: Annotated[File, "module_id × samples, in place of the fit's."] = None,
    structure_annotation: Annotated[File, "Table that annotate-structure wrote."] = None,
    figures: Annotated[Literal["png", "pdf", "none"], "Format of the figures."] = "png",
    settings: Annotated[ExplainConfig, _EXPLAINED, {}, {"leave_gene_out": _EITHER}],
    console: Console,
) -> None:
    """Explain modules: drivers, polarity, contrast, attribution; tables, figures, a manifest."""
    from edge2torch._core.files import folder_of_results, read_json
    from edge2torch._core.tables import read_indexed, read_table
    from edge2torch.explain import explain_module
    from edge2torch.netmodules import load_modules

    refuse_without("integrated_gradients", settings, "ig_n_steps", "ig_baseline")
    refuse_without("vae_attribution", settings, "vae_fdr_threshold", "vae_percentile_threshold")
    table, meta, new = _features(feature_table, feature_meta, counts, settings.min_samples)
    with called("path", "artifact_dir"):
        fit = load_modules(artifact_dir)
    pairs = structure_annotation
    features = called("feature_table|feature_meta", "data") if counts.data else nullcontext()
    with features, folder_of_results(output_dir, "--output-dir") as folder:
        found = explain_module(
            fit,
            table,
            meta,
            module_id or None,
            settings,
            folder,
            eigengenes=None if eigengenes is None else read_indexed(eigengenes, "--eigengenes"),
            structure_annotation=None
            if pairs is None
            else read_table(pairs, "--structure-annotation"),
            new_data=new,
        )
    if figures != "none":
        shown = fit.feature_scores if new is None else fit.score(new)
        _draw(found, shown if table is None else table, output_dir, figures, console)
    for name, result in found.items():
        first = result.gene_driver_table.head(3)
        led = [f"{gene} ({r:+.2f})" for gene, r in zip(first["gene_id"], first["r"], strict=True)]
        console.say(f"{name}: {plural('gene', len(result.genes))}; led by {', '.join(led)}")
    manifest = output_dir / "module_explanation_manifest.json"
    console.say(read_json(manifest)["caveat"])
    console.say(f"Written to {output_dir}; {manifest.name} lists the files.")


def _features(
    table: Path | None, meta: Path | None, counts: Counts, min_samples: int
) -> tuple[pd.DataFrame | None, pd.DataFrame | None, TranscriptData | None]:
    """Features of the counts, or as given, or nothing: then scores are used, the fit's or of new samples."""
    from edge2torch._core.tables import read_indexed, read_table
    from edge2torch.explain import usage_features
    from edge2torch.netmodules import read_transcript_data

    given = {"data": counts.data, "new_data": counts.new_data}
    files = [f"{name}=" for name, path in given.items() if path is not None]
    if files and (table is not None or meta is not None or len(files) > 1):
        raise Edge2TorchError(
            f"{files[0]} makes features of counts. Give one of data= and new_data=, without "
            "feature_table= and feature_meta=."
        )
    if counts.samples is not None and counts.new_data is None:
        raise Edge2TorchError("samples= is about new_data=; give that too.")
    if files:
        how: dict[str, Any] = {one.name: getattr(counts, one.name) for one in fields(counts)}
        path = how.pop("data") or how["new_data"]
        with called("path|counts", files[0].rstrip("=")):
            read = read_transcript_data(
                path, **{k: v for k, v in how.items() if k != "new_data"}, min_samples=min_samples
            )
        return (*usage_features(read), None) if counts.new_data is None else (None, None, read)
    refuse(changed(counts), "is about counts; give data= or new_data= too.")
    return (
        None if table is None else read_indexed(table, "--feature-table"),
        None if meta is None else read_table(meta, "--feature-meta", text=_IDS),
        None,
    )


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


def annotate_structure_command(
    *,
    gtf: Annotated[Path, "Gene annotation with exon and CDS rows; may be gzipped."],
    out: Annotated[Path, "Table to write: .parquet, .csv or .tsv."],
    artifact_dir: Annotated[
        File, "A fit; each gene's largest against its smallest loading."
    ] = None,
    pairs: Annotated[File, "gene_id, transcript_id_a, transcript_id_b."] = None,
    plain_ids: Annotated[bool, "Look up ids by what stands before a bar."] = False,
    cache_dir: Annotated[File, "Where parsed GTF files are kept; default: your cache."] = None,
    no_cache: Annotated[bool, "Keep nothing."] = False,
    console: Console,
) -> None:
    """Say how the two transcripts of each switch differ in structure."""
    from edge2torch._core.packed import plain_suffix
    from edge2torch._core.tables import read_table, write_table
    from edge2torch.explain import annotate_structure, structure_words, summarize_structure
    from edge2torch.netmodules import load_modules

    if plain_suffix(out) not in {".parquet", ".csv", ".tsv"}:
        raise Edge2TorchError(f"--out: {out.name!r} must end in .parquet, .csv or .tsv.")
    if not out.parent.is_dir():
        raise Edge2TorchError(f"--out: the folder {str(out.parent)!r} is missing.")
    if (artifact_dir is None) == (pairs is None):
        raise Edge2TorchError("Give either --artifact-dir or --pairs.")
    if pairs is not None:
        asked = read_table(pairs, "--pairs", text=_PAIR)
    else:
        with called("path", "artifact_dir"):
            asked = load_modules(str(artifact_dir)).switch_pairs()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = None if no_cache else (cache_dir or home / "edge2torch")
    with console.bytes_read("GTF") as progress:
        found = annotate_structure(
            gtf, asked, plain_ids=plain_ids, cache_dir=kept, progress=progress
        )
    by_transcript = out.with_name(f"{out.stem}_by_transcript{out.suffix}")
    write_table(out, found)
    write_table(by_transcript, summarize_structure(found))
    for line in structure_words(found, len(asked)):
        console.say(line)
    console.say(f"Written: {out}, {by_transcript}")
