"""The demo's data: files inside two packages from PyPI, found without importing them."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from edge2torch.errors import Edge2TorchError
from edge2torch.priors import read_gmt

PIP = "pip install --no-deps scanpy==1.11.5 scvega==0.0.2"

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
    "A": "a",
    "ALPHAIIB": "alphaIIb",
    "ENOS": "eNOS",
    "HNRNP": "hnRNP",
    "ILS": "interleukins",
    "KAPPAB": "kappaB",
    "MRNA": "mRNA",
    "NEF": "Nef",
    "POL": "Pol",
    "RRNA": "rRNA",
    "TRKA": "TrkA",
    "TRNA": "tRNA",
    "WNT": "Wnt",
}


@dataclass(frozen=True)
class Pathways:
    """Gene sets cut to the measured genes.

    Parameters
    ----------
    table : DataFrame
        One row per pathway: ``pathway``, ``id`` (its name in the file), ``genes`` (measured),
        ``also`` (other sets with the same measured genes).
    members : dict of str to list of str
        Measured genes of each pathway.
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
    rows = [
        {
            "pathway": readable(names[0]),
            "id": names[0],
            "genes": len(found),
            "also": "; ".join(names[1:]),
        }
        for found, names in same.items()
    ]
    table = pd.DataFrame(rows)
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
