"""Weights that keep their sign."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def _value(theta: Tensor, sign: Tensor) -> Tensor:
    return torch.where(sign == 0, theta, sign * theta.clamp_min(0))


def _gradient(theta: Tensor, sign: Tensor, gradient: Tensor) -> Tensor:
    slope = torch.where(sign == 0, gradient, sign * gradient)
    held = (sign != 0) & (theta <= 0) & (slope > 0)
    return torch.where(held, 0, slope)


class _OneSided(Function):
    """sign * max(theta, 0) where sign is not 0, else theta; see :func:`one_sided`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(theta: Tensor, sign: Tensor) -> Tensor:
        return _value(theta, sign)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        theta, sign = ctx.saved_tensors
        return _gradient(theta, sign, gradient), None

    @staticmethod
    def jvp(ctx: Any, d_theta: Tensor, _: None) -> Any:
        theta, sign = ctx.saved_tensors
        return d_theta * torch.where(sign == 0, 1, torch.where(theta > 0, sign, 0))


# torch.compile and torch.export cannot look into a Function that has a forward mode
_one_sided_op: Any = torch.library.custom_op(
    "edge2torch::one_sided",
    _value,
    mutates_args=(),
    schema="(Tensor theta, Tensor sign) -> Tensor",
)
_one_sided_op.register_fake(lambda theta, sign: torch.empty_like(theta))
_one_sided_op.register_autograd(
    _OneSided.backward,
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
)


def one_sided(theta: Tensor, sign: Tensor) -> Tensor:
    """Return weights of the given signs (e,): ``sign * max(theta, 0)``, or theta where sign is 0.

    The slope is +1 or -1 for every positive theta, however small. At or below zero the gradient
    passes where it would raise theta and is held back where it would lower it, so that a weight
    that the data push to zero rests there and leaves again as soon as they ask for it; weight
    decay draws theta, and so the weight, to zero from either side.

    Parameters
    ----------
    theta : Tensor, shape (e,)
        Free parameters.
    sign : Tensor of int8, shape (e,)
        1, -1, or 0 for no constraint.

    Returns
    -------
    Tensor, shape (e,)

    Examples
    --------
    >>> import torch
    >>> one_sided(torch.tensor([2.0, 2.0, -2.0]), torch.tensor([1, -1, 0]))
    tensor([ 2., -2., -2.])
    """
    if (
        torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
    ):  # they see no Function
        return _one_sided_op(theta, sign)  # type: ignore[no-any-return]
    return _OneSided.apply(theta, sign)  # type: ignore[no-any-return, no-untyped-call]
