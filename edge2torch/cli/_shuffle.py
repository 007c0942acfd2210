"""Shuffle a graph's edges so that nothing but the knowledge in them is lost."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.compile import CompileArtifact

_ROUNDS = 40


def shuffle_edges(artifact: CompileArtifact, rng: np.random.Generator) -> pd.DataFrame:
    """Return the edge table with targets exchanged between edges.

    Every node keeps its number of incoming and outgoing edges, also by layer, and no edge is
    there twice: two edges ``a -> b`` and ``c -> d`` between the same two layers become
    ``a -> d`` and ``c -> b``, many times over. A layer whose every source meets every target
    stays as it is.
    """
    graph = artifact.graph
    layer = np.zeros(graph.n_nodes, np.int64)
    names = pd.Index(graph.node_names)
    for k, members in enumerate(artifact.node_names_by_layer.values()):
        layer[names.get_indexer(pd.Index(members))] = k
    depth = int(layer.max()) + 1
    group = layer[graph.source] * depth + layer[graph.target]
    target = exchange_targets(graph.source, graph.target, group, rng)
    return graph.edges.assign(target=graph.node_names[target])


def exchange_targets(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    group: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Exchange targets within groups of edges, every edge once a round, keeping edges unique."""
    n_nodes = int(max(source.max(), target.max())) + 1
    target = target.copy()
    for _ in range(_ROUNDS):
        first, second = _pairs(group, rng)
        present = np.sort(source * n_nodes + target)
        new = np.stack(
            [
                source[first] * n_nodes + target[second],
                source[second] * n_nodes + target[first],
            ]
        )
        place = np.minimum(np.searchsorted(present, new), len(present) - 1)
        _, inverse, count = np.unique(new, return_inverse=True, return_counts=True)
        clash = (present[place] == new) | (count[inverse.reshape(new.shape)] > 1)
        free = ~clash.any(axis=0)
        first, second = first[free], second[free]
        target[first], target[second] = target[second], target[first]
    return target


def _pairs(
    group: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair every edge with a random one of its group; one is left over where a group is odd."""
    order = np.lexsort((rng.random(len(group)), group))
    ordered = group[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    first = np.flatnonzero((rank[:-1] % 2 == 0) & (ordered[:-1] == ordered[1:]))
    return order[first], order[first + 1]
