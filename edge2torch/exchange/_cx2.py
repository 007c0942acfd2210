"""CX2, the format of Cytoscape and of NDEx: attributes with types, positions, a style.

Written with ``json`` alone. What a reader needs stands before what needs it: types before
attributes, nodes before edges, and last that all of it is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch.exchange._columns import Column
from edge2torch.exchange._network import Network
from edge2torch.exchange._style import style_words, visual_properties

_ACROSS, _DOWN = 260.0, 48.0  # between columns and rows of nodes that are up to 60 wide


def cx2_text(network: Network, position: NDArray[np.float64] | None, *, level: float | None) -> str:
    """Return the file; ``level`` is that of the style, None for no style."""
    nodes = {
        "name": Column("string", network.labels),
        "represents": Column("string", list(network.names)),
        **network.nodes,
    }
    edges = {"interaction": Column("string", network.interactions), **network.edges}
    ends = (network.source, network.target)
    about: dict[str, Any] = {"name": network.title, "description": style_words(network)}
    style = None if level is None else visual_properties(network, level)
    return cx2_document(about, nodes, ends, edges, position, style)


def cx2_document(
    about: Mapping[str, Any],
    nodes: Mapping[str, Column],
    ends: Sequence[NDArray[np.int64]],
    edges: Mapping[str, Column],
    position: NDArray[np.float64] | None,
    style: Mapping[str, Any] | None,
) -> str:
    """Put the parts in their order, with their counts."""
    declared = {
        "networkAttributes": {
            name: {"d": "integer" if isinstance(value, int) else "string"}
            for name, value in about.items()
        },
        "nodes": {name: {"d": column.kind} for name, column in nodes.items()},
        "edges": {name: {"d": column.kind} for name, column in edges.items()},
    }
    n = len(next(iter(nodes.values())).values)
    of_nodes = [{"id": k, "v": row} for k, row in enumerate(_rows(nodes, n))]
    if position is not None:
        for row, (x, y) in zip(of_nodes, screen_positions(position), strict=True):
            row |= {"x": x, "y": y}
    pairs = zip(*(one.tolist() for one in ends), strict=True)
    of_edges = [
        {"id": k, "s": s, "t": t, "v": row}
        for k, ((s, t), row) in enumerate(zip(pairs, _rows(edges, len(ends[0])), strict=True))
    ]
    parts: dict[str, list[Any]] = {
        "attributeDeclarations": [declared],
        "networkAttributes": [dict(about)],
        "nodes": of_nodes,
        "edges": of_edges,
    }
    if style is not None:
        parts["visualProperties"] = [dict(style)]
        locks = {"nodeSizeLocked": False, "arrowColorMatchesEdge": True}
        parts["visualEditorProperties"] = [{"properties": locks}]
    document: list[dict[str, Any]] = [
        {"CXVersion": "2.0", "hasFragments": False},
        {"metaData": [{"name": k, "elementCount": len(part)} for k, part in parts.items()]},
        *({name: part} for name, part in parts.items()),
        {"status": [{"success": True}]},
    ]
    return "[" + ",\n".join(json.dumps(part, allow_nan=False) for part in document) + "]\n"


def screen_positions(position: NDArray[np.float64]) -> list[list[float]]:
    """Where nodes are drawn: on a screen y points down, ours upwards."""
    places: list[list[float]] = (position * (_ACROSS, -_DOWN) + 0.0).tolist()  # no -0.0
    return places


def _rows(columns: Mapping[str, Column], n: int) -> list[dict[str, Any]]:
    """Attributes of each element, without those that it does not have."""
    rows: list[dict[str, Any]] = [{} for _ in range(n)]
    for name, column in columns.items():
        for row, value in zip(rows, column.values, strict=True):
            if value is not None:
                row[name] = value
    return rows
