"""What a recurrent model computes in every step, as integer arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from edge2torch.graph._adjacency import distances
from edge2torch.graph._edge_graph import EdgeGraph

Int = NDArray[np.int64]


@dataclass(frozen=True)
class RecurrentPlan:
    """A state of all nodes, and the edges along which each step renews it.

    Parameters
    ----------
    nodes : ndarray of int64, shape (n,)
        Node numbers in the order of the state's columns: inputs in model order, then all others.
    n_inputs : int
        How many of them are inputs.
    edges : ndarray of int64, shape (e,)
        Rows of the edge table, ordered by target, then source.
    rows, columns : ndarray of int64, shape (e,)
        Positions of target (among the nodes that are no inputs) and of source (in the state).
    is_cyclic : ndarray of bool, shape (e,)
        Whether the edge lies on a cycle.
    outputs : ndarray of int64, shape (o,)
        Positions in the state that are read.
    from_input, to_output : ndarray of float64, shape (n,)
        Fewest edges from any input, and to any output; inf where no path leads.
    sites : tuple of str
        What the states are called at which nodes are attributed.
    """

    nodes: Int
    n_inputs: int
    edges: Int
    rows: Int
    columns: Int
    is_cyclic: NDArray[np.bool_] = field(repr=False)
    outputs: Int
    from_input: NDArray[np.float64] = field(repr=False)
    to_output: NDArray[np.float64] = field(repr=False)
    sites: tuple[str, ...]

    @property
    def computed(self) -> Int:
        """Node numbers of the columns that a step computes."""
        return self.nodes[self.n_inputs :]

    def layer_nodes(self) -> dict[str, Int]:
        """Return node numbers by layer name: the inputs, and what every step computes."""
        return {"layer_0": self.nodes[: self.n_inputs], "state": self.computed}

    def site_nodes(self) -> dict[str, Int]:
        """Return node numbers by attribution site: the whole state at each."""
        return dict.fromkeys(self.sites, self.nodes)

    def edge_rows(self) -> list[Int]:
        """Return rows of the edge table, one array per layer of the model that holds weights."""
        return [self.edges]

    def biased_nodes(self) -> list[Int]:
        """Return node numbers, one array per bias vector of the model."""
        return [self.computed]

    def __repr__(self) -> str:
        plural = "" if len(self.sites) == 1 else "s"
        return (
            f"RecurrentPlan({len(self.nodes)} nodes, {len(self.edges)} edges, "
            f"{int(self.is_cyclic.sum())} on cycles, {len(self.sites)} site{plural})"
        )


def plan_recurrent(graph: EdgeGraph, *, sites: tuple[str, ...]) -> RecurrentPlan:
    """Number the state of a recurrent model; cycles and self loops are welcome. Nodes are attributed at ``sites``."""
    edges = graph.active_rows
    source, target = graph.source[edges], graph.target[edges]
    present = np.zeros(graph.n_nodes, bool)
    for nodes in (source, target, graph.outputs):
        present[nodes] = True
    present[graph.inputs] = False  # they are numbered already, in front
    nodes = np.concatenate([graph.inputs, np.flatnonzero(present)])
    place = np.full(graph.n_nodes, -1, np.int64)
    place[nodes] = np.arange(len(nodes))
    n_inputs = len(graph.inputs)
    # by row, then column, as kernels compress them: the last key of lexsort counts first
    order = np.lexsort((place[source], place[target]))
    edges, columns, ends = edges[order], place[source[order]], place[target[order]]
    outputs = place[graph.outputs]
    return RecurrentPlan(
        nodes=nodes,
        n_inputs=n_inputs,
        edges=edges,
        rows=ends - n_inputs,  # inputs are never computed, so row 0 is the first other node
        columns=columns,
        is_cyclic=_on_cycles(columns, ends, len(nodes)),
        outputs=outputs,
        from_input=distances(columns, ends, len(nodes), np.arange(n_inputs)),
        to_output=distances(ends, columns, len(nodes), outputs),
        sites=sites,
    )


def _on_cycles(source: Int, target: Int, n: int) -> NDArray[np.bool_]:
    """Mark the edges whose ends lie in one strongly connected component."""
    graph = csr_array((np.ones(len(source), np.int8), (source, target)), (n, n))
    _, component = connected_components(graph, directed=True, connection="strong")
    within: NDArray[np.bool_] = component[source] == component[target]
    return within
