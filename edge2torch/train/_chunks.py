"""Samples a few thousand at a time, where a step of training needs all of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 4096  # samples; of fewer no step takes so much memory that another pass would pay


def in_chunks(
    function: Callable[[Tensor], tuple[Tensor, ...]], rows: Tensor, size: int = CHUNK
) -> tuple[Tensor, ...]:
    """Apply a function of rows (k, b) to equal parts of them, and join its outputs (k, b, ...).

    With more than ``size`` rows nothing is kept of the way from rows to outputs: each part is computed
    again when its gradient is asked for, with the same dropout, so that memory is that of one part, the
    gradient that of the whole, and the time half as much again. Layers that look at the batch (batch
    normalisation) see a part; so does a weight with a constraint that rests at zero: it is held there
    against each part, and leaves where any of them asks for it.
    """
    n_parts = math.ceil(rows.shape[-1] / size)
    if n_parts <= 1:
        return function(rows)
    # The reentrant kind runs the first pass without gradients: nodes of ours that hold what they
    # computed beside torch's saved tensors would keep it all alive otherwise. It asks for an input
    # that has a gradient, which the parameters are not.
    start = torch.zeros((), requires_grad=True)

    def one(part: Tensor, _: Tensor) -> tuple[Tensor, ...]:
        return function(part)

    outputs: list[Any] = [
        checkpoint(one, part, start, use_reentrant=True)
        for part in rows.tensor_split(n_parts, dim=-1)
    ]
    return tuple(torch.cat(own, dim=1) for own in zip(*outputs, strict=True))
