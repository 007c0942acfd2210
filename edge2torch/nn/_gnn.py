"""The graph neural network: a number per edge, channels per node, layers of messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from edge2torch.nn._compiled import CompiledModel, NodeSlot
from edge2torch.nn._hold import Hold, Holds, holds_of, on_outputs, on_values
from edge2torch.nn._kernels import feature_major
from edge2torch.nn._linear import MaskedLinear
from edge2torch.nn._node_norms import node_rows, repeating
from edge2torch.nn._node_update import NodeUpdate
from edge2torch.nn._one_sided import one_sided
from edge2torch.nn._readout import Readout

Int = NDArray[np.int64]

_TINY = 1e-12


class EdgeGraphNNModel(CompiledModel):
    """Messages along named edges, from (b, inputs) to (b, outputs).

    A number per edge is summed into the channels of the edge's target (``edge_to_node``),
    normalised and activated there (``nodes``), and the channels of the edge's source give its
    new number (``node_to_edge``). Built by :func:`edge2torch.compile_graph`.

    Parameters
    ----------
    edge_to_node, node_to_edge : sequence of MaskedLinear
        One for all layers, or one per layer: (b, e) to (b, n * c), and (b, n * c) to (b, e).
    nodes : sequence of NodeUpdate
        One per layer.
    readout : Readout
        From edge states to outputs.
    start : (ndarray, ndarray) of int
        Edges that begin with an input's value, and which input.
    direct : (MaskedLinear, ndarray of int), optional
        Weights of edges from inputs to outputs, (b, i) to (b, direct edges), and these edges.
    in_table : ndarray of int
        Edges that the edge table has.
    in_features : int
        Input nodes.
    residual : bool
        Whether a layer adds to the edge states, or replaces them.
    checkpointing : bool
        Whether training keeps only edge states and node values of each layer, and computes what
        is between them again.
    fingerprint : bytes
        As in :class:`CompiledModel`.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b", "c", "b"], "target": ["b", "c", "b", "y"]})
    >>> model, artifact = e2t.compile_graph(edges, backend="gnn", steps=4, quiet=True)
    >>> model(torch.zeros(4, 1)).shape
    torch.Size([4, 1])
    """

    start_edges: Tensor
    start_inputs: Tensor
    direct_edges: Tensor
    one: Tensor

    def __init__(
        self,
        edge_to_node: Sequence[MaskedLinear],
        node_to_edge: Sequence[MaskedLinear],
        nodes: Sequence[NodeUpdate],
        readout: Readout,
        *,
        start: tuple[Int, Int],
        direct: tuple[MaskedLinear, Int] | None,
        in_table: Int,
        in_features: int,
        residual: bool,
        checkpointing: bool,
        fingerprint: bytes,
    ) -> None:
        super().__init__(in_features, readout.out_features, fingerprint)
        self.edge_to_node = nn.ModuleList(edge_to_node)
        self.node_to_edge = nn.ModuleList(node_to_edge)
        self.nodes = nn.ModuleList(nodes)
        self.readout = readout
        self.direct = None if direct is None else direct[0]
        self.checkpointing = checkpointing
        self.edge_dropout = 0.0
        self.channels, self.n_functions = nodes[0].channels, nodes[0].n_nodes
        self.in_table = in_table
        # kept at 0 or above as constrained weights are
        self.rho = nn.Parameter(torch.ones(len(nodes))) if residual else None
        places = {
            "start_edges": start[0],
            "start_inputs": start[1],
            "direct_edges": np.zeros(0, np.int64) if direct is None else direct[1],
        }
        self._places = places  # as whole numbers, wherever the tensors are
        for name, values in places.items():
            self.register_buffer(name, torch.tensor(values), persistent=False)
        # the sign that holds rho at 0 or above
        self.register_buffer("one", torch.ones(1, dtype=torch.int8), persistent=False)

    @property
    def n_edges(self) -> int:
        """Edges that carry messages, self edges included."""
        return self.readout.in_features

    @property
    def steps(self) -> int:
        """Number of layers, each of which sends messages along every edge once."""
        return len(self.nodes)

    def forward(self, x: Tensor, *, hold: Holds = None) -> Tensor:
        """Map x (b, i) to (b, o).

        ``hold``, a :class:`Hold` or several, keeps nodes at a value, wholly or in part, in every layer
        and channel. Outputs are read from edges and cannot be held.
        """
        self.check_indices()
        self.check_input(x)
        holds = holds_of(hold, x.shape[0], self.in_features + self.n_functions)
        rows = on_outputs(holds, on_values(holds, feature_major(x))).t()
        states = rows.new_zeros(self.n_edges, rows.shape[1])
        states = states.index_copy(0, self.start_edges, rows.index_select(0, self.start_inputs))
        direct = None if self.direct is None else self.direct(rows.t()).t()
        kept = self._kept_edges(rows)
        decay = None if self.rho is None else one_sided(self.rho, self.one)
        for k in range(len(self.nodes)):
            rho = None if decay is None else decay[k]
            states = self._layer(k, states, direct, kept, rho, holds)
        y: Tensor = self.readout(states if kept is None else states * kept, rows)
        return y

    def _kept_edges(self, rows: Tensor) -> Tensor | None:
        """Draw which edges take part in this training step, (e, 1)."""
        if not (self.edge_dropout and self.training):
            return None
        return F.dropout(rows.new_ones(self.n_edges, 1), self.edge_dropout)

    def _layer(
        self,
        k: int,
        states: Tensor,
        direct: Tensor | None,
        kept: Tensor | None,
        rho: Tensor | None,
        holds: tuple[Hold, ...],
    ) -> Tensor:
        """Pass edge states (e, b) through layer k."""
        h = self._values(k, states if kept is None else states * kept)
        if holds:  # what is held is sent, and nothing else is made of a node's value
            h = on_outputs(holds, on_values(holds, h, self.in_features), self.in_features)
        y = self.outgoing(k)(node_rows(h).flatten(0, 1).t()).t()
        if direct is not None:
            y = y.index_add(0, self.direct_edges, direct.to(y.dtype))
        return y if rho is None else torch.addcmul(y, states.to(y.dtype), rho.to(y.dtype))

    def _values(self, k: int, sent: Tensor) -> Tensor:
        """Return node values (b, n, c) of layer k; what is between may be computed twice."""

        def run(sent: Tensor) -> Tensor:
            h: Tensor = self.nodes[k](self.incoming(k)(sent.t()))
            return h

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), repeating(self.nodes[k])

        if self.checkpointing and self.training and torch.is_grad_enabled():
            again = checkpoint(run, sent, use_reentrant=False, context_fn=contexts)
            return cast(Tensor, again)
        return run(sent)

    def incoming(self, k: int) -> MaskedLinear:
        """Return the map from edges to nodes of layer k."""
        return cast(MaskedLinear, self.edge_to_node[min(k, len(self.edge_to_node) - 1)])

    def outgoing(self, k: int) -> MaskedLinear:
        """Return the map from nodes to edges of layer k."""
        return cast(MaskedLinear, self.node_to_edge[min(k, len(self.node_to_edge) - 1)])

    def update(self, k: int) -> NodeUpdate:
        """Return what happens at the nodes of layer k."""
        return cast(NodeUpdate, self.nodes[k])

    def sites(self) -> dict[str, nn.Module]:
        """Return the node update of every layer; its output is (b, n, c)."""
        return {f"layer_{k + 1}": update for k, update in enumerate(self.nodes)}

    def node_slots(self) -> list[NodeSlot]:
        """Return the function nodes of every layer."""
        every = list(range(self.n_functions))
        return [
            NodeSlot(f"layer_{k + 1}", len(every), every, self.update(k).stages)
            for k in range(len(self.nodes))
        ]

    def _with_stages(
        self, stages: Mapping[str, Mapping[str, nn.Module]], *, edge_dropout: float | None
    ) -> EdgeGraphNNModel:
        """Return a model that shares this one's parameters, with other modules at its nodes."""
        nodes = [
            self.update(k).with_stages(stages.get(f"layer_{k + 1}", {}))
            for k in range(len(self.nodes))
        ]
        places = self._places
        model = EdgeGraphNNModel(
            [self.incoming(k) for k in range(len(self.edge_to_node))],
            [self.outgoing(k) for k in range(len(self.node_to_edge))],
            nodes,
            self.readout,
            start=(places["start_edges"], places["start_inputs"]),
            direct=None if self.direct is None else (self.direct, places["direct_edges"]),
            in_table=self.in_table,
            in_features=self.in_features,
            residual=self.rho is not None,
            checkpointing=self.checkpointing,
            fingerprint=self._fingerprint,
        ).to(self.start_edges.device)
        model.rho = self.rho
        model.edge_dropout = self.edge_dropout if edge_dropout is None else edge_dropout
        return model

    def edge_layers(self) -> list[MaskedLinear]:
        """Return every layer that holds weights."""
        both = [*self.edge_to_node, *self.node_to_edge]
        layers = both if self.direct is None else [*both, self.direct]
        return [cast(MaskedLinear, layer) for layer in layers]

    def edge_channels(self, k: int = 0) -> tuple[Tensor, Tensor]:
        """Return the weights into the target's and out of the source's channels, (e, c) each.

        Rows of edges that have none (into outputs, out of inputs) are NaN.
        """
        into, out = self.incoming(k), self.outgoing(k)
        empty = into.weight.new_full((self.n_edges, self.channels), float("nan"))
        row, column = into.row.long(), into.col.long()
        incoming = empty.index_put((column, row % self.channels), into.edge_weights())
        row, column = out.row.long(), out.col.long()
        return incoming, empty.index_put((row, column % self.channels), out.edge_weights())

    def edge_values(self) -> list[Tensor]:
        """Return one number per edge of the table: the norm of its map between channels.

        The root mean square over layers where these have own weights; the sign is that of the
        sum over channels.
        """
        layers = range(len(self.edge_to_node))
        into, out = zip(*(self.edge_channels(k) for k in layers), strict=True)
        value = _strength(torch.stack(into)) * _strength(torch.stack(out))
        if self.direct is not None:
            written = self.direct.edge_weights() * value[self.direct_edges]
            value = value.index_copy(0, self.direct_edges, written)
        return [value[torch.from_numpy(self.in_table).to(value.device)]]

    def edge_norms(self) -> list[Tensor]:
        """Return the norm of all values of each edge of the table, of all layers together."""
        total = self.incoming(0).weight.new_zeros(self.n_edges)
        incoming = [self.incoming(k) for k in range(len(self.edge_to_node))]
        outgoing = [self.outgoing(k) for k in range(len(self.node_to_edge))]
        parts = [(layer, layer.col) for layer in incoming]
        parts += [(layer, layer.row) for layer in outgoing]
        if self.direct is not None:
            parts.append((self.direct, self.direct_edges))
        for layer, edge in parts:
            total = total.index_add(0, edge.long(), layer.edge_weights().square())
        norm = (total + _TINY).sqrt()  # a finite slope at zero
        return [norm[torch.from_numpy(self.in_table).to(norm.device)]]

    def node_biases(self) -> list[Tensor | None]:
        """Return the mean bias of each function node's channels."""
        biases = [cast(MaskedLinear, layer).bias for layer in self.edge_to_node]
        if biases[0] is None:
            return [None]
        mean = torch.stack([cast(Tensor, bias) for bias in biases]).mean(0)
        return [mean.unflatten(0, (self.n_functions, self.channels)).mean(1)]


def _strength(weights: Tensor) -> Tensor:
    """Return norms of weights (layers, e, c), root mean square over layers, with sign: (e,)."""
    norm = weights.square().sum(-1).mean(0).sqrt()
    total = weights.sum((0, -1))
    return torch.where(norm.isnan(), 1, torch.where(total < 0, -norm, norm))
