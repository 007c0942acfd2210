"""Layer-wise relevance propagation along edges: the epsilon rule.

Captum's LRP knows a fixed list of layer types and one path through them; here a node's value is
a sum over edges of any length. The rule itself, doi 10.1371/journal.pone.0130140: a node with
value z = sum_j x_j w_j + b hands its relevance R to its sources as x_j w_j R / (z + epsilon), the
bias keeping its share, and an activation passes relevance through unchanged.

Written as relevance = value * g, this is an ordinary backward pass in which g is multiplied by
z / (z + epsilon) at every sum, and by activated / z at every activation (Ancona et al. 2018,
doi 10.48550/arXiv.1711.06104). Gradients follow every edge by themselves, skip edges too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from edge2torch._core.hooks import recorded
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._engines._probe import Entry
from edge2torch.interpret._outputs import is_activation
from edge2torch.nn import (
    EdgeModel,
    EdgePattern,
    FeedforwardLayerBlock,
    GraphCell,
    NodeDropout,
    NodeUpdate,
    StepBlock,
)

_EPSILON = 1e-9
_SUMS = (
    nn.Linear,
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._BatchNorm,  # in eval mode an affine map of each column
    nn.modules.pooling._AvgPoolNd,
    EdgePattern,
)
_SAME = (
    *(nn.Identity, nn.Flatten, nn.Unflatten, Entry),
    *(nn.modules.dropout._DropoutNd, NodeDropout),  # in eval mode
)
_LINEAR = (StepBlock, NodeUpdate)  # in themselves: shares and constant factors of values
_MIXING = (nn.GLU, nn.Softmax, nn.Softmin, nn.LogSoftmax, nn.Softmax2d, nn.MultiheadAttention)


class LRP:
    """Relevance of the inputs.

    Parameters
    ----------
    model : Module
        Holds one or more compiled models, and modules with a rule after them.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.layer: nn.Module = next(m for m in model.modules() if isinstance(m, Entry))

    def attribute(
        self,
        inputs: Tensor,
        additional_forward_args: Any = (),
        epsilon: float = _EPSILON,
        return_convergence_delta: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return relevance (b, n), and the part of the output that it does not sum to (b,)."""
        with _rules(self.model, epsilon), recorded({"layer": self.layer}) as seen:
            y = self.model(inputs.detach().requires_grad_(), *additional_forward_args)
            values = seen["layer"][0]
            (gradient,) = torch.autograd.grad(y.sum(), values)
        relevance = (values * gradient).detach()
        if return_convergence_delta:
            return relevance, y.detach() - relevance.flatten(1).sum(1)
        return relevance


class LayerLRP(LRP):
    """Relevance of a layer's values.

    Parameters
    ----------
    model : Module
        As in :class:`LRP`.
    layer : Module
        A module inside whose output is scored.
    """

    def __init__(self, model: nn.Module, layer: nn.Module) -> None:
        super().__init__(model)
        self.layer = layer


@contextmanager
def _rules(model: nn.Module, epsilon: float) -> Iterator[None]:
    """Change how gradients pass through a model's modules, and leave its values as they are."""
    handles: list[RemovableHandle] = []
    at_sum, at_sum_before = _stabilize(epsilon)
    try:
        inside: set[nn.Module] = set()
        for compiled in (m for m in model.modules() if isinstance(m, EdgeModel)):
            handles.extend(_at_block(b, at_sum, at_sum_before) for b in compiled.blocks)
            inside.update(m for m in compiled.modules() if isinstance(m, EdgePattern))
        if any(isinstance(m, GraphCell) and m.is_gated for m in model.modules()):
            raise Edge2TorchError(
                "method: LRP has no rule for a product of two nodes, and model has gates. Use "
                "IntegratedGradients or LayerConductance."
            )
        unknown = []
        for module in model.modules():
            if next(module.children(), None) is not None or module in inside:
                continue
            if isinstance(module, _SUMS):
                handles.append(module.register_forward_hook(at_sum))
            elif is_activation(module) and not isinstance(module, _MIXING):
                handles.append(module.register_forward_hook(_at_activation))
            elif not isinstance(module, _SAME + _LINEAR):
                unknown.append(type(module).__name__)
        if unknown:
            raise Edge2TorchError(
                f"model: LRP has no rule for {listing(sorted(set(unknown)))}. It knows linear, "
                "convolution, batch normalisation, average pooling, dropout, flatten and "
                "elementwise activation modules of torch.nn. For a model that ends in a softmax, "
                "explain what goes into it."
            )
        yield
    finally:
        for handle in handles:
            handle.remove()


def _at_block(
    block: nn.Module, at_sum: Callable[..., Tensor], at_sum_before: Callable[..., Tensor]
) -> RemovableHandle:
    """Find where a layer's sums over all its edges, of any length, are complete."""
    stages = list(block.stages.values()) if isinstance(block, FeedforwardLayerBlock) else []
    if stages:
        return stages[0].register_forward_pre_hook(at_sum_before)
    return block.register_forward_hook(at_sum)


def _stabilize(epsilon: float) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    def at_sum(_module: nn.Module, _inputs: Any, z: Tensor) -> Tensor:
        value = z.detach()
        return _scale_gradient(z, value, value / (value + _signed(value, epsilon)))

    def at_sum_before(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return at_sum(module, None, inputs[0])

    return at_sum, at_sum_before


def _at_activation(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    z, activated = inputs[0].detach(), output.detach()
    tiny = torch.finfo(z.dtype).tiny ** 0.5  # 0 / 0 is 0, and no quotient overflows
    return _scale_gradient(
        inputs[0], activated, activated / torch.where(z.abs() < tiny, _signed(z, tiny), z)
    )


def _signed(z: Tensor, size: float) -> Tensor:
    return torch.copysign(torch.full_like(z, size), z)


def _scale_gradient(z: Tensor, value: Tensor, factor: Tensor) -> Tensor:
    """Return a tensor with the given value whose gradient by z is the given factor."""
    return value + (z - z.detach()) * factor
