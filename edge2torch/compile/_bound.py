"""Which compiled model is meant, and which tensor of it belongs to which edge or node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch.errors import Edge2TorchError
from edge2torch.graph import UnitGraph
from edge2torch.nn import CompiledModel, MaskedLinear

Int = NDArray[np.int64]


def compiled_part(model: object, fingerprint: str | None = None) -> CompiledModel:
    """Return the compiled model inside any wrapper: the one with the fingerprint, or the only one."""
    if not isinstance(model, nn.Module):
        raise Edge2TorchError(f"model must be a torch.nn.Module, found {type(model).__name__}.")
    parts = [part for part in model.modules() if isinstance(part, CompiledModel)]
    if not parts:
        raise Edge2TorchError(
            f"model ({type(model).__name__}) holds no model made by compile_graph."
        )
    prints = {part.graph_fingerprint for part in parts}
    if fingerprint is None and len(prints) > 1:
        raise Edge2TorchError(
            f"model ({type(model).__name__}) holds {len(prints)} compiled graphs. Give artifact=, "
            "or the part that is meant."
        )
    if fingerprint not in (None, *prints):
        raise Edge2TorchError(
            "artifact describes another graph, node order or options than model was compiled "
            "from. Use the artifact that compile_graph returned together with the model, or leave "
            "it out: model.artifact is used then."
        )
    return next(part for part in parts if fingerprint in (None, part.graph_fingerprint))


@dataclass(frozen=True, eq=False)
class BoundModel:
    """A compiled model with the edge rows and node numbers of its tensors.

    The plan lists its edges and nodes in the order in which the model lists its tensors; this is
    the one place that joins the two lists.

    Parameters
    ----------
    model : CompiledModel
        Without any wrapper.
    plan : ExecutionPlan
        Of the graph it was compiled from; of its units where nodes have several.
    units : UnitGraph, optional
        Which node and which edge they belong to.
    """

    model: CompiledModel
    plan: Any
    units: UnitGraph | None = None

    def edge_layers(self) -> list[tuple[Int, MaskedLinear]]:
        """Return rows of the edge table and the layer that holds their weights.

        Several layers may hold weights of the same edges, such as the gates of a recurrent cell;
        a row is there once for every weight of a block between units.
        """
        return [(self._rows(numbers), layer) for numbers, layer in self.weight_layers()]

    def weight_layers(self) -> list[tuple[Int, MaskedLinear]]:
        """Return numbers of weights and the layer that holds them, each number once.

        A weight's number is its edge's row, or its place among the weights of all rows' blocks.
        """
        rows, layers = self.plan.edge_rows(), self.model.edge_layers()
        repeated = [*rows] * (len(layers) // max(len(rows), 1))
        # In a graph neural network an edge has weights in several channels, and none into outputs.
        if [len(own) for own in repeated] != [layer.n_edges for layer in layers]:
            raise Edge2TorchError(
                f"{type(self.model).__name__} does not keep one weight per edge in its layers."
            )
        return list(zip(repeated, layers, strict=True))

    def edge_values(self) -> list[tuple[Int, Tensor]]:
        """Return rows of the edge table and their weights, (e,); a block's weights each with its row."""
        return [(self._rows(numbers), values) for numbers, values in self.weight_values()]

    def weight_values(self) -> list[tuple[Int, Tensor]]:
        """Return numbers of weights, as :meth:`weight_layers` has them, and the weights, (e,)."""
        return list(zip(self.plan.edge_rows(), self.model.edge_values(), strict=True))

    def edge_norms(self) -> list[tuple[Int, Tensor]]:
        """Return rows of the edge table and the norm of all values of each, (e,)."""
        norms = list(zip(self.plan.edge_rows(), self.model.edge_norms(), strict=True))
        return norms if self.units is None else [self._block_norms(*one) for one in norms]

    def _block_norms(self, numbers: Int, values: Tensor) -> tuple[Int, Tensor]:
        rows, place = np.unique(self._rows(numbers), return_inverse=True)
        index = torch.from_numpy(place).to(values.device)
        total = values.new_zeros(len(rows)).index_add(0, index, values.square())
        # the slope of a root has no end at 0, where a lasso leaves blocks
        return rows, torch.where(total > 0, total, torch.ones_like(total)).sqrt() * (total > 0)

    def biases(self) -> list[tuple[Int, Tensor]]:
        """Return node numbers and their biases (n,), for the layers that have any.

        A node is there once for each of its units.
        """
        node = None if self.units is None else self.units.node
        return [
            (nodes if node is None else node[nodes], bias) for nodes, bias in self.unit_biases()
        ]

    def unit_biases(self) -> list[tuple[Int, Tensor]]:
        """Return numbers of units and their biases; of nodes, where each is one unit."""
        pairs = zip(self.plan.biased_nodes(), self.model.node_biases(), strict=True)
        return [(nodes, bias) for nodes, bias in pairs if bias is not None]

    def _rows(self, numbers: Int) -> Int:
        return numbers if self.units is None else self.units.edge[numbers]
