"""GraphML with a type for every attribute, written by networkx from values made plain for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError
from edge2torch.exchange._cx2 import screen_positions
from edge2torch.exchange._network import Network

# what XML 1.0 has no way to write
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_graphml(network: Network, position: NDArray[np.float64] | None, path: Path) -> None:
    """Write nodes under their names in the edge table; a human name is the attribute ``name``."""
    nx = require("networkx")
    graph = nx.DiGraph(name=network.title)
    _check(network.names, "the names")
    graph.add_nodes_from(network.names)
    nx.set_node_attributes(
        graph,
        {name: network.called[name] for name in network.names if name in network.called},
        "name",
    )
    for name, column in network.nodes.items():
        values = zip(network.names, column.joined(), strict=True)
        known = {node: value for node, value in values if value is not None}
        _check(known.values(), f"attribute {name!r}")
        nx.set_node_attributes(graph, known, name)
    if position is not None:
        for name, (x, y) in zip(network.names, screen_positions(position), strict=True):
            graph.nodes[name].update(x=x, y=y)
    ends = zip(network.source.tolist(), network.target.tolist(), strict=True)
    pairs = [(network.names[s], network.names[t]) for s, t in ends]
    graph.add_edges_from(pairs)
    for name, column in network.edges.items():
        if name == "weight_sign":  # ours, for styles: what is read again is the table as it was
            continue
        of_edges = zip(pairs, column.joined(), strict=True)
        there = {pair: value for pair, value in of_edges if value is not None}
        _check(there.values(), f"attribute {name!r}")
        nx.set_edge_attributes(graph, there, name)
    writer = nx.GraphMLWriter(prettyprint=True)
    writer.add_graph_element(graph)
    # networkx has them by source; here they stand as in the table
    whole = writer.xml.find("graph")
    by_pair = {(one.get("source"), one.get("target")): one for one in whole.findall("edge")}
    others = [one for one in whole if one.tag != "edge"]
    whole[:] = [*others, *(by_pair[pair] for pair in pairs)]
    with path.open("wb") as stream:
        writer.dump(stream)


def _check(values: Iterable[Any], where: str) -> None:
    """Refuse what no XML file can hold, and what a reader would take for something else."""
    found = [v for v in values if isinstance(v, str) and _UNWRITABLE.search(v)]
    if found:
        raise Edge2TorchError(
            f"graph: {where} hold control characters, which GraphML has no way to write: "
            f"{listing(found)}. Take them out, or write .cx2."
        )
