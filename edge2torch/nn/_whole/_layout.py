"""What the walk needs to know of a model: integer arrays of its graph, and where parameters stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn

from edge2torch.nn._linear import MaskedLinear

Int = NDArray[np.integer]

_CACHE = 1 << 20  # bytes: rows of a larger state are laid out component by component
_BYTES_OF_A_ROW = 256


class Layered(Protocol):
    """The parts of a feedforward model that a layout is read from."""

    in_features: int
    blocks: nn.ModuleList
    _segments: Any
    _output_layer: Int
    _output_position: Int

    def block(self, k: int) -> Any:
        """Return the block that computes layer k + 1."""

    def skip(self, layer: int) -> MaskedLinear:
        """Return the edges that leave a layer for layers beyond the next."""

    def edge_layers(self) -> list[MaskedLinear]:
        """Return the layers that hold the edges' weights."""


@dataclass(frozen=True)
class Layout:
    """A graph in walking order: inputs first, then each node after its sources.

    Parameters
    ----------
    n_in : int
        Inputs.
    crow, col : ndarray of int32
        Edges by target: where each computed node's edges start, and the row of each edge's source.
    near : ndarray of int32, shape (e,)
        The same rows where a segment is alone in the state, after the inputs.
    place : ndarray of int32, shape (e,)
        Where each edge's weight stands among the parameters, one after the other.
    number : ndarray of int32, shape (e,)
        Which edge it is, in the order of the model's edge layers.
    starts : ndarray of int64
        The number of each edge layer's first edge.
    sign : ndarray of int8, shape (e,)
        1 or -1 for constrained weights.
    ccol, target, edge : ndarray of int32
        Edges by source: where each row's edges start; each edge's target row and number.
    outs : ndarray of int64, shape (o,)
        Rows of the outputs.
    out_of : ndarray of int32, shape (rows,)
        Which output each row is, or -1.
    segments : ndarray of int64
        Rows of computed nodes at which another part begins that shares no edge with the ones before.
    row_of : tuple of ndarray
        By layer: the computed node, counted in walking order, of each column.
    parameters : list of (module, name)
        Parameters and buffers of the edges in order; then the biases.
    bias_place : ndarray of int64, shape (nodes,)
        Where each computed node's bias stands, or -1.
    n_values : int
        Numbers in all of them.
    """

    n_in: int
    crow: Int
    col: Int
    near: Int
    place: Int
    number: Int
    starts: Int
    sign: NDArray[np.int8]
    ccol: Int
    target: Int
    edge: Int
    outs: Int
    out_of: Int
    segments: Int
    row_of: tuple[Int, ...]
    parameters: list[tuple[nn.Module, str]]
    bias_place: Int
    n_values: int

    def layer_of(self) -> Int:
        """Return which edge layer each edge belongs to, (e,)."""
        return np.searchsorted(self.starts, self.number, side="right") - 1

    @cached_property
    def longest(self) -> int:
        """Rows of the longest segment."""
        return int(np.diff(self.segments).max())

    @cached_property
    def divides(self) -> bool:
        """Whether the state may hold one segment at a time."""
        return _divides(self.segments, self.n_in)

    def n_held(self, *, alone: bool) -> int:
        """Return the rows of a state, of which a segment may be ``alone`` in it."""
        return self.n_in + self.longest if alone else self.n_rows

    @property
    def n_nodes(self) -> int:
        """Computed nodes."""
        return len(self.crow) - 1

    @property
    def n_rows(self) -> int:
        """Inputs and computed nodes."""
        return len(self.ccol) - 1


def lay_out(model: Layered) -> Layout:
    """Read a model's edges, layer by layer, into one graph."""
    n_layers = len(model.blocks)
    widths = [model.in_features, *(model.block(k).linear.out_features for k in range(n_layers))]
    first = np.concatenate([[0], np.cumsum(widths)])
    values = Places()
    sources, targets, places, signs, sizes = [], [], [], [], [0]
    ends = {id(layer): (start, end) for layer, start, end in _ends(model, first)}
    for linear in model.edge_layers():
        to_source, to_target = ends[id(linear)]
        sources.append(to_source[numbers_of(linear.col)])
        targets.append(to_target[numbers_of(linear.row)])
        sizes.append(linear.n_edges)
        place, sign = values.of_edges(linear)
        places.append(place)
        signs.append(sign)
    bias_place = np.full(first[-1] - first[1], -1)
    for k in range(n_layers):
        own = slice(first[k + 1] - first[1], first[k + 2] - first[1])
        bias_place[own] = values.of_bias(model.block(k).linear)
    source, target = joined(sources), joined(targets)
    rank, segments = _walking_order(source, target, widths[0], int(first[-1]))
    own_bias = np.empty_like(bias_place)
    own_bias[rank[first[1] :] - widths[0]] = bias_place
    return assemble(
        widths[0],
        rank[source],
        rank[target],
        joined(places),
        joined(signs, np.int8),
        starts=np.cumsum(sizes),
        outs=rank[first[model._output_layer] + model._output_position],
        segments=segments,
        row_of=tuple(rank[first[k + 1] : first[k + 2]] - widths[0] for k in range(n_layers)),
        bias_place=own_bias,
        values=values,
    )


