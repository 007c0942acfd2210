"""networkx graphs and GraphML files, there and back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.messages import listing, note, require, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._documents import scan_xml
from edge2torch.priors._edges import join_rows
from edge2torch.priors._names import add_names
from edge2torch.priors._network import Weight, with_weight
from edge2torch.priors._reach import tidy
from edge2torch.priors._rows import FilePath, bad_line, read_text

_NUMBERED = re.compile(r"n?\d+")  # as Cytoscape, igraph and yEd number nodes
_NAMED_BY = ("name", "shared name", "label", "id")
_NAMES = ("source_name", "target_name")


def from_networkx(
    graph: Any,
    *,
    identifier: str | None = None,
    names: str | None = "name",
    isolated: str = "error",
    duplicates: str = "error",
    weight: Weight = "keep",
    quiet: bool = False,
) -> pd.DataFrame:
    """Turn a directed networkx graph into an edge table.

    Parameters
    ----------
    graph : networkx.DiGraph
        Edge attributes become columns.
    identifier : str, optional
        A node attribute that the nodes are to be called by, where the graph's own nodes are numbers.
    names : str, optional
        A node attribute that holds a human name; it becomes ``source_name`` and ``target_name``.
    isolated : {"error", "drop"}
        What becomes of nodes without edges, which an edge table cannot hold.
    duplicates : {"error", "join"}
        What becomes of parallel edges: words are joined by ``|``, of numbers the first is kept,
        opposite signs become 0.
    weight : {"keep", "start", "drop"}
        What the edges' ``weight`` is to a model: as in :func:`read_edges`.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        In networkx's order, which groups edges by source.

    Raises
    ------
    Edge2TorchError
        For undirected graphs, parallel edges, isolated nodes, attributes called ``source`` or
        ``target``, nodes that differ but read the same as text, and an ``identifier`` that a node
        lacks or shares with another; for ``weight="start"`` without weights.

    Examples
    --------
    >>> import networkx as nx
    >>> from_networkx(nx.DiGraph([("g", "tf", {"sign": 1}), ("tf", "out", {"sign": -1})]))
      source target  sign
    0      g     tf     1
    1     tf    out    -1
    """
    edges, words = _read_graph(graph, identifier, names, isolated, duplicates, weight)
    if words:
        note(f"graph: {'; '.join(words)}.", quiet=quiet)
    return edges


def _read_graph(
    graph: Any,
    identifier: str | None,
    names: str | None,
    isolated: str,
    duplicates: str,
    weight: Weight,
    file: Any = "graph",
    order: dict[tuple[str, str], int] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Return the edges, and what became of columns, in words."""
    nx = require("networkx")
    places = None
    if order is not None:  # of the nodes' own names, which identifier= may change
        first = [order.get(edge[:2], len(order)) for edge in graph.edges]  # of parallel ones
        places = np.argsort(first, kind="stable")
    check_choice("isolated", isolated, ("error", "drop"))
    check_choice("duplicates", duplicates, ("error", "join"))
    _check_directed(graph)
    if identifier is not None:
        graph = _called_by(graph, identifier)
        names = None if names == identifier else names
    texts = pd.Series([str(node).strip() for node in graph], dtype=object)
    if texts.duplicated().any():
        raise Edge2TorchError(
            f"graph has different nodes that read the same: {listing(texts[texts.duplicated()])}. "
            "Relabel them with networkx.relabel_nodes."
        )
    alone = [str(node) for node in nx.isolates(graph)]
    if alone and isolated == "error":
        raise Edge2TorchError(
            f"graph has {len(alone)} node(s) without edges, which an edge table cannot hold: "
            f"{listing(alone)}. Use isolated='drop' to leave them out."
        )
    try:
        edges: pd.DataFrame = nx.to_pandas_edgelist(graph)
    except nx.NetworkXError as error:
        raise Edge2TorchError(
            f"graph has edge attributes called 'source' or 'target' ({error}). Rename them."
        ) from error
    columns = dict.fromkeys(name for *_, values in graph.edges(data=True) for name in values)
    edges = edges[["source", "target", *columns]]  # networkx has them in the order of a set
    if places is not None:
        edges = edges.iloc[places].reset_index(drop=True)
    for side in ("source", "target"):
        edges[side] = np.array([str(node).strip() for node in edges[side]], dtype=object)
    edges = _joined(tidy(edges, edges), duplicates)
    labels = {} if names is None else nx.get_node_attributes(graph, names)
    nodes = {*edges["source"], *edges["target"]}
    known = {str(node).strip(): str(name) for node, name in labels.items()}
    known = {node: name for node, name in known.items() if node in nodes}
    if known and not set(_NAMES) & set(edges):
        edges = add_names(edges, known)
    return with_weight(edges, weight, file)


