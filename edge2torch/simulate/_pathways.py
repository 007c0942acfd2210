"""Pathways that nature keeps apart, and an edge table that does not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.simulate._samples import simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values: TypeAlias = NDArray[np.float64]

_FUNCTIONS: Mapping[str, Callable[[Values], Values]] = MappingProxyType(
    {
        "tanh": lambda parents: np.tanh(parents.sum(0)),
        "square": lambda parents: 0.5 * (parents**2).sum(0),
        "cos": lambda parents: np.cos(parents.sum(0)),
        "cube": lambda parents: 0.3 * (parents**3).sum(0),
    }
)


@dataclass(frozen=True, eq=False)
class PathwayProblem:
    """Data of separate pathways, and an edge table with edges between them that do not exist.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source``, ``target`` and ``is_spurious``; the data were made without the
        spurious ones.
    membership : mapping of str to list of str
        The function nodes of each pathway.
    input_nodes, function_nodes, output_nodes : list of str
        Names in pathway order; the columns of x and y.
    x_train, x_test, y_train, y_test : DataFrame
        y is standardised by its training samples.

    Examples
    --------
    >>> problem = disconnected_pathways(seed=0, n_train=10, n_test=5)
    >>> problem.x_train.shape, problem.y_test.shape
    ((10, 8), (5, 8))
    """

    edges: pd.DataFrame
    membership: Mapping[str, list[str]]
    input_nodes: list[str]
    function_nodes: list[str]
    output_nodes: list[str]
    x_train: pd.DataFrame
    x_test: pd.DataFrame
    y_train: pd.DataFrame
    y_test: pd.DataFrame


def disconnected_pathways(
    n_pathways: int = 4,
    *,
    n_inputs: int = 2,
    depth: int = 3,
    n_outputs: int = 2,
    n_spurious: int = 8,
    functions: Sequence[str] = ("tanh", "square", "cos", "cube"),
    n_train: int = 256,
    n_test: int = 1024,
    noise_scale: float = 0.3,
    seed: int = 0,
) -> PathwayProblem:
    """Draw the problem of pathways that share no edge, seen through a table that joins them.

    Each pathway leads from its inputs along a chain of function nodes to its outputs. The first
    node of the chain applies the pathway's nonlinearity.

    Parameters
    ----------
    n_pathways, n_inputs, depth, n_outputs : int
        Pathways, and per pathway inputs, function nodes and outputs.
    n_spurious : int
        Edges between function nodes of different pathways that the table has and nature has not.
    functions : sequence of {"tanh", "square", "cos", "cube"}
        Nonlinearities, given to the pathways in turn: of the sum of inputs, or a sum of powers.
    n_train, n_test : int
        Samples.
    noise_scale : float
        Standard deviation of each node's noise.
    seed : int
        Same seed, same problem.

    Returns
    -------
    PathwayProblem

    Raises
    ------
    Edge2TorchError
        For an unknown function, and for more spurious edges than there are pairs.

    Examples
    --------
    >>> problem = disconnected_pathways(seed=1, n_train=4, n_test=4)
    >>> problem.membership["pathway_0"]
    ['p0_fn0', 'p0_fn1', 'p0_fn2']
    >>> problem.edges["is_spurious"].value_counts().to_dict()
    {False: 24, True: 8}
    """
    unknown = [name for name in functions if name not in _FUNCTIONS]
    if unknown or not functions:
        found = listing(unknown) or "none"
        raise Edge2TorchError(f"functions: {found} given. Use some of {listing(_FUNCTIONS)}.")
    pairs: list[tuple[str, str]] = []
    names: dict[str, list[str]] = {"in": [], "fn": [], "out": []}
    membership: dict[str, list[str]] = {}
    special: dict[Hashable, Callable[[Values], Values]] = {}
    for k in range(n_pathways):
        own = {
            kind: [f"p{k}_{kind}{j}" for j in range(size)]
            for kind, size in (("in", n_inputs), ("fn", depth), ("out", n_outputs))
        }
        pairs += [(node, own["fn"][0]) for node in own["in"]]
        pairs += list(zip(own["fn"][:-1], own["fn"][1:], strict=True))
        pairs += [(own["fn"][-1], node) for node in own["out"]]
        membership[f"pathway_{k}"] = own["fn"]
        special[own["fn"][0]] = _FUNCTIONS[functions[k % len(functions)]]
        for kind, nodes in own.items():
            names[kind] += nodes
    true = pd.DataFrame(pairs, columns=["source", "target"])
    x_train, x_test, y_train, y_test = simulate(
        true,
        n_train,
        n_test,
        names["in"],
        names["out"],
        noise_scale=noise_scale,
        special_functions=special,
        seed=seed,
    )
    center, spread = y_train.mean(), y_train.std(ddof=0).replace(0.0, 1.0)
    spurious = _spurious(list(membership.values()), n_spurious, seed)
    edges = pd.concat([true.assign(is_spurious=False), spurious.assign(is_spurious=True)])
    return PathwayProblem(
        edges=edges.reset_index(drop=True),
        membership=MappingProxyType(membership),
        input_nodes=names["in"],
        function_nodes=names["fn"],
        output_nodes=names["out"],
        x_train=x_train,
        x_test=x_test,
        y_train=(y_train - center) / spread,
        y_test=(y_test - center) / spread,
    )


def _spurious(pathways: list[list[str]], count: int, seed: int) -> pd.DataFrame:
    """Draw edges between function nodes of different pathways."""
    owner = np.repeat(np.arange(len(pathways)), [len(nodes) for nodes in pathways])
    nodes = np.array([node for own in pathways for node in own], dtype=object)
    source, target = np.nonzero(owner[:, None] != owner[None, :])
    if not 0 <= count <= len(source):
        raise Edge2TorchError(f"n_spurious: {count}. There are {len(source)} pairs to join.")
    drawn = np.random.default_rng([seed, 1]).choice(len(source), count, replace=False)
    return pd.DataFrame({"source": nodes[source[drawn]], "target": nodes[target[drawn]]})
