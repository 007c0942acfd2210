"""Dropout of many values at once: drawing it takes longer than a small network."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def drop_values(x: Tensor, probability: float) -> Tensor:
    """Set values to zero at random, and scale the others, as ``F.dropout`` does in training.

    That draws a number of 53 bits for each value; here four values share one of 64, from the same
    generator of torch, and eight where the probability is some 256ths. Others are rounded to 1/65536.
    """
    kind, n_levels = (torch.int8, 1 << 8) if probability * 256 % 1 == 0 else (torch.int16, 1 << 16)
    dropped = round(probability * n_levels)
    if dropped == 0:
        return x
    if dropped == n_levels:
        return torch.zeros_like(x)
    words = torch.empty(-(-x.numel() * kind.itemsize // 8), dtype=torch.int64, device=x.device)
    words.random_(-(2**63), None)  # all 64 bits; without bounds the sign would always be plus
    levels = words.view(kind)[: x.numel()]
    kept = torch.empty_like(x, requires_grad=False)
    # in the order of memory, whichever of x's dimensions comes first there
    torch.ge(levels, dropped - n_levels // 2, out=kept.as_strided((x.numel(),), (1,)))
    return torch.addcmul(x.new_zeros(()), kept, x, value=n_levels / (n_levels - dropped))


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
