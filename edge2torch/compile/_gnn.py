"""Build a graph neural network from its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge2torch._core.checks import check_choice, check_count, check_flag, check_probability
from edge2torch._core.constraints import is_signed
from edge2torch.compile._gnn_init import WeightInit, draw_channels
from edge2torch.compile._options import (
    DEFAULT_STEPS,
    CompileOptions,
    count_steps,
)
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import EdgeGraph, GnnPlan, plan_gnn
from edge2torch.nn import (
    ACTIVATIONS,
    NODE_NORMS,
    EdgeGraphNNModel,
    MaskedLinear,
    NodeUpdate,
    Readout,
    choose_kernel,
)

Int = NDArray[np.int64]

_MIXING_CHANNELS = ("layer", "softmax")


@dataclass(frozen=True, kw_only=True)
class GNN:
    """Messages along the edges to nodes with several channels, layer by layer; takes cycles.

    Parameters
    ----------
    steps : int
        Layers: a message travels so many edges far.
    channels : int
        Numbers per node.
    norm : {"layer", "rms", "batch", "ema", "softmax", "none"}
        Normalisation of a node's channels.
    norm_first : bool
        Whether it comes before the activation.
    activation : str
        At every node, by name.
    dropout : float
        Probability of dropping a number of a node in training.
    residual : bool
        Whether an edge's state keeps a learned share of itself from layer to layer.
    share_layers : bool
        Whether all layers use the same weights.
    self_edges : bool
        Whether every node sends a message to itself.
    node_mlp : int, optional
        Width of a hidden layer between a node's channels, alike for all nodes.
    node_attention : bool
        Whether each node has a learned factor in (0, 1).
    weight_init : {"uniform", "xavier", "kaiming", "normal", "zeros"}
        How weights are drawn.
    checkpoint : bool
        Compute layers twice in training, to save memory.

    Raises
    ------
    Edge2TorchError
        For values that are out of range, or exclude each other.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b", "c", "b"], "target": ["b", "c", "b", "y"]})
    >>> model, _ = e2t.compile_graph(edges, backend=e2t.GNN(steps=2, channels=4), quiet=True)
    >>> model.steps, model.channels
    (2, 4)
    """

    steps: int = DEFAULT_STEPS
    channels: int = 10
    norm: str = "layer"
    norm_first: bool = True
    activation: str = "elu"
    dropout: float = 0.0
    residual: bool = True
    share_layers: bool = True
    self_edges: bool = False
    node_mlp: int | None = None
    node_attention: bool = False
    weight_init: str = "uniform"
    checkpoint: bool = False

    # what may differ between two models that load each other's parameters
    passing: ClassVar[tuple[str, ...]] = ("dropout", "weight_init", "checkpoint")
    renamed: ClassVar[dict[str, str]] = {"layers": "steps", "num_layers": "steps"}

    def __post_init__(self) -> None:
        count_steps("gnn", self.steps)
        for name in ("norm_first", "residual", "share_layers", "self_edges", "node_attention"):
            check_flag(name, getattr(self, name))
        check_flag("checkpoint", self.checkpoint)
        check_choice("norm", self.norm, tuple(NODE_NORMS))
        check_choice("activation", self.activation, tuple(ACTIVATIONS))
        check_choice("weight_init", self.weight_init, get_args(WeightInit))
        check_count("channels", self.channels)
        if self.node_mlp is not None:
            check_count("node_mlp", self.node_mlp)
        check_probability("dropout", self.dropout)
        if self.channels == 1 and self.norm in _MIXING_CHANNELS:
            raise Edge2TorchError(
                f"norm={self.norm!r} compares a node's channels, and channels=1 leaves nothing to "
                "compare: every value would be the same. Use more channels, or norm='batch'."
            )
        if self.checkpoint and self.norm == "ema":
            raise Edge2TorchError(
                "checkpoint=True computes each layer twice, and norm='ema' would meet other "
                "statistics the second time. Use norm='batch', or checkpoint=False."
            )


def plan_of_options(graph: EdgeGraph, options: CompileOptions) -> GnnPlan:
    """Return the plan that the options ask for."""
    own = GNN(**options.own)
    return plan_gnn(
        graph,
        steps=cast(int, options.steps),
        self_edges=own.self_edges,
        residual=own.residual,
    )


def build_gnn(
    graph: EdgeGraph, plan: GnnPlan, options: CompileOptions, fingerprint: bytes, draw: bool
) -> EdgeGraphNNModel:
    """Return the model of a plan, its weights drawn from torch's generator if ``draw``."""
    if options.init != "sparse":
        raise Edge2TorchError(
            f"init={options.init!r} means nothing to backend='gnn', whose edges have several "
            f"numbers. Use weight_init, one of {', '.join(get_args(WeightInit))}."
        )
    own, layers = GNN(**options.own), cast(int, options.steps)
    pattern = _Channels(graph, plan, own.channels, options)
    maps = [pattern.maps() for _ in range(1 if own.share_layers else layers)]
    direct = pattern.direct_map()
    if draw:
        for into, out in maps:
            draw_channels(
                graph, plan, into, out, pattern.is_direct, cast(WeightInit, own.weight_init)
            )
        if direct is not None:
            _draw_direct(graph, plan, *direct)
    start = np.flatnonzero((pattern.from_input >= 0) & ~pattern.is_direct)
    read = pattern.to_output >= 0
    order = np.flatnonzero(read)[np.argsort(pattern.to_output[read], kind="stable")]
    fed_from = plan.places(plan.outputs, plan.inputs)
    fed = np.flatnonzero(fed_from >= 0)
    return EdgeGraphNNModel(
        [into for into, _ in maps],
        [out for _, out in maps],
        [_update(len(plan.functions), own, bias=options.bias) for _ in range(layers)],
        Readout(
            pattern.to_output[order],
            order,
            (len(plan.outputs), len(plan.edges)),
            scale=layers**-0.5 if own.residual else 1.0,
            fed=fed,
            fed_from=fed_from[fed],
        ),
        start=(start, pattern.from_input[start]),
        direct=direct,
        in_table=plan.in_table,
        in_features=len(plan.inputs),
        residual=own.residual,
        checkpointing=own.checkpoint,
        fingerprint=fingerprint,
    )


