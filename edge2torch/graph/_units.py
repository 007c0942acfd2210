"""Nodes with several units: the same graph once more, with units in place of nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.graph._edge_graph import EdgeGraph

Int = NDArray[np.int64]

_INPUTS_AT_ONCE = 4096  # 512 bytes of marks per node


@dataclass(frozen=True)
class UnitGraph:
    """A graph of units: every edge of the nodes' graph is a block, from all units to all.

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
        Units of each node.
    graph : EdgeGraph
        Its nodes are units, those of a node side by side under the node's name; its edges are
        weights, those of an edge one after the other.
    node : ndarray of int64, shape (units,)
        The node that each unit belongs to.
    edge : ndarray of int64, shape (weights,)
        The row of the edge table that each weight belongs to.
    """

    counts: Int
    graph: EdgeGraph = field(repr=False)
    node: Int = field(repr=False)
    edge: Int = field(repr=False)

    @property
    def first(self) -> Int:
        """The number of each node's first unit, (n,)."""
        return np.cumsum(self.counts) - self.counts

    def unit_of(self, numbers: Int) -> Int:
        """Return which of its node's units each unit is, from 0 on."""
        return numbers - self.first[self.node[numbers]]

    def units_of(self, nodes: Int) -> Int:
        """Return the numbers of all units of nodes, node by node."""
        counts = self.counts[nodes]
        before = np.cumsum(counts) - counts
        return np.repeat(self.first[nodes] - before, counts) + np.arange(counts.sum())


def expand_units(graph: EdgeGraph, counts: Int) -> UnitGraph:
    """Return the graph of the units; names are never repeated per edge, integers are."""
    first = np.cumsum(counts) - counts
    node = np.repeat(np.arange(graph.n_nodes), counts)
    size = counts[graph.source] * counts[graph.target]
    edge = np.repeat(np.arange(graph.n_edges), size)
    place = np.arange(len(edge)) - np.repeat(np.cumsum(size) - size, size)  # within the block
    source, target = graph.source[edge], graph.target[edge]
    to, by = np.divmod(place, counts[source])  # row by row: by target unit, then source unit
    units = UnitGraph(counts, graph, node, edge)
    expanded = EdgeGraph(
        metadata=pd.DataFrame(index=range(0)),
        columns=(),
        node_names=graph.node_names[node],
        source=first[source] + by,
        target=first[target] + to,
        initial_weight=graph.initial_weight[edge],
        constraint=graph.constraint[edge],
        inputs=units.units_of(graph.inputs),
        outputs=units.units_of(graph.outputs),
        is_active=graph.is_active[edge],
    )
    return UnitGraph(counts, expanded, node, edge)


def inputs_below(graph: EdgeGraph) -> Int:
    """Return how many inputs lead to each node, itself included, (n,)."""
    rows = graph.active_rows
    rows = rows[np.argsort(graph.target[rows], kind="stable")]
    source, target = graph.source[rows], graph.target[rows]
    found = np.zeros(graph.n_nodes, np.int64)
    if not len(rows):
        found[graph.inputs] = 1
        return found
    ends, starts = np.unique(target, return_index=True)
    for at in range(0, len(graph.inputs), _INPUTS_AT_ONCE):
        inputs = graph.inputs[at : at + _INPUTS_AT_ONCE]
        marks = np.zeros((graph.n_nodes, -(-len(inputs) // 8)), np.uint8)  # a bit per input
        k = np.arange(len(inputs))
        np.bitwise_or.at(marks, (inputs, k // 8), (1 << (k % 8)).astype(np.uint8))
        while True:  # one edge further each time, cycles included
            arrived = marks[ends] | np.bitwise_or.reduceat(marks[source], starts, axis=0)
            if np.array_equal(arrived, marks[ends]):
                break
            marks[ends] = arrived
        found += np.unpackbits(marks, axis=1).sum(axis=1, dtype=np.int64)
    return found
