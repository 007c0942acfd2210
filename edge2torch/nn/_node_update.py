"""What happens at nodes with channels, between messages in and messages out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge2torch.errors import Edge2TorchError
from edge2torch.nn._node_norms import NodeNorm, node_rows

_NORM_FIRST = ("normalization", "activation")


class NodeUpdate(nn.Module):
    """What happens at the function nodes of one layer, between messages in and messages out.

    Its output is exactly the layer's node values (b, n, c): a forward hook sees them, and
    whatever a hook returns in their place is what the rest of the model computes with.

    Parameters
    ----------
    n_nodes, channels : int
        Function nodes, and numbers per node.
    stages : mapping of str to Module
        ``normalization``, ``activation``, ``dropout``: each maps (b, n, c) to (b, n, c).
    norm_first : bool
        Whether normalisation comes before the activation.
    mlp : Module, optional
        Acts on the last dimension of (b, n, c), alike for all nodes.
    gate : Parameter, shape (n,), optional
        The logit of a factor in (0, 1) per node.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> NodeUpdate(1, 2, stages={"activation": nn.ReLU()})(torch.tensor([[-1.0, 1.0]])).tolist()
    [[[0.0, 1.0]]]
    """

    def __init__(
        self,
        n_nodes: int,
        channels: int,
        *,
        stages: Mapping[str, nn.Module] | None = None,
        norm_first: bool = True,
        mlp: nn.Module | None = None,
        gate: nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        self.n_nodes, self.channels, self.norm_first = n_nodes, channels, norm_first
        order = (*(_NORM_FIRST if norm_first else reversed(_NORM_FIRST)), "dropout")
        self._stages = tuple(name for name in order if name in (stages or {}))
        for name in self._stages:
            self.add_module(name, (stages or {})[name])
        self.mlp = mlp
        self.gate: nn.Parameter | None
        self.register_parameter("gate", gate)

    @property
    def stages(self) -> dict[str, nn.Module]:
        """The modules that act on the nodes, in order."""
        return {name: self.get_submodule(name) for name in self._stages}

    def with_stages(self, stages: Mapping[str, nn.Module]) -> NodeUpdate:
        """Return an update that shares MLP and gate, with other modules."""
        for name, module in stages.items():
            if name not in self._stages or self.get_submodule(name) is not module:
                _check_shape(name, module, self.n_nodes, self.channels)
        return NodeUpdate(
            self.n_nodes,
            self.channels,
            stages=stages,
            norm_first=self.norm_first,
            mlp=self.mlp,
            gate=self.gate,
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map what arrives (b, n * c) to node values (b, n, c)."""
        h: Tensor = z.t().unflatten(0, (self.n_nodes, self.channels)).movedim(-1, 0)
        stages = self.stages
        if self.norm_first and _is_reusable(*map(stages.get, _NORM_FIRST)):
            norm, elu = (stages.pop(name) for name in _NORM_FIRST)
            # the values themselves: torch would copy a view of them
            values = cast(NodeNorm, norm).normalize(node_rows(h))
            h = F.elu(values, cast(nn.ELU, elu).alpha, inplace=True).movedim(-1, 0)
        for stage in stages.values():
            h = stage(h)
        if self.mlp is not None:
            h = self.mlp(h)
        if self.gate is not None:
            h = h * self.gate.sigmoid()[:, None]
        return h


def _is_reusable(norm: nn.Module | None, activation: nn.Module | None) -> bool:
    """Tell whether ELU may write over a norm's values: nobody else looks at them.

    Its slope follows from its result, so a layer keeps one (n, c, b) less for the way back.
    """
    if not isinstance(norm, NodeNorm) or type(activation) is not nn.ELU or activation.alpha < 0:
        return False
    return not any(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
        for module in (norm, activation)
    )


def _check_shape(name: str, module: nn.Module, n_nodes: int, channels: int) -> None:
    """Try a module on zeros of the shape it will get, without a trace in its state."""
    like = next(module.parameters(), torch.zeros(0))
    probe, found = torch.zeros(2, n_nodes, channels).to(like), "an error"
    try:
        with torch.no_grad():
            y = copy.deepcopy(module).eval()(probe)
        found = str(tuple(y.shape)) if isinstance(y, Tensor) else type(y).__name__
        cause: Exception | None = None
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        cause = error
    if cause is not None or found != str(tuple(probe.shape)):
        raise Edge2TorchError(
            f"node_{name}: {type(module).__name__} does not map node values (batch, nodes, "
            f"channels) to the same shape: {tuple(probe.shape)} gives {cause or found}. Use a "
            "module that acts on each number, or normalises with nodes in the second dimension, "
            "such as nn.BatchNorm1d(nodes)."
        ) from cause
