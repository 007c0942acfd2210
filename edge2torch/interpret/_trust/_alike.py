"""Nodes of a graph that no data and no training can tell apart, by number."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from edge2torch._core.constraints import FIXED, FREE
from edge2torch.graph import EdgeGraph, longest_path_layers

Ints = NDArray[np.int64]

_WORD = 64


def twins(graph: EdgeGraph, ends: Ints) -> list[Ints]:
    """Return groups of nodes that can change places, weights and all, with nothing else changed.

    Inputs and the given ends stay where they are. Nodes are told apart by what they read and by what reads
    them, again and again until no group falls apart (colour refinement): such groups are the orbits
    of the graph's symmetries but for contrived regular graphs.
    """
    rows = graph.active_rows
    source, target = graph.source[rows], graph.target[rows]
    held = graph.constraint[rows].astype(np.int64)
    fixed = np.where(held == FIXED, graph.initial_weight[rows], 0.0)
    kind = _numbered(np.stack([held, _numbered(fixed[:, None])], axis=1))
    colour = np.zeros(graph.n_nodes, np.int64)
    told = np.union1d(graph.inputs, ends)
    colour[told] = 1 + np.arange(len(told))
    n_colours = 0
    while len(np.unique(colour)) > n_colours:
        n_colours = len(np.unique(colour))
        reads = _multisets(target, kind, colour[source], graph.n_nodes)
        is_read = _multisets(source, kind, colour[target], graph.n_nodes)
        colour = _numbered(np.stack([colour, reads, is_read], axis=1))
    used = np.zeros(graph.n_nodes, bool)
    used[source] = used[target] = True
    return _groups(colour, used)


def chains(graph: EdgeGraph) -> list[Ints]:
    """Return groups in which each node but one reads a single node, and that one of the group.

    The value of such a node is that of the node it reads, bent and scaled.
    """
    rows = graph.active_rows
    source, target = graph.source[rows], graph.target[rows]
    alone = np.bincount(target, minlength=graph.n_nodes)[target] == 1
    return _groups(_joined(source[alone], target[alone], graph.n_nodes))


def same_reach(graph: EdgeGraph, ends: Ints) -> list[Ints]:
    """Return groups of nodes that the same inputs reach, and that reach the same of the given ends."""
    rows = graph.active_rows
    source, target = graph.source[rows], graph.target[rows]
    layer = longest_path_layers(source, target, graph.is_input)
    below = _reached(source, target, layer, graph.inputs)
    above = _reached(target, source, layer.max() - layer, ends)
    inner = np.asarray(below.any(axis=1))
    inner[np.union1d(graph.inputs, ends)] = False
    return _groups(_numbered(np.concatenate([below, above], axis=1)), inner)


def with_known_sign(graph: EdgeGraph, ends: Ints) -> NDArray[np.bool_]:
    """Tell which nodes (n,) could not change their sign together with their weights.

    A constrained edge binds the signs of its ends to each other, and those of inputs and of the given
    ends are what they are.
    """
    rows = graph.active_rows[graph.constraint[graph.active_rows] != FREE]
    component = _joined(graph.source[rows], graph.target[rows], graph.n_nodes)
    known = component[np.union1d(graph.inputs, ends)]
    return np.isin(component, known)


def joined(groups: list[Ints], n_nodes: int) -> Ints:
    """Return one number for all nodes that any of the groups holds together, (n,)."""
    none = np.zeros(0, np.int64)
    first = np.concatenate([none, *(np.repeat(own[:1], len(own)) for own in groups)])
    return _joined(first, np.concatenate([none, *groups]), n_nodes)


def _joined(first: Ints, second: Ints, n_nodes: int) -> Ints:
    links = coo_array((np.ones(len(first), np.int8), (first, second)), (n_nodes, n_nodes))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _groups(number: Ints, among: NDArray[np.bool_] | None = None) -> list[Ints]:
    """Return the nodes of each number that several of them have."""
    nodes = np.arange(len(number)) if among is None else np.flatnonzero(among)
    order = nodes[np.argsort(number[nodes], kind="stable")]
    parts = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
    return [part for part in parts if len(part) > 1]


def _numbered(rows: NDArray[np.generic]) -> Ints:
    """Number rows, equal ones alike."""
    number = np.unique(rows, axis=0, return_inverse=True)[1]
    return np.asarray(number.reshape(-1), np.int64)


def _multisets(end: Ints, kind: Ints, colour: Ints, n_nodes: int) -> Ints:
    """Number the multisets of what stands at the other end of each node's edges."""
    pair = _numbered(np.stack([kind, colour], axis=1))
    order = np.lexsort((pair, end))
    start = np.searchsorted(end[order], np.arange(n_nodes + 1))
    seen: dict[bytes, int] = {}
    sorted_ = pair[order]
    names = (sorted_[a:b].tobytes() for a, b in pairwise(start.tolist()))
    return np.array([seen.setdefault(name, len(seen)) for name in names], np.int64)


def _reached(source: Ints, target: Ints, layer: Ints, first: Ints) -> NDArray[np.uint64]:
    """Return as bits which of the first nodes lead to each node, (n, words)."""
    bits = np.zeros((len(layer), max(-(-len(first) // _WORD), 1)), np.uint64)
    place = np.arange(len(first))
    bits[first, place // _WORD] = np.uint64(1) << (place % _WORD).astype(np.uint64)
    order = np.lexsort((target, layer[target]))
    for part in np.split(order, np.flatnonzero(np.diff(layer[target[order]])) + 1):
        if not len(part):
            continue
        ends, start = np.unique(target[part], return_index=True)
        bits[ends] |= np.bitwise_or.reduceat(bits[source[part]], start, axis=0)
    return bits
