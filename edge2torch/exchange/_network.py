"""A graph and what is known of it, in the one shape that all formats are written from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from edge2torch._core.constraints import BY_NAME, is_signed
from edge2torch._core.edges import edge_frame
from edge2torch._core.messages import listing, require
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.errors import Edge2TorchError
from edge2torch.exchange._columns import Column, read_column
from edge2torch.exchange._layers import inputs_below, layers_of
from edge2torch.exchange._tables import edge_columns, node_columns
from edge2torch.graph import read_edge_table

_NAMES = ("source_name", "target_name")
# attributes that the writers give themselves
_OF_NODES = ("name", "represents", "role", "layer", "n_inputs_below")
_OF_EDGES = ("interaction", "source", "target")
_ROLES = np.array(["hidden", "input", "output"])


@dataclass(frozen=True, kw_only=True)
class Network:
    """Nodes by number, edges as pairs of them, and attributes of both.

    Parameters
    ----------
    names : list of str, length n
        As in the edge table.
    called : dict of str to str
        Human names of those that have one.
    source, target : ndarray of int64, shape (e,)
        Edges.
    nodes, edges : dict of str to Column
        Attributes.
    role, layer : ndarray, shape (n,)
        0 hidden, 1 input, 2 output; and the column of a drawing, -1 for none.
    title : str
        What the network is called.
    left_out : tuple of str
        What was renamed and left out, in words.
    """

    names: list[str]
    called: Mapping[str, str]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    nodes: Mapping[str, Column]
    edges: Mapping[str, Column]
    role: NDArray[np.int64]
    layer: NDArray[np.int64]
    title: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """What people read: the human name as the table has it, be it that of two nodes."""
        return [self.called.get(name, name) for name in self.names]

    @property
    def interactions(self) -> list[str]:
        """A word for every edge: what its sign says, else the table's own word, else ``to``."""
        words: list[str] = ["to"] * len(self.source)
        if "relation" in self.edges:
            given = self.edges["relation"].joined()
            words = [str(own) if own not in (None, "") else "to" for own in given]
        for k, sign in enumerate(self.signs):
            if sign:
                words[k] = "activates" if sign > 0 else "inhibits"
        return words

    @property
    def signs(self) -> list[int]:
        """1, -1, or 0 where an edge has none."""
        column = self.edges.get("sign")
        if column is None or not column.is_number:
            return [0] * len(self.source)
        return [0 if not value else 1 if value > 0 else -1 for value in column.values]


@dataclass(frozen=True)
class _Graph:
    """What was given as a graph, before anything is known of it."""

    names: list[str]
    called: Mapping[str, str]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    nodes: Mapping[str, Any]
    edges: Mapping[str, Any]
    role: NDArray[np.int64] | None = None
    layer: NDArray[np.int64] | None = None
    left_out: tuple[str, ...] = ()


def read_network(
    graph: Any,
    *,
    nodes: Any = None,
    edges: pd.DataFrame | None = None,
    names: Any = None,
    show: str | None = None,
    level: float = 0.05,
    title: str = "",
) -> Network:
    """Bring a graph, scores of its nodes and numbers of its edges together."""
    given = _read(graph)
    if names is not None:
        given = replace(given, called={**given.called, **_given_names(names, given.names)})
    role, layer = given.role, given.layer
    if role is None:
        role = np.zeros(len(given.names), np.int64)
        role[np.setdiff1d(np.arange(len(role)), given.source)] = 2
        role[np.setdiff1d(np.arange(len(role)), given.target)] = 1
    if layer is None:
        layer = layers_of(given.source, given.target, role == 1)
    of_nodes = {**given.nodes, **node_columns(nodes, given.names, show)}
    of_edges, n_others = dict(given.edges), 0
    if edges is not None:
        pairs = [(given.names[s], given.names[t]) for s, t in _pairs(given)]
        of_edges |= edge_columns(edges, pairs, given.names)
        there = set(pairs)
        ends = zip(edges["source"].map(str), edges["target"].map(str), strict=True)
        n_others = len({pair for pair in ends if pair not in there})
    known, renamed = _typed(of_nodes, _OF_NODES)
    known_edges, renamed_edges = _typed(of_edges, _OF_EDGES)
    n_infinite = sum(one.n_infinite for one in (*known.values(), *known_edges.values()))
    words = [*given.left_out]
    if n_others:
        words.append(f"{n_others:,} edge(s) of edges= that are not in the graph left out")
    if n_infinite:
        words.append(f"{n_infinite:,} infinite number(s) left out")
    if empty := [name for name, values in of_nodes.items() if _is_empty(values)]:
        words.append(f"without any value, left out: {listing(empty)}")
    if both := {**renamed, **renamed_edges}:
        words.append("renamed: " + ", ".join(f"{old} to {new}" for old, new in both.items()))
    derived = {
        "role": Column("string", _ROLES[role].tolist()),
        "layer": Column("integer", [k if k >= 0 else None for k in layer.tolist()]),
        "n_inputs_below": Column(
            "integer", inputs_below(given.source, given.target, role == 1).tolist()
        ),
    }
    return Network(
        names=given.names,
        called=given.called,
        source=given.source,
        target=given.target,
        nodes={**derived, **_judged(known, level)},
        edges=_signed(known_edges),
        role=role,
        layer=layer,
        title=title,
        left_out=tuple(words),
    )


