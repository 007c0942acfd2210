"""Dropout that never cuts a node off, so that redundant nodes learn to share the work."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from edge2torch._core.checks import check_probability
from edge2torch.compile import CompileArtifact, graph_topology

__all__ = ["graph_aware_dropout"]

# Up to so many incoming edges: share of the full rate.
_STEPS: Mapping[int, float] = MappingProxyType({1: 0.0, 3: 0.2, 7: 0.6})


def graph_aware_dropout(artifact: CompileArtifact, rate: float = 0.5) -> dict[str, float]:
    """Return a dropout probability for each hidden node that fits the graph around it.

    Of two nodes that carry the same signal, an ordinarily trained network may use one and leave
    the other, and which one depends on the start. Dropout forces it to use both. In a sparse
    graph one rate for all would often silence a node's only source, so that whole branches carry
    nothing: Fortelny & Bock therefore let the rate follow the graph. Here a node's rate is set by
    the one among its targets with the fewest incoming edges: none where that has this source
    alone, a fifth of ``rate`` with up to three, three fifths with up to seven, and all of it
    beyond. (The steps are ours; the idea is the paper's.)

    Parameters
    ----------
    artifact : CompileArtifact
        What ``compile_graph`` returned.
    rate : float
        Largest probability.

    Returns
    -------
    dict of str to float
        For ``customize_model(model, node_dropout=..., artifact=artifact)``; nodes that are never
        dropped are left out.

    Raises
    ------
    Edge2TorchError
        For a rate that is no probability below 1.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame(
    ...     {"source": ["g1", "g2", "g3", "a", "b", "only"],
    ...      "target": ["a", "b", "only", "y", "y", "z"]}
    ... )
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> graph_aware_dropout(artifact)
    {'a': 0.1, 'b': 0.1}
    >>> model = e2t.customize_model(
    ...     model, node_dropout=graph_aware_dropout(artifact), artifact=artifact
    ... )

    References
    ----------
    Fortelny & Bock 2020, doi:10.1186/s13059-020-02100-5.
    """
    check_probability("rate", rate)
    topology = graph_topology(artifact)
    graph = topology.graph
    source, target = graph.source[graph.active_rows], graph.target[graph.active_rows]
    fan_in = np.bincount(target, minlength=graph.n_nodes)
    fewest = np.full(graph.n_nodes, np.iinfo(np.int64).max)
    np.minimum.at(fewest, source, fan_in[target])
    rates = [round(float(rate) * share, 12) for share in (*_STEPS.values(), 1.0)]
    step = np.searchsorted(list(_STEPS), fewest)
    hidden = graph.numbers(topology.hidden, "hidden")
    chosen = zip(topology.hidden, step[hidden].tolist(), strict=True)
    return {name: rates[k] for name, k in chosen if rates[k] > 0}
