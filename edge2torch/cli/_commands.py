"""The demo: blood cells, Reactome pathways, ten cell types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge2torch._core.messages import plural
from edge2torch.cli._demo import (
    Pathways,
    choose_pathways,
    demo_files,
    pathway_edges,
    read_sets,
)
from edge2torch.study import ReportText, StudyResult, StudySettings, read_h5ad, run_study

_LABEL = "bulk_labels"


def run_demo(
    out: Path,
    settings: StudySettings,
    *,
    min_genes: int,
    max_genes: int,
    resume: bool,
    command: str,
    progress: Callable[[str], None],
    quiet: bool,
) -> StudyResult:
    """Train and explain a pathway network of the demo's cells."""
    file, gmt = demo_files()
    cells = read_h5ad(file)
    sizes = cells.obs[_LABEL].astype(str).value_counts()
    kinds = sorted(sizes.index[sizes >= settings.min_class_size])
    genes = cells.raw.var_names.astype(str)
    sets = read_sets(gmt)
    pathways = choose_pathways(sets, genes, min_genes, max_genes)
    text = ReportText(
        title="Which pathways tell blood cell types apart?",
        data=f"{cells.n_obs:,} peripheral blood mononuclear cells with "
        f"{plural('gene', len(genes))} each (10x Genomics, log-normalised; from the scanpy "
        f"package), labelled with {len(kinds)} cell types.",
        graph=_pathway_words(pathways, len(sets), len(genes), min_genes, max_genes),
        caveats=(
            (
                "The cell-type labels were given by comparing each cell with sorted reference "
                "populations. The T cell labels in particular overlap, so no model can be right for "
                "all cells."
            ),
            (
                f"Only {plural('gene', len(genes))} of about 20,000 are in this data set, chosen for "
                "their variation; most pathways are seen through a few of their genes, and none that "
                f"has fewer than {min_genes} of them can be found. The pathways are of an older "
                "Reactome release."
            ),
        ),
        command=command,
        sample="cell",
        feature="gene",
        node="pathway",
        group="cell type",
        tables={"pathways": pathways.table.set_index("pathway")},
    )
    return run_study(
        pathway_edges(pathways, kinds),
        cells,
        _LABEL,
        settings=settings,
        text=text,
        folder=out,
        resume=resume,
        progress=progress,
        quiet=quiet,
    )


def _pathway_words(
    pathways: Pathways, n_sets: int, n_genes: int, min_genes: int, max_genes: int
) -> str:
    pairs = sum(len(genes) for genes in pathways.members.values())
    n_rest = n_genes - len(set().union(*pathways.members.values()))
    merged = int((pathways.table["also"] != "").sum())
    return (
        f"Gene → pathway → cell type: of {n_sets} Reactome pathways (from the scvega package) "
        f"{len(pathways.table)} have {min_genes} to {max_genes} measured genes"
        + (f" ({merged} of them stand for several with the same measured genes)" if merged else "")
        + f"; {pairs:,} annotations lead from genes to pathways, and every pathway to every cell "
        f"type. {n_rest:,} measured genes are in none of these pathways, so the network does not "
        "see them."
    )
