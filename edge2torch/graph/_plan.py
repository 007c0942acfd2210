"""The order in which a feedforward model computes, as integer arrays.

Edges between neighbouring layers form blocks. An edge that skips layers is computed where its
source is known and its product waits for the target's layer, so the source's value itself is
never copied, scaled or passed through anything on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.order import sorted_with_order
from edge2torch.graph._cycles import refuse_cycles
from edge2torch.graph._edge_graph import EdgeGraph
from edge2torch.graph._layers import longest_path_layers

Int = NDArray[np.int64]

_MOST_LAYERS = 10_000  # each is a module of its own: about a millisecond to make


class ExecutionPlan(Protocol):
    """What the plan of any backend can tell."""

    def layer_nodes(self) -> dict[str, Int]:
        """Return node numbers by layer name."""

    def site_nodes(self) -> dict[str, Int]:
        """Return node numbers by attribution site, in column order."""

    def edge_rows(self) -> list[Int]:
        """Return rows of the edge table, one array per layer of the model that holds weights."""

    def biased_nodes(self) -> list[Int]:
        """Return node numbers, one array per bias vector of the model."""


@dataclass(frozen=True)
class BlockPlan:
    """Edges from one layer to the next.

    Parameters
    ----------
    edges : ndarray of int64, shape (e_block,)
        Rows of the edge table, ordered by target, then source.
    rows, columns : ndarray of int64, shape (e_block,)
        Positions of target and source within their layers.
    shape : tuple of int
        Nodes in the target layer and in the source layer.
    arrivals : ndarray of int64
        Where the products of skip edges that end in the target layer belong: positions in the
        layer, in the order in which earlier layers send them.
    """

    edges: Int
    rows: Int
    columns: Int
    shape: tuple[int, int]
    arrivals: Int


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

    edges: Int
    rows: Int
    columns: Int
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
        """Return rows of the edge table, one array per layer of the model that holds weights."""
        rows = []
        for block, skip in zip(self.blocks, self.skips, strict=True):
            rows.append(block.edges)
            if skip is not None:
                rows.append(skip.edges)
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
    place = np.zeros(graph.n_nodes, np.int64)  # position within the own layer
    for nodes in layers:
        place[nodes] = np.arange(len(nodes))
    edges = graph.active_rows
    order, (turn, to_layer, rows, columns) = _sorted(_keys(graph, edges, layer_of, place))
    edges = edges[order]
    bounds = np.searchsorted(turn, np.arange(2 * len(layers)))

    arrivals: list[list[Int]] = [[] for _ in layers]
    skips: list[SkipPlan | None] = []
    for k in range(len(layers) - 1):
        own = slice(bounds[2 * k + 1], bounds[2 * k + 2])
        skips.append(
            _skip_plan(edges[own], to_layer[own], rows[own], columns[own], len(layers[k]), arrivals)
        )
    blocks = []
    for k in range(len(layers) - 1):
        own = slice(bounds[2 * k], bounds[2 * k + 1])
        shape = (len(layers[k + 1]), len(layers[k]))
        sent = np.concatenate([*arrivals[k + 1], np.zeros(0, np.int64)])
        blocks.append(BlockPlan(edges[own], rows[own], columns[own], shape, sent))
    return FeedforwardPlan(
        layers=layers,
        blocks=tuple(blocks),
        skips=tuple(skips),
        output_layer=layer_of[graph.outputs],
        output_position=place[graph.outputs],
    )


def _layers(graph: EdgeGraph) -> tuple[Int, tuple[Int, ...]]:
    """Return each node's layer (-1 when it is in no layer) and the nodes of each layer."""
    edges = graph.active_rows
    source, target = graph.source[edges], graph.target[edges]
    is_input = graph.is_input
    present = is_input.copy()
    present[source] = True
    present[target] = True
    layer_of = longest_path_layers(source, target, is_input, most=_MOST_LAYERS)
    if (layer_of[present] < 0).any():
        refuse_cycles(graph.node_names, source, target)
    layer_of[~present] = -1
    by_layer = np.argsort(layer_of, kind="stable")
    depth = int(layer_of.max()) + 1
    bounds = np.searchsorted(layer_of[by_layer], np.arange(depth + 1))
    layers = [by_layer[start:stop] for start, stop in pairwise(bounds)]
    layers[0] = graph.inputs
    if depth > 1 and np.array_equal(layers[-1], np.sort(graph.outputs)):
        layers[-1] = graph.outputs  # read as they are computed
    return layer_of, tuple(layers)


def _keys(graph: EdgeGraph, edges: Int, layer_of: Int, place: Int) -> list[NDArray[np.int32]]:
    """Return what edges are laid out by: layer and whether they skip any, layer, place and place of ends.

    In half the width: with millions of edges these take more room than anything else of a graph.
    """
    layer, at = layer_of.astype(np.int32), place.astype(np.int32)
    source, target = graph.source[edges], graph.target[edges]
    from_layer, to_layer = layer[source], layer[target]
    return [2 * from_layer + (to_layer > from_layer + 1), to_layer, at[target], at[source]]


def _sorted(keys: list[NDArray[np.int32]]) -> tuple[Int, Sequence[Int]]:
    """Return the order by keys, the first one first, and the keys in it; edges differ in one of them.

    The list is emptied: each key's memory is free once it is joined to the others.
    """
    bits = [int(key.max(initial=0)).bit_length() for key in keys]
    if sum(bits) > 62:
        order = np.lexsort(tuple(keys)[::-1])
        return order, [key[order].astype(np.int64) for key in keys]
    joined = np.zeros(len(keys[0]), np.int64)
    for size in bits:
        joined <<= size
        joined |= keys.pop(0)
    joined, order = sorted_with_order(joined, 1 << sum(bits))
    parts = []
    for size in reversed(bits):
        parts.append(joined & ((1 << size) - 1))
        joined >>= size
    return order, parts[::-1]


def _skip_plan(
    edges: Int, to_layer: Int, targets: Int, columns: Int, width: int, arrivals: list[list[Int]]
) -> SkipPlan | None:
    """Number the distinct targets of skip edges; tell their layers what will arrive."""
    if len(edges) == 0:
        return None
    is_new = np.ones(len(edges), bool)
    is_new[1:] = (to_layer[1:] != to_layer[:-1]) | (targets[1:] != targets[:-1])
    rows = np.cumsum(is_new) - 1
    sent_to, sent_place = to_layer[is_new], targets[is_new]
    found, starts, counts = np.unique(sent_to, return_index=True, return_counts=True)
    segments = []
    for layer, start, count in zip(found.tolist(), starts, counts, strict=True):
        arrivals[layer].append(sent_place[start : start + count])
        segments.append((layer, int(count)))
    return SkipPlan(edges, rows, columns, (len(sent_place), width), tuple(segments))