def _pairs(graph: _Graph) -> list[tuple[int, int]]:
    return list(zip(graph.source.tolist(), graph.target.tolist(), strict=True))


def _read(graph: Any) -> _Graph:
    nx = require("networkx")
    if isinstance(graph, nx.Graph):
        return _of_networkx(graph)
    if isinstance(graph, pd.DataFrame) or isinstance(getattr(graph, "edges", None), pd.DataFrame):
        return _of_table(edge_frame(graph, "graph"))
    if not isinstance(graph, CompileArtifact | nn.Module):
        raise Edge2TorchError(
            "graph must be an edge table, the CompileArtifact that compile_graph returned, the model "
            f"that carries it, or a networkx.DiGraph; found {type(graph).__name__}."
        )
    return _of_artifact(find_artifact(graph))


def _of_table(frame: pd.DataFrame) -> _Graph:
    # of the other columns any may stand in the file, also those that no model could be made of
    ends = [name for name in ("source", "target") if name in frame]
    table = read_edge_table(frame[ends], argument="graph")
    names = table.node_names.tolist()
    return _Graph(
        names,
        _called(frame, names, table.source, table.target),
        table.source,
        table.target,
        {},
        _others(frame),
    )


def _others(frame: pd.DataFrame) -> dict[str, Any]:
    left = frame.drop(columns=["source", "target", *_NAMES], errors="ignore")
    return {str(name): left[name].tolist() for name in left}


def _called(
    frame: pd.DataFrame, names: list[str], source: NDArray[np.int64], target: NDArray[np.int64]
) -> dict[str, str]:
    """Human names by node, from the columns beside the identifiers."""
    called: dict[str, str] = {}
    for column, ends in zip(_NAMES, (source, target), strict=True):
        if column in frame:
            for node, name in zip(ends.tolist(), frame[column].tolist(), strict=True):
                if isinstance(name, str) and name.strip():
                    called.setdefault(names[node], name.strip())
    return called


def _of_artifact(artifact: CompileArtifact) -> _Graph:
    graph = artifact.graph
    rows, frame = graph.active_rows, graph.edges.iloc[graph.active_rows]
    names = graph.node_names.tolist()
    edges = _others(frame)
    code = graph.constraint[rows]
    if code.any():
        words = {number: word for word, number in BY_NAME.items()}
        edges["constraint"] = [words[number] for number in code.tolist()]
        signs = np.where(is_signed(code), code, 0).tolist()
        edges.setdefault("sign", signs)
    role = np.zeros(graph.n_nodes, np.int64)
    role[graph.outputs] = 2
    role[graph.inputs] = 1
    unused = graph.n_edges - len(rows)
    words_out = (f"{unused:,} edge(s) that nothing is computed along left out",) if unused else ()
    return _Graph(
        names,
        _called(frame, names, graph.source[rows], graph.target[rows]),
        graph.source[rows],
        graph.target[rows],
        {},
        edges,
        role,
        artifact.node_columns(),
        words_out,
    )


