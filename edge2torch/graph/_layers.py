"""Layers by longest path."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge2torch.errors import Edge2TorchError
from edge2torch.graph._adjacency import successors


def longest_path_layers(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    is_input: NDArray[np.bool_],
    *,
    most: int | None = None,
) -> NDArray[np.int64]:
    """Return the length of the longest path from an input to each node of a DAG (n,); -1 on and below cycles.

    Edges (e,) do not lead into inputs, which are layer 0; another node without incoming edges is in layer 1.
    Graphs deeper than ``most`` are refused before time is spent on them.
    """
    return layers_along(*successors(source, target, len(is_input)), is_input, most=most)


def layers_along(
    start: NDArray[np.integer],
    following: NDArray[np.integer],
    is_input: NDArray[np.bool_],
    *,
    most: int | None = None,
) -> NDArray[np.int64]:
    """Return the same of edges that are sorted: those of node v lead to following[start[v]:start[v + 1]]."""
    n_nodes = len(is_input)
    # Kahn's algorithm, a whole layer at a time: a node is laid when the last of its sources is,
    # which is the end of its longest path
    waiting = np.bincount(following, minlength=n_nodes)
    layer = np.full(n_nodes, -1, np.int64)
    frontier = np.flatnonzero((waiting == 0) & is_input)
    late = np.flatnonzero((waiting == 0) & ~is_input)  # joins in the second round: layer 1
    depth = 0
    while len(frontier) or len(late):
        if most is not None and depth > most:
            raise Edge2TorchError(
                f"edgelist: a path is longer than {most:,} edges, and a feedforward model computes "
                "one layer after the other. Shorten it with collapse_chains or limit_layers of "
                "edge2torch.priors, or use backend='recurrent' with a number of steps."
            )
        layer[frontier] = depth
        reached = following[_spans(start[frontier], start[frontier + 1])]
        nodes, times = _counted(reached, n_nodes)
        waiting[nodes] -= times  # counted first: indices that repeat would be taken off once
        frontier = np.concatenate([nodes[waiting[nodes] == 0], late])
        late = late[:0]
        depth += 1
    return layer


def _counted(
    nodes: NDArray[np.integer], n_nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which nodes there are, sorted, and how often each is."""
    if (
        8 * len(nodes) < n_nodes
    ):  # to count all nodes at every layer of a deep graph would take longer
        return np.unique(nodes, return_counts=True)
    times = np.bincount(nodes, minlength=n_nodes)
    found = np.flatnonzero(times)
    return found, times[found]


def _spans(start: NDArray[np.integer], stop: NDArray[np.integer]) -> NDArray[np.int64]:
    """Concatenate ``arange(start[k], stop[k])`` over k without a Python loop."""
    length = stop - start
    total = int(length.sum())
    # a running count, moved by each span's start less what the spans before it have used up
    shift = np.repeat(start - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    spans: NDArray[np.int64] = np.arange(total) + shift
    return spans
