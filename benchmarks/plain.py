"""What else computes along edges in plain PyTorch, on any device: three ways, one arrangement.

``masked``   dense matrices, all zeros beside the edges: ``F.linear(x, weight * mask, bias)``
``csr``      ``torch.sparse_csr_tensor`` with the edges' weights as its values, times the nodes
``gathered`` one row of the batch per edge, times its weight, added up where it leads (index_add)

Each layer reads, side by side, the earlier layers that have an edge to it. Samples of a node lie
side by side for the last two, since both are several times faster so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Graph:
    """Edges as numbers, with a weight each.

    ``inputs`` and ``outputs`` are node numbers, in the order of the columns that the networks take
    and give; ``steps`` is 0 where every node is computed once.
    """

    source: Ints
    target: Ints
    weight: NDArray[np.float64]
    inputs: Ints
    outputs: Ints
    steps: int = 0

    @property
    def n(self) -> int:
        """Nodes."""
        return int(max(self.source.max(), self.target.max())) + 1

    def levels(self) -> Ints:
        """The longest path to each node."""
        level = np.zeros(self.n, np.int64)
        while True:
            higher = level.copy()
            np.maximum.at(higher, self.target, level[self.source] + 1)
            if (higher == level).all():
                return level
            level = higher


def graph_of(edges: pd.DataFrame, inputs: list[str], outputs: list[str], steps: int = 0) -> Graph:
    """Number the nodes of an edge table with a column ``initial_weight``."""
    names = pd.Index(pd.unique(edges[["source", "target"]].to_numpy().ravel()))
    source, target, first, last = (
        names.get_indexer(pd.Index(one)).astype(np.int64)
        for one in (edges["source"], edges["target"], inputs, outputs)
    )
    return Graph(source, target, edges["initial_weight"].to_numpy(float), first, last, steps)


class Masked(nn.Module):
    """(b, i) -> (b, o) by a dense matrix that a mask keeps zero beside the edges."""

    axis = 1

    def __init__(self, rows: Ints, columns: Ints, shape: tuple[int, int], weight: Tensor) -> None:
        super().__init__()
        at = torch.as_tensor(rows * shape[1] + columns, device=weight.device)
        blank = weight.new_zeros(shape[0] * shape[1])
        self.weight = nn.Parameter(blank.index_copy(0, at, weight).view(shape))
        self.register_buffer("mask", blank.index_fill(0, at, 1.0).view(shape))
        self.bias = nn.Parameter(weight.new_zeros(shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class Sparse(nn.Module):
    """(i, b) -> (o, b) by torch.sparse."""

    axis = 0

    def __init__(self, rows: Ints, columns: Ints, shape: tuple[int, int], weight: Tensor) -> None:
        super().__init__()
        order = np.lexsort((columns, rows))
        pointer = np.searchsorted(rows[order], np.arange(shape[0] + 1))
        self.shape = shape
        for name, values in {"pointer": pointer, "column": columns[order]}.items():
            index = torch.as_tensor(values, dtype=torch.int32, device=weight.device)
            self.register_buffer(name, index)
        self.weight = nn.Parameter(weight[torch.as_tensor(order, device=weight.device)])
        self.bias = nn.Parameter(weight.new_zeros(shape[0], 1))

    def forward(self, x: Tensor) -> Tensor:
        matrix = torch.sparse_csr_tensor(
            self.pointer, self.column, self.weight, self.shape, check_invariants=False
        )
        return matrix @ x + self.bias


class Gathered(nn.Module):
    """(i, b) -> (o, b) by a row per edge."""

    axis = 0

    def __init__(self, rows: Ints, columns: Ints, shape: tuple[int, int], weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("row", torch.as_tensor(rows, device=weight.device))
        self.register_buffer("column", torch.as_tensor(columns, device=weight.device))
        self.weight = nn.Parameter(weight.clone())
        self.bias = nn.Parameter(weight.new_zeros(shape[0], 1))

    def forward(self, x: Tensor) -> Tensor:
        sent = x.index_select(0, self.column) * self.weight.unsqueeze(1)
        return self.bias.expand(-1, x.shape[1]).index_add(0, self.row, sent)


Kind = type[Masked] | type[Sparse] | type[Gathered]
KINDS: dict[str, Kind] = {"masked": Masked, "csr": Sparse, "gathered": Gathered}


class Layered(nn.Module):
    """Every node once, layer by layer; x (b, i) -> (b, o)."""

    def __init__(self, graph: Graph, kind: Kind, device: torch.device) -> None:
        super().__init__()
        self.axis, level = kind.axis, graph.levels()
        depth = int(level.max())
        members = [np.flatnonzero(level == k) for k in range(depth + 1)]
        members[0] = graph.inputs
        place = np.empty(graph.n, np.int64)
        for nodes in members:
            place[nodes] = np.arange(len(nodes))
        self.reads: list[list[int]] = []
        layers = []
        for k in range(1, depth + 1):
            here = level[graph.target] == k
            come, go = graph.source[here], graph.target[here]
            read = np.unique(level[come])
            start = np.zeros(depth + 1, np.int64)
            start[read] = np.cumsum([0, *(len(members[j]) for j in read)])[:-1]
            shape = (len(members[k]), sum(len(members[j]) for j in read))
            weight = torch.tensor(graph.weight[here], dtype=torch.float32, device=device)
            layers.append(kind(place[go], start[level[come]] + place[come], shape, weight))
            self.reads.append(read.tolist())
        self.layers = nn.ModuleList(layers)
        self.picks: list[tuple[int, Tensor]] = []
        found = []
        for k in np.unique(level[graph.outputs]).tolist():
            mine = np.flatnonzero(level[graph.outputs] == k)
            found.append(mine)
            self.picks.append((k, torch.as_tensor(place[graph.outputs[mine]], device=device)))
        self.order = torch.as_tensor(np.argsort(np.concatenate(found)), device=device)

    def forward(self, x: Tensor) -> Tensor:
        values = [x if self.axis else x.t().contiguous()]
        for read, layer in zip(self.reads, self.layers, strict=True):
            here = [values[j] for j in read]
            values.append(layer(here[0] if len(here) == 1 else torch.cat(here, self.axis)))
        read_out = [values[k].index_select(self.axis, at) for k, at in self.picks]
        y = torch.cat(read_out, self.axis).index_select(self.axis, self.order)
        return y if self.axis else y.t()


class Stepped(nn.Module):
    """A state of all nodes, renewed along the edges step by step; inputs keep their data."""

    def __init__(self, graph: Graph, kind: Kind, device: torch.device) -> None:
        super().__init__()
        self.axis, self.steps, self.n = kind.axis, graph.steps, graph.n
        rest = np.setdiff1d(np.arange(graph.n), graph.inputs)
        place = np.empty(graph.n, np.int64)
        place[graph.inputs] = np.arange(len(graph.inputs))
        place[rest] = len(graph.inputs) + np.arange(len(rest))
        weight = torch.tensor(graph.weight, dtype=torch.float32, device=device)
        rows = place[graph.target] - len(graph.inputs)
        self.core = kind(rows, place[graph.source], (len(rest), graph.n), weight)
        self.outputs = torch.as_tensor(place[graph.outputs], device=device)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.axis else x.t().contiguous()
        shape = list(x.shape)
        shape[self.axis] = self.n - x.shape[self.axis]
        state = torch.cat([x, x.new_zeros(shape)], self.axis)
        for _ in range(self.steps):
            state = torch.cat([x, self.core(state)], self.axis)
        y = state.index_select(self.axis, self.outputs)
        return y if self.axis else y.t()


def plain_network(graph: Graph, kind: str, device: torch.device) -> nn.Module:
    """A network of one kind along the edges of a graph."""
    make: Callable[[Graph, Kind, torch.device], nn.Module] = Stepped if graph.steps else Layered
    return make(graph, KINDS[kind], device)


def cells(graph: Graph) -> int:
    """Elements of all dense matrices that ``masked`` keeps."""
    if graph.steps:
        return (graph.n - len(graph.inputs)) * graph.n
    level = graph.levels()
    widths = np.bincount(level)
    total = 0
    for k in range(1, len(widths)):
        read = np.unique(level[graph.source[level[graph.target] == k]])
        total += int(widths[k] * widths[read].sum())
    return total
