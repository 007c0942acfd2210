"""What acts on the nodes, as numbers that the walk takes; what it does not know has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge2torch.nn._activations import MML
from edge2torch.nn._dropout import QuickDropout
from edge2torch.nn._nodes import NodeBatchNorm, NodeDropout, OnNodes
from edge2torch.nn._whole._tensors import Tensors

IDENTITY, TANH, SIGMOID, RELU, LEAKY_RELU, ELU, SILU, GELU, SOFTPLUS, MML_CODE = range(10)
_NEEDS_INPUT = (SILU, GELU, MML_CODE)  # the others' slopes follow from their values

Settings = tuple[Any, ...]
_SELU = 1.0507009873554805, 1.6732632423543772


def _leaky(slope: float) -> tuple[int, float, float] | None:
    return (LEAKY_RELU, slope, 0.0) if slope >= 0 else None


# By class: the settings that matter, and what they make: code and two numbers; None: not known here.
_ACTIVATIONS: dict[
    type[nn.Module], tuple[tuple[str, ...], Callable[..., tuple[int, float, float] | None]]
] = {
    nn.Identity: ((), lambda: (IDENTITY, 0.0, 0.0)),
    nn.Tanh: ((), lambda: (TANH, 0.0, 0.0)),
    nn.Sigmoid: ((), lambda: (SIGMOID, 0.0, 0.0)),
    nn.ReLU: ((), lambda: (RELU, 0.0, 0.0)),
    nn.LeakyReLU: (("negative_slope",), _leaky),
    nn.ELU: (("alpha",), lambda alpha: (ELU, alpha, 1.0) if alpha >= 0 else None),
    nn.SELU: ((), lambda: (ELU, _SELU[0] * _SELU[1], _SELU[0])),
    nn.SiLU: ((), lambda: (SILU, 0.0, 0.0)),
    nn.GELU: (("approximate",), lambda how: (GELU, 0.0, 0.0) if how == "none" else None),
    nn.Softplus: (
        ("beta", "threshold"),
        lambda beta, most: (SOFTPLUS, 0.0, 0.0) if (beta, most) == (1, 20) else None,
    ),
    MML: (("leak",), lambda leak: (MML_CODE, leak, 0.0)),
}
_NORM = ("training", "momentum", "eps", "track_running_stats", "affine")
# What may follow what; normalisation after the activation is known too.
_ORDERS = ({"norm": 0, "activation": 1, "dropout": 2}, {"activation": 0, "norm": 1, "dropout": 2})
_DROPOUTS = (nn.Dropout, QuickDropout, NodeDropout)


def _kind(module: nn.Module) -> str | None:
    kind = type(module)
    if kind in _ACTIVATIONS:
        return "activation"
    if kind in _DROPOUTS:
        return "dropout"
    return "norm" if kind in (NodeBatchNorm, nn.BatchNorm1d) else None


@dataclass(frozen=True)
class Stage:
    """A module and the computed nodes that it acts on, in walking order."""

    kind: str
    module: nn.Module
    nodes: NDArray[np.integer]


def read_stages(
    stages: Mapping[str, nn.Module], nodes: NDArray[np.integer]
) -> Iterator[Stage | None]:
    """Yield what acts on a layer; None for what the walk does not know."""
    kinds_before: list[str] = []
    for module in stages.values():
        parts = _parts(module, nodes)
        kinds = {None if part is None else part.kind for part in parts}
        kind = kinds.pop() if len(kinds) == 1 else None
        kinds_before.append(kind or "")
        if not any(_follows(kinds_before, order) for order in _ORDERS):
            yield None
            return
        yield from parts


def _follows(kinds: list[str], order: Mapping[str, int]) -> bool:
    """Tell whether each kind is known and comes after the one before."""
    places = [order.get(kind, -1) for kind in kinds]
    return all(before < after for before, after in pairwise([-1, *places]))


def _parts(module: nn.Module, nodes: NDArray[np.integer]) -> list[Stage | None]:
    if type(module) is not OnNodes:
        kind = _kind(module)
        return [None if kind is None else Stage(kind, module, nodes)]
    parts: list[Stage | None] = []
    left = np.ones(len(nodes), bool)
    for columns, one in module.groups:
        kind = _kind(one)
        if kind is None or not left[columns].all() or len(set(columns)) < len(columns):
            return [None]
        left[columns] = False
        parts.append(Stage(kind, one, nodes[columns]))
    if module.others is not None:
        kind = _kind(module.others)
        if kind is None or kind == "norm":  # it would learn from all nodes, and be used for some
            return [None]
        parts.append(Stage(kind, module.others, nodes[left]))
    return parts


def settings_of(module: nn.Module) -> tuple[str, ...]:
    """Return the attributes of a module that may change between two calls."""
    kind = type(module)
    if kind in _ACTIVATIONS:
        return _ACTIVATIONS[kind][0]
    if kind in _DROPOUTS:
        return ("training", "p")
    return _NORM if _kind(module) == "norm" else ()


def _dropped_with(module: nn.Module, nodes: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the node whose draw each takes: all units of a node share that of its first."""
    if type(module) is not NodeDropout:
        return nodes
    units = module.places.numpy(force=True)
    return nodes[np.searchsorted(units, units)]


