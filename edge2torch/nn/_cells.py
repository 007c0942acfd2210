"""One step of a recurrent model: what the edges bring, and what the nodes make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from edge2torch.nn._linear import MaskedLinear


class GraphCell(nn.Module):
    """What arrives at the nodes along their edges, and how much of each node is renewed.

    Parameters
    ----------
    edges : MaskedLinear
        From the state (b, n) to the nodes that are no inputs (b, m).
    gates : sequence of MaskedLinear
        None, or an update and a reset gate over the same edges.
    leak : None, float, "global" or "node"
        How much of a node is renewed in a step: all, a constant share, or shares that are
        learned, one for all nodes or one for each, as the logistic function of a parameter.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from edge2torch.nn import KernelChoice, MaskedLinear
    >>> edge = np.array([0])
    >>> edges = MaskedLinear(edge, edge, (1, 2), choice=KernelChoice(0, "an example"))
    >>> edges.set_weights(torch.tensor([3.0]))
    >>> drive, rate = GraphCell(edges, leak=0.5)(torch.tensor([[2.0, 0.0]]))
    >>> drive.tolist(), rate
    ([[6.0]], 0.5)
    """

    edges: MaskedLinear

    def __init__(
        self,
        edges: MaskedLinear,
        *,
        gates: Sequence[MaskedLinear] = (),
        leak: float | str | None = None,
    ) -> None:
        super().__init__()
        self.edges = edges
        if gates:
            self.update_gate, self.reset_gate = gates
        self._kind = leak
        if isinstance(leak, str):
            size = edges.out_features if leak == "node" else 1
            self.leak = nn.Parameter(torch.zeros(size))

    def layers(self) -> list[MaskedLinear]:
        """Return the layers that hold weights: the edges, then the gates."""
        gates = [self.update_gate, self.reset_gate] if self.is_gated else []
        return [self.edges, *gates]

    @property
    def is_gated(self) -> bool:
        """Whether the cell has gates."""
        return hasattr(self, "update_gate")

    @property
    def learns_rate(self) -> bool:
        """Whether shares are learned of how much a node is renewed."""
        return isinstance(self._kind, str)

    @property
    def fixed_rate(self) -> float | None:
        """The constant share of a node that is renewed, if there is one."""
        return None if isinstance(self._kind, str) else self._kind

    def with_edge_dropout(self, probability: float) -> GraphCell:
        """Return a cell that shares all parameters with this one, and drops edges in training."""
        edges, *gates = [layer.with_edge_dropout(probability) for layer in self.layers()]
        cell = GraphCell(edges, gates=gates, leak=self._kind)
        if self.learns_rate:
            cell.leak = self.leak
        return cell

    def forward(
        self, state: Tensor, weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | float | None]:
        """Map the state (b, n) to what arrives (b, m), and the share that is renewed."""
        drive: Tensor = self.edges(state) if weight is None else self.edges(state, weight)
        if self.is_gated:
            drive = torch.sigmoid(self.reset_gate(state)) * drive
            return drive, torch.sigmoid(self.update_gate(state))
        if self.learns_rate:
            return drive, torch.sigmoid(self.leak)
        return drive, self.fixed_rate


class StepBlock(nn.Module):
    """The state after a step: a forward hook on it sees, and may replace, every node's value.

    Parameters
    ----------
    n_inputs : int
        Columns at the front of the state that are carried as they are.
    stages : mapping of str to Module
        Modules that act on the (b, m) nodes that are no inputs, in order.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> step = StepBlock(1, {"activation": nn.ReLU()})
    >>> step(torch.tensor([[5.0, 1.0]]), torch.tensor([[-3.0]])).tolist()
    [[5.0, 0.0]]
    """

    def __init__(self, n_inputs: int, stages: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.n_inputs = n_inputs
        self._stages = tuple(stages or ())
        for name, module in (stages or {}).items():
            self.add_module(name, module)

    @property
    def stages(self) -> dict[str, nn.Module]:
        """The modules that act on the nodes, in order."""
        return {name: self.get_submodule(name) for name in self._stages}

    def forward(self, state: Tensor, drive: Tensor, rate: Tensor | float | None = None) -> Tensor:
        """Map the state (b, n) and what arrives at its nodes (b, m) to the next state (b, n)."""
        for name in self._stages:
            drive = getattr(self, name)(drive)
        rows = state.t()
        if rate is not None:
            old = rows[self.n_inputs :].t()
            drive = old + rate * (drive - old)
        return torch.cat([rows[: self.n_inputs], drive.t()]).t()
