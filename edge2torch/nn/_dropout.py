"""Dropout of many values at once: drawing it takes longer than a small network."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

import torch
from torch import Tensor, nn

_WALK = "edge2torch.nn._whole._walk"


def drop_values(x: Tensor, probability: float) -> Tensor:
    """Set values to zero at random, and scale the others, as ``F.dropout`` does in training.

    That draws a number of 53 bits for each value; here four values share one of 64, from the same
    generator of torch, and eight where the probability is some 256ths. Others are rounded to 1/65536.
    """
    drawn = _draw(probability, x.numel(), x.device)
    if drawn is None:
        return x
    if drawn[2] == 0:
        return torch.zeros_like(x)
    levels, least, scale = drawn
    kept = torch.empty_like(x, requires_grad=False)
    # in the order of memory, whichever of x's dimensions comes first there
    torch.ge(levels, least, out=kept.as_strided((x.numel(),), (1,)))
    return torch.addcmul(x.new_zeros(()), kept, x, value=scale)


def drop_in_rows(x: Tensor, which: Tensor, rows: Tensor, probability: float) -> Tensor:
    """Return ``drop_values(x[which, rows], probability)``, of x (f, n, i) the rows (k, b): (k, b, i).

    To index, draw, compare and multiply one after the other takes longer than a small network; where
    numba is at work already it is done in one reading, with the same values, laid out as networks side
    by side read them.
    """
    which, rows = which.expand(len(rows)), rows.contiguous()
    is_plain = (
        _WALK in sys.modules
        and x.is_cpu
        and not x.requires_grad
        and x.is_contiguous()
        and x.dtype in (torch.float32, torch.float64)
        and rows.dtype == which.dtype == torch.int64
    )
    if not is_plain:
        return drop_values(x[which[:, None], rows], probability)
    (k, b), width = rows.shape, x.shape[2]
    drawn = _draw(probability, k * b * width, x.device)
    if drawn is None or drawn[2] == 0:
        return drop_values(x[which[:, None], rows], probability)
    levels, least, scale = drawn
    out = x.new_empty(b, k, width)
    values = x.numpy()
    are_there = _gather()(
        values,
        which.numpy(),
        rows.numpy(),
        levels.numpy(),
        least,
        values.dtype.type(scale),
        out.numpy(),
    )
    if not are_there:
        return x[which[:, None], rows]  # torch's own error
    return out.transpose(0, 1)


@functools.cache
def _gather() -> Any:
    return importlib.import_module("edge2torch.nn._drop_rows").gather


def _draw(probability: float, n: int, device: torch.device) -> tuple[Tensor, int, float] | None:
    """Draw n levels; return them, the least that is kept and by how much that grows.

    None where all are kept; the factor is 0 where none is.
    """
    kind, n_levels = (torch.int8, 1 << 8) if probability * 256 % 1 == 0 else (torch.int16, 1 << 16)
    dropped = round(probability * n_levels)
    if dropped == 0:
        return None
    if dropped == n_levels:
        return torch.empty(0), 0, 0.0
    words = torch.empty(-(-n * kind.itemsize // 8), dtype=torch.int64, device=device)
    words.random_(-(2**63), None)  # all 64 bits; without bounds the sign would always be plus
    return words.view(kind)[:n], dropped - n_levels // 2, n_levels / (n_levels - dropped)


class QuickDropout(nn.Dropout):
    """:class:`torch.nn.Dropout` that draws by :func:`drop_values`.

    Examples
    --------
    >>> y = QuickDropout(0.5)(torch.ones(100, 3))
    >>> sorted(y.unique().tolist())
    [0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the parent's name
        """Map x of any shape to the same shape."""
        return drop_values(input, self.p) if self.training else input
