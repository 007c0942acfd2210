"""Layers one after the other, without the calls on the way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from edge2torch.nn._block import FeedforwardLayerBlock
from edge2torch.nn._linear import MaskedLinear
from edge2torch.nn._whole._conductance import SEEN
from edge2torch.nn._whole._engine import GLOBAL_HOOKS

_HELD = {"weight", "bias"}
_is_compiling = torch.compiler.is_compiling


def along_chain(model: Any, x: Tensor) -> Tensor | None:
    """Return what a model's blocks make of x (b, i), or None where that is to be looked at closely.

    A model of small layers takes as long as its calls: who calls block, edges and kernel, and looks
    up on the way what each of them holds, takes a third longer than who multiplies at once. So a
    block is not called, nor are its edges, unless somebody would see it: who hooks, replaces or
    extends one has it called as ever.

    Parameters
    ----------
    model : EdgeModel
        One without edges that skip layers, whose last layer is its output.
    x : Tensor
        Whatever the model was called with.

    Returns
    -------
    Tensor of shape (b, o), or None
    """
    if type(x) is not Tensor or _is_compiling() or any(GLOBAL_HOOKS):
        return None
    shape = x.shape
    if len(shape) != 2 or shape[1] != model.in_features:
        return None
    engine = model.engine
    is_slower = engine == "auto" and x.is_cpu and shape[0] in model._whole.slower
    if engine != "layers" and (not is_slower or SEEN.get()[0] is model):
        return None
    y = x
    for block in model._modules["blocks"]._modules.values():
        linear = _plain_edges(block)
        if linear is None:
            if y is x:
                return None
            y = block(y)
            continue
        held = linear._parameters
        weight = held["weight"]
        if y is x and weight.dtype != x.dtype:
            return None
        if not linear.is_unconstrained:
            weight = linear.edge_weights()
        y = linear.product(weight, y, held["bias"])
        for name in block._stages:
            y = getattr(block, name)(y)
    return y if y.is_contiguous() else y.contiguous()


def _plain_edges(block: Any) -> Any:
    """Return a block's edges if block and edges, called, do what their classes say and no more."""
    linear = block._modules.get("linear")
    if type(block) is not FeedforwardLayerBlock or type(linear) is not MaskedLinear:
        return None
    for own in (block.__dict__, linear.__dict__):
        if (
            own["_forward_hooks"]
            or own["_forward_pre_hooks"]
            or own["_backward_hooks"]
            or own["_backward_pre_hooks"]
            or "forward" in own
            or "_compiled_call_impl" in own
        ):
            return None
    return None if linear.edge_dropout or linear._parameters.keys() != _HELD else linear
