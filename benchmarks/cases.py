"""The graphs that everyone is timed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from edge2torch.simulate import layered_graph, random_dag

FEEDFORWARD = ("ours", "edge2torch", "kpnn2", "dense")
WITH_BINN = (*FEEDFORWARD, "ours_like_binn", "binn")

# What --data has to hold for the real graphs, and where such files come from.
FILES: Mapping[str, str] = {
    "edgelist_full.tsv.gz": "source, target: protein -> Reactome pathway -> ... -> root, from the "
    "UniProt-to-Reactome map and the pathway hierarchy that reactome.org offers for download",
    "binn_layers4.tsv.gz": "hop, source, target: the connectivity matrices of BINN(n_layers=4)",
    "go_edges.tsv.gz": "child, parent, rel, ontology: go-basic.obo of geneontology.org as a table",
    "go_annotation_human.tsv.gz": "gene, go_id, evidence, ontology: goa_human.gaf of "
    "geneontology.org as a table",
}


@dataclass(frozen=True)
class Case:
    """A graph and who is timed on it; ``steps`` is 0 for feedforward."""

    name: str
    title: str
    draw: Callable[[Path | None], pd.DataFrame]
    contenders: tuple[str, ...] = FEEDFORWARD
    batches: tuple[int, ...] = (64,)
    steps: int = 0
    keep: bool = False
    files: tuple[str, ...] = ()
    levels: Levels | None = None

    def draw_any(self, data: Path | None = None) -> pd.DataFrame:
        """The graph, or without its files a random one with the same levels."""
        try:
            return self.draw(data)
        except FileNotFoundError:
            if self.levels is None:
                raise
            return like_levels(self.levels)


@dataclass(frozen=True)
class Levels:
    """What is known of a real graph without its names: its longest-path levels, inputs first.

    ``widths`` are nodes; the others count edges: ``entering`` from inputs to each level beyond,
    ``next`` from each level beyond to the next one, ``skips`` from each of these to later ones.
    """

    widths: tuple[int, ...]
    entering: tuple[int, ...]
    next: tuple[int, ...]
    skips: tuple[int, ...]


def _layered(*args: object, **options: object) -> Callable[[Path | None], pd.DataFrame]:
    return lambda _: layered_graph(*args, **options)  # type: ignore[arg-type]


def deep(edges: int, nodes: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Case (a) with another number of edges, and its two widest layers scaled."""
    sizes = [int(20_000 * nodes), int(2_000 * nodes), 200, 20, 1]
    hops = [int(edges * 0.9), int(edges * 0.09), 0, 20]
    hops[2] = min(edges - sum(hops), 4_000)
    hops[0] += edges - sum(hops)
    return layered_graph(sizes, hops, seed)


