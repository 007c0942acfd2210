"""The negative binomial in log space, with its gradient in closed form.

With odds = log mean - log dispersion and t = log(1 + exp(-|odds|)),

    log NB = ways + x (min(log mean, log dispersion) - t) - dispersion (max(odds, 0) + t)

where ways, the sum of log(1 + i / dispersion) over 1 <= i < x less log x!, does not depend on the
mean. It is zero for counts of zero and one, and for few more it is read from a table.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_FEW = 8  # up to this count the terms do not cancel in float32


def nb_log_prob(x: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """Return log NB(x; mean, dispersion), with variance mean + mean² / dispersion.

    Counts above eight, where large terms cancel, are computed in float64. What does not depend on
    the mean is computed once for several predictions of the same counts, along leading dimensions
    that only ``log_mean`` has. Differentiable once.

    Parameters
    ----------
    x : Tensor, shape (b, g)
        Counts.
    log_mean, log_dispersion : Tensor, broadcast to (..., b, g)
        Logarithms of mean and of inverse dispersion.

    Returns
    -------
    Tensor, shape (..., b, g)

    Examples
    --------
    >>> import torch
    >>> nb_log_prob(torch.zeros(1), torch.zeros(1), torch.zeros(1)).exp()
    tensor([0.5000])
    """
    return _NegativeBinomial.apply(x, log_mean, log_dispersion)  # type: ignore[no-any-return, no-untyped-call]


class _NegativeBinomial(Function):
    """Temporaries are changed in place: at this size a fresh one costs more than what fills it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(x.shape, log_mean.shape, log_dispersion.shape)
        x = x.expand(shape[len(shape) - max(x.dim(), log_dispersion.dim()) :]).to(log_mean.dtype)
        means = log_mean.expand(shape).contiguous()
        dispersion = log_dispersion.exp()
        odds = means - log_dispersion
        rest = odds.abs().neg_().exp_().log1p_()
        zero = odds.relu().add_(rest).mul_(dispersion)  # -log NB(0)
        log_prob = torch.minimum(means, log_dispersion).sub_(rest).mul_(x).sub_(zero)
        above_one = _AboveOne(x, log_dispersion)
        above_one.correct(log_prob, means)
        if any(ctx.needs_input_grad):
            by_mean = torch.neg(odds).sigmoid_().mul_(x)
            by_mean -= odds.sigmoid_().mul_(dispersion)
            ctx.save_for_backward(by_mean, above_one.slope() - zero)
            ctx.shapes = log_mean.shape, log_dispersion.shape
        return log_prob

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        by_mean, slope = ctx.saved_tensors
        of_mean, of_dispersion = ctx.shapes
        to_mean, to_dispersion = g * by_mean, None
        if ctx.needs_input_grad[2]:
            to_dispersion = (slope * g).sub_(to_mean).sum_to_size(of_dispersion)
        return None, to_mean.sum_to_size(of_mean), to_dispersion


class _AboveOne:
    """The counts above one, which are few, and what dispersion adds there."""

    def __init__(self, x: Tensor, log_dispersion: Tensor) -> None:
        flat = x.reshape(-1)
        if log_dispersion.numel() != log_dispersion.shape[-1:].numel():  # not one per gene
            log_dispersion = log_dispersion.expand(x.shape)
        own = log_dispersion.reshape(-1)
        at = (flat > 1).nonzero().squeeze(1)
        counts, gene = flat.index_select(0, at), at % len(own)
        large = (counts > _FEW).nonzero().squeeze(1)
        self._x, self._own, self._at, self._gene = x, own, at, gene
        self._place = (counts.clamp(max=_FEW).long() - 2) * len(own) + gene
        self._large, self._large_at = large, at.index_select(0, large)
        self._large_x = counts.index_select(0, large).double()
        self._large_own = own.index_select(0, gene.index_select(0, large)).double()
        i = torch.arange(1, _FEW, dtype=torch.float64, device=x.device).unsqueeze(1)
        self._steps, self._factorial = i * own.double().neg().exp(), torch.lgamma(i + 2)

    def correct(self, log_prob: Tensor, log_mean: Tensor) -> None:
        """Add the ways to log_prob (..., b, g), in place; replace large counts' log_prob."""
        table = (self._steps.log1p().cumsum(0) - self._factorial).to(log_prob.dtype)
        ways = torch.zeros_like(self._x, memory_format=torch.contiguous_format).view(-1)
        ways.index_copy_(0, self._at, table.reshape(-1).index_select(0, self._place))
        log_prob += ways.view(self._x.shape)
        by_count = log_prob.view(-1, self._x.numel())
        means = log_mean.view(by_count.shape).index_select(1, self._large_at).double()
        by_count.index_copy_(1, self._large_at, self._exact(means).to(log_prob.dtype))

    def _exact(self, log_mean: Tensor) -> Tensor:
        x, own = self._large_x, self._large_own
        dispersion, odds = own.exp(), log_mean - own
        ways = torch.lgamma(x + dispersion) - torch.lgamma(dispersion) - torch.lgamma(x + 1)
        softplus = torch.nn.functional.softplus
        return ways - dispersion * softplus(odds) - x * softplus(-odds)

    def slope(self) -> Tensor:
        """Return dispersion (digamma(x + dispersion) - digamma(dispersion)), (b, g)."""
        table = (1 / (1 + self._steps)).cumsum(0).add_(1).to(self._x.dtype)
        values = table.reshape(-1).index_select(0, self._place)
        dispersion = self._large_own.exp()
        exact = torch.digamma(self._large_x + dispersion) - torch.digamma(dispersion)
        values.index_copy_(0, self._large, exact.mul_(dispersion).to(values.dtype))
        slope = self._x.clamp(max=1).reshape(-1)
        return slope.index_copy_(0, self._at, values).view(self._x.shape)