class Places:
    """Where values stand that modules hold, one after the other."""

    def __init__(self) -> None:
        self.held: list[tuple[nn.Module, str]] = []
        self.total = 0

    def add(self, module: nn.Module, name: str) -> int:
        """Return where a module's tensor begins, which comes last."""
        begin = self.total
        self.held.append((module, name))
        self.total += getattr(module, name).numel()
        return begin

    def of_edges(self, linear: MaskedLinear) -> tuple[Int, NDArray[np.int8]]:
        """Return the place of each edge's weight, and 1 or -1 where that is constrained."""
        sign = np.zeros(linear.n_edges, np.int8)
        n_free = linear.weight.numel()
        free = (
            np.arange(linear.n_edges) if linear.trainable is None else numbers_of(linear.trainable)
        )
        place = np.empty(linear.n_edges, np.int64)
        begin = self.add(linear, "weight")
        if linear.fixed is not None:
            place = self.add(linear, "fixed") + np.arange(linear.n_edges)
        place[free] = begin + np.arange(n_free)
        if linear.sign is not None:
            sign[free] = linear.sign.cpu().numpy()
        return place, sign

    def of_bias(self, linear: MaskedLinear) -> Int:
        """Return the place of each target's bias, or -1."""
        size = linear.out_features
        return (
            np.full(size, -1) if linear.bias is None else self.add(linear, "bias") + np.arange(size)
        )


def assemble(
    n_in: int,
    source: Int,
    target: Int,
    place: Int,
    sign: NDArray[np.int8],
    *,
    starts: Int,
    outs: Int,
    segments: Int,
    row_of: tuple[Int, ...],
    bias_place: Int,
    values: Places,
) -> Layout:
    """Return the layout of edges between rows that are in walking order."""
    n = n_in + len(bias_place)
    out_of = np.full(n, -1)
    out_of[outs] = np.arange(len(outs))
    by_target = np.lexsort((source, target))
    source, target = source[by_target], target[by_target]
    by_source = np.argsort(source, kind="stable")
    col, before = _narrow(source), _narrow(_before(source, segments, n_in))
    return Layout(
        n_in=n_in,
        crow=_pointer(target - n_in, n - n_in),
        col=col,
        near=col - before if before.any() else col,  # not twice in the cache
        place=_narrow(place[by_target]),
        number=_narrow(by_target),
        starts=starts,
        sign=sign[by_target],
        ccol=_pointer(source, n),
        target=_narrow(target[by_source]),
        edge=_narrow(by_source),
        outs=outs,
        out_of=_narrow(out_of),
        segments=segments,
        row_of=row_of,
        parameters=values.held,
        bias_place=bias_place,
        n_values=values.total,
    )


def _ends(model: Layered, first: Int) -> Iterator[tuple[MaskedLinear, Int, Int]]:
    """Yield each edge layer with the nodes that its columns and its rows stand for."""
    arrived = np.zeros(len(model.blocks) + 1, np.int64)
    for k in range(len(model.blocks)):
        source = np.arange(first[k], first[k + 1])
        yield model.block(k).linear, source, np.arange(first[k + 1], first[k + 2])
        if k not in model._segments:
            continue
        ends = []
        for to_layer, size in model._segments[k]:
            arrivals = model.block(to_layer - 1).arrivals
            position = np.empty(arrivals.n_edges, np.int64)  # of each product that waits
            position[numbers_of(arrivals.col)] = numbers_of(arrivals.row)
            own = position[arrived[to_layer] : arrived[to_layer] + size]
            ends.append(first[to_layer] + own)
            arrived[to_layer] += size
        yield model.skip(k), source, np.concatenate(ends)


