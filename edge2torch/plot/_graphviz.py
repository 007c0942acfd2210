"""Draw a sub-graph with graphviz."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge2torch._core.messages import require
from edge2torch.plot._matplotlib import edge_colours, node_colours
from edge2torch.plot._style import text_colour
from edge2torch.plot._subgraph import Subgraph

_WEIGHTS = {
    "signs": "edges: red positive, blue negative weight",
    "sizes": "edges: width by the size of weights",
    "": "",
}


def draw_with_graphviz(
    graph: Subgraph, labels: list[str], headers: list[str], *, title: str, score_label: str
) -> Any:
    """Return a ``graphviz.Digraph`` with the layers as ranks, inputs on the left."""
    graphviz = require("graphviz")
    words = [title, f"colour: {score_label}" if not np.isnan(graph.score).all() else ""]
    words.append(_WEIGHTS[graph.weights_shown])
    lines = [line for word in words for line in word.split("\n") if line]
    dot = graphviz.Digraph(
        graph_attr={
            "rankdir": "LR",
            "ranksep": "1.1",
            "nodesep": "0.08",
            "label": "".join(graphviz.escape(line) + "\\l" for line in lines),
            "labelloc": "t",
            "labeljust": "l",
            "fontname": "Helvetica",
            "fontsize": "12",
            "splines": "true",
        },
        node_attr={
            "shape": "box",
            "style": "filled,rounded",
            "fontname": "Helvetica",
            "fontsize": "10",
            "height": "0.22",
            "margin": "0.08,0.03",
        },
        edge_attr={"arrowsize": "0.35"},
    )
    for k, header in zip(np.unique(graph.layer), headers, strict=True):
        with dot.subgraph(graph_attr={"rank": "same"}) as column:
            for node in np.flatnonzero(graph.layer == k):
                _node(column, graph, int(node), graphviz.escape(labels[node]), header)
    size = graph.strength
    shades = edge_colours(graph.weight)
    for row in np.argsort(size, kind="stable"):
        alpha = 128 if np.isnan(graph.weight[row]) else int(64 + 160 * size[row])
        dot.edge(
            str(graph.source[row]),
            str(graph.target[row]),
            color=f"{shades[row]}{alpha:02x}",
            penwidth=f"{0.4 + 1.8 * size[row]:.2f}",
        )
    return dot


def _node(dot: Any, graph: Subgraph, node: int, label: str, header: str) -> None:
    fill = node_colours(graph)[node]
    dot.node(
        str(node),
        label=label,
        tooltip=label if np.isnan(graph.score[node]) else f"{label}: {graph.score[node]:.3g}",
        fillcolor="#" + "".join(f"{round(255 * part):02x}" for part in fill[:3]),
        fontcolor=text_colour(fill),
        penwidth="1.6" if graph.is_output[node] else "0.6",
        color="black" if graph.is_output[node] else "#777777",
        group=header,
    )