def _cyclic(nodes: int, edges: int, inputs: int, outputs: int, seed: int = 0) -> pd.DataFrame:
    """A graph with cycles: inputs feed the middle, the middle itself and the outputs."""
    rng = np.random.default_rng(seed)
    first_output = nodes - outputs
    needed = np.concatenate(
        [
            np.arange(first_output) * nodes + rng.integers(inputs, first_output, first_output),
            rng.integers(0, first_output, nodes - inputs) * nodes + np.arange(inputs, nodes),
        ]
    )
    more = rng.integers(0, first_output, 2 * edges) * nodes + rng.integers(inputs, nodes, 2 * edges)
    codes = np.concatenate([needed, more])
    codes = codes[codes // nodes != codes % nodes]
    _, first = np.unique(codes, return_index=True)
    source, target = np.divmod(codes[np.sort(first)[:edges]], nodes)
    names = np.array([f"n{k:05d}" for k in rng.permutation(nodes)], dtype=object)
    return pd.DataFrame({"source": names[source], "target": names[target]})


def like_levels(levels: Levels, seed: int = 0, *, tail: float = 0.6) -> pd.DataFrame:
    """A random graph with these levels, heavy-tailed, in which only the last level puts out."""
    rng = np.random.default_rng(seed)
    last = len(levels.widths) - 1
    nodes = np.split(np.arange(sum(levels.widths)), np.cumsum(levels.widths)[:-1])
    n = len(np.concatenate(nodes))
    # how attractive a node is as a target: some of each level much more than others
    pull = np.concatenate([rng.permutation((1.0 + np.arange(len(one))) ** -tail) for one in nodes])
    codes = np.zeros(0, np.int64)
    for k, here in enumerate(nodes[:-1]):
        # a parent one level up for every node, which makes its level; all of them before one twice
        parents = np.resize(rng.permutation(here), len(nodes[k + 1]))
        codes = np.concatenate([codes, parents * n + nodes[k + 1]])
        idle = np.setdiff1d(here, parents)  # nodes that still need a child
        along = levels.entering[0] if k == 0 else levels.next[k - 1]
        wanted = [(nodes[k + 1], along - len(nodes[k + 1]))]
        if k == 0:
            wanted += zip(nodes[2:], levels.entering[1:], strict=True)
        elif k < last - 1:
            wanted.append((np.concatenate(nodes[k + 2 :]), levels.skips[k - 1]))
        for targets, count in wanted:
            share, total = pull[targets] / pull[targets].sum(), len(codes) + count
            while (missing := total - len(codes)) > 0:
                source = np.concatenate([idle, rng.choice(here, missing)])[:missing]
                idle = idle[missing:]
                drawn = np.unique(source * n + rng.choice(targets, missing, p=share))
                codes = np.concatenate([codes, np.setdiff1d(drawn, codes)])
    source, target = np.divmod(codes, n)
    names = np.array([f"n{k:05d}" for k in rng.permutation(n)], dtype=object)
    return pd.DataFrame({"source": names[source], "target": names[target]})


def _rooted_dag(_: Path | None) -> pd.DataFrame:
    """A random graph whose ends, at all depths, are joined by one output."""
    edges = random_dag(2_999, 11_500, seed=0)
    ends = sorted(set(edges["target"]) - set(edges["source"]))
    return pd.concat([edges, pd.DataFrame({"source": ends, "target": "output"})])


def _read(data: Path | None, name: str) -> pd.DataFrame:
    found = sorted(data.rglob(name)) if data else []
    if not found:
        raise FileNotFoundError(f"needs --data with {name} ({FILES[name]})")
    return pd.read_csv(found[0], sep="\t", dtype=str)


def _sepsis(data: Path | None) -> pd.DataFrame:
    return _read(data, "edgelist_full.tsv.gz")[["source", "target"]]


def _binn_layers(data: Path | None) -> pd.DataFrame:
    """BINN's own network: a pathway that waits a layer is another node there."""
    table = _read(data, "binn_layers4.tsv.gz")
    hop = table["hop"].astype(int)
    edges = pd.DataFrame(
        {
            "source": hop.astype(str) + ":" + table["source"],
            "target": (hop + 1).astype(str) + ":" + table["target"],
        }
    )
    while True:  # a pathway that no protein reaches is no input
        kept = edges[(hop == 0) | edges["source"].isin(edges["target"])]
        if len(kept) == len(edges):
            return kept
        edges, hop = kept, hop[kept.index]


def _gene_ontology(data: Path | None) -> pd.DataFrame:
    """Gene to biological process, and on to all of its ancestors."""
    annotation = _read(data, "go_annotation_human.tsv.gz")
    terms = _read(data, "go_edges.tsv.gz")
    genes = annotation.loc[annotation["ontology"] == "BP", ["gene", "go_id"]].drop_duplicates()
    terms = terms.loc[terms["ontology"] == "BP", ["child", "parent"]]
    reached = set(genes["go_id"])
    while True:
        more = set(terms.loc[terms["child"].isin(reached), "parent"]) - reached
        if not more:
            break
        reached |= more
    parts = [genes, terms[terms["child"].isin(reached)]]
    names = ["source", "target"]
    return pd.concat([part.set_axis(names, axis=1) for part in parts], ignore_index=True)


_REACTOME_LIKE = _layered([9_000, 1_400], [40_000], heavy_tailed=True)

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case(
            "a",
            "20,000 -> 2,000 -> 200 -> 20 -> 1",
            lambda _: deep(100_000),
            WITH_BINN,
            (64, 256, 1024),
        ),
        Case(
            "b",
            "9,000 -> 1,400, heavy-tailed degrees",
            _REACTOME_LIKE,
            WITH_BINN,
            (64, 256),
        ),
        Case(
            "c",
            "state update, 3 steps",
            lambda _: _cyclic(10_000, 100_000, inputs=1_000, outputs=100),
            steps=3,
        ),
        Case("d1", "200 -> 50 at 10 %", _layered([200, 50], [1_000]), batches=(64, 256)),
        Case("d2", "1,000 -> 500 at 30 %", _layered([1_000, 500], [150_000]), batches=(64, 256)),
        Case(
            "d3",
            "2,000 -> 1,000, dense",
            _layered([2_000, 1_000], [2_000_000]),
            (*FEEDFORWARD, "linear"),
            (64, 256),
        ),
        Case("e", "random acyclic graph, many skips", _rooted_dag),
        Case(
            "f",
            "sepsis proteins -> Reactome -> root (real)",
            _sepsis,
            files=("edgelist_full.tsv.gz",),
            levels=Levels(
                widths=(460, 631, 246, 112, 54, 25, 12, 5, 3, 1),
                entering=(2833, 288, 48, 47, 2, 0, 0, 0, 0),
                next=(437, 153, 67, 27, 14, 5, 3, 3),
                skips=(202, 100, 47, 27, 11, 7, 2),
            ),
        ),
        Case(
            "f4",
            "the same as BINN's own four layers (real)",
            _binn_layers,
            WITH_BINN,
            files=("binn_layers4.tsv.gz",),
        ),
        Case(
            "g",
            "genes -> GO biological process (real)",
            _gene_ontology,
            files=("go_edges.tsv.gz", "go_annotation_human.tsv.gz"),
            levels=Levels(
                widths=(
                    *(18708, 5621, 3774, 2600, 1447, 881, 566, 379, 237, 161, 117, 77, 51, 27),
                    *(15, 9, 5, 3, 3, 1, 1),
                ),
                entering=(
                    *(28833, 17563, 21430, 17107, 14048, 11080, 8903, 6110, 4988, 4028, 1788),
                    *(1831, 1957, 406, 74, 67, 85, 50, 21, 0),
                ),
                next=(
                    *(5543, 4005, 2535, 1424, 855, 566, 366, 259, 180, 113, 75, 46, 19, 12, 8),
                    *(3, 3, 1, 1),
                ),
                skips=(
                    *(8246, 4732, 3014, 1636, 987, 614, 396, 217, 139, 127, 65, 41, 19, 8, 4),
                    *(3, 1, 2),
                ),
            ),
        ),
        Case(
            "h",
            "200,000 -> 20,000 -> 200 -> 20 -> 1",
            lambda _: deep(1_000_000, nodes=10),
            keep=True,
        ),
    )
}
