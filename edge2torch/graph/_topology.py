"""A read-only view of a compiled graph's topology, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from edge2torch.errors import Edge2TorchError
from edge2torch.graph._adjacency import distances, reachable, successors
from edge2torch.graph._edge_graph import EdgeGraph


@dataclass(frozen=True)
class GraphTopology:
    """Who feeds whom, by name.

    Parameters
    ----------
    graph : EdgeGraph
        The graph that is looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g", "tf", "g"], "target": ["tf", "out", "out"]})
    >>> _, artifact = e2t.compile_graph(edges, quiet=True)
    >>> view = artifact.topology
    >>> view.parents("out"), view.ancestors("out"), view.depth["out"]
    (['g', 'tf'], ['g', 'tf'], 1)
    >>> view.shortest_path("g", "out")
    ['g', 'out']
    """

    graph: EdgeGraph

    @property
    def inputs(self) -> list[str]:
        """Names of the nodes that data feeds, in model order."""
        return self.graph.names(self.graph.inputs)

    @property
    def outputs(self) -> list[str]:
        """Names of the nodes that are read, in model order."""
        return self.graph.names(self.graph.outputs)

    @property
    def hidden(self) -> list[str]:
        """Names of all other nodes, sorted."""
        ends = np.concatenate([self.graph.inputs, self.graph.outputs])
        return self.graph.names(np.setdiff1d(np.arange(self.graph.n_nodes), ends))

    def parents(self, node: str) -> list[str]:
        """Return the sources of a node's incoming edges, sorted."""
        return self._neighbours(self._backward, node)

    def children(self, node: str) -> list[str]:
        """Return the targets of a node's outgoing edges, sorted."""
        return self._neighbours(self._forward, node)

    def ancestors(self, node: str) -> list[str]:
        """Return every other node from which a directed path leads to ``node``, sorted."""
        return self._reached(self.graph.target, self.graph.source, node)

    def descendants(self, node: str) -> list[str]:
        """Return every other node to which a directed path leads from ``node``, sorted."""
        return self._reached(self.graph.source, self.graph.target, node)

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """Fewest edges from any input to each node; -1 where no input leads."""
        return dict(zip(self.graph.node_names.tolist(), self.distances.tolist(), strict=True))

    @cached_property
    def distances(self) -> NDArray[np.int64]:
        """The same by node number, shape (n,)."""
        graph = self.graph
        hops = distances(graph.source, graph.target, graph.n_nodes, graph.inputs)
        return np.where(np.isfinite(hops), hops, -1).astype(np.int64)

    def shortest_path(self, source: str, target: str) -> list[str]:
        """Return the nodes of a shortest directed path, both ends included.

        Raises
        ------
        Edge2TorchError
            When a name is unknown or no path leads from ``source`` to ``target``.
        """
        graph = self.graph
        first, last = graph.numbers([source, target], "source/target").tolist()
        ones = np.ones(graph.n_edges, np.int8)
        matrix = csr_array((ones, (graph.source, graph.target)), (graph.n_nodes, graph.n_nodes))
        _, previous = breadth_first_order(matrix, first, directed=True)
        path = [last]
        while path[-1] != first:
            before = int(previous[path[-1]])
            if before < 0:
                raise Edge2TorchError(f"No directed path leads from {source!r} to {target!r}.")
            path.append(before)
        return graph.names(np.array(path[::-1]))

    @cached_property
    def _forward(self) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        return successors(self.graph.source, self.graph.target, self.graph.n_nodes)

    @cached_property
    def _backward(self) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        return successors(self.graph.target, self.graph.source, self.graph.n_nodes)

    def _neighbours(
        self, adjacency: tuple[NDArray[np.integer], NDArray[np.integer]], node: str
    ) -> list[str]:
        start, following = adjacency
        number = int(self.graph.numbers([node], "node")[0])
        return self.graph.names(np.sort(following[start[number] : start[number + 1]]))

    def _reached(
        self, source: NDArray[np.int64], target: NDArray[np.int64], node: str
    ) -> list[str]:
        number = self.graph.numbers([node], "node")
        found = reachable(source, target, self.graph.n_nodes, number)
        found[number] = False
        return self.graph.names(np.flatnonzero(found))

    def __repr__(self) -> str:
        return f"GraphTopology({self.graph!r})"
