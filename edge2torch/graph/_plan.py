"""The order in which a feedforward model computes, as integer arrays.

Edges between neighbouring layers form blocks. An edge that skips layers is computed where its
source is known and its product waits for the target's layer, so the source's value itself is
never copied, scaled or passed through anything on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from edge2torch.graph._cycles import refuse_cycles
from edge2torch.graph._edge_graph import EdgeGraph
from edge2torch.graph._layers import layers_along

Int = NDArray[np.int64]
Places = NDArray[np.integer]
_Leaving = tuple[Places, Places, Places, Places]

_NONE = np.zeros(0, np.int32)
_MOST_LAYERS = 10_000  # each is a module of its own: about a millisecond to make


class ExecutionPlan(Protocol):
    """What the plan of any backend can tell."""

    def layer_nodes(self) -> dict[str, Int]:
        """Return node numbers by layer name."""

    def site_nodes(self) -> dict[str, Int]:
        """Return node numbers by attribution site, in column order."""

    def edge_rows(self) -> list[Places]:
        """Return rows of the edge table, one array per layer of the model that holds weights."""

    def biased_nodes(self) -> list[Int]:
        """Return node numbers, one array per bias vector of the model."""


@dataclass(frozen=True)
class BlockPlan:
    """Edges from one layer to the next.

    Parameters
    ----------
    edges : ndarray of int, shape (e_block,)
        Rows of the edge table, ordered by target, then source.
    ends : tuple of two ndarray of int, shape (e_block,), optional
        Positions of target and source within their layers; None where every source meets every target.
    shape : tuple of int
        Nodes in the target layer and in the source layer.
    arrivals : ndarray of int
        Where the products of skip edges that end in the target layer belong: positions in the
        layer, in the order in which earlier layers send them.
    """

    edges: Places
    ends: tuple[Places, Places] | None = field(repr=False)
    shape: tuple[int, int]
    arrivals: Places

    @property
    def rows(self) -> Places:
        """The position of each edge's target in its layer, (e_block,)."""
        n_out, n_in = self.shape
        return (
            np.repeat(np.arange(n_out, dtype=np.int32), n_in) if self.ends is None else self.ends[0]
        )

    @property
    def columns(self) -> Places:
        """The position of each edge's source in its layer, (e_block,)."""
        n_out, n_in = self.shape
        return (
            np.tile(np.arange(n_in, dtype=np.int32), n_out) if self.ends is None else self.ends[1]
        )


@dataclass(frozen=True)
class SkipPlan:
    """Edges from one layer to layers beyond the next.

    Parameters
    ----------
    edges, rows, columns, shape
        As in :class:`BlockPlan`; rows are numbered over all targets of all later layers.
    segments : tuple of (int, int)
        Target layer and number of rows, in row order.
    """

    edges: Places
    rows: Places
    columns: Places
    shape: tuple[int, int]
    segments: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FeedforwardPlan:
    """Layers, the blocks between them, and where the outputs stand.

    Parameters
    ----------
    layers : tuple of ndarray
        Node numbers by layer; layer 0 holds the inputs in model order, and the last layer the
        outputs in theirs where it holds nothing else.
    blocks : tuple of BlockPlan
        Block k leads from layer k to layer k + 1.
    skips : tuple of (SkipPlan or None)
        The longer edges that leave layer k.
    output_layer, output_position : ndarray of int64, shape (o,)
        Where each output is computed.
    """

    layers: tuple[Int, ...]
    blocks: tuple[BlockPlan, ...]
    skips: tuple[SkipPlan | None, ...]
    output_layer: Int
    output_position: Int

    @property
    def n_skip_edges(self) -> int:
        """How many edges skip at least one layer."""
        return sum(len(skip.edges) for skip in self.skips if skip is not None)

    def layer_nodes(self) -> dict[str, Int]:
        """Return node numbers by layer name."""
        return {f"layer_{k}": nodes for k, nodes in enumerate(self.layers)}

    def site_nodes(self) -> dict[str, Int]:
        """Return node numbers by attribution site: every computed layer."""
        return {f"layer_{k}": nodes for k, nodes in enumerate(self.layers) if k}

    def edge_rows(self) -> list[Int]:
        """Return rows of the edge table, one array per layer of the model that holds weights.

        In the width that torch takes for indices; kept in half of it.
        """
        rows = []
        for block, skip in zip(self.blocks, self.skips, strict=True):
            rows.append(block.edges.astype(np.int64))
            if skip is not None:
                rows.append(skip.edges.astype(np.int64))
        return rows

    def biased_nodes(self) -> list[Int]:
        """Return node numbers, one array per bias vector of the model."""
        return list(self.layers[1:])

    def __repr__(self) -> str:
        near = sum(len(block.edges) for block in self.blocks)
        plural = "" if self.n_skip_edges == 1 else "s"
        return (
            f"FeedforwardPlan({len(self.layers)} layers, {near} edges between neighbours, "
            f"{self.n_skip_edges} skip edge{plural})"
        )


