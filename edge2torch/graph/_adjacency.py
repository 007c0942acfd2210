"""Adjacency in compressed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, dijkstra

from edge2torch._core.order import order_of


def successors(
    source: NDArray[np.int64], target: NDArray[np.int64], n_nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ``(start, following)``: the targets of node v are following[start[v]:start[v+1]]."""
    counts = np.bincount(source, minlength=n_nodes)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return start, target[order_of(source, n_nodes)]


def reachable(
    source: NDArray[np.int64], target: NDArray[np.int64], n_nodes: int, starts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark the nodes (n,) that a directed path leads to from any of ``starts``, these included; ends are (e,)."""
    graph = _rooted(source, target, n_nodes, starts)
    order = breadth_first_order(graph, n_nodes, directed=True, return_predecessors=False)
    found = np.zeros(n_nodes + 1, bool)
    found[order] = True
    return found[:n_nodes]


def distances(
    source: NDArray[np.int64], target: NDArray[np.int64], n_nodes: int, starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how many edges lead to each node (n,) from the nearest of ``starts``; inf for none. Ends are (e,)."""
    graph = _rooted(source, target, n_nodes, starts)
    hops: NDArray[np.float64] = dijkstra(graph, indices=n_nodes, unweighted=True)
    return hops[:n_nodes] - 1  # without the step from the extra node to a start


def _rooted(
    source: NDArray[np.int64], target: NDArray[np.int64], n_nodes: int, starts: NDArray[np.int64]
) -> csr_array:
    """Return the graph with one extra node in front of all starts: one search finds from all."""
    root = np.full(len(starts), n_nodes)
    rows, columns = np.concatenate([source, root]), np.concatenate([target, starts])
    shape = (n_nodes + 1, n_nodes + 1)
    return csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape)
