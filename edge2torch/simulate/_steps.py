"""What an edge table with cycles means, step by step, written as plainly as possible."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Values: TypeAlias = NDArray[np.float64]
    Activation: TypeAlias = Callable[[Values], Values]


def evaluate_steps(
    edges: EdgesLike,
    inputs: Mapping[Hashable, ArrayLike],
    steps: int,
    weights: Sequence[ArrayLike] | ArrayLike | None = None,
    biases: Mapping[Hashable, float] | pd.Series[float] | None = None,
    *,
    activation: Activation | Mapping[Hashable, Activation] | None = None,
    outputs: Iterable[Hashable] | None = None,
    leak: float | Mapping[Hashable, float] = 1.0,
) -> list[dict[str, Values]]:
    """Update every node of a graph from its parents, step by step: the reference for cycles.

    All nodes start at zero and inputs at their data. In each step every node becomes
    ``(1 - leak) * value + leak * f(bias + sum(weight * parent's value of the step before))``, and
    then inputs get their data again. f is the activation at hidden nodes, those neither fed nor
    read out, and nothing elsewhere.

    Parameters
    ----------
    edges : pandas.DataFrame
        One row per edge, columns ``source`` and ``target``.
    inputs : mapping of name to array_like (b,)
        The data of the fed nodes.
    steps : int
        Number of updates.
    weights : array_like (e,), or a sequence of one such per step, optional
        Left out, the column ``weight`` is used; rows with a missing weight carry nothing.
    biases : mapping of name to float, or Series, optional
        Nodes that are not in it have none.
    activation : callable, or mapping of node name to callable, optional
        What hidden nodes apply.
    outputs : iterable of name, optional
        Nodes that are read out. Left out: the nodes without outgoing edges.
    leak : float, or mapping of name to float
        How much of a node is renewed in a step.

    Returns
    -------
    list of dict of str to numpy.ndarray (b,) float64
        The values of all nodes after each step, the start first.

    Raises
    ------
    Edge2TorchError
        When the weights do not fit the edges.

    Examples
    --------
    >>> import pandas as pd
    >>> loop = pd.DataFrame({"source": ["a", "h", "h"], "target": ["h", "h", "y"],
    ...                      "weight": [1.0, 0.5, 1.0]})
    >>> [values["h"].tolist() for values in evaluate_steps(loop, {"a": [8.0]}, steps=3)]
    [[0.0], [8.0], [12.0], [14.0]]
    """
    table = edge_frame(edges)
    pairs = [
        (str(source).strip(), str(target).strip())
        for source, target in zip(table["source"], table["target"], strict=True)
    ]
    given = table["weight"] if weights is None else weights
    by_step = np.broadcast_to(np.asarray(given, dtype=np.float64), (steps, len(pairs)))
    fed = {str(name).strip(): np.asarray(data, dtype=np.float64) for name, data in inputs.items()}
    bias = {} if biases is None else {str(name): float(value) for name, value in biases.items()}
    nodes = list(dict.fromkeys([*fed, *(name for pair in pairs for name in pair)]))
    sources = {source for source, _ in pairs}
    read = set(nodes) - sources if outputs is None else {str(name).strip() for name in outputs}
    if unknown := sorted(read - set(nodes)):
        hint = nearest(unknown[0], nodes)
        raise Edge2TorchError(f"outputs: not in the graph: {listing(unknown)}.{hint}")

    into: dict[str, list[int]] = {node: [] for node in nodes}
    for row, (_, target) in enumerate(pairs):
        into[target].append(row)

    length = max((len(data) for data in fed.values()), default=1)
    values = {node: fed.get(node, np.zeros(length)) for node in nodes}
    history = [values]
    for step in range(steps):
        following = {}
        for node in nodes:
            if node in fed:
                following[node] = fed[node]
                continue
            total = np.full(length, bias.get(node, 0.0))
            for row in into[node]:
                if not np.isnan(by_step[step, row]):
                    total = total + by_step[step, row] * values[pairs[row][0]]
            if node not in read:
                own = activation.get(node) if isinstance(activation, Mapping) else activation
                total = total if own is None else own(total)
            rate = leak.get(node, 1.0) if isinstance(leak, Mapping) else leak
            following[node] = (1 - rate) * values[node] + rate * total
        values = following
        history.append(values)
    return history
