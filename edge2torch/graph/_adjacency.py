"""Adjacency in compressed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, dijkstra

from edge2torch._core.order import by_row_and_column, compressed

Int = NDArray[np.integer]


@dataclass(frozen=True)
class Adjacency:
    """Edges by source, then target: what a graph is checked, hashed and laid out by.

    Parameters
    ----------
    start : ndarray of int, shape (n + 1,)
        The edges that leave node v stand at ``start[v]:start[v + 1]``.
    following : ndarray of int, shape (e,)
        Their targets.
    rows : ndarray of int, shape (e,)
        Their rows of the edge table.
    """

    start: Int
    following: Int
    rows: Int

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.start) - 1

    @property
    def counts(self) -> Int:
        """Edges that leave each node, (n,)."""
        return np.diff(self.start)

    def keep(self, is_kept: NDArray[np.bool_]) -> Adjacency:
        """Return what is left of the edges, told by row (e,)."""
        if is_kept.all():
            return self
        kept = is_kept[self.rows]
        start = np.concatenate([[0], np.cumsum(kept)])[self.start]
        return Adjacency(start, self.following[kept], self.rows[kept])

    def repeated(self) -> Int:
        """Return the rows of edges that an earlier row has too."""
        again = self.following[1:] == self.following[:-1]
        first = self.start[1:-1]  # where a node's edges begin, the one before is another's
        again[first[(first > 0) & (first < len(self.following))] - 1] = False
        return np.sort(self.rows[1:][again])

    def reachable(self, starts: Int, *, backward: bool = False) -> NDArray[np.bool_]:
        """Mark the nodes (n,) on paths from any of ``starts``, these included; or on paths to them."""
        if not backward:
            return _found(self.start, self.following, starts)
        ones = np.ones(len(self.following), np.int8)
        turned = csr_array((ones, self.following, self.start), (self.n_nodes,) * 2).tocsc()
        return _found(turned.indptr, turned.indices, starts)


def adjacency(source: Int, target: Int, n_nodes: int) -> Adjacency:
    """Return the edges, ends (e,) row by row, by source, then target."""
    return Adjacency(*by_row_and_column(source, target, (n_nodes, n_nodes)))


def successors(source: Int, target: Int, n_nodes: int) -> tuple[Int, Int]:
    """Return ``(start, following)``: the targets of node v are following[start[v]:start[v+1]]."""
    graph = compressed(source, target, target, (n_nodes, n_nodes))
    return graph.indptr, graph.data


def reachable(source: Int, target: Int, n_nodes: int, starts: Int) -> NDArray[np.bool_]:
    """Mark the nodes (n,) that a directed path leads to from any of ``starts``, these included; ends are (e,)."""
    return _found(*successors(source, target, n_nodes), starts)


def distances(source: Int, target: Int, n_nodes: int, starts: Int) -> NDArray[np.float64]:
    """Return how many edges lead to each node (n,) from the nearest of ``starts``; inf for none. Ends are (e,)."""
    graph = _rooted(*successors(source, target, n_nodes), starts)
    hops: NDArray[np.float64] = dijkstra(graph, indices=n_nodes, unweighted=True)
    return hops[:n_nodes] - 1  # without the step from the extra node to a start


def _found(start: Int, following: Int, starts: Int) -> NDArray[np.bool_]:
    n_nodes = len(start) - 1
    graph = _rooted(start, following, starts)
    order = breadth_first_order(graph, n_nodes, directed=True, return_predecessors=False)
    found = np.zeros(n_nodes + 1, bool)
    found[order] = True
    return found[:n_nodes]


def _rooted(start: Int, following: Int, starts: Int) -> csr_array:
    """Return the graph with one extra node behind all others that leads to all starts: one search finds from all."""
    n_nodes, n_edges = len(start) - 1, len(following) + len(starts)
    following = np.concatenate([following, starts.astype(following.dtype)])
    start = np.append(start, np.array(n_edges, start.dtype))
    lengths = np.broadcast_to(1.0, n_edges)  # which nothing here reads: one number in place of many
    return csr_array((lengths, following, start), (n_nodes + 1, n_nodes + 1))
