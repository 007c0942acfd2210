"""Modules of the gene graph: Leiden or connected components, then core and size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from edge2torch._core.messages import require
from edge2torch.netmodules._config import ModulesConfig

Ints = NDArray[np.int64]
NOWHERE = -1


def communities(edges: pd.DataFrame, gene_ids: NDArray[np.object_], config: ModulesConfig,
                seed: int) -> Ints:  # fmt: skip
    """Community of every gene (g,); a gene without an edge is alone in its own."""
    index = pd.Index(gene_ids)
    source, target = (
        index.get_indexer(pd.Index(edges["source"])),
        index.get_indexer(pd.Index(edges["target"])),
    )
    weight = edges["weight"].to_numpy() ** config.power
    if config.community == "components":
        graph = sparse.coo_matrix((weight, (source, target)), shape=(len(index), len(index)))
        return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
    igraph = require("igraph", extra="modules")
    leiden = require("leidenalg", extra="modules")
    graph = igraph.Graph(n=len(index), edges=np.column_stack([source, target]))
    found = leiden.find_partition(
        graph,
        leiden.RBConfigurationVertexPartition,
        weights=weight,
        resolution_parameter=config.resolution,
        seed=seed,
        n_iterations=-1,
    )
    return np.asarray(found.membership, dtype=np.int64)


def core_of(labels: Ints, edges: pd.DataFrame, gene_ids: NDArray[np.object_], k: int) -> Ints:
    """Labels of the genes that lie in the k-core of their own module; the rest nowhere."""
    if k < 1:
        return labels
    igraph = require("igraph", extra="modules")
    index = pd.Index(gene_ids)
    source, target = (
        index.get_indexer(pd.Index(edges["source"])),
        index.get_indexer(pd.Index(edges["target"])),
    )
    inside = labels[source] == labels[target]
    graph = igraph.Graph(n=len(index), edges=np.column_stack([source[inside], target[inside]]))
    return np.where(np.asarray(graph.coreness()) >= k, labels, NOWHERE)


def named_by_size(labels: Ints, smallest: int) -> tuple[Ints, Ints]:
    """Number modules from the largest, ties by their first gene, and the old label of each.

    Genes of modules that are too small are nowhere.
    """
    inside = np.flatnonzero(labels != NOWHERE)
    found, first, size = np.unique(labels[inside], return_index=True, return_counts=True)
    kept = size >= smallest
    found, first, size = found[kept], first[kept], size[kept]
    found = found[np.lexsort((first, -size))]
    number = np.full(int(labels.max(initial=0)) + 1, NOWHERE)
    number[found] = np.arange(len(found))
    named = np.where(labels != NOWHERE, number[np.maximum(labels, 0)], NOWHERE)
    return named.astype(np.int64), found.astype(np.int64)


def module_name(number: int) -> str:
    """``M000``, ``M001``, ..."""
    return f"M{number:03d}"
