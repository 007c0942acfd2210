"""Data that a graph itself has made: every node is its parents' signed sum, and noise."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from edge2torch._core.checks import check_choice, check_count, check_number
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values: TypeAlias = NDArray[np.float64]
    NodeFunction: TypeAlias = Callable[[Values], Values]

_RATE = 0.25  # of the way to its target value that a node of a cyclic graph goes per update
_UPDATES = 4000
_SETTLED = 1e-10
_TOO_LARGE = 1e8


def simulate(
    graph: Any,
    n_train: int,
    n_test: int,
    input_nodes: Sequence[Hashable] | None = None,
    output_nodes: Sequence[Hashable] | None = None,
    *,
    noise_scale: float = 1.0,
    special_functions: Mapping[Hashable, NodeFunction] | None = None,
    signed_edges: Mapping[tuple[Hashable, Hashable], float] | None = None,
    cycles: Literal["steady", "euler"] = "steady",
    seed: int = 0,
) -> tuple[Any, Any, Any, Any]:
    """Draw training and test data from a graph: inputs, and what comes out at its outputs.

    Inputs are N(0, 1). Any other node is ``N(f(parents), noise_scale ** 2)``, where f is the sum
    of its parents' values times the signs of the edges, unless it has a function of its own.

    Parameters
    ----------
    graph : DataFrame or networkx.DiGraph
        An edge table with columns ``source`` and ``target``, or a directed graph.
    n_train, n_test : int
        Samples.
    input_nodes, output_nodes : sequence of names, optional
        The columns of x and y. By default the nodes without incoming and without outgoing
        edges, sorted.
    noise_scale : float
        Standard deviation of the noise that each node adds.
    special_functions : mapping of node to callable, optional
        Takes the values of the node's parents (parents, b), in the order of its edges, and
        returns (b,). Signs do not apply there.
    signed_edges : mapping of (source, target) to float, optional
        Sign, or any weight, of an edge; 1 where none is given. An edge table may have a column
        ``sign`` instead.
    cycles : {"steady", "euler"}
        What the value of a node on a cycle is. ``"steady"``: each sample draws its noise once
        and its nodes settle at the values that reproduce themselves. ``"euler"``: the noise
        never rests (Euler-Maruyama steps of ``dx = (f(x) - x) dt + noise_scale * sqrt(2) dB``).
    seed : int
        Same seed, same data.

    Returns
    -------
    x_train, x_test, y_train, y_test : DataFrame for a table, ndarray for a networkx graph
        (n_train or n_test, inputs or outputs), float64.

    Raises
    ------
    Edge2TorchError
        For unknown names, and for cycles at which values grow without end.

    Examples
    --------
    >>> import pandas as pd
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["h", "h"], "sign": [1, -1]})
    >>> x, _, y, _ = simulate(edges, 5, 2, noise_scale=0.0, seed=1)
    >>> bool((y["h"] == x["a"] - x["b"]).all())
    True

    A loop of negative feedback settles at 1 / (1 + 0.5) of its input:

    >>> edges = pd.DataFrame({"source": ["a", "h", "h"], "target": ["h", "h", "y"],
    ...                       "sign": [1, -0.5, 1]})
    >>> x, _, y, _ = simulate(edges, 5, 2, noise_scale=0.0, seed=1)
    >>> bool((abs(y["y"] - x["a"] / 1.5) < 1e-8).all())
    True
    """
    system = _read(graph, input_nodes, output_nodes, special_functions, signed_edges)
    count = check_count("n_train", n_train, 0) + check_count("n_test", n_test, 0)
    check_number("noise_scale", noise_scale, least=0)
    check_choice("cycles", cycles, ("steady", "euler"))
    rng = np.random.default_rng(seed)
    values = np.zeros((len(system.names), count))
    values[system.inputs] = rng.normal(size=(len(system.inputs), count))
    noise = noise_scale * rng.normal(size=values.shape)
    for nodes in system.order:
        if len(nodes) == 1 and nodes[0] in system.fed:
            continue
        if len(nodes) == 1 and not system.loops[nodes[0]]:
            values[nodes] = system.drive(nodes, values) + noise[nodes]
        elif cycles == "steady":
            _settle(system, nodes, values, noise)
        else:
            _wander(system, nodes, values, noise_scale, rng)
    x, y = values[system.inputs].T, values[system.outputs].T
    parts = (x[:n_train], x[n_train:], y[:n_train], y[n_train:])
    if not isinstance(graph, pd.DataFrame):
        return tuple(part.copy() for part in parts)  # type: ignore[return-value]
    columns = [system.names[system.inputs]] * 2 + [system.names[system.outputs]] * 2
    frames = [pd.DataFrame(p, columns=c.tolist()) for p, c in zip(parts, columns, strict=True)]
    return frames[0], frames[1], frames[2], frames[3]


@dataclass(frozen=True)
class _System:
    """The graph by number, and in which order its nodes can be computed."""

    names: NDArray[np.object_]
    inputs: NDArray[np.int64]
    outputs: NDArray[np.int64]
    fed: frozenset[int]
    weights: csr_array
    functions: Mapping[int, NodeFunction]
    parents: Mapping[int, NDArray[np.int64]]
    loops: NDArray[np.bool_]
    order: list[NDArray[np.int64]]

    def drive(self, nodes: NDArray[np.int64], values: Values) -> Values:
        """Return what the parents of the nodes make of them, (nodes, b)."""
        drive: Values = self.weights[nodes] @ values
        for place, node in enumerate(nodes.tolist()):
            if node in self.functions:
                drive[place] = self.functions[node](values[self.parents[node]])
        return drive


def _settle(system: _System, nodes: NDArray[np.int64], values: Values, noise: Values) -> None:
    """Let the nodes of a cycle go to the values that reproduce themselves."""
    for _ in range(_UPDATES):
        with np.errstate(over="ignore", invalid="ignore"):
            change = system.drive(nodes, values) + noise[nodes] - values[nodes]
        largest = np.abs(change).max()
        if not largest < _TOO_LARGE:
            break
        values[nodes] += _RATE * change
        if largest < _SETTLED * (1 + np.abs(values[nodes]).max()):
            return
    _refuse(system, nodes)


def _wander(
    system: _System,
    nodes: NDArray[np.int64],
    values: Values,
    noise_scale: float,
    rng: np.random.Generator,
) -> None:
    step, size = 0.05, (len(nodes), values.shape[1])
    spread = noise_scale * np.sqrt(2 * step)
    for _ in range(400):  # twenty time constants
        with np.errstate(over="ignore", invalid="ignore"):
            change = step * (system.drive(nodes, values) - values[nodes])
        values[nodes] += change + spread * rng.normal(size=size)
        if not np.abs(values[nodes]).max() < _TOO_LARGE:
            _refuse(system, nodes)


def _refuse(system: _System, nodes: NDArray[np.int64]) -> None:
    raise Edge2TorchError(
        f"graph: the values of the cycle through {listing(system.names[nodes])} grow without end or "
        "never settle. Give its edges weights below 1 in signed_edges, or a node a special "
        "function with bounds, such as lambda parents: np.tanh(parents.sum(0))."
    )


def _read(
    graph: Any,
    input_nodes: Sequence[Hashable] | None,
    output_nodes: Sequence[Hashable] | None,
    special_functions: Mapping[Hashable, NodeFunction] | None,
    signed_edges: Mapping[tuple[Hashable, Hashable], float] | None,
) -> _System:
    pairs, alone, weight = _edges(graph)
    named = [*alone, *pairs["source"], *pairs["target"]]
    names = pd.Index(sorted(set(named), key=str), dtype=object)
    source = names.get_indexer(pd.Index(pairs["source"], dtype=object))
    target = names.get_indexer(pd.Index(pairs["target"], dtype=object))
    if signed_edges:
        rows = {edge: k for k, edge in enumerate(zip(*pairs.values(), strict=True))}
        if unknown := [edge for edge in signed_edges if edge not in rows]:
            raise Edge2TorchError(f"signed_edges: not in the graph: {listing(unknown)}.")
        for edge, sign in signed_edges.items():
            weight[rows[edge]] = float(sign)
    inputs = _ends(names, input_nodes, target, "input_nodes")
    outputs = _ends(names, output_nodes, source, "output_nodes")
    kept = ~np.isin(target, inputs)  # the value of an input is drawn, whatever leads into it
    source, target, weight = source[kept], target[kept], weight[kept]
    n = len(names)
    functions = {
        int(_numbers(names, [node], "special_functions")[0]): function
        for node, function in (special_functions or {}).items()
    }
    matrix = csr_array((weight, (target, source)), (n, n))
    loops = np.zeros(n, bool)
    loops[source[source == target]] = True
    return _System(
        names=names.to_numpy(),
        inputs=inputs,
        outputs=outputs,
        fed=frozenset(inputs.tolist()),
        weights=matrix,
        functions=functions,
        parents={node: source[target == node] for node in functions},
        loops=loops,
        order=_computable_order(source, target, n),
    )


def _edges(graph: Any) -> tuple[dict[str, list[Any]], list[Any], Values]:
    """Return sources and targets, nodes that may have no edge, and weights."""
    if isinstance(graph, pd.DataFrame):
        if missing := [name for name in ("source", "target") if name not in graph]:
            raise Edge2TorchError(f"graph: the edge table has no column {listing(missing)}.")
        ends = {end: [str(name).strip() for name in graph[end]] for end in ("source", "target")}
        sign = graph["sign"].fillna(1) if "sign" in graph else np.ones(len(graph))
        return ends, [], np.array(sign, dtype=np.float64)
    if not hasattr(graph, "edges") or not hasattr(graph, "predecessors"):
        raise Edge2TorchError(
            f"graph must be an edge table or a networkx.DiGraph, found {type(graph).__name__}."
        )
    edges = list(graph.edges())
    ends = {"source": [a for a, _ in edges], "target": [b for _, b in edges]}
    return ends, list(graph.nodes()), np.ones(len(edges))


def _ends(
    names: pd.Index, wanted: Sequence[Hashable] | None, taken: NDArray[np.int64], argument: str
) -> NDArray[np.int64]:
    if wanted is not None:
        return _numbers(names, wanted, argument)
    found = np.setdiff1d(np.arange(len(names)), taken)
    if len(found) == 0:
        raise Edge2TorchError(f"{argument}: the graph has no such ends. Name the nodes.")
    return found


def _numbers(names: pd.Index, wanted: Iterable[Hashable], argument: str) -> NDArray[np.int64]:
    wanted = list(wanted)
    found = names.get_indexer(pd.Index(wanted, dtype=object))
    if (found < 0).any():
        unknown = [name for name, number in zip(wanted, found, strict=True) if number < 0]
        hint = nearest(str(unknown[0]), names)
        raise Edge2TorchError(f"{argument}: not in the graph: {listing(unknown)}.{hint}")
    return np.asarray(found, dtype=np.int64)


def _computable_order(
    source: NDArray[np.int64], target: NDArray[np.int64], n: int
) -> list[NDArray[np.int64]]:
    """Return the strongly connected components, each after those that feed it."""
    graph = csr_array((np.ones(len(source), np.int8), (source, target)), (n, n))
    count, component = connected_components(graph, directed=True, connection="strong")
    feeds = np.unique(np.stack([component[source], component[target]], axis=1), axis=0)
    feeds = feeds[feeds[:, 0] != feeds[:, 1]]
    waiting = np.bincount(feeds[:, 1], minlength=count)
    feeds_from = np.searchsorted(feeds[:, 0], np.arange(count + 1))
    members = np.split(
        np.argsort(component, kind="stable"),
        np.cumsum(np.bincount(component, minlength=count))[:-1],
    )
    ready, order = np.flatnonzero(waiting == 0).tolist(), []
    while ready:
        one = ready.pop()
        order.append(members[one])
        fed = feeds[feeds_from[one] : feeds_from[one + 1], 1]
        waiting[fed] -= 1
        ready.extend(fed[waiting[fed] == 0].tolist())
    return order
