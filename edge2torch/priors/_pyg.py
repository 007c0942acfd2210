"""Typed edges as PyTorch Geometric holds them, there and back, in NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import Int, join_rows, numbered, plain_edges, stacked
from edge2torch.priors._prior import Prior

EdgeType = tuple[str, str, str]
NODE_TYPES = ("input", "function", "output")
_LINK = "to"


@dataclass(frozen=True)
class HeteroEdges:
    """A graph as PyTorch Geometric holds heterogeneous ones.

    The arrays are NumPy's, since reading a graph needs no torch. One line makes tensors of them:
    ``{kind: torch.from_numpy(index) for kind, index in hetero.edge_index_dict.items()}``.

    Parameters
    ----------
    edge_index_dict : dict of (str, "to", str) to ndarray of int64, shape (2, e)
        Positions of source and target within their types.
    node_names_dict : dict of str to list of str
        Names of the nodes of types ``input``, ``function`` and ``output``, by position.
    edge_columns_dict : dict of (str, "to", str) to DataFrame
        The edge table's other columns, in the order of ``edge_index_dict``.

    Examples
    --------
    >>> from edge2torch.priors import to_pyg
    >>> hetero = to_pyg(pd.DataFrame({"source": ["g", "tf"], "target": ["tf", "out"]}))
    >>> hetero.node_names_dict
    {'input': ['g'], 'function': ['tf'], 'output': ['out']}
    """

    edge_index_dict: Mapping[EdgeType, Int]
    node_names_dict: Mapping[str, Sequence[str]]
    edge_columns_dict: Mapping[EdgeType, pd.DataFrame] = field(default_factory=dict, repr=False)


def to_pyg(
    edges: EdgesLike,
    inputs: Any | None = None,
    outputs: Any | None = None,
    *,
    direct: Literal["keep", "error"] = "keep",
) -> HeteroEdges:
    """Sort an edge table by the types of its nodes, as PyTorch Geometric wants it.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``, and any others.
    inputs, outputs : list of names, optional
        By default the nodes without incoming and without outgoing edges, or the outputs of a
        :class:`Prior`; the rest are functions.
    direct : {"keep", "error"}
        Edges from an input straight to an output are of type ``("input", "to", "output")``, or
        refused by name. They are never dropped, nor is any other edge.

    Returns
    -------
    HeteroEdges

    Raises
    ------
    Edge2TorchError
        For unknown names, and nodes named as input and output.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["g", "tf", "g"], "target": ["tf", "out", "out"]})
    >>> for kind, index in to_pyg(edges).edge_index_dict.items():
    ...     print(kind, index.tolist())
    ('input', 'to', 'function') [[0], [0]]
    ('input', 'to', 'output') [[0], [0]]
    ('function', 'to', 'output') [[0], [0]]
    """
    check_choice("direct", direct, ("keep", "error"))
    graph = numbered(edges)
    if isinstance(edges, Prior) and outputs is None:
        outputs = edges.outputs
    is_input = graph.known(inputs, "inputs", otherwise=graph.is_input)
    is_output = graph.known(outputs, "outputs", otherwise=graph.is_end)
    if both := graph.named(is_input & is_output):
        raise Edge2TorchError(f"inputs and outputs both name {listing(both)}. Name each in one.")
    kind = 1 - is_input.astype(np.int64) + is_output  # place in NODE_TYPES
    place = np.zeros(graph.n_nodes, np.int64)  # among the nodes of its own type
    names = {}
    for code, name in enumerate(NODE_TYPES):
        nodes = np.flatnonzero(kind == code)
        place[nodes] = np.arange(len(nodes))
        names[name] = graph.named(nodes)
    index: dict[EdgeType, Int] = {}
    columns: dict[EdgeType, pd.DataFrame] = {}
    others = graph.frame.drop(columns=["source", "target"])
    for a, b in product(range(len(NODE_TYPES)), repeat=2):
        rows = np.flatnonzero((kind[graph.source] == a) & (kind[graph.target] == b))
        if not len(rows):
            continue
        if direct == "error" and (a, b) == (0, 2):
            found = graph.frame.loc[rows, ["source", "target"]].itertuples(index=False, name=None)
            raise Edge2TorchError(
                f"edges lead from inputs straight to outputs: {listing(found)}. Use direct='keep'."
            )
        key = (NODE_TYPES[a], _LINK, NODE_TYPES[b])
        index[key] = np.stack([place[graph.source[rows]], place[graph.target[rows]]])
        columns[key] = others.iloc[rows].reset_index(drop=True)
    return HeteroEdges(index, names, columns)


def from_pyg(
    edge_index_dict: HeteroEdges | Mapping[EdgeType, Any],
    node_names_dict: Mapping[str, Sequence[str]] | None = None,
    edge_columns_dict: Mapping[EdgeType, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Turn typed edges, as PyTorch Geometric holds them, into an edge table.

    Parameters
    ----------
    edge_index_dict : HeteroEdges, HeteroData, or dict of (str, str, str) to array, shape (2, e)
        Positions of source and target within their types, arrays or tensors.
    node_names_dict : dict of str to list of str
        Names by position, for every type.
    edge_columns_dict : dict of (str, str, str) to DataFrame, optional
        Further columns of the edges.

    Returns
    -------
    DataFrame, one row per edge
        Type by type. Relations other than ``"to"`` stand in a column ``relation``, those of one pair
        of nodes joined by ``|``; of further columns that differ, numbers are those of the first
        relation, words are joined, and opposite signs become 0.

    Raises
    ------
    Edge2TorchError
        For what is no dict by type, types without names, positions beyond them, a name of two nodes, columns whose length is
        not that of their edges, and an edge that one relation has twice.

    Examples
    --------
    >>> from_pyg({("input", "to", "output"): [[0, 1], [0, 0]]},
    ...          {"input": ["g1", "g2"], "output": ["y"]})
      source target
    0     g1      y
    1     g2      y
    """
    if isinstance(edge_index_dict, HeteroEdges):
        given = edge_index_dict
        edge_index_dict, node_names_dict = given.edge_index_dict, given.node_names_dict
        edge_columns_dict = given.edge_columns_dict
    edge_indices = _by_type(
        "edge_index_dict", getattr(edge_index_dict, "edge_index_dict", edge_index_dict)
    )
    node_names = _by_type("node_names_dict", node_names_dict or {})
    names = {kind: np.array(list(nodes), object) for kind, nodes in node_names.items()}
    everyone = pd.Series([str(name) for nodes in names.values() for name in nodes], dtype=object)
    if everyone.duplicated().any():
        raise Edge2TorchError(
            f"node_names_dict has names of two nodes: {listing(everyone[everyone.duplicated()])}."
        )
    has_relations = any(_relation(kind) != _LINK for kind in edge_indices)
    tables = []
    for kind, index in edge_indices.items():
        source, target = _positions(kind, index, names)
        columns = (edge_columns_dict or {}).get(kind)
        if columns is not None and len(columns) != len(source):
            raise Edge2TorchError(
                f"edge_columns_dict[{kind!r}] has {len(columns)} row(s) for {len(source)} edge(s)."
            )
        table = plain_edges(names[kind[0]][source], names[kind[-1]][target])
        repeats = table.duplicated()
        if repeats.any():
            twice = table[repeats].drop_duplicates().itertuples(index=False, name=None)
            raise Edge2TorchError(
                f"edge_index_dict[{kind!r}] has edges more than once: {listing(twice)}. Keep one of "
                "each, for example by torch_geometric.utils.coalesce."
            )
        if columns is not None:
            table = pd.concat([table, columns.reset_index(drop=True)], axis=1)
        if has_relations and "relation" not in table:
            table.insert(2, "relation", _relation(kind))
        tables.append(table)
    joined = join_rows(stacked(tables))
    if joined.conflicts:
        warn(f"Relations of opposite signs, now 0, at {listing(joined.conflicts)}.")
    return joined.frame


