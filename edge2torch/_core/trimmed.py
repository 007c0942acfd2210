"""A mean that no single sample decides."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SHARE = 0.1  # of the values, at either end


def trimmed_mean(values: Tensor) -> Tensor:
    """Return the mean of values (b,) without a tenth at either end; not a number if one is not."""
    cut = trimmed_count(len(values))
    kept = values.sort().values[cut : len(values) - cut].mean()
    return torch.where(values.isnan().any(), values.sum(), kept)


def trimmed_count(n: int) -> int:
    """Return how many of n values are left out at either end: at least one, where three are there."""
    return math.ceil(_SHARE * n) if n > 2 else 0
