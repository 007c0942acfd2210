"""Cytoscape.js JSON (``.cyjs``), which Cytoscape opens and a page can draw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch.exchange._columns import Column
from edge2torch.exchange._cx2 import screen_positions
from edge2torch.exchange._network import Network

# nodes inside nodes, and what is marked on the screen: attributes of these names would be read so
_RESERVED = ("parent", "selected")


def cyjs_text(network: Network, position: NDArray[np.float64] | None) -> tuple[str, dict[str, str]]:
    """Return the file, and which attributes bear another name in it.

    Identifiers are text, and nodes and edges share them: an edge that is called like a node is
    dropped without a word by Cytoscape.js.
    """
    renamed = {}
    for name in (*network.nodes, *network.edges):
        if name in _RESERVED:
            renamed[name] = f"{name}_"
    of_nodes, of_edges = _values(network.nodes, renamed), _values(network.edges, renamed)
    nodes: list[dict[str, Any]] = []
    for k, (label, name) in enumerate(zip(network.labels, network.names, strict=True)):
        own = _row(of_nodes, k)
        nodes.append({"data": {"id": f"n{k}", "name": label, "represents": name, **own}})
    if position is not None:
        for node, (x, y) in zip(nodes, screen_positions(position), strict=True):
            node["position"] = {"x": x, "y": y}
    edges = []
    ends = zip(network.source.tolist(), network.target.tolist(), strict=True)
    for k, ((s, t), word) in enumerate(zip(ends, network.interactions, strict=True)):
        own = _row(of_edges, k)
        data = {"id": f"e{k}", "source": f"n{s}", "target": f"n{t}", "interaction": word, **own}
        edges.append({"data": data})
    document = {
        "format_version": "1.0",
        "generated_by": "edge2torch",
        "data": {"name": network.title},
        "elements": {"nodes": nodes, "edges": edges},
    }
    return json.dumps(document, allow_nan=False, indent=1) + "\n", renamed


def _values(columns: Mapping[str, Column], renamed: Mapping[str, str]) -> dict[str, list[Any]]:
    return {renamed.get(name, name): column.joined() for name, column in columns.items()}


def _row(columns: Mapping[str, list[Any]], k: int) -> dict[str, Any]:
    return {name: values[k] for name, values in columns.items() if values[k] is not None}
