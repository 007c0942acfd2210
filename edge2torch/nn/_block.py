"""One layer of a feedforward model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch.nn._kernels import EdgePattern
from edge2torch.nn._linear import MaskedLinear


class FeedforwardLayerBlock(nn.Module):
    """Edges into one layer, then whatever acts on its nodes.

    The block's output is exactly the layer's node values: a forward hook on it sees them, and
    whatever a hook returns in their place is what the rest of the model computes with.

    Parameters
    ----------
    linear : MaskedLinear
        Edges from the layer before.
    arrivals : SkipSum, optional
        Where products of longer edges are added.
    stages : mapping of str to Module
        Modules that act on the (b, n) node values, in order, such as ``activation``.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from torch import nn
    >>> from edge2torch.nn import KernelChoice, MaskedLinear
    >>> edge = np.array([0])
    >>> linear = MaskedLinear(edge, edge, (1, 1), choice=KernelChoice(0, "an example"))
    >>> linear.set_weights(torch.tensor([-1.0]))
    >>> block = FeedforwardLayerBlock(linear, stages={"activation": nn.ReLU()})
    >>> block(torch.tensor([[3.0]])).tolist()
    [[0.0]]
    """

    linear: MaskedLinear

    def __init__(
        self,
        linear: MaskedLinear,
        *,
        arrivals: SkipSum | None = None,
        stages: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.linear = linear
        self._stages = tuple(stages or ())
        if arrivals is not None:
            self.arrivals = arrivals
        for name, module in (stages or {}).items():
            self.add_module(name, module)

    @property
    def stages(self) -> dict[str, nn.Module]:
        """The modules that act on the nodes, in order."""
        return {name: self.get_submodule(name) for name in self._stages}

    def with_stages(
        self, stages: Mapping[str, nn.Module], *, linear: MaskedLinear
    ) -> FeedforwardLayerBlock:
        """Return a block over the same edges and parameters with other node modules."""
        arrivals = self.arrivals if hasattr(self, "arrivals") else None
        return FeedforwardLayerBlock(linear, arrivals=arrivals, stages=stages)

    def forward(self, x: Tensor, *arriving: Tensor) -> Tensor:
        """Map the previous layer (b, i) and products of skip edges, rows (m, b), to (b, o)."""
        y: Tensor = self.linear(x)
        if arriving:
            y = y + self.arrivals(*arriving)
        for name in self._stages:
            y = getattr(self, name)(y)
        return y


class SkipSum(EdgePattern):
    """Add what skip edges bring to the nodes that it belongs to.

    Parameters
    ----------
    positions : ndarray of int
        The node that each arriving row belongs to.
    width : int
        Nodes in the layer.

    Examples
    --------
    >>> import numpy as np, torch
    >>> SkipSum(np.array([1, 1]), 2)(torch.tensor([[3.0, 5.0]]), torch.tensor([[4.0, 6.0]])).tolist()
    [[0.0, 7.0], [0.0, 11.0]]
    """

    def __init__(self, positions: NDArray[np.integer], width: int) -> None:
        order = np.argsort(positions, kind="stable")
        super().__init__(positions[order], order, (width, len(positions)))

    def forward(self, *arriving: Tensor) -> Tensor:
        """Map products, rows (m_1, b), (m_2, b), ..., to (b, n)."""
        rows = torch.cat(arriving)
        return self.product(rows.new_ones(self.n_edges), rows.t())
