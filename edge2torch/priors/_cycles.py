"""Make a graph feedforward by a stated rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import distances
from edge2torch.priors._edges import Bool, Graph, numbered
from edge2torch.priors._report import StepReport, step_report


def break_cycles(edges: EdgesLike, *, inputs: Any | None = None) -> tuple[pd.DataFrame, StepReport]:
    """Drop the edges of cycles that point back towards the inputs.

    The rule: nodes are ranked by the fewest edges that lead to them from an input, equal ones by
    name. An edge between two nodes of one cycle stays when it leads to a higher rank. So what an
    input reaches it still reaches, by ways as short as before.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    inputs : list of names, optional
        By default the nodes without incoming edges.

    Returns
    -------
    edges : DataFrame
        Without cycles.
    report : StepReport
        Its ``table`` holds every dropped edge.

    Raises
    ------
    Edge2TorchError
        When there are no inputs to rank by.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["u", "a", "b", "b"], "target": ["a", "b", "a", "y"]})
    >>> kept, report = break_cycles(edges)
    >>> report
    break_cycles: 4 nodes, 4 -> 3 edges
      1 of 2 edge(s) on cycles lead back towards the inputs and were dropped: 'b' -> 'a'.
    """
    graph = numbered(edges)
    starts = np.flatnonzero(graph.known(inputs, "inputs", otherwise=graph.is_input))
    cyclic = on_cycles(graph)
    if not cyclic.any():
        return graph.rows(~cyclic), step_report(
            "break_cycles", graph.frame, graph.frame, ("There are no cycles.",)
        )
    if not len(starts):
        raise Edge2TorchError(
            "every node has incoming edges, so there is no input to rank nodes by. Name inputs=."
        )
    far = distances(graph.source, graph.target, graph.n_nodes, starts)
    # equally far ones by number, which is by name, so that the result does not hang on row order
    order = np.lexsort((np.arange(graph.n_nodes), far))
    rank = np.empty(graph.n_nodes, np.int64)
    rank[order] = np.arange(graph.n_nodes)
    # not only >: a self loop leads to its own rank
    back = cyclic & (rank[graph.source] >= rank[graph.target])
    frame, dropped = graph.rows(~back), graph.rows(back)
    named = listing(dropped[["source", "target"]].itertuples(index=False, name=None))
    words = f"{int(back.sum()):,} of {int(cyclic.sum()):,} edge(s) on cycles lead back towards the "
    words += f"inputs and were dropped: {named}."
    return frame, step_report("break_cycles", graph.frame, frame, (words,), dropped)


def on_cycles(graph: Graph) -> Bool:
    """Mark edges between nodes of one strongly connected component, self loops included."""
    component = components(graph)
    cyclic: Bool = component[graph.source] == component[graph.target]
    return cyclic


def components(graph: Graph) -> np.ndarray:
    """Return each node's strongly connected component."""
    ones = np.ones(graph.n_edges, np.int8)
    matrix = csr_array((ones, (graph.source, graph.target)), shape=(graph.n_nodes, graph.n_nodes))
    _, component = connected_components(matrix, directed=True, connection="strong")
    return np.asarray(component)


def refuse_cycles(edges: pd.DataFrame) -> None:
    graph = numbered(edges)
    cyclic = np.flatnonzero(on_cycles(graph))
    if len(cyclic):
        ends = zip(
            graph.named(graph.source[cyclic]), graph.named(graph.target[cyclic]), strict=True
        )
        raise Edge2TorchError(
            f"edges have cycles: {len(cyclic):,} edge(s) are on one, such as {listing(ends)}. Use "
            "cycles='break' for the feedforward backend, or cycles='keep' for a backend that takes them."
        )