@dataclass
class Tables:
    """The stages of all nodes at one setting.

    Parameters
    ----------
    node : ndarray of int64, shape (nodes + 1, 5)
        Code of the activation; row where what goes into it is kept, or -1; norm, or -1; place of the
        bias, or -1; the node with which it is dropped, mostly itself. The last row holds how many rows are kept. Where the norm is late, the row holds
        what comes out of the activation, and the next one what goes into it, if that is needed.
    numbers : ndarray of float64, shape (nodes + 1, 3)
        The activation's two numbers, and the probability of dropout.
    norms : ndarray of int64, shape (norms, 4)
        Places of scale and shift, or -1; whether the batch's own moments are taken; 1 if it is late:
        comes after the activation; 2 if what goes into the activation is kept too.
    epsilon : ndarray of float64, shape (norms,)
    edge_drop : ndarray of float64, shape (e,) or (0,)
    modules : list of Module
        The norms' modules.
    n_kept : int
        Rows that are kept.
    kept_before : ndarray of int64, shape (nodes,)
        How many of them there are before each node.
    running, counts : Tensors, optional
        The norms' running means, then their variances; how many batches each has seen.
    momentum : ndarray of float64
        By module.
    learns, draws : bool
        Whether running moments are learnt, and whether anything is dropped.
    on_device : dict
        The same as tensors, by device and type.
    """

    node: NDArray[np.integer]
    numbers: NDArray[np.float64]
    norms: NDArray[np.integer]
    epsilon: NDArray[np.float64]
    edge_drop: NDArray[np.float64]
    modules: list[nn.Module] = field(default_factory=list)
    n_kept: int = 0
    kept_before: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, np.int64))
    running: Tensors | None = None
    counts: Tensors | None = None
    momentum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    learns: bool = False
    draws: bool = False
    on_device: dict[Any, Any] = field(default_factory=dict)

    def are_plain(self, dtype: torch.dtype) -> bool:
        """Tell whether the running moments are where the walk can read and move them."""
        if self.running is None or self.counts is None:
            return True
        is_running = self.running.find(dtype) is not None
        return is_running and (not self.learns or self.counts.find(torch.int64) is not None)


def tabulate(
    stages: list[Stage],
    bias_place: NDArray[np.integer],
    norm_places: Mapping[int, tuple[int, int]],
    edge_drop: NDArray[np.float64],
) -> Tables | None:
    """Return the tables of the stages as they are set now, or None where a setting is not known."""
    n = len(bias_place)
    node = np.zeros((n + 1, 5), np.int64)
    node[:, 1:3] = -1
    node[:n, 3], node[:, 4] = bias_place, np.arange(n + 1)
    numbers = np.zeros((n + 1, 3))
    is_active, doubled = np.zeros((2, n), bool)
    norms: list[NDArray[np.integer]] = []
    epsilon: list[NDArray[np.float64]] = []
    modules: list[nn.Module] = []
    for stage in stages:
        module: Any = stage.module
        if stage.kind == "activation":
            names, make = _ACTIVATIONS[type(module)]
            made = make(*(getattr(module, name) for name in names))
            if made is None:
                return None
            node[stage.nodes, 0], numbers[stage.nodes, 0], numbers[stage.nodes, 1] = made
            is_active[stage.nodes] = True
        elif stage.kind == "dropout":
            numbers[stage.nodes, 2] = module.p if module.training else 0.0
            node[stage.nodes, 4] = _dropped_with(module, stage.nodes)
        else:
            live = module.training or module.running_mean is None
            tracks = module.running_mean is not None and module.track_running_stats
            if module.training and (module.momentum is None or not tracks):
                return None
            size, before = len(stage.nodes), sum(map(len, norms))
            node[stage.nodes, 2] = before + np.arange(size)
            rows = np.full((size, 4), -1)
            for c, place in enumerate(norm_places[id(module)]):
                if place >= 0:
                    rows[:, c] = place + np.arange(size)
            is_late = is_active[stage.nodes]
            doubled[stage.nodes] = is_late & np.isin(node[stage.nodes, 0], _NEEDS_INPUT)
            rows[:, 2], rows[:, 3] = live, is_late + doubled[stage.nodes].astype(np.int64)
            norms.append(rows)
            epsilon.append(np.full(size, float(module.eps)))
            modules.append(module)
    if len({(module.training, module.running_mean is None) for module in modules}) > 1:
        return None
    kept = (node[:n, 2] >= 0) | np.isin(node[:n, 0], _NEEDS_INPUT)
    n_kept = kept.astype(np.int64) + doubled  # rows of each node
    kept_before = np.cumsum(n_kept) - n_kept
    node[:n, 1][kept] = kept_before[kept]
    node[n, 1] = n_kept.sum()
    tables = Tables(
        node,
        numbers,
        np.concatenate([*norms, np.zeros((0, 4), np.int64)]),
        np.concatenate([*epsilon, np.zeros(0)]),
        edge_drop,
        modules,
        n_kept=int(n_kept.sum()),
        kept_before=kept_before,
        learns=any(rows[:, 2].any() for rows in norms),
        draws=bool(numbers[:, 2].any() or edge_drop.any()),
    )
    if modules and getattr(modules[0], "running_mean", None) is not None:
        names = ("running_mean", "running_var")
        tables.running = Tensors([(module, name) for name in names for module in modules])
        tables.counts = Tensors([(module, "num_batches_tracked") for module in modules])
        tables.momentum = np.array([float(module.momentum or 0) for module in modules])  # type: ignore[arg-type]
    return tables
