"""How a network looks in Cytoscape: mappings from attributes, so that an edited table shows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from edge2torch.exchange._columns import Column
from edge2torch.exchange._network import Network

BLUE, WHITE, RED, GREY = "#2166ac", "#f7f7f7", "#b2182b", "#cccccc"
_FAINTEST = 0.35  # opacity of a node of q = 1


def visual_properties(network: Network, level: float) -> dict[str, Any]:
    """Return defaults and mappings, by the names that CX2 has for them."""
    nodes, edges = network.nodes, network.edges
    of_nodes: dict[str, Any] = {
        "NODE_LABEL": {
            "type": "PASSTHROUGH",
            "definition": {"attribute": "name", "type": "string"},
        },
        "NODE_SHAPE": _discrete(
            "role", {"input": "ellipse", "hidden": "round-rectangle", "output": "diamond"}
        ),
    }
    if m := _largest(nodes.get("score")):
        of_nodes["NODE_BACKGROUND_COLOR"] = _continuous(
            "score", [(-m, BLUE), (0.0, WHITE), (m, RED)]
        )
    if m := _largest(nodes.get("magnitude")):
        for side in ("NODE_WIDTH", "NODE_HEIGHT"):
            of_nodes[side] = _continuous("magnitude", [(0.0, 20), (m, 60)])
    if _is(nodes.get("found"), "boolean"):
        of_nodes["NODE_BORDER_WIDTH"] = _discrete("found", {True: 4, False: 0.5})
    q = nodes.get("qvalue")
    if q is not None and q.is_number:
        of_nodes["NODE_BACKGROUND_OPACITY"] = _continuous("qvalue", [(level, 1), (1.0, _FAINTEST)])
    of_edges: dict[str, Any] = {}
    signed = _is(edges.get("sign"), "integer")
    if signed:
        of_edges["EDGE_TARGET_ARROW_SHAPE"] = _discrete(
            "sign", {1: "triangle", -1: "tee", 0: "none"}
        )
    carried = next((name for name in ("attribution", "weight") if _largest(edges.get(name))), None)
    if carried is not None:
        m = _largest(edges[carried])
        of_edges["EDGE_LINE_COLOR"] = _continuous(carried, [(-m, BLUE), (0.0, WHITE), (m, RED)])
        of_edges["EDGE_WIDTH"] = _continuous(carried, [(-m, 6), (0.0, 0.5), (m, 6)])
    return {
        "default": {
            "network": {"NETWORK_BACKGROUND_COLOR": "#ffffff"},
            "node": {
                "NODE_BACKGROUND_COLOR": GREY,
                "NODE_BACKGROUND_OPACITY": 1,
                "NODE_BORDER_COLOR": "#444444",
                "NODE_BORDER_WIDTH": 0.5,
                "NODE_HEIGHT": 35,
                "NODE_LABEL_COLOR": "#1d2330",
                "NODE_LABEL_FONT_SIZE": 10,
                "NODE_SHAPE": "round-rectangle",
                "NODE_WIDTH": 35,
            },
            "edge": {
                "EDGE_LINE_COLOR": "#999999",
                # of a signed network, an edge without a sign has no head, as one of sign 0
                "EDGE_TARGET_ARROW_SHAPE": "none" if signed else "triangle",
                "EDGE_WIDTH": 1,
            },
        },
        "nodeMapping": of_nodes,
        "edgeMapping": of_edges,
    }


def style_words(network: Network) -> str:
    """Say what the picture shows: as the description of the network it is there to be read."""
    nodes, words = network.nodes, []
    if _largest(nodes.get("score")):
        words.append("Node colour: score, red positive and blue negative; grey: no score.")
    if "magnitude" in nodes and _largest(nodes["magnitude"]):
        words.append("Size: magnitude of the score.")
    if _is(nodes.get("found"), "boolean"):
        words.append("Thick border: found.")
    if "qvalue" in nodes:
        words.append("The paler a node, the larger its q.")
    words.append("Circles are inputs, diamonds outputs.")
    return " ".join(words)


def unseen(network: Network) -> list[str]:
    """Say why scores that are there colour nothing."""
    score = network.nodes.get("score")
    if score is None:
        return []
    if not score.is_number:
        return ["'score' is not a number everywhere, and colours nothing"]
    if _largest(score):
        return []
    return ["all scores are equal, and colour nothing"]


def _is(column: Column | None, kind: str) -> bool:
    return column is not None and column.kind == kind


def _largest(column: Column | None) -> float:
    """Largest magnitude; 0 where nothing can be told apart by a colour."""
    if column is None or not column.is_number:
        return 0.0
    values = np.array([value for value in column.values if value is not None], float)
    return float(np.abs(values).max()) if len(np.unique(values)) > 1 else 0.0


def _discrete(attribute: str, values: dict[Any, Any]) -> dict[str, Any]:
    rows = [{"v": value, "vp": shown} for value, shown in values.items()]
    return {"type": "DISCRETE", "definition": {"attribute": attribute, "map": rows}}


def _continuous(attribute: str, points: list[tuple[float, Any]]) -> dict[str, Any]:
    """Ranges between points, and one beyond each end.

    Inner ranges hold both of their ends, outer ones none: Cytoscape takes the value at a point from
    the range that holds it, and shows nothing where none does.
    """
    first, last = points[0], points[-1]
    ranges: list[dict[str, Any]] = [
        {"max": first[0], "maxVPValue": first[1], "includeMin": False, "includeMax": False}
    ]
    for (low, at_low), (high, at_high) in pairwise(points):
        ranges.append(
            {
                "min": low,
                "max": high,
                "minVPValue": at_low,
                "maxVPValue": at_high,
                "includeMin": True,
                "includeMax": True,
            }
        )
    ranges.append({"min": last[0], "minVPValue": last[1], "includeMin": False, "includeMax": False})
    return {"type": "CONTINUOUS", "definition": {"attribute": attribute, "map": ranges}}
