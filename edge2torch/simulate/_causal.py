"""Data in which known nodes of any edge table carry the outcome, and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice, check_number
from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import (
    EdgeGraph,
    GraphTopology,
    build_edge_graph,
    longest_path_layers,
    read_edge_table,
)
from edge2torch.simulate._oracle import evaluate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

_RESPONSES: Mapping[str, Callable[[Values], Values]] = MappingProxyType(
    {
        "linear": lambda t: t,
        "tanh": lambda t: np.tanh(2 * t),
        "relu": lambda t: np.maximum(t, 0.0),
        "step": np.sign,
    }
)


@dataclass(frozen=True, eq=False)
class PlantedNodes:
    """An edge table, the nodes that carry the outcome, and data.

    Parameters
    ----------
    edges : DataFrame
        The table that was given.
    causal : list of str
        The planted nodes.
    hidden : list of str
        All nodes that might have been: neither inputs nor outputs.
    signs : Series
        By input: +1 or -1 where it rises or falls with its planted node, 0 where it says nothing.
    x_train, x_test : DataFrame
        Samples × inputs.
    y_train, y_test : Series
        The outcome: 0 or 1.

    Examples
    --------
    >>> from edge2torch.simulate import layered_graph
    >>> edges = layered_graph([20, 5, 1], [30, 5], seed=0)
    >>> planted_nodes(edges, seed=0, n_train=10, n_test=5).x_test.shape
    (5, 20)
    """

    edges: pd.DataFrame
    causal: list[str]
    hidden: list[str]
    signs: pd.Series
    x_train: pd.DataFrame
    x_test: pd.DataFrame
    y_train: pd.Series
    y_test: pd.Series


def planted_nodes(
    edges: EdgesLike,
    causal: int | Sequence[str] = 1,
    *,
    how: Literal["markers", "values"] = "markers",
    redundant: bool = False,
    depth: int | Sequence[int] | None = None,
    response: str = "linear",
    effect: float = 1.0,
    noise: float = 0.0,
    sparsity: float = 0.0,
    n_train: int = 400,
    n_test: int = 400,
    seed: int = 0,
) -> PlantedNodes:
    """Draw data on an edge table in which known nodes carry the outcome.

    Each planted node has a signal. With ``how="markers"`` the signal is seen in every input below
    the node, which is what the first simulation of Fortelny & Bock does: the inputs of one node
    differ between the classes, those of all others do not. With ``how="values"`` inputs are
    independent and the signal is the node's value, computed up the table with random weights.
    The outcome is 1 where the planted signals, after their ``response``, sum to more than their
    median.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``; acyclic.
    causal : int or sequence of str
        The planted nodes, or how many to draw.
    how : {"markers", "values"}
        Whether inputs show the signal, or make it.
    redundant : bool
        With markers: all planted nodes share one signal, so that any of them would do (the
        paper's second simulation).
    depth : int or sequence of int, optional
        Longest path from an input at which to plant: of all, or one number for each. Any depth
        by default.
    response : {"linear", "tanh", "relu", "step"}
        What the outcome makes of a signal.
    effect : float
        With markers: how many standard deviations an input moves with its node's signal.
    noise : float
        Standard deviation of what else moves the outcome, where that of the signals is 1.
    sparsity : float
        Share of input values that are lost: set to zero, as in single cells.
    n_train, n_test : int
        Samples.
    seed : int
        Same seed, same data.

    Returns
    -------
    PlantedNodes

    Raises
    ------
    Edge2TorchError
        For unknown names and options, and for more planted nodes than there are at that depth.

    Examples
    --------
    >>> from edge2torch.simulate import layered_graph
    >>> edges = layered_graph([40, 10, 4, 1], [60, 20, 4], seed=0)
    >>> planted_nodes(edges, causal=2, depth=[1, 2], seed=0).causal
    ['L1_5', 'L2_3']

    References
    ----------
    Fortelny & Bock 2020, doi:10.1186/s13059-020-02100-5.
    """
    check_choice("response", response, _RESPONSES)
    check_choice("how", how, ("markers", "values"))
    if redundant and how == "values":
        raise Edge2TorchError("redundant=True needs how='markers': values are what they are.")
    check_number("sparsity", sparsity, least=0, below=1)
    check_number("noise", noise, least=0)
    edges = edge_frame(edges)
    graph = build_edge_graph(read_edge_table(edges))
    topology = GraphTopology(graph)
    rng = np.random.default_rng([seed, 3])
    planted = _choose(topology.hidden, _depths(graph), causal, depth, rng)
    count = n_train + n_test
    below = np.array([np.isin(topology.inputs, topology.ancestors(node)) for node in planted])
    signs = rng.choice([-1.0, 1.0], below.shape[1])
    x = rng.normal(size=(count, below.shape[1]))
    if how == "markers":
        own = rng.normal(size=(count, 1 if redundant else len(planted)))
        signal = np.broadcast_to(own, (count, len(planted)))
        share = below / np.maximum(np.sqrt(below.sum(axis=0)), 1)
        x += effect * signs * (own * below.any(axis=0) if redundant else signal @ share)
    else:
        signal = _values(edges, topology.inputs, x, planted, rng)
    outcome = _standard(_RESPONSES[response](signal).sum(axis=1)) + noise * rng.normal(size=count)
    x = np.where(rng.random(x.shape) < sparsity, 0.0, x)
    table = pd.DataFrame(x, columns=topology.inputs)
    y = pd.Series((outcome > np.median(outcome)).astype(np.int64), name="outcome")
    return PlantedNodes(
        edges=edges,
        causal=planted,
        hidden=topology.hidden,
        signs=pd.Series(np.where(below.any(axis=0), signs, 0.0), index=topology.inputs),
        x_train=table[:n_train],
        x_test=table[n_train:],
        y_train=y[:n_train],
        y_test=y[n_train:],
    )


def _depths(graph: EdgeGraph) -> Mapping[str, int]:
    """Longest path from an input to each node."""
    layers = longest_path_layers(graph.source, graph.target, graph.is_input)
    return dict(zip(graph.names(np.arange(graph.n_nodes)), layers.tolist(), strict=True))


def _choose(
    hidden: list[str],
    depths: Mapping[str, int],
    causal: int | Sequence[str],
    depth: int | Sequence[int] | None,
    rng: np.random.Generator,
) -> list[str]:
    if not isinstance(causal, int):
        if unknown := [name for name in causal if name not in hidden]:
            raise Edge2TorchError(
                f"causal has names that are not hidden nodes: {listing(unknown)}."
                f"{nearest(unknown[0], hidden)}"
            )
        return list(causal)
    wanted = list(depth) if isinstance(depth, Sequence) else [depth] * causal
    if len(wanted) != causal or causal < 1:
        raise Edge2TorchError(f"depth: {len(wanted)} number(s) for causal={causal} node(s).")
    chosen: list[str] = []
    for level in wanted:
        open_to = [n for n in hidden if n not in chosen and level in (None, depths[n])]
        if not open_to:
            where = "" if level is None else f" at depth {level}"
            raise Edge2TorchError(f"causal={causal}: too few hidden nodes{where}.")
        chosen.append(open_to[int(rng.integers(len(open_to)))])
    return chosen


def _values(
    edges: pd.DataFrame, inputs: list[str], x: Values, planted: list[str], rng: np.random.Generator
) -> Values:
    """Values of the planted nodes: random weights of clear size, tanh, standardised."""
    weights = rng.choice([-1.0, 1.0], len(edges)) * rng.uniform(0.5, 1.5, len(edges))
    fan_in = edges["target"].map(edges["target"].value_counts()).to_numpy()
    found = evaluate(
        edges, dict(zip(inputs, x.T, strict=True)), weights / np.sqrt(fan_in), activation=np.tanh
    )
    return np.stack([_standard(found[name]) for name in planted], axis=1)


def _standard(values: Values) -> Values:
    spread = values.std()
    standard: Values = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return standard
