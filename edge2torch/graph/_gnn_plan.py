"""Roles of nodes and the order of edges in a graph neural network, as integer arrays.

A function node is one that passes something on or is not read: every node that is neither an
input nor an output without outgoing edges. An output with outgoing edges is read, and is a
function node as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import listing, warn
from edge2torch.graph._adjacency import distances
from edge2torch.graph._edge_graph import EdgeGraph

Int = NDArray[np.int64]

ADDED = -1  # row of an edge that is not in the table, and place of a node that has no such role


@dataclass(frozen=True)
class GnnPlan:
    """Who feeds, computes and is read, and along which edges.

    Parameters
    ----------
    steps : int
        Layers of message passing.
    inputs, functions, outputs : ndarray of int64
        Node numbers; inputs and outputs in model order, functions ascending.
    edges : ndarray of int64, shape (e,)
        Rows of the edge table, ordered by target, then source; -1 for self edges that were added.
    source, target : ndarray of int64, shape (e,)
        Node numbers.
    """

    steps: int
    inputs: Int
    functions: Int
    outputs: Int
    edges: Int
    source: Int
    target: Int

    def places(self, nodes: Int, of: Int) -> Int:
        """Return the position within ``of`` of each of the nodes; -1 for those not in it."""
        size = int(max(nodes.max(initial=-1), of.max(initial=-1))) + 1
        place = np.full(size, ADDED, np.int64)
        place[of] = np.arange(len(of))
        return place[nodes]

    @property
    def in_table(self) -> Int:
        """Positions of the edges that the table has."""
        return np.flatnonzero(self.edges != ADDED)

    def layer_nodes(self) -> dict[str, Int]:
        """Return node numbers by layer name: inputs, functions once per layer, outputs."""
        ends = {f"layer_{self.steps + 1}": self.outputs}
        return {"layer_0": self.inputs, **self.site_nodes(), **ends}

    def site_nodes(self) -> dict[str, Int]:
        """Return the function nodes once per layer."""
        return {f"layer_{k + 1}": self.functions for k in range(self.steps)}

    def edge_rows(self) -> list[Int]:
        """Return the rows of the edge table that messages pass along."""
        return [self.edges[self.in_table]]

    def biased_nodes(self) -> list[Int]:
        """Return the function nodes: their channels have biases."""
        return [self.functions]

    def __repr__(self) -> str:
        counts = (
            (self.steps, "layer"),
            (len(self.functions), "function node"),
            (len(self.edges), "edge"),
        )
        parts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts]
        return f"GnnPlan({', '.join(parts)})"


def plan_gnn(
    graph: EdgeGraph, *, steps: int, self_edges: bool = False, residual: bool = True
) -> GnnPlan:
    """Give each node its role and each edge its place; warn of outputs that no input can reach.

    ``self_edges`` gives every function node an edge to itself where it has none. Without ``residual``,
    which keeps edge states from layer to layer, messages arrive only on paths through exactly ``steps``
    function nodes.
    """
    rows = graph.active_rows
    source, target = graph.source[rows], graph.target[rows]
    # the order decides: an output that sends on is a function node too, an input never is
    role = np.zeros(graph.n_nodes, bool)
    role[target] = True
    role[graph.outputs] = False
    role[source] = True
    role[graph.inputs] = False
    functions = np.flatnonzero(role)
    if self_edges:
        alone = np.setdiff1d(functions, source[source == target])
        rows = np.concatenate([rows, np.full(len(alone), ADDED)])
        source, target = np.concatenate([source, alone]), np.concatenate([target, alone])
    order = np.lexsort((source, target))  # by target, then source, as kernels compress them
    plan = GnnPlan(
        steps=steps,
        inputs=graph.inputs,
        functions=functions,
        outputs=graph.outputs,
        edges=rows[order],
        source=source[order],
        target=target[order],
    )
    _warn_of_silence(graph, plan, residual=residual)
    return plan


def _warn_of_silence(graph: EdgeGraph, plan: GnnPlan, *, residual: bool) -> None:
    """Say which outputs the inputs cannot reach in so many layers, and how many it takes."""
    if residual:
        hops = distances(plan.source, plan.target, graph.n_nodes, plan.inputs)[plan.outputs]
        # a path of h edges passes h - 1 function nodes, and a layer takes it past one of them
        silent = plan.outputs[hops - 1 > plan.steps]
        remedy = f"Use steps={int(hops.max()) - 1} or more"
    else:
        silent = plan.outputs[~_heard(graph, plan)[plan.outputs]]
        remedy = "Without residual only paths through exactly so many function nodes count"
    if len(silent):
        warn(
            f"With steps={plan.steps} no input reaches {len(silent)} output(s): "
            f"{listing(graph.names(silent))}. {remedy}."
        )


def _heard(graph: EdgeGraph, plan: GnnPlan) -> NDArray[np.bool_]:
    """Mark the nodes that a path through exactly ``steps`` function nodes leads to."""
    fed, sends = np.zeros(graph.n_nodes, bool), np.zeros(graph.n_nodes, bool)
    fed[plan.inputs] = True
    sends[plan.functions] = True
    told = fed[plan.source]
    heard: NDArray[np.bool_] = fed.copy()
    heard[plan.target[told & ~sends[plan.target]]] = True  # straight from an input to an output
    for _ in range(plan.steps):
        knows = np.zeros(graph.n_nodes, bool)
        knows[plan.target[told]] = True
        told = knows[plan.source] & sends[plan.source]
    heard[plan.target[told]] = True
    return heard