def plan_feedforward(graph: EdgeGraph) -> FeedforwardPlan:
    """Lay a directed acyclic graph out in layers."""
    layer_of, layers = _layers(graph)
    near, far = _near_and_far(graph, layers)
    arrivals: list[list[Places]] = [[] for _ in layers]
    skips = [
        _skip_plan(leaving, len(nodes), arrivals)
        for leaving, nodes in zip(far, layers[:-1], strict=True)
    ]
    place = np.zeros(graph.n_nodes, np.int64)  # position within the own layer
    for nodes in layers:
        place[nodes] = np.arange(len(nodes))
    return FeedforwardPlan(
        layers=layers,
        blocks=tuple(
            replace(block, arrivals=np.concatenate([*sent, _NONE]))
            for block, sent in zip(near, arrivals[1:], strict=True)
        ),
        skips=tuple(skips),
        output_layer=layer_of[graph.outputs],
        output_position=place[graph.outputs],
    )


def _layers(graph: EdgeGraph) -> tuple[Int, tuple[Int, ...]]:
    """Return each node's layer (-1 when it is in no layer) and the nodes of each layer."""
    edges, is_input = graph.adjacency, graph.is_input
    present = is_input | (edges.counts > 0)
    present[edges.following] = True
    layer_of = layers_along(edges.start, edges.following, is_input, most=_MOST_LAYERS)
    if (layer_of[present] < 0).any():
        rows = graph.active_rows
        refuse_cycles(graph.node_names, graph.source[rows], graph.target[rows])
    layer_of[~present] = -1
    by_layer = np.argsort(layer_of, kind="stable")
    depth = int(layer_of.max()) + 1
    bounds = np.searchsorted(layer_of[by_layer], np.arange(depth + 1))
    layers = [by_layer[start:stop] for start, stop in pairwise(bounds)]
    layers[0] = graph.inputs
    if depth > 1 and np.array_equal(layers[-1], np.sort(graph.outputs)):
        layers[-1] = graph.outputs  # read as they are computed
    return layer_of, tuple(layers)


def _near_and_far(
    graph: EdgeGraph, layers: tuple[Int, ...]
) -> tuple[list[BlockPlan], list[_Leaving]]:
    """Return the edges into each layer from the one before, and those that leave each for one beyond the next.

    Ordered by target, then source; the latter as rows of the edge table, layer of the target, place of target
    and source within theirs.
    """
    widths = [len(own) for own in layers]
    nodes = np.concatenate(layers)
    rank = np.zeros(graph.n_nodes, np.int32)  # counted through all layers: tells layer and place
    rank[nodes] = np.arange(len(nodes))
    layer = np.repeat(np.arange(len(layers), dtype=np.int16), widths)
    place = np.concatenate([np.arange(width, dtype=np.int32) for width in widths])
    edges = graph.adjacency
    matrix = csr_array((edges.rows, edges.following, edges.start), (graph.n_nodes,) * 2)[nodes]
    ends = (matrix.data, rank[matrix.indices], matrix.indptr)
    by_target = csr_array(ends, (len(nodes),) * 2).tocsc()  # sources of a target stay in order
    into, first = np.diff(by_target.indptr), np.cumsum([0, *widths])
    blocks, leaving = [], []
    for k, width in enumerate(widths[1:]):
        own = slice(*by_target.indptr[first[k + 1 : k + 3]])
        source, rows = by_target.indices[own], by_target.data[own]
        shape = (width, widths[k])
        if len(rows) == width * widths[k] and (source >= first[k]).all():
            blocks.append(BlockPlan(rows, None, shape, _NONE))
            continue
        target = np.repeat(np.arange(width, dtype=np.int32), into[first[k + 1] : first[k + 2]])
        is_far = source < first[k]
        if is_far.any():
            far = source[is_far]
            to = np.full(len(far), k + 1, np.int16)
            leaving.append((layer[far], rows[is_far], to, target[is_far], place[far]))
            rows, source, target = (part[~is_far] for part in (rows, source, target))
        blocks.append(BlockPlan(rows, (target, place[source]), shape, _NONE))
    if not leaving:
        return blocks, [(_NONE,) * 4] * len(blocks)
    from_layer, *parts = (np.concatenate(part) for part in zip(*leaving, strict=True))
    order = np.argsort(from_layer, kind="stable")  # numpy counts numbers of 16 bits, too
    bounds = np.searchsorted(from_layer[order], np.arange(len(layers), dtype=np.int16))
    parts = [part[order] for part in parts]
    return blocks, [
        (parts[0][own], parts[1][own], parts[2][own], parts[3][own])
        for own in map(slice, bounds[:-1], bounds[1:])
    ]


def _skip_plan(leaving: _Leaving, width: int, arrivals: list[list[Places]]) -> SkipPlan | None:
    """Number the distinct targets of skip edges; tell their layers what will arrive."""
    edges, to_layer, targets, columns = leaving
    if len(edges) == 0:
        return None
    is_new = np.ones(len(edges), bool)
    is_new[1:] = (to_layer[1:] != to_layer[:-1]) | (targets[1:] != targets[:-1])
    rows = np.cumsum(is_new, dtype=targets.dtype) - 1
    sent_to, sent_place = to_layer[is_new], targets[is_new]
    found, starts, counts = np.unique(sent_to, return_index=True, return_counts=True)
    segments = []
    for layer, start, count in zip(found.tolist(), starts, counts, strict=True):
        arrivals[layer].append(sent_place[start : start + count])
        segments.append((layer, int(count)))
    return SkipPlan(edges, rows, columns, (len(sent_place), width), tuple(segments))
