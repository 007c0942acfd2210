"""Scores on the nodes and edges of a networkx graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from edge2torch._core.messages import require
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import networkx as nx


def score_graph(
    artifact: CompileArtifact,
    *,
    nodes: pd.Series | pd.DataFrame | Mapping[str, Any] | None = None,
    edges: pd.DataFrame | None = None,
) -> nx.DiGraph:
    """Return the graph (networkx) that a model computes along, with scores on its nodes and edges.

    ``nodes`` are a number per node, or samples × nodes, of which the mean is taken; several columns per
    node (a level ``target``) give attributes ``score_<target>``. ``edges`` are what
    ``interpret_model(target="edges")`` or ``edge_weights`` returned. Every node has ``role`` (input, hidden,
    output) and, where known, ``score``; edges that nothing is computed along are left out.
    """
    nx = require("networkx")
    graph = nx.DiGraph()
    table = artifact.graph.edges[["source", "target"]].iloc[artifact.graph.active_rows]
    graph.add_edges_from(table.itertuples(index=False, name=None))
    graph.add_nodes_from(artifact.feature_names + artifact.output_names)
    nx.set_node_attributes(graph, "hidden", "role")
    nx.set_node_attributes(graph, dict.fromkeys(artifact.output_names, "output"), "role")
    nx.set_node_attributes(graph, dict.fromkeys(artifact.feature_names, "input"), "role")
    for name, scores in _by_attribute(nodes):
        by_node = {node: float(score) for node, score in scores.items() if node in graph}
        nx.set_node_attributes(graph, by_node, name)
    if edges is not None:
        _add_edge_numbers(graph, edges)
    return graph


def _by_attribute(nodes: Any) -> list[tuple[str, Any]]:
    if nodes is None:
        return []
    if isinstance(nodes, pd.DataFrame):
        nodes = nodes.mean()
    if isinstance(nodes, pd.Series) and nodes.index.nlevels > 1:
        return [(f"score_{label}", nodes[label]) for label in nodes.index.unique(0)]
    return [("score", nodes)]


def _add_edge_numbers(graph: nx.DiGraph, edges: pd.DataFrame) -> None:
    nx = require("networkx")
    if not {"source", "target"} <= set(edges.columns):
        raise Edge2TorchError(
            f"edges must have the columns 'source' and 'target'; found {list(edges.columns)[:5]}."
        )
    if "output" in edges:
        for label, of_output in edges.groupby("output", sort=False):
            renamed = of_output.rename(columns={"attribution": f"attribution_{label}"})
            _add_edge_numbers(graph, renamed.drop(columns="output"))
        return
    pairs = list(zip(edges["source"], edges["target"], strict=True))
    if pairs and not any(graph.has_edge(*pair) for pair in pairs):
        first = " → ".join(map(str, pairs[0]))
        raise Edge2TorchError(
            f"edges: none of its {len(pairs):,} is an edge of this graph ({first}, for one). Give "
            "those of the same model."
        )
    columns = edges.columns.difference(["source", "target"])
    numbers = [name for name in columns if pd.api.types.is_numeric_dtype(edges[name])]
    if not numbers:
        raise Edge2TorchError(
            f"edges has no column of numbers beside 'source' and 'target'; found {list(columns)[:5]}."
        )
    for name in numbers:
        values = zip(pairs, edges[name].tolist(), strict=True)
        known = {pair: value for pair, value in values if graph.has_edge(*pair)}
        nx.set_edge_attributes(graph, known, name)
