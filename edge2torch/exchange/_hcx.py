"""HCX: a hierarchy in CX2 for the cell-map viewer, parents pointing at their children.

An edge of ours leads from a child to its parent. Inputs, such as genes, are members of nodes there
and no nodes themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.exchange._columns import Column
from edge2torch.exchange._cx2 import cx2_document
from edge2torch.exchange._layers import layers_of, members_below
from edge2torch.exchange._network import Network
from edge2torch.exchange._style import style_words, visual_properties
from edge2torch.graph import cycle_words, shortest_cycle

_SCHEMA, _FILES = "hierarchy_v0.1", 2
_INPUT = 1


def hcx_text(
    network: Network,
    *,
    level: float | None,
    place: Any,
    interactome: Network | None,
    interactome_name: str | None,
    interactome_uuid: str | None,
) -> str:
    """Return the file; ``place`` gives positions for layers and edges, or is None."""
    _check(network)
    kept = np.flatnonzero(network.role != _INPUT)
    number = np.full(len(network.names), -1)
    number[kept] = np.arange(len(kept))
    inner = (number[network.source] >= 0) & (number[network.target] >= 0)
    child, parent = number[network.source[inner]], number[network.target[inner]]
    members = members_below(network.source, network.target, network.role == _INPUT)
    of_node = [[network.names[k] for k in members[node]] for node in kept.tolist()]
    labels = network.labels
    nodes = {
        "name": Column("string", [labels[k] for k in kept]),
        "represents": Column("string", [network.names[k] for k in kept]),
        "HCX::isRoot": Column("boolean", (~np.isin(np.arange(len(kept)), child)).tolist()),
        "HCX::memberNames": Column("list_of_string", of_node),
        "CD_MemberList": Column("string", [" ".join(names) for names in of_node]),
    }
    if interactome is not None:
        ids = {name: k for k, name in enumerate(interactome.names)}
        there = [[ids[name] for name in names if name in ids] for names in of_node]
        nodes["HCX::members"] = Column("list_of_long", there)
    for name, column in network.nodes.items():
        nodes.setdefault(name, Column(column.kind, [column.values[k] for k in kept]))
    rows = np.flatnonzero(inner)
    edges = {"interaction": Column("string", [network.interactions[k] for k in rows])}
    for name, column in network.edges.items():
        edges[name] = Column(column.kind, [column.values[k] for k in rows])
    about: dict[str, Any] = {
        "name": network.title,
        "description": style_words(network),
        "ndexSchema": _SCHEMA,
        "HCX::modelFileCount": _FILES,
    }
    if interactome_name is not None:
        about["HCX::interactionNetworkName"] = interactome_name
    if interactome_uuid is not None:
        about["HCX::interactionNetworkUUID"] = interactome_uuid
    position = None if place is None else _downwards(place, child, parent, len(kept))
    style = None if level is None else visual_properties(network, level)
    return cx2_document(about, nodes, (parent, child), edges, position, style)


def _downwards(
    place: Any, child: NDArray[np.int64], parent: NDArray[np.int64], n: int
) -> NDArray[np.float64]:
    """Roots at the top, and what belongs to them below, as such hierarchies are drawn."""
    layer = layers_of(parent, child, ~np.isin(np.arange(n), child))
    across: NDArray[np.float64] = place(layer, parent, child)
    return np.stack([across[:, 1] / 2, -4 * across[:, 0]], axis=1)


def _check(network: Network) -> None:
    names = np.array(network.names, object)
    cycle = shortest_cycle(network.source, network.target, len(names))
    if cycle is not None:
        raise Edge2TorchError(
            "graph is not a hierarchy, which HCX is for: it has the cycle "
            f"{cycle_words(names, cycle)}. Break it (break_cycles of edge2torch.priors), or write "
            "format='cx2'."
        )
    if (network.role == _INPUT).all():
        raise Edge2TorchError("graph has no node above its inputs, so it is not a hierarchy.")
    genes = [name for name, role in zip(network.names, network.role, strict=True) if role == _INPUT]
    if blank := [name for name in genes if len(name.split()) != 1]:
        raise Edge2TorchError(
            "graph: the members of a node are written with blanks between them, and these inputs "
            f"have blanks in their names: {listing(blank)}. Rename them."
        )