class _Channels:
    """Where edges meet the channels of their nodes."""

    def __init__(
        self, graph: EdgeGraph, plan: GnnPlan, channels: int, options: CompileOptions
    ) -> None:
        self.plan, self.channels, self.options = plan, channels, options
        self.to_function = plan.places(plan.target, plan.functions)
        self.from_function = plan.places(plan.source, plan.functions)
        self.from_input = plan.places(plan.source, plan.inputs)
        self.to_output = plan.places(plan.target, plan.outputs)
        self.codes = edge_codes(graph, plan)
        self.is_direct = (self.from_input >= 0) & (self.to_output >= 0)
        self.is_written = self.is_direct | (self.from_function >= 0)

    def maps(self) -> tuple[MaskedLinear, MaskedLinear]:
        """Return edge -> node and node -> edge, still without weights."""
        c, n_edges = self.channels, len(self.plan.edges)
        n_rows = len(self.plan.functions) * c
        into = np.flatnonzero(self.to_function >= 0)  # ordered by target
        degree = np.bincount(self.to_function[into], minlength=len(self.plan.functions))
        length = np.repeat(degree, c)  # of each row (n, c)
        rows = np.repeat(np.arange(n_rows), length)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(length) - length, length)
        first = np.repeat(np.cumsum(degree) - degree, c)
        columns = into[first[rows] + within]
        out = np.flatnonzero(self.from_function >= 0)
        channel = np.tile(np.arange(c), len(out))
        sources = np.repeat(self.from_function[out], c) * c + channel
        # An edge's sign is in its state: what reads a state keeps it, unless it is plain data.
        read = np.where(self.is_written, np.abs(self.codes), self.codes)
        return (
            self._map(rows, columns, (n_rows, n_edges), read[columns]),
            self._map(np.repeat(out, c), sources, (n_edges, n_rows), np.repeat(self.codes[out], c)),
        )

    def direct_map(self) -> tuple[MaskedLinear, Int] | None:
        """Return the weights of edges from inputs to outputs."""
        edges = np.flatnonzero(self.is_direct)
        if len(edges) == 0:
            return None
        shape = (len(edges), len(self.plan.inputs))
        rows = np.arange(len(edges))
        columns = self.from_input[edges]
        return self._map(rows, columns, shape, self.codes[edges], bias=False), edges

    def _map(
        self,
        rows: Int,
        columns: Int,
        shape: tuple[int, int],
        codes: NDArray[np.int8],
        *,
        bias: bool = True,
    ) -> MaskedLinear:
        n_out, n_in = shape
        kernel = cast(Any, self.options.kernel)
        choice = choose_kernel(len(rows), n_in, n_out, kernel=kernel)
        bias = bias and self.options.bias
        return MaskedLinear(rows, columns, shape, bias=bias, constraint=codes, choice=choice)


def edge_codes(graph: EdgeGraph, plan: GnnPlan) -> NDArray[np.int8]:
    """Return the constraint of each of the plan's edges; added ones have none."""
    codes = np.zeros(len(plan.edges), np.int8)
    codes[plan.in_table] = graph.constraint[plan.edges[plan.in_table]]
    return codes


def _draw_direct(graph: EdgeGraph, plan: GnnPlan, direct: MaskedLinear, edges: Int) -> None:
    given = graph.initial_weight[plan.edges[edges]]
    codes = graph.constraint[plan.edges[edges]]
    drawn = torch.empty(len(edges)).uniform_(-1, 1)
    signs = torch.from_numpy(codes).to(drawn)
    drawn = torch.where(torch.from_numpy(is_signed(codes)), drawn.abs() * signs, drawn)
    known = torch.from_numpy(given).to(drawn)
    direct.set_weights(torch.where(known.isnan(), drawn, known))


def _update(n_nodes: int, own: GNN, *, bias: bool) -> NodeUpdate:
    """Return what happens at the nodes of one layer."""
    norm = NODE_NORMS[own.norm](n_nodes, own.channels, bias=bias)
    stages: dict[str, nn.Module] = {} if norm is None else {"normalization": norm}
    stages["activation"] = ACTIVATIONS[own.activation]()
    if own.dropout:
        stages["dropout"] = nn.Dropout(own.dropout)
    mlp = None
    if own.node_mlp is not None:
        mlp = nn.Sequential(
            nn.Linear(own.channels, own.node_mlp, bias=bias),
            ACTIVATIONS[own.activation](),
            nn.Linear(own.node_mlp, own.channels, bias=bias),
        )
    gate = nn.Parameter(torch.zeros(n_nodes)) if own.node_attention else None
    return NodeUpdate(
        n_nodes, own.channels, stages=stages, norm_first=own.norm_first, mlp=mlp, gate=gate
    )
