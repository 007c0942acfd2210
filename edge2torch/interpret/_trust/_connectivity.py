"""How well connected each node is: what its score owes to the graph, and a dropout that fits it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_probability
from edge2torch.compile import CompileArtifact, graph_topology
from edge2torch.graph import GraphTopology

Ints = NDArray[np.int64]
_WORDS = 16  # 1,024 nodes are followed at once, as bits
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.int64)


def node_connectivity(artifact: CompileArtifact | GraphTopology) -> pd.DataFrame:
    """Return each node's number of edges, and the size of the sub-graph that it stands in.

    By node: ``in_degree``, ``out_degree``, ``degree``; ``upstream`` and ``downstream``, how many nodes lead to
    it and are reached from it; ``subgraph``, both and itself.
    """
    topology = artifact if isinstance(artifact, GraphTopology) else graph_topology(artifact)
    graph = topology.graph
    rows = graph.active_rows
    source, target, n = graph.source[rows], graph.target[rows], graph.n_nodes
    upstream, downstream = _counts(source, target, n)
    incoming, outgoing = (np.bincount(ends, minlength=n) for ends in (target, source))
    return pd.DataFrame(
        {
            "in_degree": incoming,
            "out_degree": outgoing,
            "degree": incoming + outgoing,
            "upstream": upstream,
            "downstream": downstream,
            "subgraph": upstream + downstream + 1,
        },
        index=pd.Index(graph.node_names, name="node"),
    )


def _counts(source: Ints, target: Ints, n: int) -> tuple[Ints, Ints]:
    """Count ancestors and descendants: sets of starts flow along the edges until none grows."""
    upstream, downstream = np.zeros(n, np.int64), np.zeros(n, np.int64)
    order = np.argsort(target, kind="stable")
    source, target = source[order], target[order]
    # Edges stand by target: each run of one target begins at a head, where reduceat joins its sources.
    heads = np.flatnonzero(np.diff(target, prepend=-1))
    for first in range(0, n, 64 * _WORDS):
        starts = np.arange(first, min(first + 64 * _WORDS, n))
        members = np.zeros((n, 8 * _WORDS), np.uint8)
        place = starts - first
        # as np.unpackbits reads a byte: the first member is its highest bit
        members[starts, place // 8] = 128 >> (place % 8)
        reached = _flow(members.view(np.uint64), source, target[heads], heads).view(np.uint8)
        reached[starts, place // 8] &= ~members[
            starts, place // 8
        ]  # no node is its members ancestor
        upstream += _BITS[reached].sum(axis=1, dtype=np.int64)
        bits = np.unpackbits(reached, axis=1)[:, : len(starts)]
        downstream[starts] = bits.sum(axis=0, dtype=np.int64)
    return upstream, downstream


def _flow(
    members: NDArray[np.uint64], source: Ints, targets: Ints, heads: Ints
) -> NDArray[np.uint64]:
    """Return the union of each node's members set and of all sets upstream of it."""
    reached = members.copy()
    while len(heads):
        joined = np.bitwise_or.reduceat(reached[source], heads, axis=0) | reached[targets]
        if (joined == reached[targets]).all():
            break
        reached[targets] = joined
    return reached


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
        For a rate that is not a probability below 1.

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
