"""The demo: blood cells, Reactome pathways, ten cell types, of files inside two packages from PyPI."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._core.messages import plural
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import prepare_prior, read_gmt
from edge2torch.study import ReportText, StudyResult, StudySettings, read_h5ad, run_study

PIP = "pip install --no-deps scanpy==1.11.5 scvega==0.0.2"

_LABEL = "bulk_labels"
_CELLS = ("scanpy", "10x_pbmc68k_reduced.h5ad")
_PATHWAYS = ("scvega", "reactomes.gmt")
_PREFIX = "REACTOME_"
# Names come in capitals. These words keep them, beside single letters and words with a digit.
_CAPITALS = (
    "APC ATP AU BCR CAM CCT CDC CLEC CREB CSF DNA DAG EGFR ER FC FCERI FCGR FGFR GM GPCR GPVI GTP "
    "HIV IFN IGF IL II III IKK IP IRAK JNK KIT LDL LPS MAL MAP MAPK MHC MYD NADE NCAM NF NGF NK "
    "NMD NMDA NOD NOTCH NRAGE NRIF NTR PDGF PI PKC PLC PPARA PTEN RAF RAS RHO RIG RNA SCF SIRP "
    "SLC SRP TAK TAT TCA TCR TGF TLR TNF TRIC TRIF UTR VEGF VIF VPR ZAP"
)
_SPELLINGS = {
    "A": "a", "ALPHAIIB": "alphaIIb", "ENOS": "eNOS", "HNRNP": "hnRNP", "ILS": "interleukins",
    "KAPPAB": "kappaB", "MRNA": "mRNA", "NEF": "Nef", "POL": "Pol", "RRNA": "rRNA", "TRKA": "TrkA",
    "TRNA": "tRNA", "WNT": "Wnt",
}  # fmt: skip


def demo_files() -> tuple[Path, Path]:
    """Return the paths of the cells and of the pathways."""
    cells, pathways = _find(*_CELLS), _find(*_PATHWAYS)
    if cells is None or pathways is None:
        found = {_CELLS[0]: cells, _PATHWAYS[0]: pathways}
        absent = [package for package, path in found.items() if path is None]
        raise Edge2TorchError(
            f"The demo's data are files of {' and '.join(absent)}, not installed here. "
            f"Install with: {PIP}"
        )
    return cells, pathways


def _find(package: str, name: str) -> Path | None:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in files if file.name == name]
    return next((path for path in paths if path.is_file()), None)


def pathway_graph(
    sets: pd.DataFrame, genes: Iterable[str], classes: Sequence[str], smallest: int, largest: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lead measured genes to pathways as annotated, and every pathway to every class.

    Returns edges, and a row per pathway: ``pathway``, ``id`` (its name in the file), ``genes``
    (measured), ``also`` (other sets with the same measured genes).
    """
    fitted = prepare_prior(
        sets, genes, classes, connect=True, min_genes=smallest, max_genes=largest, merge=True
    )
    edges = fitted.edges[["source", "target"]]
    last = edges["target"].isin(classes)
    table = edges[~last].groupby("target", as_index=False).size()
    table.columns = pd.Index(["id", "genes"])
    merged = next(one.table for one in fitted.steps if one.step == "merge_identical")
    also = pd.DataFrame(merged).sort_values("node").groupby("into")["node"].agg("; ".join)
    table["also"] = table["id"].map(also).fillna("")
    table.insert(0, "pathway", table["id"].map(readable))
    if not table["pathway"].is_unique:
        table["pathway"] = table["id"]
    # genes first, pathway by pathway: the start of a network goes by the order of its edges
    members = edges[~last].sort_values(["target", "source"])
    ordered = pd.concat([members, edges[last].sort_values(["source", "target"])])
    names = dict(zip(table["id"], table["pathway"], strict=True))
    return ordered.replace(names).reset_index(drop=True), table


def readable(name: str) -> str:
    """Turn ``REACTOME_TCR_SIGNALING`` into ``TCR signaling``."""
    first, *rest = [_spell(word) for word in name.removeprefix(_PREFIX).split("_") if word]
    return " ".join([first.capitalize() if first.islower() else first, *rest])


def _spell(word: str) -> str:
    if word in _SPELLINGS:
        return _SPELLINGS[word]
    if len(word) == 1 or word in _CAPITALS.split() or any(letter.isdigit() for letter in word):
        return word
    return word.lower()


def run_demo(
    settings: StudySettings, min_genes: int, max_genes: int, command: str, **told: Any
) -> StudyResult:
    """Train and explain a pathway network of the demo's cells."""
    file, gmt = demo_files()
    cells = read_h5ad(file)
    sizes = cells.obs[_LABEL].astype(str).value_counts()
    kinds = sorted(sizes.index[sizes >= settings.min_class_size])
    genes = cells.raw.var_names.astype(str)
    sets = read_gmt(gmt, quiet=True)
    edges, pathways = pathway_graph(sets, list(genes), kinds, min_genes, max_genes)
    text = ReportText(
        title="Which pathways tell blood cell types apart?",
        data=f"{cells.n_obs:,} peripheral blood mononuclear cells with "
        f"{plural('gene', len(genes))} each (10x Genomics, log-normalised; from the scanpy "
        f"package), labelled with {len(kinds)} cell types.",
        graph=_pathway_words(edges, pathways, sets, genes, min_genes, max_genes),
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
        tables={"pathways": pathways.set_index("pathway")},
    )
    return run_study(edges, cells, _LABEL, settings=settings, text=text, **told)


def _pathway_words(
    edges: pd.DataFrame,
    pathways: pd.DataFrame,
    sets: pd.DataFrame,
    genes: pd.Index,
    smallest: int,
    largest: int,
) -> str:
    pairs = int(pathways["genes"].sum())
    n_rest = int((~genes.isin(edges["source"])).sum())
    merged = int((pathways["also"] != "").sum())
    return (
        f"Gene → pathway → cell type: of {sets['target'].nunique()} Reactome pathways (from the scvega package) "
        f"{len(pathways)} have {smallest} to {largest} measured genes"
        + (f" ({merged} of them stand for several with the same measured genes)" if merged else "")
        + f"; {pairs:,} annotations lead from genes to pathways, and every pathway to every cell "
        f"type. {n_rest:,} measured genes are in none of these pathways, so the network does not "
        "see them."
    )