def _walking_order(source: Int, target: Int, n_in: int, n: int) -> tuple[Int, Int]:
    """Return each node's row, and where segments begin: one, or one for each component.

    A node comes right after its sources, as far as they are not there yet: what it reads is still near,
    and few gradients wait for their sources. Components come one after the other where all rows together
    would fill the cache.
    """
    rank = np.arange(n)
    inner = source >= n_in
    links = csr_matrix(
        (np.ones(int(inner.sum()), bool), (target[inner] - n_in, source[inner] - n_in)),
        shape=(n - n_in, n - n_in),
    )
    order = _sources_first(links)
    if n * _BYTES_OF_A_ROW <= _CACHE:
        rank[n_in + order] = np.arange(n_in, n)
        return rank, np.array([n_in, n])
    parts, label = connected_components(links, directed=False)
    rank[n_in + order[np.argsort(label[order], kind="stable")]] = np.arange(n_in, n)
    return rank, n_in + np.concatenate([[0], np.cumsum(np.bincount(label, minlength=parts))])


def _sources_first(links: csr_matrix) -> Int:
    """Return nodes in an order in which each comes after its sources, depth first."""
    begin, source = links.indptr.tolist(), links.indices.tolist()
    n = len(begin) - 1
    at, is_there, order = begin[:-1], [False] * n, []
    for last in reversed(range(n)):
        way = [] if is_there[last] else [last]
        while way:
            node = way[-1]
            while at[node] < begin[node + 1] and is_there[source[at[node]]]:
                at[node] += 1
            if at[node] < begin[node + 1]:
                way.append(source[at[node]])
            else:
                way.pop()
                is_there[node] = True
                order.append(node)
    return np.array(order, np.int64)


def share_rows(layout: Layout) -> tuple[Int, int]:
    """Return a row for each computed node's gradient, and how many rows that takes.

    A row is free for another once the node's first computed source has read it.
    """
    n, n_in = layout.n_nodes, layout.n_in
    target, source = np.repeat(np.arange(n), np.diff(layout.crow)), layout.col - n_in
    first = np.arange(n)
    inner = np.flatnonzero(source >= 0)
    reads = target[inner]  # in order, and so are the sources of each
    is_first = np.diff(reads, prepend=-1) > 0
    first[reads[is_first]] = source[inner[is_first]]
    # Lists: of so many short arrays, to make each takes most of the time.
    done = np.argsort(first, kind="stable").tolist()
    ends = np.cumsum(np.bincount(first, minlength=n)).tolist()
    slot, most = [0] * n, 0
    for begin, end in pairwise(
        (layout.segments - n_in).tolist()
    ):  # one after the other, in the same rows
        used = 0
        free: list[int] = []
        for k in range(end - 1, begin - 1, -1):
            if free:
                slot[k] = free.pop()
            else:
                slot[k], used = used, used + 1
            free.extend([slot[one] for one in done[ends[k - 1] if k else 0 : ends[k]]])
        most = max(most, used)
    return np.array(slot, np.int64), most


def _before(row: Int, segments: Int, n_in: int) -> Int:
    """Return how many computed nodes there are before each row's segment, if segments are alone."""
    if not _divides(segments, n_in):
        return np.zeros_like(row)
    begin = segments[np.searchsorted(segments, row, side="right") - 1]
    return np.where(row < n_in, 0, begin - n_in)


def _divides(segments: Int, n_in: int) -> bool:
    """Tell whether a state of one segment at a time has a use: all fill the cache, one stays in it."""
    room = (n_in + int(np.diff(segments).max())) * _BYTES_OF_A_ROW
    return len(segments) > 2 and room <= _CACHE


def numbers_of(tensor: Tensor) -> Int:
    return tensor.cpu().numpy().astype(np.int64)


def joined(parts: Sequence[NDArray[Any]], dtype: Any = np.int64) -> NDArray[Any]:
    return np.concatenate([*parts, np.zeros(0, dtype)]).astype(dtype)


def _pointer(positions: Int, size: int) -> Int:
    return _narrow(np.concatenate([[0], np.cumsum(np.bincount(positions, minlength=size))]))


def _narrow(numbers: NDArray[np.integer]) -> Int:
    """Return int32: half of the reading, and what a state could hold reaches no further."""
    return np.ascontiguousarray(numbers, dtype=np.int32)
