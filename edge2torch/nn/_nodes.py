"""Modules that act on nodes: on some columns of a layer, and in its memory layout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class OnNodes(nn.Module):
    """Apply modules to some nodes of a layer and leave the others as they are.

    Parameters
    ----------
    groups : sequence of (sequence of int, Module)
        Column positions, and the module that acts on them as a (b, group) tensor, or
        (b, group, c) where nodes have channels.
    others : Module, optional
        Acts on all nodes first; what it gives for those in a group is not used.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> OnNodes([([1], nn.ReLU())])(torch.tensor([[-1.0, -2.0, -3.0]]))
    tensor([[-1.,  0., -3.]])
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[int], nn.Module]],
        others: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.group_modules = nn.ModuleList(module for _, module in groups)
        self.others = others
        for k, (columns, _) in enumerate(groups):
            tensor = torch.tensor(list(columns), dtype=torch.int64)
            self.register_buffer(f"columns_{k}", tensor, persistent=False)

    @property
    def groups(self) -> list[tuple[list[int], nn.Module]]:
        """The column positions of each group, and the module that acts on them."""
        modules = enumerate(self.group_modules)
        return [(self.get_buffer(f"columns_{k}").tolist(), module) for k, module in modules]

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, n) or (b, n, c) to the same shape."""
        rows = x.movedim(0, -1)  # feature-major: a node is one contiguous row
        changed = rows if self.others is None else self.others(x).movedim(0, -1)
        for k, module in enumerate(self.group_modules):
            columns = self.get_buffer(f"columns_{k}")
            part = module(rows.index_select(0, columns).movedim(-1, 0)).movedim(0, -1)
            changed = changed.index_copy(0, columns, part.to(changed.dtype))
        return changed.movedim(-1, 0)


class NodeDropout(nn.Module):
    """Drop whole nodes of several units: all units of a node, or none.

    Parameters
    ----------
    p : float
        Probability of dropping a node in training; the others are scaled up.
    units : sequence of int
        Units of each node, one node after the other.

    Examples
    --------
    >>> import torch
    >>> y = NodeDropout(0.5, [2, 1])(torch.ones(100, 3))
    >>> bool((y[:, 0] == y[:, 1]).all()), sorted(y.unique().tolist())
    (True, [0.0, 2.0])
    """

    places: Tensor

    def __init__(self, p: float, units: Sequence[int]) -> None:
        super().__init__()
        self.p, self.units = p, list(units)
        places = np.repeat(np.arange(len(self.units)), self.units)
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, units of all nodes) to the same shape."""
        if not self.training or self.p == 0:
            return x
        kept = nn.functional.dropout(x.new_ones(len(self.units), x.shape[0]), self.p)
        return x * kept.index_select(0, self.places).t()


class NodeBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of each node on its own, computed in the feature-major layout.

    Equal to :class:`torch.nn.BatchNorm1d`, without its two transposes.

    Examples
    --------
    >>> import torch
    >>> NodeBatchNorm(2)(torch.tensor([[0.0, 1.0], [2.0, 5.0]])).round().tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the parent's name
        """Map x (b, n) or (b, n, c) to the same shape; channels count as further samples."""
        rows = input.movedim(0, -1)
        normal = super().forward(rows.flatten(1).unsqueeze(0)).squeeze(0)
        return normal.view(rows.shape).movedim(-1, 0)
