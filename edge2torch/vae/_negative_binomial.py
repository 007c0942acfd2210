"""The negative binomial in log space, with its gradient in closed form.

With odds = log mean - log dispersion and t = log(1 + exp(-|odds|)),

    log NB = ways + x (min(log mean, log dispersion) - t) - dispersion (max(odds, 0) + t)

where ways, the sum of log(1 + i / dispersion) over 1 <= i < x less log x!, does not depend on the
mean and is read from a table for counts up to eight. The derivative by log dispersion has a sum of
dispersion / (dispersion + i) over 0 <= i < x in its place.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from edge2torch._core.messages import CALLED, say_if_slow

_FEW = 8  # up to this count the terms do not cancel in float32
_IN_CACHE = 1 << 17  # values that are computed at a time
# One pass has fewer results on the way, so that more calls cost more than a cache that is too small;
# and with fewer values there is no time that could be saved.
_IN_ONE_PASS = 1 << 19
_WORTH_COMPILING = 1 << 15


def nb_log_prob(x: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """Return log NB(x; mean, dispersion), with variance mean + mean² / dispersion.

    Counts (b, g), logarithms broadcast to (..., b, g). Counts above eight, where large terms cancel,
    are computed in float64. What does not depend on the mean is computed once for several predictions
    of the same counts, along leading dimensions that only ``log_mean`` has. Differentiable once.
    """
    return _NegativeBinomial.apply(x, log_mean, log_dispersion)  # type: ignore[no-any-return, no-untyped-call]


def nb_log_prob_of_cells(
    x: Tensor, scores: Tensor, log_library: Tensor, log_dispersion: Tensor
) -> Tensor:
    """Return log NB of cells (n, b): of counts (b, g), summed over genes, for n predictions.

    A cell's means are its library (b, 1) times the softmax over genes of its scores (n, b, g);
    log dispersions are (g,). Differentiable once.
    """
    if _in_one_pass(x, scores, log_dispersion) and log_dispersion.dim() == 1:
        return _Cells.apply(x, scores, log_library, log_dispersion)  # type: ignore[no-any-return, no-untyped-call]
    log_mean = scores.log_softmax(-1) + log_library
    return nb_log_prob(x, log_mean, log_dispersion).sum(-1)


class _Cells(Function):
    """Log NB of cells, with the derivatives by scores instead of what lies between."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scores: Tensor, log_library: Tensor, log_dispersion: Tensor
    ) -> Tensor:
        x, scores, log_dispersion = x.contiguous(), scores.contiguous(), log_dispersion.contiguous()
        by_score, by_dispersion = torch.empty_like(scores), torch.empty_like(scores)
        log_prob, by_library = (scores.new_empty(scores.shape[:2]) for _ in range(2))
        highest, library = scores.amax(-1), log_library.reshape(-1).contiguous()
        step = max(1, _IN_ONE_PASS // scores[:, 0].numel())
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            counts = _one_pass().Counts(x[rows].numpy(), log_dispersion.numpy())
            for k in range(len(scores)):
                parts = (log_prob, by_score, by_dispersion, by_library)
                _call(
                    counts.fill_cells, scores[k, rows].numpy(), highest[k, rows].numpy(), library[rows].numpy(),
                    *(part[k, rows].numpy() for part in parts),
                )  # fmt: skip
        ctx.save_for_backward(by_score, by_dispersion, by_library)
        return log_prob

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        by_score, by_dispersion, by_library = ctx.saved_tensors
        _, score, library, dispersion = ctx.needs_input_grad
        return (
            None,
            by_score * g.unsqueeze(-1) if score else None,
            (by_library * g).sum(0).unsqueeze(1) if library else None,
            g.reshape(-1) @ by_dispersion.flatten(0, 1) if dispersion else None,
        )


class _NegativeBinomial(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(x.shape, log_mean.shape, log_dispersion.shape)
        own = shape[len(shape) - max(x.dim(), log_dispersion.dim()) :]
        genes = own[-1] if own else 1
        counts = x.expand(own).to(log_mean.dtype).reshape(-1, genes)
        means = log_mean.expand(shape).reshape(-1, *counts.shape)
        by_gene = log_dispersion.numel() == log_dispersion.shape[-1:].numel()
        spread = log_dispersion.reshape(-1) if by_gene else log_dispersion
        spread = spread.expand(genes if by_gene else own).reshape(-1, genes)
        results = [torch.empty_like(means) for _ in range(3 if any(ctx.needs_input_grad) else 1)]
        fast = by_gene and _in_one_pass(counts, means, spread)
        table = _Dispersion.of(spread) if by_gene and not fast else None
        step = max(1, (_IN_ONE_PASS if fast else _IN_CACHE) // max(1, genes * len(means)))
        for start in range(0, len(counts), step):
            rows = slice(start, start + step)
            parts = [part[:, rows] for part in results]
            if fast:
                _fill_in_one_pass(counts[rows], means[:, rows], spread[0], parts)
            else:
                own_rows = _Dispersion.of(spread[rows]) if table is None else table
                _fill(counts[rows], means[:, rows], own_rows, parts)
        ctx.save_for_backward(*(part.view(shape) for part in results[1:]))
        ctx.shapes = log_mean.shape, log_dispersion.shape
        return results[0].view(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        parts = zip(ctx.saved_tensors, ctx.needs_input_grad[1:], ctx.shapes, strict=True)
        return None, *(_weighed(g, by, own) if asked else None for by, asked, own in parts)


def _weighed(g: Tensor, by: Tensor, shape: torch.Size) -> Tensor:
    """Return g × by (..., b, g), summed to a shape."""
    if shape == by.shape[-1:] and g.stride(-1) == 0 and g.shape[-1] > 1:
        # the gradient of a sum over genes is one number per cell: a product with a vector
        return g[..., 0].reshape(-1) @ by.view(-1, by.shape[-1])
    return (g * by).sum_to_size(shape)


class _Dispersion(NamedTuple):
    """Log dispersions (1 or b, g), and what they alone determine: tables (count, 1 or b, g)."""

    log: Tensor
    plain: Tensor
    ways: Tensor
    slope: Tensor
    place: Tensor
    lgamma: Tensor
    digamma: Tensor

    @classmethod
    def of(cls, log: Tensor) -> _Dispersion:
        i = torch.arange(1, _FEW, dtype=torch.float64, device=log.device).view(-1, 1, 1)
        plain = log.double().exp()
        steps, none = i / plain, torch.zeros_like(plain).unsqueeze(0)
        ways = steps.log1p().cumsum(0).sub_(torch.lgamma(i + 2))
        slope = (1 / (1 + steps)).cumsum(0).add_(1)
        return cls(
            log=log,
            plain=log.exp(),
            ways=torch.cat([none, none, ways]).to(log.dtype).view(-1),
            slope=torch.cat([none, none + 1, slope]).to(log.dtype).view(-1),
            place=torch.arange(log.numel(), dtype=torch.int32, device=log.device).view_as(log),
            lgamma=torch.lgamma(plain),
            digamma=torch.digamma(plain),
        )


def _fill(x: Tensor, log_mean: Tensor, own: _Dispersion, results: list[Tensor]) -> None:
    """Write log NB and, if asked for, its derivatives by both logarithms, each (n, b, g)."""
    odds = log_mean - own.log
    rest = odds.abs().neg_().exp_().log1p_()
    zero = odds.relu().add_(rest).mul_(own.plain)  # -log NB(0)
    per_count = torch.minimum(log_mean, own.log).sub_(rest)
    place = x.clamp(max=_FEW).int().mul_(own.log.numel()).add_(own.place).view(-1)
    ways = own.ways.index_select(0, place).view_as(x)
    log_prob = torch.addcmul(ways, x, per_count, out=results[0]).sub_(zero)
    large = _Large(x, own)
    large.put(log_prob, large.log_prob(log_mean))
    if len(results) > 1:
        _, by_mean, by_dispersion = results
        torch.mul(torch.neg(odds).sigmoid_(), x, out=by_mean)
        by_mean.addcmul_(odds.sigmoid_(), own.plain, value=-1)
        slope = own.slope.index_select(0, place).view_as(x)
        large.put(slope.unsqueeze(0), large.slope().unsqueeze(0))
        torch.sub(slope, zero, out=by_dispersion).sub_(by_mean)


@functools.cache
def _one_pass() -> Any:
    """The passes that numba compiles, or None where there is no numba."""
    try:
        return importlib.import_module("edge2torch.vae._one_pass")
    except ImportError:
        return None


def _in_one_pass(x: Tensor, log_mean: Tensor, log: Tensor) -> bool:
    """Whether one pass can do it: in single precision, on a CPU, for more values than it takes to begin."""
    return (
        log_mean.numel() >= _WORTH_COMPILING
        and all(
            one.device.type == "cpu" and one.dtype == torch.float32 for one in (x, log_mean, log)
        )
        and _one_pass() is not None
    )


def _fill_in_one_pass(x: Tensor, log_mean: Tensor, log: Tensor, results: list[Tensor]) -> None:
    """Write what ``_fill`` writes, from log dispersions (g,)."""
    parts = (
        results if len(results) > 1 else [*results, *(torch.empty_like(log_mean) for _ in range(2))]
    )
    counts = _one_pass().Counts(x.contiguous().numpy(), log.contiguous().numpy())
    for k in range(len(log_mean)):
        _call(counts.fill, log_mean[k].contiguous().numpy(), *(part[k].numpy() for part in parts))


def _call(fill: Callable[..., None], *arrays: Any) -> None:
    """Fill arrays; the first call in a process compiles, or reads what an earlier one compiled."""
    kind = fill.__qualname__  # a bound method is another one for each batch, and would keep it
    if kind in CALLED:
        fill(*arrays)
    else:
        say_if_slow(kind, lambda: fill(*arrays), "The likelihood of counts in one pass")


class _Large:
    """Counts above the tables', in float64."""

    def __init__(self, x: Tensor, own: _Dispersion) -> None:
        flat = x.reshape(-1)
        self._at = _where_above(flat, _FEW)
        gene = self._at % own.log.numel()
        self._x = flat.index_select(0, self._at).double()
        self._log, self._lgamma, self._digamma = (
            part.reshape(-1).index_select(0, gene).double()
            for part in (own.log, own.lgamma, own.digamma)
        )
        self._plain = self._log.exp()

    def log_prob(self, log_mean: Tensor) -> Tensor:
        odds = log_mean.flatten(1).index_select(1, self._at).double().sub_(self._log)
        rest = odds.abs().neg_().exp_().log1p_()
        ways = torch.lgamma(self._x + self._plain) - self._lgamma - torch.lgamma(self._x + 1)
        zero = odds.relu().add_(rest).mul_(self._plain)
        return ways - odds.neg_().relu_().add_(rest).mul_(self._x) - zero

    def slope(self) -> Tensor:
        return (torch.digamma(self._x + self._plain) - self._digamma).mul_(self._plain)

    def put(self, values: Tensor, exact: Tensor) -> None:
        """Replace entries of values (n, b, g)."""
        for part, own in zip(values, exact, strict=True):
            part.view(-1).index_copy_(0, self._at, own.to(part.dtype))


def _where_above(x: Tensor, limit: int) -> Tensor:
    """Return positions (n,) at which x (e,) is above a limit; numpy finds them many times faster."""
    if x.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(x.numpy() > limit))
    return (x > limit).nonzero().squeeze(1)