def _by_type(argument: str, given: Any) -> Mapping[Any, Any]:
    if not isinstance(given, Mapping):  # such as Data, whose nodes are all of one type
        raise Edge2TorchError(
            f"{argument} must be a dict by type, found {type(given).__name__}. Where all nodes are of "
            "one type: from_pyg({('node', 'to', 'node'): data.edge_index}, {'node': names})."
        )
    return given


def _relation(kind: EdgeType) -> str:
    return str(kind[1]) if len(kind) > 2 else _LINK


def _positions(kind: EdgeType, index: Any, names: Mapping[str, Any]) -> Int:
    pair: Int = np.asarray(index).astype(np.int64, copy=False)
    if pair.ndim != 2 or len(pair) != 2:
        raise Edge2TorchError(
            f"edge_index_dict[{kind!r}] must have shape (2, e), found {pair.shape}."
        )
    for positions, end in zip(pair, (kind[0], kind[-1]), strict=True):
        if end not in names:
            raise Edge2TorchError(
                f"node_names_dict has no names of type {end!r}; it has {listing(names)}."
            )
        beyond = positions[(positions < 0) | (positions >= len(names[end]))]
        if len(beyond):
            raise Edge2TorchError(
                f"edge_index_dict[{kind!r}] has positions beyond the {len(names[end])} names of "
                f"{end!r}: {listing(np.unique(beyond).tolist())}."
            )
    return pair
