"""Where a model reads along edges, and which edge each of the weights there belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch.compile import CompileArtifact
from edge2torch.graph import GnnPlan
from edge2torch.nn import CompiledModel, EdgeGraphNNModel, EdgePattern, MaskedLinear, Readout


@dataclass(frozen=True)
class EdgeRead:
    """A module whose output (b, o) is a sum over its inputs (b, i) along k weights.

    Parameters
    ----------
    module : EdgePattern
        Holds target and source positions of the weights.
    weights : Tensor, shape (k,)
        What an input is multiplied by.
    edges : Tensor of int64, shape (k,)
        Row of the edge table that a weight belongs to; one past the last for edges added to it.
    """

    module: EdgePattern
    weights: Tensor
    edges: Tensor

    def inputs(self, arguments: tuple[Any, ...]) -> Tensor:
        """Return what the module reads (b, i) from its arguments."""
        return cast(Tensor, arguments[0].t() if isinstance(self.module, Readout) else arguments[0])

    def flow(self, gradients: Tensor, inputs: Tensor) -> Tensor:
        """Return weight × Σ over rows of gradient at the target × input at the source, (k,)."""
        unit = torch.zeros_like(self.weights, requires_grad=True)
        with torch.enable_grad():
            total = self.module.product(unit, inputs.detach())
        return torch.autograd.grad(total, unit, gradients.detach())[0] * self.weights

    def carried(self, factor: Tensor, inputs: Tensor) -> Tensor:
        """Return what weights times a factor (k,) bring to the targets, (b, o)."""
        return self.module.product(self.weights * factor, inputs)


def edge_reads(base: CompiledModel, artifact: CompileArtifact) -> list[EdgeRead]:
    """Return every place at which a model reads along edges; bias and gates apart."""
    with torch.no_grad():
        return [read for read in _reads(base, artifact) if len(read.weights)]


@singledispatch
def _reads(base: CompiledModel, artifact: CompileArtifact) -> list[EdgeRead]:
    """Return the layers that hold weights: one per array of edges, or several over the same."""
    return [_of_layer(layer, rows) for rows, layer in artifact.bind(base).edge_layers()]


@_reads.register
def _(base: EdgeGraphNNModel, artifact: CompileArtifact) -> list[EdgeRead]:
    """Return where edge states are read: by the nodes of each layer, and by the outputs."""
    edges = cast(GnnPlan, artifact.execution_plan).edges
    edges = np.where(edges < 0, artifact.graph.n_edges, edges)
    layers = [cast(MaskedLinear, layer) for layer in base.edge_to_node]
    reads = [_of_layer(layer, edges[layer.col.cpu().numpy()]) for layer in layers]
    readout = base.readout
    scale = readout.scale * readout.degree.to(layers[0].weight.dtype).rsqrt()
    of_outputs = torch.from_numpy(edges[readout.col.cpu().numpy()]).to(scale.device)
    return [*reads, EdgeRead(readout, scale.index_select(0, readout.row.long()), of_outputs)]


def _of_layer(layer: MaskedLinear, edges: NDArray[np.int64]) -> EdgeRead:
    weights = layer.edge_weights().detach()
    return EdgeRead(layer, weights, torch.from_numpy(edges).to(weights.device))
