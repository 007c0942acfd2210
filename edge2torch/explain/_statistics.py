"""Pearson and Welch, a column at a time for all columns at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import ttest_ind_from_stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FEWEST_PAIRS = 3
_STILL = 1e-13  # spread over mean under which rounding is all that moves


class Correlation(NamedTuple):
    """Of every column: r, two-sided p, and the pairs it rests on, (f,) each."""

    r: Floats
    pvalue: Floats
    n: Ints


class Contrast(NamedTuple):
    """Of every column: means of two groups, Welch's test of their difference, sizes, (f,) each."""

    mean_high: Floats
    mean_low: Floats
    delta: Floats
    se: Floats
    tstat: Floats
    pvalue: Floats
    n_high: Ints
    n_low: Ints


def correlate(x: Floats, y: Floats) -> Correlation:
    """Pearson of every column of x (s, f) with y, (s,) or its own (s, f), over samples with both."""
    y = y if y.ndim == 2 else y[:, None]
    known = ~np.isnan(x) & ~np.isnan(y)
    n = known.sum(axis=0)
    a, size_a = _centred(x, known, n)
    b, size_b = _centred(np.broadcast_to(y, x.shape), known, n)
    size = size_a * size_b
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.clip(np.einsum("sf,sf->f", a, b) / size, -1, 1)
    r[(n < _FEWEST_PAIRS) | (size == 0)] = np.nan
    # (r + 1) / 2 of independent normals is Beta(n/2 - 1, n/2 - 1): exact where a normal approximation
    # of atanh(r) is not, for few pairs and for r near 1.
    half = np.maximum(n / 2 - 1, 0.5)  # of pairs too few r is missing, and so is p
    pvalue: Floats = np.minimum(2 * betainc(half, half, (1 - np.abs(r)) / 2), 1)
    return Correlation(r, pvalue, n)


def _centred(x: Floats, known: NDArray[np.bool_], n: Ints) -> tuple[Floats, Floats]:
    """Columns less their mean, zero where missing, and their length; zero where they are still."""
    some = np.maximum(n, 1)
    mean = np.where(known, x, 0).sum(axis=0) / some
    left = np.where(known, x - mean, 0)
    # Once more: the rounding of a large mean would look like spread.
    left = np.where(known, left - left.sum(axis=0) / some, 0)
    length = np.sqrt(np.einsum("sf,sf->f", left, left))
    return left, np.where(length <= _STILL * np.abs(mean) * np.sqrt(some), 0, length)


def compare(high: Floats, low: Floats) -> Contrast:
    """Welch's test of every column, (a, f) against (b, f); missing values are left out."""
    mean_high, var_high, n_high = _moments(high)
    mean_low, var_low, n_low = _moments(low)
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt(var_high / n_high + var_low / n_low)
        tstat, pvalue = ttest_ind_from_stats(
            mean_high, np.sqrt(var_high), n_high, mean_low, np.sqrt(var_low), n_low, equal_var=False
        )
    still = ~(se > 0)
    return Contrast(
        mean_high,
        mean_low,
        mean_high - mean_low,
        se,
        np.where(still, np.nan, tstat),
        np.where(still, np.nan, pvalue),
        n_high,
        n_low,
    )


def _moments(x: Floats) -> tuple[Floats, Floats, Ints]:
    """Mean, variance (ddof 1) and number of the values that are there."""
    known = ~np.isnan(x)
    n = known.sum(axis=0)
    length = _centred(x, known, n)[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, np.where(known, x, 0).sum(axis=0) / np.maximum(n, 1), np.nan)
        # by the length, which is zero where a column only seems to move by rounding
        variance = np.where(n > 1, length**2 / np.maximum(n - 1, 1), np.nan)
    return mean, variance, n
