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
from edge2torch.priors._edges import Bool, Edges, known_names, numbered
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
    own = numbered(edges)
    starts = np.flatnonzero(own.is_input) if inputs is None else known_names(own, inputs, "inputs")
    cyclic = on_cycles(own)
    if not cyclic.any():
        return own.rows(~cyclic), step_report(
            "break_cycles", own.frame, own.frame, ("There are no cycles.",)
        )
    if not len(starts):
        raise Edge2TorchError(
            "every node has incoming edges, so there is no input to rank nodes by. Name inputs=."
        )
    far = distances(own.source, own.target, own.n_nodes, starts)
    order = np.lexsort((np.arange(own.n_nodes), far))
    rank = np.empty(own.n_nodes, np.int64)
    rank[order] = np.arange(own.n_nodes)
    back = cyclic & (rank[own.source] >= rank[own.target])
    frame, dropped = own.rows(~back), own.rows(back)
    named = listing(dropped[["source", "target"]].itertuples(index=False, name=None))
    words = f"{int(back.sum()):,} of {int(cyclic.sum()):,} edge(s) on cycles lead back towards the "
    words += f"inputs and were dropped: {named}."
    return frame, step_report("break_cycles", own.frame, frame, (words,), dropped)


def on_cycles(own: Edges) -> Bool:
    """Mark edges between nodes of one strongly connected component, self loops included."""
    component = components(own)
    cyclic: Bool = component[own.source] == component[own.target]
    return cyclic


def components(own: Edges) -> np.ndarray:
    """Return each node's strongly connected component."""
    ones = np.ones(own.n_edges, np.int8)
    graph = csr_array((ones, (own.source, own.target)), shape=(own.n_nodes, own.n_nodes))
    _, component = connected_components(graph, directed=True, connection="strong")
    return np.asarray(component)
