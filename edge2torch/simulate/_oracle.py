"""What a feedforward edge table means, written as plainly as possible.

Every fast path of the package is compared with this one, so it stays a dictionary and a loop
and shares no code with the compiler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Values: TypeAlias = NDArray[np.float64]
    Activation: TypeAlias = Callable[[Values], Values]
    Edge: TypeAlias = tuple[str, str]


def evaluate(
    edges: EdgesLike,
    inputs: Mapping[Hashable, ArrayLike] | pd.DataFrame,
    weights: Mapping[tuple[Hashable, Hashable], float] | Sequence[float] | ArrayLike | None = None,
    biases: Mapping[Hashable, float] | pd.Series[float] | None = None,
    *,
    activation: Activation | Mapping[Hashable, Activation] | None = None,
    outputs: Iterable[Hashable] | None = None,
) -> dict[str, Values]:
    """Evaluate an edge table one node at a time: the reference for every compiled model.

    A node's value is ``bias + sum(weight * value of parent)``; hidden nodes, those neither fed
    nor read out, pass it through their activation. The value of a fed node is its data, whatever
    edges point at it.

    Parameters
    ----------
    edges : pandas.DataFrame
        One row per edge, columns ``source`` and ``target``. Names are compared as
        ``str(name).strip()``.
    inputs : mapping of name to array_like (b,), or DataFrame (b, i)
        The data of the fed nodes.
    weights : array_like (e,) in the order of the rows, or mapping of (source, target) to float, \
optional
        Left out, the column ``weight`` is used, and 1 where there is none.
    biases : mapping of name to float, or Series, optional
        Nodes that are not in it have none.
    activation : callable, or mapping of node name to callable, optional
        What hidden nodes apply to their value; takes and returns a float64 array (b,). With a
        mapping, hidden nodes that are not in it apply nothing.
    outputs : iterable of name, optional
        Nodes that are read out. Left out: the nodes without outgoing edges.

    Returns
    -------
    dict of str to numpy.ndarray (b,) float64
        The value of every node, in an order in which each follows its parents.

    Raises
    ------
    Edge2TorchError
        When the edges form a cycle that no fed node interrupts, an edge is given twice, or the
        weights do not fit the edges.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from edge2torch.simulate import evaluate
    >>> edges = pd.DataFrame({"source": ["a", "b", "h", "a"], "target": ["h", "h", "y", "y"]})
    >>> values = evaluate(
    ...     edges,
    ...     inputs={"a": [1.0, 2.0], "b": [0.0, -3.0]},
    ...     weights=[1.0, 2.0, 0.5, 10.0],
    ...     biases={"h": 1.0},
    ...     activation=lambda v: np.maximum(v, 0.0),
    ... )
    >>> values["h"].tolist(), values["y"].tolist()
    ([2.0, 0.0], [11.0, 20.0])
    """
    fed = {_name(name): np.asarray(data, dtype=np.float64) for name, data in inputs.items()}
    weight = _weight_of_edge(edge_frame(edges), weights)
    bias = {} if biases is None else {_name(n): float(v) for n, v in biases.items()}
    sources = {source for source, _ in weight}
    read = (
        {target for _, target in weight} - sources if outputs is None else set(map(_name, outputs))
    )

    networkx = require("networkx")
    graph = networkx.DiGraph()
    graph.add_nodes_from([*fed, *sources])
    graph.add_edges_from(edge for edge in weight if edge[1] not in fed)
    if not networkx.is_directed_acyclic_graph(graph):
        cycle = [source for source, _ in networkx.find_cycle(graph)]
        raise Edge2TorchError(
            f"edges: a cycle cannot be evaluated one node at a time: {listing(cycle)}. "
            "Feed one of its nodes, or remove an edge."
        )

    length = max((len(data) for data in fed.values()), default=1)
    values: dict[str, Values] = {}
    for node in networkx.topological_sort(graph):
        if node in fed:
            values[node] = fed[node]
            continue
        value = np.full(length, bias.get(node, 0.0))
        for parent in graph.predecessors(node):
            value = value + weight[parent, node] * values[parent]
        values[node] = value if node in read else _activate(node, value, activation)
    return values


def _activate(
    node: str, value: Values, activation: Activation | Mapping[Hashable, Activation] | None
) -> Values:
    own = activation.get(node) if isinstance(activation, Mapping) else activation
    return value if own is None else own(value)


def _weight_of_edge(
    edges: pd.DataFrame,
    weights: Mapping[tuple[Hashable, Hashable], float] | Sequence[float] | ArrayLike | None,
) -> dict[Edge, float]:
    pairs = [(_name(s), _name(t)) for s, t in zip(edges["source"], edges["target"], strict=True)]
    if isinstance(weights, Mapping):
        given = {(_name(s), _name(t)): float(w) for (s, t), w in weights.items()}
        if lost := [pair for pair in pairs if pair not in given]:
            raise Edge2TorchError(
                f"weights: no weight for {listing(lost)}. Give one for every edge of the table."
            )
        numbers = [given[pair] for pair in pairs]
    else:
        if weights is None:
            weights = edges["weight"] if "weight" in edges else np.ones(len(pairs))
        numbers = np.asarray(cast("ArrayLike", weights), dtype=np.float64).tolist()
    if len(numbers) != len(pairs):
        raise Edge2TorchError(
            f"weights: {len(numbers)} weight(s) for {len(pairs)} edge(s). Give one per row of edges."
        )
    weight = dict(zip(pairs, numbers, strict=True))
    if len(weight) != len(pairs):
        twice = sorted(pair for pair, count in Counter(pairs).items() if count > 1)
        raise Edge2TorchError(
            f"edges: given more than once: {listing(twice)}. Keep one row of each."
        )
    return weight


def _name(name: object) -> str:
    return str(name).strip()
