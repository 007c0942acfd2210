"""One call on a GPU: three kernels forward and backward instead of some for each layer."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from edge2torch._core.messages import CALLED, aside, say_if_slow
from edge2torch.nn._whole._layout import Int, Layout
from edge2torch.nn._whole._stages import Tables
from edge2torch.nn._whole._watch import Watched

# What a graph is told by, as one tensor: numbers, then where vectors begin.
PARTS = (
    *("n_levels", "n_in", "n_out", "n_rows", "n_kept", "n_edges"),
    *("order", "bounds", "pointer", "end", "place", "sign", "counter", "code", "z_row", "out_of"),
    *("read", "first_read", "target", "numbers"),
)
AT_ONCE = (4, 32, 256)  # edges of a node that are read at once: few, some, many
HOW = SIGNED, DROPS_EDGES, DROPS_NODES, KEEPS = (1 << 16, 1 << 17, 1 << 18, 1 << 19)

_MOST_GROUPS = 128
_PROGRAMS = 264  # two for each multiprocessor of a large card
# Products that a program computes at once, and warps that do, by the samples of its slice: few
# kinds, since each is compiled for itself.
_TILES = {1: (4096, 8), 4: (4096, 8), 16: (2048, 4)}
_TILE, _WARPS = 4096, 8  # of gradients of weights and of inputs
_SAMPLES = 64  # of which gradients of weights are added up at once
_WIDE = 16  # edges of an input that are read at once
# Milliseconds, eager: of any pass, and of a layer; of a level, an edge at one sample a slice, a layer
# and a sample's edge on the card itself, which is all that counts in a captured graph.
_TIME = {
    "whole": 1.2,
    "layer": 0.75,
    "level": 0.01,
    "edge": 8e-6,
    "launch": 0.025,
    "product": 6.5e-9,
}

Table = dict[str, NDArray[Any]]


@functools.cache
def _kernels(device: torch.device) -> Any:
    """The kernels, or None where they cannot be compiled; that is said once."""
    try:
        kernels = importlib.import_module("edge2torch.nn._whole._triton")
        none = torch.zeros(len(PARTS), dtype=torch.int32, device=device)
        x = torch.zeros(1, device=device)
        kernels.pull_weights[(1,)](x, x, x, x, none, x, 1, 0, 0, 1, 1, 1)
    except Exception as error:  # noqa: BLE001 - no Triton, no C compiler, an old card: all are said
        said = f"{type(error).__name__}: {' '.join(str(error).split())[-200:]}"
        aside(
            f"On {device}, graphs of many thin layers are computed layer by layer, several times "
            f"slower, since Triton compiles nothing here ({said})."
        )
        return None
    return kernels


def device_run(model: Any, watched: Watched, tables: Tables, x: Tensor) -> DeviceRun | None:
    """Return a call on a GPU that is ready to run, or None."""
    layout = watched.layout
    if len(tables.norms) or bool((layout.outs < layout.n_in).any()):
        return None
    drawn = tables.node[:, 4]
    if (drawn != np.arange(len(drawn))).any():  # its kernels draw for each unit
        return None
    if torch.version.hip is not None:  # tried on cards of NVIDIA only
        return None
    if tables.draws and torch.cuda.is_current_stream_capturing():
        return None  # a graph would replay the same masks
    parameters = watched.parameters.find(x.dtype, x.device)
    kernels = _kernels(x.device)
    if parameters is None or kernels is None:
        return None
    if x.device not in watched.on_device:
        watched.on_device[x.device] = DeviceGraph(layout)
    at = x.dtype, x.device
    if at not in tables.on_device:
        tables.on_device[at] = DeviceNodes(tables, watched.on_device[x.device], x)
    graph, nodes = watched.on_device[x.device], tables.on_device[at]
    return DeviceRun(model, watched, tables, parameters, graph, nodes, kernels)


def pays_on_device(model: Any, batch: int, *, is_captured: bool) -> bool:
    """Tell whether one pass takes less than layer by layer, by times measured on one card."""
    linear, groups, time = model.edge_layers(), model.n_alike, _TIME
    n_edges = sum(one.n_edges for one in linear)
    size = _samples(batch, groups)
    waves = -(-batch * groups // (size * _PROGRAMS))
    whole = time["level"] * len(model.blocks) + time["edge"] * n_edges / groups * size**0.65 * waves
    spread = 1 + len(linear) / 40  # edges in many layers fill a card less
    layers = time["launch"] * len(linear) + time["product"] * spread * n_edges * batch
    if is_captured:
        return bool(0.65 * whole < layers)
    return bool(max(whole, time["whole"]) < 0.8 * max(layers, time["layer"] * len(linear)))


class DeviceGraph:
    """A layout for programs that walk groups of its nodes, level by level.

    Attributes
    ----------
    forth, back : dict of ndarray
        Edges by target, with a bias as an edge from a row of ones, and by source:

        - ``order`` (nodes,): computed nodes by group, level, and whether they have few, some, many or
          more edges; ``bounds`` (groups, levels, 5): where each of the four begins, where the last ends
        - ``pointer``: first edge of each node, and the end of all
        - ``end``, ``place``, ``sign``, ``counter`` (edges,): row at the other end, place of the
          parameter, constraint, number of the edge in the layout
    """

    def __init__(self, layout: Layout) -> None:
        n_in, n_nodes, n_edges = layout.n_in, layout.n_nodes, len(layout.col)
        self.layout = layout
        target = np.repeat(np.arange(n_nodes), np.diff(layout.crow))
        level = _levels(target, layout.col - n_in, n_nodes)
        group, self.n_groups = _groups(target, layout.col - n_in, n_nodes)
        biased = np.flatnonzero(layout.bias_place >= 0)
        by_target = np.argsort(np.concatenate([target, biased]), kind="stable")

        def edges(own: Int, of_biases: Int | int) -> Int:
            more = np.broadcast_to(of_biases, len(biased))
            return np.concatenate([own, more])[by_target]

        into = edges(target, biased)
        degree = np.bincount(into, minlength=n_nodes)
        first_read, read = _reads(group[target], layout.col, n_in, self.n_groups)
        own = layout.edge
        self.forth: Table = {
            **_schedule(level, group, self.n_groups, degree),
            "n_edges": np.array(len(into)),
            "pointer": np.concatenate([[0], np.cumsum(degree)]),
            "end": edges(layout.col, layout.n_rows),
            "place": edges(layout.place, layout.bias_place[biased]),
            "sign": edges(layout.sign, 0),
            "counter": edges(np.arange(n_edges), n_edges),
            "read": read,
            "first_read": first_read,
            "target": into + n_in,
        }
        self.back: Table = {
            **_schedule(-level, group, self.n_groups, np.diff(layout.ccol)[n_in:]),
            "n_edges": np.array(n_edges),
            "pointer": layout.ccol,
            "end": layout.target,
            "place": layout.place[own],
            "sign": layout.sign[own],
            "counter": own,
        }


def _schedule(level: Int, group: Int, n_groups: int, degree: Int) -> Table:
    kind = np.searchsorted(AT_ONCE, degree)
    order = np.lexsort((degree, kind, level, group))
    level = level - level.min()
    n_levels = int(level.max()) + 1
    cells = (group * n_levels + level) * 4 + kind
    ends = np.cumsum(np.bincount(cells, minlength=4 * n_groups * n_levels)).reshape(-1, 4)
    begun = np.concatenate([[0], ends[:-1, -1]])
    return {
        "n_levels": np.array(n_levels),
        "order": order,
        "bounds": np.column_stack([begun, ends]),
    }


def _reads(group: Int, source: Int, n_in: int, n_groups: int) -> tuple[Int, Int]:
    """Return where each group's inputs begin, and the inputs that each group reads."""
    is_input = source < n_in
    cells = np.unique(group[is_input].astype(np.int64) * n_in + source[is_input])
    counts = np.bincount(cells // n_in, minlength=n_groups)
    return np.concatenate([[0], np.cumsum(counts)]), cells % n_in


def _levels(target: Int, source: Int, n: int) -> Int:
    """Return the number of edges on the longest way to each computed node from one of the first."""
    inner = source >= 0
    source, target = source[inner], target[inner]
    links = csr_matrix((np.ones(len(source), bool), (source, target)), shape=(n, n))
    waits = np.bincount(target, minlength=n)
    level, ready, depth = np.zeros(n, np.int64), np.flatnonzero(waits == 0), 0
    while len(ready):
        level[ready] = depth
        met, times = np.unique(links[ready].indices, return_counts=True)
        waits[met] -= times
        ready, depth = met[waits[met] == 0], depth + 1
    return level


def _groups(target: Int, source: Int, n_nodes: int) -> tuple[Int, int]:
    """Return a group for each computed node, and how many; no edge leads from one to another."""
    inner = source >= 0
    links = csr_matrix(
        (np.ones(int(inner.sum()), bool), (source[inner], target[inner])), shape=(n_nodes, n_nodes)
    )
    parts, label = connected_components(links, directed=False)
    size = np.bincount(label[target], minlength=parts)
    if parts == 1 or size.max() > 0.5 * size.sum():  # one would wait for the largest anyway
        return np.zeros(n_nodes, np.int64), 1
    n_groups = min(parts, _MOST_GROUPS)
    group, filled = np.zeros(parts, np.int64), np.zeros(n_groups, np.int64)
    for part in np.argsort(-size, kind="stable"):
        group[part] = np.argmin(filled)
        filled[group[part]] += size[part] + 1
    return group[label], n_groups


class DeviceNodes:
    """A graph and what acts on it at one setting, on a device and of one type."""

    def __init__(self, tables: Tables, graph: DeviceGraph, like: Tensor) -> None:
        layout, node = graph.layout, tables.node[:-1]
        code = 1 << node[:, 0]
        shared: Table = {
            "n_in": np.array(layout.n_in),
            "n_out": np.array(len(layout.outs)),
            "n_rows": np.array(layout.n_rows + 1),
            "n_kept": np.array(tables.n_kept),
            "code": code,
            "z_row": node[:, 1],
            "out_of": layout.out_of,
        }
        # a probability for each edge, and 0 for the biases; three numbers for each node
        drop = np.append(tables.edge_drop, 0.0)
        self.values = torch.from_numpy(np.append(drop, tables.numbers[:-1])).to(like)
        self.forth, self.back = (
            _packed(shared | half, len(drop), like.device) for half in (graph.forth, graph.back)
        )
        how = {
            SIGNED: bool(layout.sign.any()),
            DROPS_EDGES: len(tables.edge_drop) > 0,
            DROPS_NODES: bool(tables.numbers[:, 2].any()),
            KEEPS: tables.n_kept > 0,
        }
        self.how = int(np.bitwise_or.reduce(code)) + sum(bit for bit, is_so in how.items() if is_so)


def _packed(parts: Table, numbers: int, device: torch.device) -> Tensor:
    """Return numbers, where each vector begins, and all vectors, as int32."""
    head, vectors, at = [], [], len(PARTS)
    for name in PARTS:
        part = parts.get(name, np.zeros(0, np.int64))
        if part.ndim == 0:
            head.append(int(part))
        elif name == "numbers":
            head.append(numbers)  # where they begin among the values
        else:
            head.append(at)
            vectors.append(part.ravel())
            at += part.size
    joined = np.concatenate([head, *vectors]).astype(np.int32)
    return torch.from_numpy(joined).to(device)


class DeviceRun:
    """One call: what forward leaves for backward."""

    def __init__(
        self,
        model: Any,
        watched: Watched,
        tables: Tables,
        parameters: list[Tensor],
        graph: DeviceGraph,
        nodes: DeviceNodes,
        kernels: Any,
    ) -> None:
        self.model, self.watched, self.tables, self.parameters = model, watched, tables, parameters
        self.graph, self.nodes, self.kernels = graph, nodes, kernels
        self.layout: Layout = watched.layout

    def requires_grad(self) -> bool:
        """Tell whether any parameter does; usually the first."""
        return any(one.requires_grad for one in self.parameters)

    def forward(self, x: Tensor, *, keeps: bool) -> Tensor:
        """Return the output (b, o); the state stays here if it ``keeps``."""
        tables, nodes, groups = self.tables, self.nodes, self.graph.n_groups
        x = x.detach().contiguous()
        batch = self.batch = x.shape[0]
        # masks follow from torch's generator on the CPU: to ask the card's would wait for it
        self.seed = int(torch.randint(2**62, ())) if tables.draws else 0
        size = self.size = _samples(batch, groups)
        tile, warps = _TILES[size]
        slices = self.slices = -(-batch // size)
        flat = torch.cat(self.parameters)
        state = x.new_empty(slices, self.layout.n_rows + 1, size)
        kept = x.new_empty(slices, tables.n_kept, size) if tables.n_kept else state
        y = x.new_empty(batch, len(self.layout.outs))
        told = flat, nodes.forth, nodes.values, batch, self.seed, nodes.how, size, tile
        with torch.cuda.device_of(x):
            self._launch(
                "forward",
                lambda: self.kernels.forward[slices, groups](
                    x, state, kept, y, *told, num_warps=warps
                ),
            )
        if keeps:
            self.flat, self.state, self.kept = flat, state, kept
        return y

    def backward(
        self,
        gradient: Tensor,
        *,
        wants_x: bool,
        wants_own: bool = True,  # noqa: ARG002 - its kernels compute them anyway
    ) -> tuple[Tensor | None, Tensor]:
        """Return the gradients of the input (b, i) and of all parameters, one after the other."""
        nodes, size, slices, flat = self.nodes, self.size, self.slices, self.flat
        gradient = gradient.contiguous()
        told = nodes.values, self.batch, self.seed, nodes.how, size
        pulled, d_flat = torch.empty_like(self.state), torch.empty_like(flat)
        tile, warps = _TILES[size]
        self._launch(
            "backward",
            lambda: self.kernels.backward[slices, self.graph.n_groups](
                self.state, self.kept, pulled, gradient, flat, nodes.back, *told, tile,
                num_warps=warps,
            ),
        )  # fmt: skip
        samples = min(_SAMPLES, _power_of_two(self.batch))
        some = _TILE // samples
        self.kernels.pull_weights[(-(-int(self.graph.forth["n_edges"]) // some),)](
            self.state, pulled, flat, d_flat, nodes.forth, *told, some, samples, num_warps=_WARPS
        )
        if not wants_x:
            return None, d_flat
        dx = gradient.new_empty(self.batch, self.layout.n_in)
        some = _TILE // (_WIDE * size)
        self.kernels.pull_inputs[slices, -(-self.layout.n_in // some)](
            pulled, dx, flat, nodes.back, *told, some, _WIDE, num_warps=_WARPS
        )
        return dx, d_flat

    def _launch(self, direction: str, launch: Callable[[], None]) -> None:
        """Launch a kernel; the first of its kind is compiled, and that is said."""
        kind = direction, self.nodes.values.dtype, self.nodes.how, self.size
        if kind in CALLED:
            launch()
        else:
            say_if_slow(kind, launch, f"The {direction} pass of graphs in one pass on a GPU")


def _samples(batch: int, groups: int) -> int:
    """Return how many samples a slice has: as few as give each multiprocessor something to do."""
    return next((n for n in _TILES if -(-batch // n) * groups <= _PROGRAMS), max(_TILES))


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