def _check_directed(graph: Any) -> None:
    nx = require("networkx")
    if not isinstance(graph, nx.Graph):
        raise Edge2TorchError(f"graph must be a networkx graph, found {type(graph).__name__}.")
    if not graph.is_directed():
        raise Edge2TorchError(
            "graph is undirected, so its edges compute in no direction. Give a DiGraph; "
            "graph.to_directed() makes an edge each way."
        )


def _joined(edges: pd.DataFrame, duplicates: str) -> pd.DataFrame:
    """Make one edge of parallel ones, or refuse them."""
    ends = ["source", "target"]
    repeats = edges.duplicated(ends)
    if repeats.any() and duplicates == "error":
        twice = edges.loc[repeats, ends].drop_duplicates().itertuples(index=False, name=None)
        raise Edge2TorchError(
            f"graph has parallel edges: {listing(twice)}. Use duplicates='join' to make one of them."
        )
    joined = join_rows(edges)
    if joined.conflicts:
        warn(f"Parallel edges of opposite signs, now 0, at {listing(joined.conflicts)}.")
    return joined.frame


def _called_by(graph: Any, identifier: str) -> Any:
    """Return the graph with its nodes called by one of their attributes."""
    called = {node: str(value).strip() for node, value in graph.nodes(data=identifier, default="")}
    attributes = dict.fromkeys(name for _, data in graph.nodes(data=True) for name in data)
    if nameless := [str(node) for node, name in called.items() if not name]:
        raise Edge2TorchError(
            f"identifier={identifier!r}: {len(nameless):,} node(s) have no such attribute: "
            f"{listing(nameless)}; there are {listing(attributes, 12)}."
        )
    texts = pd.Series(list(called.values()), dtype=object)
    if texts.duplicated().any():
        raise Edge2TorchError(
            f"identifier={identifier!r} is the same for several nodes: "
            f"{listing(texts[texts.duplicated()].unique())}. Choose another, or rename them."
        )
    return require("networkx").relabel_nodes(graph, called)


def _identifier_hint(graph: Any) -> str:
    """Say by which attribute nodes could be called that are only numbered."""
    if not all(_NUMBERED.fullmatch(str(node)) for node in graph):
        return ""
    for name in _NAMED_BY:
        values = [str(value) for _, value in graph.nodes(data=name, default="")]
        if all(values) and len(set(values)) == len(values):
            return (
                f" The nodes are numbers; identifier={name!r} calls them by name, such as "
                f"{values[0]!r} for {str(next(iter(graph)))!r}."
            )
    return ""


def to_networkx(edges: EdgesLike) -> Any:
    """Turn an edge table into a networkx graph; columns become edge attributes.

    Parameters
    ----------
    edges : DataFrame
        Missing values become no attribute. ``source_name`` and ``target_name`` become the node
        attribute ``name``.

    Returns
    -------
    networkx.DiGraph

    Raises
    ------
    Edge2TorchError
        For a table with an edge that is there twice, which a DiGraph cannot hold.

    Examples
    --------
    >>> graph = to_networkx(pd.DataFrame({"source": ["g"], "target": ["tf"], "sign": [-1]}))
    >>> graph.edges["g", "tf"]
    {'sign': -1}
    """
    nx, frame = require("networkx"), edge_frame(edges)
    ends = ["source", "target"]
    repeats = frame.duplicated(ends)
    if repeats.any():
        twice = frame.loc[repeats, ends].itertuples(index=False, name=None)
        raise Edge2TorchError(f"edges has {int(repeats.sum())} edge(s) twice: {listing(twice)}.")
    graph = nx.DiGraph()
    others = frame.drop(columns=[*ends, *_NAMES], errors="ignore").rename(columns=str)
    attributes: list[dict[str, Any]] = [{} for _ in range(len(frame))]
    if others.shape[1]:
        present = others.notna().to_dict("records")
        attributes = [
            {str(name): value for name, value in row.items() if there[name]}
            for row, there in zip(others.to_dict("records"), present, strict=True)
        ]
    graph.add_edges_from(zip(frame["source"], frame["target"], attributes, strict=True))
    for side, column in zip(ends, _NAMES, strict=True):
        if column in frame:
            known = frame.dropna(subset=[column])
            named = dict(zip(known[side], known[column].astype(str), strict=True))
            nx.set_node_attributes(graph, named, "name")
    return graph


