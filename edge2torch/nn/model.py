"""The feedforward model: a plain module that computes along exactly the edges of its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch.nn._block import FeedforwardLayerBlock
from edge2torch.nn._chain import along_chain
from edge2torch.nn._compiled import CompiledModel, NodeSlot
from edge2torch.nn._kernels import feature_major
from edge2torch.nn._linear import MaskedLinear
from edge2torch.nn._whole import Passes, WholeGraph

__all__ = ["EdgeModel"]


class EdgeModel(CompiledModel):
    """Layers of a directed acyclic graph, from (b, inputs) to (b, outputs).

    Built by :func:`edge2torch.compile_graph`; an ordinary module in every other respect.

    Parameters
    ----------
    blocks : sequence of FeedforwardLayerBlock
        Block k computes layer k + 1.
    skips : mapping of int to (MaskedLinear, sequence of (int, int))
        By source layer: the edges that skip layers, and (target layer, rows) of their products.
    output_layer, output_position : ndarray of int, shape (o,)
        Where each output is computed.
    in_features : int
        Width of layer 0.
    fingerprint : bytes
        Identifies graph, order and options; kept in the ``state_dict`` so that the weights of
        another graph are refused.
    engine : {"auto", "graph", "layers"}
        What computes the layers: all in one pass, one after the other, or what takes less time.

    Attributes
    ----------
    n_alike : int
        Graphs that stand side by side in this one; the engine is the one that a single one has.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> model(torch.zeros(4, 1)).shape
    torch.Size([4, 1])
    """

    _output_order: Tensor

    def __init__(
        self,
        blocks: Sequence[FeedforwardLayerBlock],
        skips: Mapping[int, tuple[MaskedLinear, Sequence[tuple[int, int]]]],
        *,
        output_layer: NDArray[np.integer],
        output_position: NDArray[np.integer],
        in_features: int,
        fingerprint: bytes,
        engine: str = "auto",
    ) -> None:
        super().__init__(in_features, len(output_layer), fingerprint)
        self.blocks = nn.ModuleList(blocks)
        self._segments = {layer: tuple(segments) for layer, (_, segments) in skips.items()}
        if skips:
            self.skips = nn.ModuleDict({str(layer): skip for layer, (skip, _) in skips.items()})
        self._output_layer, self._output_position = output_layer, output_position
        self._read_layers = tuple(sorted({int(layer) for layer in output_layer}))
        self.engine, self.n_alike = engine, 1
        self._whole = WholeGraph()
        self._register_readout()

    def _register_readout(self) -> None:
        """Columns to read from each layer, and the order that makes them the outputs."""
        layers, positions = self._output_layer, self._output_position
        whole = np.arange(len(positions))
        last = self.block(-1).linear.out_features if len(self.blocks) else self.in_features
        self._reads_last_layer = (
            self._read_layers == (len(self.blocks),)
            and last == len(whole)
            and bool((positions == whole).all())
        )
        self._is_chain = self._reads_last_layer and len(self.blocks) > 0 and not self._segments
        for layer in self._read_layers:
            columns = torch.tensor(positions[layers == layer])
            self.register_buffer(f"_read_{layer}", columns, persistent=False)
        gathered = np.argsort(layers, kind="stable")
        order = np.empty_like(gathered)
        order[gathered] = np.arange(len(gathered))
        self.register_buffer("_output_order", torch.tensor(order), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, i) to (b, o)."""
        self.check_indices()
        if self._is_chain and (y := along_chain(self, x)) is not None:
            return y
        if self.engine != "layers" and not torch.compiler.is_compiling():
            y = self._whole.call(self, x)
            if y is not None:
                return y
        self.check_input(x)
        waiting: list[list[Tensor]] = [[] for _ in range(len(self.blocks) + 1)]
        read = [self._read(0, x)] if 0 in self._read_layers else []
        layer = self._laid_out(x)
        for k, block in enumerate(self.blocks):
            if k in self._segments:
                self._send(k, layer, waiting)
            layer = block(layer, *waiting[k + 1])
            waiting[k + 1].clear()
            if k + 1 in self._read_layers and not self._reads_last_layer:
                read.append(self._read(k + 1, layer))
        if self._reads_last_layer:
            return layer.contiguous()
        y = read[0] if len(read) == 1 else torch.cat(read).index_select(0, self._output_order)
        return y.t().contiguous()

    def passes(self, x: Tensor) -> Passes | None:
        """Return the way there and back for batches like x (b, i), past autograd; None layer by layer.

        It holds as long as nothing but the values of parameters changes: not between training and
        evaluation.
        """
        return None if self.engine == "layers" else self._whole.passes(self, x)

    def _laid_out(self, x: Tensor) -> Tensor:
        """Return x with the samples of a feature side by side, unless only a dense block reads it."""
        only_block = len(self.blocks) > 0 and 0 not in self._segments
        if only_block and self.block(0).linear.is_dense_for(x.shape[0]):
            return x
        return feature_major(x)

    def _send(self, k: int, layer: Tensor, waiting: list[list[Tensor]]) -> None:
        """Compute the products of layer k's skip edges, each to wait for its target's layer."""
        targets, sizes = zip(*self._segments[k], strict=True)
        products = self.skips[str(k)](layer).t().split(sizes)
        for target, product in zip(targets, products, strict=True):
            waiting[target].append(product)

    def _read(self, layer: int, values: Tensor) -> Tensor:
        """Return output rows (o_layer, b) of a layer (b, n)."""
        return values.t().index_select(0, self.get_buffer(f"_read_{layer}"))

    def sites(self) -> dict[str, nn.Module]:
        """Return the block of every computed layer."""
        return {f"layer_{k + 1}": block for k, block in enumerate(self.blocks)}

    def node_slots(self) -> list[NodeSlot]:
        """Return every computed layer, with the columns that are not outputs."""
        slots = []
        for k in range(len(self.blocks)):
            block = self.block(k)
            is_hidden = np.ones(block.linear.out_features, bool)
            is_hidden[self._output_position[self._output_layer == k + 1]] = False
            hidden = np.flatnonzero(is_hidden).tolist()
            slots.append(NodeSlot(f"layer_{k + 1}", len(is_hidden), hidden, block.stages))
        return slots

    def _with_stages(
        self, stages: Mapping[str, Mapping[str, nn.Module]], *, edge_dropout: float | None
    ) -> EdgeModel:
        """Return a model that shares this one's parameters, with other modules in its layers."""

        def edges(linear: MaskedLinear) -> MaskedLinear:
            return linear if edge_dropout is None else linear.with_edge_dropout(edge_dropout)

        skips = {
            layer: (edges(self.skip(layer)), segments) for layer, segments in self._segments.items()
        }
        blocks = [
            self.block(k).with_stages(
                stages.get(f"layer_{k + 1}", {}), linear=edges(self.block(k).linear)
            )
            for k in range(len(self.blocks))
        ]
        model = EdgeModel(
            blocks,
            skips,
            output_layer=self._output_layer,
            output_position=self._output_position,
            in_features=self.in_features,
            fingerprint=self._fingerprint,
            engine=self.engine,
        )
        model.n_alike = self.n_alike
        return model

    def also_reading(self, places: Sequence[tuple[str, int]]) -> EdgeModel:
        """Return a model of the same modules that reads more, after the outputs."""
        layers = [int(layer.removeprefix("layer_")) for layer, _ in places]
        columns = [column for _, column in places]
        model = EdgeModel(
            [self.block(k) for k in range(len(self.blocks))],
            {layer: (self.skip(layer), segments) for layer, segments in self._segments.items()},
            output_layer=np.concatenate([self._output_layer, np.array(layers, np.int64)]),
            output_position=np.concatenate([self._output_position, np.array(columns, np.int64)]),
            in_features=self.in_features,
            fingerprint=self._fingerprint,
            engine=self.engine,
        )
        model.n_alike = self.n_alike
        return model

    def edge_layers(self) -> list[MaskedLinear]:
        """Return each layer's edges to the next layer, then those that skip it."""
        layers = []
        for k in range(len(self.blocks)):
            layers.append(self.block(k).linear)
            if k in self._segments:
                layers.append(self.skip(k))
        return layers

    def node_biases(self) -> list[Tensor | None]:
        """Return the biases of each computed layer."""
        return [self.block(k).linear.bias for k in range(len(self.blocks))]

    def block(self, k: int) -> FeedforwardLayerBlock:
        """Return the block that computes layer k + 1."""
        return cast(FeedforwardLayerBlock, self.blocks[k])

    def skip(self, layer: int) -> MaskedLinear:
        """Return the edges that leave a layer for layers beyond the next."""
        return cast(MaskedLinear, self.skips[str(layer)])