def _of_networkx(graph: Any) -> _Graph:
    if not graph.is_directed():
        raise Edge2TorchError(
            "graph is undirected, so its edges have no direction. Give a DiGraph; "
            "graph.to_directed() makes an edge each way."
        )
    names = [str(node).strip() for node in graph]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise Edge2TorchError(
            f"graph has different nodes that read the same: {listing(twice)}. Relabel them with "
            "networkx.relabel_nodes."
        )
    number = {node: k for k, node in enumerate(graph)}
    ends = [(number[u], number[v]) for u, v in graph.edges()]
    if parallel := [pair for pair, times in Counter(ends).items() if times > 1]:
        pairs = [(names[u], names[v]) for u, v in parallel]
        raise Edge2TorchError(f"graph has parallel edges: {listing(pairs)}. Keep one of each.")
    table = np.array(ends, np.int64).reshape(-1, 2)
    nodes = _attributes([data for _, data in graph.nodes(data=True)])
    called = {
        name: str(human)
        for name, human in zip(names, nodes.pop("name", [None] * len(names)), strict=True)
        if human is not None and str(human).strip()
    }
    edges = _attributes([data for *_, data in graph.edges(data=True)])
    # what score_graph wrote there is worth more than what the ends of the graph suggest
    role = None
    given = nodes.pop("role", None)
    if given is not None and set(given) <= set(_ROLES.tolist()):
        role = np.array([_ROLES.tolist().index(word) for word in given], np.int64)
    elif given is not None:
        nodes["role"] = given
    return _Graph(names, called, table[:, 0], table[:, 1], nodes, edges, role)


def _attributes(rows: list[dict[Any, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): [row.get(name) for row in rows] for name in names}


def _given_names(names: Any, known: list[str]) -> dict[str, str]:
    if not isinstance(names, Mapping | pd.Series):
        raise Edge2TorchError(
            f"names must be a Series or dict of node to human name, found {type(names).__name__}."
        )
    there = set(known)
    pairs = {str(node): name for node, name in names.items() if isinstance(name, str)}
    return {node: name.strip() for node, name in pairs.items() if node in there and name.strip()}


def _typed(
    columns: Mapping[str, Any], reserved: tuple[str, ...]
) -> tuple[dict[str, Column], dict[str, str]]:
    """Give each column a type and a name of its own: Cytoscape does not tell case apart."""
    typed: dict[str, Column] = {}
    taken = {"id", *reserved}
    renamed = {}
    for name, values in columns.items():
        column = values if isinstance(values, Column) else read_column(values)
        if _is_empty(column):
            continue
        new = name
        while new.casefold() in taken:
            new += "_"
        if new != name:
            renamed[name] = new
        taken.add(new.casefold())
        typed[new] = column
    return typed, renamed


def _is_empty(values: Any) -> bool:
    column = values if isinstance(values, Column) else read_column(values)
    return column.is_empty and not column.n_infinite


def _judged(columns: dict[str, Column], level: float) -> dict[str, Column]:
    """Add what only follows from other columns: a style can look at nothing but a column."""
    made = dict(columns)
    score, q = columns.get("score"), columns.get("qvalue")
    if score is not None and score.is_number:
        values = [None if value is None else abs(value) for value in score.values]
        made.setdefault("magnitude", Column(score.kind, values))
    if q is not None and q.is_number:
        values = [None if value is None else bool(value < level) for value in q.values]
        made.setdefault("found", Column("boolean", values))
    return made


def _signed(columns: dict[str, Column]) -> dict[str, Column]:
    """Signs as whole numbers, so that a style finds them; of a weight by another name."""
    made = dict(columns)
    sign, weight = columns.get("sign"), columns.get("weight")
    if sign is not None and sign.kind == "double" and set(sign.values) <= {None, -1, 0, 1}:
        whole = [None if value is None else int(value) for value in sign.values]
        made["sign"] = Column("integer", whole)
    if weight is not None and weight.is_number:
        none = [None] * len(weight.values)
        given = none if sign is None else sign.values
        values = [
            None if w is None or own else int(np.sign(w))
            for w, own in zip(weight.values, given, strict=True)
        ]
        if any(value is not None for value in values):
            made.setdefault("weight_sign", Column("integer", values))
    return made
