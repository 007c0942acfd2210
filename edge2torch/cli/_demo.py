"""The demo: blood cells, Reactome pathways, ten cell types, of files inside two packages from PyPI."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._core.messages import plural
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import read_gmt
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


@dataclass(frozen=True)
class Pathways:
    """Gene sets cut to the measured genes.

    ``table`` has a row per pathway: ``pathway``, ``id`` (its name in the file), ``genes`` (measured),
    ``also`` (other sets with the same measured genes); ``members`` are the genes of each.
    """

    table: pd.DataFrame
    members: Mapping[str, list[str]]


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


def read_sets(path: Path) -> dict[str, list[str]]:
    """Read gene sets as lists of genes."""
    edges = read_gmt(path, quiet=True)
    return {str(name): own.tolist() for name, own in edges.groupby("target")["source"]}


def choose_pathways(
    sets: Mapping[str, list[str]], genes: Iterable[str], smallest: int, largest: int
) -> Pathways:
    """Keep sets with enough and not too many measured genes; of equal ones, the first by name."""
    measured = set(genes)
    same: dict[frozenset[str], list[str]] = defaultdict(list)
    for name in sorted(sets):
        if smallest <= len(found := measured.intersection(sets[name])) <= largest:
            same[frozenset(found)].append(name)
    if not same:
        raise Edge2TorchError(
            f"No pathway has between --min-genes {smallest} and --max-genes {largest} of the "
            f"{len(measured):,} measured genes."
        )
    table = pd.DataFrame(
        [
            (readable(first), first, len(found), "; ".join(others))
            for found, (first, *others) in same.items()
        ],
        columns=["pathway", "id", "genes", "also"],
    )
    if not table["pathway"].is_unique:
        table["pathway"] = table["id"]
    members = dict(zip(table["pathway"], map(sorted, same), strict=True))
    return Pathways(table, members)


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


def pathway_edges(pathways: Pathways, classes: Iterable[str]) -> pd.DataFrame:
    """Gene to pathway as annotated, and every pathway to every class."""
    pairs = [(gene, name) for name, genes in pathways.members.items() for gene in genes]
    pairs += [(name, cell) for name in pathways.members for cell in classes]
    return pd.DataFrame(pairs, columns=["source", "target"])


def run_demo(
    settings: StudySettings, min_genes: int, max_genes: int, command: str, **told: Any
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
    edges = pathway_edges(pathways, kinds)
    return run_study(edges, cells, _LABEL, settings=settings, text=text, **told)


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