def read_graphml(
    path: FilePath,
    *,
    identifier: str | None = None,
    names: str | None = "name",
    isolated: str = "error",
    duplicates: str = "error",
    weight: Weight = "keep",
    quiet: bool = False,
) -> pd.DataFrame:
    """Read a directed GraphML file, as networkx, Cytoscape, igraph and yEd write it.

    Parameters
    ----------
    path : str or path
        A GraphML file, ``.gz`` or not. To write one: ``networkx.write_graphml(to_networkx(edges),
        path)``.
    identifier, names, isolated, duplicates, weight
        As in :func:`from_networkx`. Cytoscape and igraph number the nodes, so that their names are
        an attribute: ``identifier="name"``. A note says so where it is so.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, and the edges' attributes, in the file's order.

    Raises
    ------
    Edge2TorchError
        With file and line: for broken XML and a node that is declared twice; for undirected
        graphs and parallel edges.

    Examples
    --------
    >>> import networkx as nx
    >>> edges = pd.DataFrame({"source": ["A & B"], "target": ["<out>"], "sign": [1]})
    >>> nx.write_graphml(to_networkx(edges), "net.graphml")
    >>> read_graphml("net.graphml", quiet=True).equals(edges)
    True
    """
    nx = require("networkx")
    file, text = read_text(path)
    order = _edge_order(file, text)
    try:
        graph = nx.parse_graphml(text)
    except (nx.NetworkXError, KeyError, ValueError, ParseError) as error:  # of a wrong namespace
        raise Edge2TorchError(f"{file}: networkx cannot read this file: {error}") from error
    if graph.number_of_edges() == 0:
        raise bad_line(file, 1, "the file holds no edges.")
    lost = order.keys() - {edge[:2] for edge in graph.edges}
    if lost and graph.is_directed():
        pairs = [" -> ".join(pair) for pair in order if pair in lost]
        raise Edge2TorchError(
            f"{file}: {len(lost):,} edge(s) are in a further graph, or in one within a node, of which networkx "
            f"reads none: {listing(pairs)}. Put each graph into a file of its own."
        )
    edges, further = _read_graph(
        graph, identifier, names, isolated, duplicates, weight, file, order
    )
    hint = _identifier_hint(graph) if identifier is None else ""
    words = f"{file.name}: {len(edges):,} edges, {graph.number_of_nodes():,} nodes"
    note(f"{'; '.join([words, *further])}.{hint}", quiet=quiet)
    return edges


def _edge_order(file: Path, text: str) -> dict[tuple[str, str], int]:
    """Return each edge's place, which networkx forgets; refuse nodes declared twice, and broken XML."""
    seen: dict[str, int] = {}
    order: dict[tuple[str, str], int] = {}

    def start(name: str, attributes: dict[str, str], line: int) -> None:
        node, kind = attributes.get("id"), name.rpartition(":")[2]
        if kind == "edge":
            order.setdefault(
                (attributes.get("source", ""), attributes.get("target", "")), len(order)
            )
        if kind != "node" or node is None:
            return
        if seen.setdefault(node, line) != line:
            words = f"node {node!r} is there twice, first on line {seen[node]}."
            raise bad_line(file, line, words)

    scan_xml(file, text, start)
    return order
