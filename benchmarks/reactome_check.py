"""The Reactome network of the sepsis proteins, beside two that others built from the same files.

    python benchmarks/reactome_check.py --data DIR

DIR holds ``1_kpnn_sepsis_binn``: Reactome's tables, ``edgelist_full.tsv.gz`` (all that lies between
the proteins and a root, built independently) and ``binn_layers4.tsv.gz`` (the network of four layers
that BINN 0.1.1 builds). Every edge that only one of two networks has is put into a class.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import networkx as nx
import pandas as pd

from edge2torch import priors

Pair = tuple[str, str]


def pairs(edges: pd.DataFrame) -> set[Pair]:
    return set(zip(edges["source"], edges["target"], strict=True))


def kind(pair: Pair, proteins: set[str]) -> str:
    if pair[1].startswith("root"):
        return "pathway -> root"
    return "protein -> pathway" if pair[0] in proteins else "pathway -> pathway"


def beside_all(ours: set[Pair], theirs: set[Pair], proteins: set[str]) -> None:
    """Both networks hold everything: any difference is an error in one of them."""
    own, other = ({a for a, _ in edges} & proteins for edges in (ours, theirs))
    print("\nBeside edgelist_full:")
    print(f"  proteins: {len(own & other):,} in both, {len(own - other)} ours only, ", end="")
    print(f"{len(other - own)} theirs only")
    for name, edges in (
        ("both", ours & theirs),
        ("ours", ours - theirs),
        ("theirs", theirs - ours),
    ):
        counts = Counter(kind(pair, proteins) for pair in edges)
        print(f"  edges in {name}: {len(edges):,}  {dict(sorted(counts.items()))}")


def beside_binn(ours: set[Pair], theirs: set[Pair]) -> None:
    """BINN's network has four layers of pathways, each fed by the one before only."""
    graph = nx.DiGraph(list(ours))
    there = {node for pair in theirs for node in pair}

    def added(pair: Pair) -> str:
        if pair[0] == pair[1]:
            return "a copy of a node, to fill a layer"
        if pair[0] in graph and pair[1] in graph and nx.has_path(graph, *pair):
            return "past pathways that four layers leave out"
        return "to its own root"

    def missing(pair: Pair) -> str:
        if pair[1].startswith("root"):
            return "to the root"
        return "skips a layer" if set(pair) <= there else "from or to a node that is left out"

    print("\nBeside binn_layers4 (4 layers of pathways, no skip edges):")
    print(f"  edges in both: {len(ours & theirs):,}")
    for name, edges, why in (("theirs", theirs - ours, added), ("ours", ours - theirs, missing)):
        print(f"  edges in {name} only: {len(edges):,}")
        for words, count in Counter(map(why, edges)).most_common():
            print(f"    {count:,}: {words}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "1_kpnn_sepsis_binn"
    measured = pd.read_csv(folder / "protein_matrix.csv.gz", usecols=["Protein"])["Protein"]
    edges = priors.read_reactome(
        folder / "reactome_hsa_relation.tsv", folder / "uniprot2reactome_hsa.tsv.gz"
    )
    edges, report = priors.prepare_prior(edges, measured, root="root")
    print(report)
    full = priors.read_edges(folder / "edgelist_full.tsv.gz", quiet=True)
    beside_all(pairs(edges), pairs(full), set(measured))
    beside_binn(pairs(edges), pairs(pd.read_csv(folder / "binn_layers4.tsv.gz", sep="\t")))


if __name__ == "__main__":
    main()
