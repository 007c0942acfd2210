"""Which genes reach which nodes, and how to leave nodes out without cutting what led through them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from edge2torch.priors._edges import Bool, Graph, Int


def adjacency(graph: Graph) -> Any:
    """Return the graph as a Boolean matrix (n, n): from row to column."""
    ones = np.ones(graph.n_edges, bool)
    return csr_array((ones, (graph.source, graph.target)), shape=(graph.n_nodes, graph.n_nodes))


def spread(first: Any, step: Any) -> Any:
    """Return, for every row, all columns that lead on from those it marks, these included.

    Each pair is found once, so the cost follows the pairs.
    """
    total = fresh = first
    while fresh.nnz:
        fresh = (fresh @ step) > total  # one step further, less what is known already
        total = total + fresh
    return total


def genes_above(graph: Graph, genes: Int) -> Any:
    """Return which gene reaches which node, (genes, n); a gene reaches itself."""
    ones, rows = np.ones(len(genes), bool), np.arange(len(genes))
    first = csr_array((ones, (rows, genes)), shape=(len(genes), graph.n_nodes))
    return spread(first, adjacency(graph))


def gene_counts(graph: Graph, genes: Int) -> Int:
    """Return how many genes reach each node, (n,)."""
    reached = genes_above(graph, genes)
    return np.bincount(reached.indices, minlength=graph.n_nodes).astype(np.int64)


def bypass(graph: Graph, gone: Bool) -> pd.DataFrame:
    """Leave nodes out; what led to them leads on to where they led."""
    kept = ~gone[graph.source] & ~gone[graph.target]
    frame = graph.rows(kept)
    if not gone.any():
        return frame
    matrix = adjacency(graph)
    out, stay = np.flatnonzero(gone), np.flatnonzero(~gone)
    # from nodes that stay, through any number of those that go, to nodes that stay
    into = matrix[stay][:, out]
    through = spread(into, matrix[out][:, out]) @ matrix[out][:, stay]
    # where an edge leads there already it keeps its row
    pairs = (through > matrix[stay][:, stay]).tocoo()
    source, target = stay[pairs.row], stay[pairs.col]
    proper = source != target  # a cycle through what goes would leave a self loop
    return appended(graph, frame, source[proper], target[proper], "bypass")


def appended(
    graph: Graph, frame: pd.DataFrame, source: Int, target: Int, relation: str
) -> pd.DataFrame:
    """Return a table with further edges between known nodes, their other columns filled in.

    A relation is stated where the table has any, a sign is 0, names are those known.
    """
    if not len(source):
        return frame
    new = pd.DataFrame({"source": graph.names[source], "target": graph.names[target]})
    if "relation" in frame:
        new["relation"] = relation
    if "sign" in frame:
        new["sign"] = 0
    for side in ("source", "target"):
        if f"{side}_name" in graph.frame:
            new[f"{side}_name"] = new[side].map(node_names(graph.frame))
    both = pd.concat([frame, new], ignore_index=True)
    return tidy(both, frame)


def node_names(frame: pd.DataFrame) -> pd.Series:
    """Return the human names that a table holds, by identifier."""
    parts = [
        frame[[side, f"{side}_name"]].set_axis(["id", "name"], axis=1)
        for side in ("source", "target")
        if f"{side}_name" in frame
    ]
    if not parts:
        return pd.Series(dtype=object)
    return pd.concat(parts).dropna().drop_duplicates("id").set_index("id")["name"]


def tidy(both: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Keep columns of text and of whole or true values what they were, where rows lack them."""
    for column in both.columns.difference(["source", "target"]):
        if both[column].dtype == object:
            both[column] = both[column].where(both[column].notna(), None)
        if column in before and before[column].dtype == bool and both[column].notna().all():
            both[column] = both[column].astype(bool)
    return both
