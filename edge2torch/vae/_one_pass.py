"""The negative binomial and its derivatives in one pass over the counts, compiled by numba.

Imported by :mod:`edge2torch.vae._negative_binomial` alone, for batches that are worth it. Loops over
the genes of a cell run in vectors and stay in the cache: exp and log1p are polynomials, whose errors
are below a digit of float32, and what a count adds is summed up to eight instead of being looked up.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Table = NDArray[np.float32]
_Exact = NDArray[np.float64]

FEW = 8  # up to this count terms do not cancel in float32, and are summed one by one
_F = np.float32
_PER_LOG2, _LOG2 = _F(1 / math.log(2)), _F(math.log(2))
_LOWEST = _F(-87)  # below, exp leaves the range of float32
_1, _2, _HALF = _F(1), _F(2), _F(0.5)
_E3, _E4, _E5, _E6 = (_F(1 / math.factorial(k)) for k in (3, 4, 5, 6))
_L3, _L5, _L7, _L9, _L11, _L13 = (_F(2 / k) for k in (3, 5, 7, 9, 11, 13))
_LOG_ROOT = 0.5 * math.log(2 * math.pi)


def _compiled(function: Any) -> Any:
    """Compile with a cache on disk where a folder for one can be written to."""
    numba = importlib.import_module("numba")
    # sums may be taken in vectors; infinities and what is no number stay what they are
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


@_compiled
def _exp(x: Any) -> Any:
    """Return exp(x) of x <= 0: a power of two, written as its bits, times a polynomial."""
    x = max(x, _LOWEST)
    n = np.floor(x * _PER_LOG2 + _HALF)
    f = x - n * _LOG2
    series = _1 + f * (_1 + f * (_HALF + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6)))))
    return series * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@_compiled
def _log1p(x: Any) -> Any:
    """Return log(1 + x) of x from 0 to 1, as 2 artanh(x / (2 + x))."""
    s = x / (_2 + x)
    q = s * s
    return s * (_2 + q * (_L3 + q * (_L5 + q * (_L7 + q * (_L9 + q * (_L11 + q * _L13))))))


@_compiled
def _stirling(x: Any) -> Any:
    """Return what is left of log gamma(x) beside (x - 1/2) log x - x + log √(2π), for x >= 9."""
    y = 1 / x
    q = y * y
    return y * (1 / 12 - q * (1 / 360 - q * (1 / 1260 - q / 1680)))


@_compiled
def _digamma_rest(x: Any) -> Any:
    """Return digamma(x) - log x, for x >= 9."""
    y = 1 / x
    q = y * y
    return -0.5 * y - q * (1 / 12 - q * (1 / 120 - q * (1 / 252 - q / 240)))


@_compiled
def _by_gene(log_dispersion: _Table) -> Any:
    """Return dispersions (g,), what every further count up to eight adds (15, g), and exact sums (5, g)."""
    genes = len(log_dispersion)
    plain = np.empty(genes, np.float32)
    steps = np.empty((2 * FEW - 1, genes), np.float32)
    exact = np.empty((5, genes), np.float64)
    for j in range(genes):
        r = math.exp(np.float64(log_dispersion[j]))
        plain[j] = r
        steps[FEW - 1, j] = 1.0
        ways, slope = 0.0, 1.0
        for i in range(1, FEW + 1):
            step, share = math.log1p(i / r), 1 / (1 + i / r)
            ways += step
            slope += share
            if i < FEW:
                steps[i - 1, j] = step - math.log(i + 1.0)
                steps[FEW - 1 + i, j] = share
        exact[0, j], exact[1, j], exact[2, j] = r, ways, slope
        exact[3, j] = math.log1p((FEW + 1) / r)
        exact[4, j] = _stirling(r + FEW + 1)
    return plain, steps, exact


@_compiled
def _counts(
    x: _Table, steps: _Table, exact: _Exact, ways: _Table, slope: _Table, at: Any, large: _Exact
) -> int:
    """Write what counts (b, g) alone give, and how many and which are above eight.

    ``large`` holds the exact ways of these, in their order. With w = dispersion + 9, the sum of
    log(1 + i / dispersion) over 9 <= i < x is log gamma(x + dispersion) - log gamma(w) less
    (x - 9) log dispersion, written such that nothing large cancels.
    """
    genes, n_large = x.shape[1], 0
    for i in range(x.shape[0]):
        for j in range(genes):
            c = x[i, j]
            w = s = _F(0)
            for k in range(FEW - 1):
                w += steps[k, j] if c >= k + 2 else _F(0)
            for k in range(FEW):
                s += steps[FEW - 1 + k, j] if c >= k + 1 else _F(0)
            ways[i, j], slope[i, j] = w, s
        for j in range(genes):
            if x[i, j] > FEW:
                c, r = np.float64(x[i, j]), exact[0, j]
                w, y, z, more = r + FEW + 1, c + r, c + 1, c - FEW - 1
                ratio = math.log1p(more / w)
                up = exact[1, j] + more * (exact[3, j] - 1) + (y - 0.5) * ratio
                up += _stirling(y) - exact[4, j]
                large[n_large] = up - ((z - 0.5) * math.log(z) - z + _LOG_ROOT + _stirling(z))
                slope[i, j] = exact[2, j] + r * (ratio + _digamma_rest(y) - _digamma_rest(w))
                at[n_large] = i * genes + j
                n_large += 1
    return n_large


@_compiled
def _density(
    x: _Table, log_mean: _Table, log_dispersion: _Table, plain: _Table, ways: _Table, slope: _Table,
    log_prob: _Table, by_mean: _Table, by_dispersion: _Table,
) -> None:  # fmt: skip
    """Write log NB of counts up to eight and its derivatives by both logarithms, each (b, g)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            c = x[i, j]
            odds = log_mean[i, j] - log_dispersion[j]
            size = abs(odds)
            decay = _exp(-size)
            rest = _log1p(decay)
            small = _1 / (_1 + decay)
            share = small if odds > 0 else decay * small  # sigmoid of the odds
            above = _HALF * (odds + size)  # what is no number stays so
            zero = plain[j] * (above + rest)
            towards = c * (_1 - share) - share * plain[j]
            log_prob[i, j] = ways[i, j] + c * (log_mean[i, j] - above - rest) - zero
            by_mean[i, j] = towards
            by_dispersion[i, j] = slope[i, j] - zero - towards


@_compiled
def _exactly(
    x: _Table, log_mean: _Table, log_dispersion: _Table, exact: _Exact,
    at: Any, large: _Exact, log_prob: _Table,
) -> None:  # fmt: skip
    """Write log NB of counts above eight, whose terms cancel in float32."""
    genes = x.shape[1]
    for k in range(len(at)):
        i, j = divmod(at[k], genes)
        mean = np.float64(log_mean[i, j])
        odds = mean - np.float64(log_dispersion[j])
        above = max(odds, 0.0)
        rest = math.log1p(math.exp(-abs(odds)))
        zero = exact[0, j] * (above + rest)
        log_prob[i, j] = large[k] + x[i, j] * (mean - above - rest) - zero


@_compiled
def _softmax(
    scores: _Table, highest: _Table, log_library: _Table, part: _Table, log_mean: _Table
) -> None:
    """Write the softmax over genes of scores (b, g), and its logarithm plus the library's (b,)."""
    for i in range(scores.shape[0]):
        total = 0.0
        for j in range(scores.shape[1]):
            part[i, j] = _exp(scores[i, j] - highest[i])
            total += part[i, j]
        shift, scale = log_library[i] - (highest[i] + _F(math.log(total))), _F(1 / total)
        for j in range(scores.shape[1]):
            part[i, j] *= scale
            log_mean[i, j] = scores[i, j] + shift


@_compiled
def _sums(
    each: _Table, part: _Table, by_score: _Table, log_prob: _Table, by_library: _Table
) -> None:
    """Sum cells over genes, and turn derivatives by log means into those by scores."""
    for i in range(each.shape[0]):
        found = towards = 0.0
        for j in range(each.shape[1]):
            found += each[i, j]
            towards += by_score[i, j]
        back = _F(towards)
        for j in range(each.shape[1]):
            by_score[i, j] -= back * part[i, j]
        log_prob[i], by_library[i] = found, towards


class Counts:
    """Counts (b, g) under dispersions (g,), for one or more predictions."""

    def __init__(self, x: _Table, log_dispersion: _Table) -> None:
        self._x, self._log = x, log_dispersion
        self._plain, steps, self._exact = _by_gene(log_dispersion)
        self._ways, self._slope = np.empty((2, *x.shape), np.float32)
        at, large = np.empty(x.size, np.int64), np.empty(x.size, np.float64)
        n = _counts(x, steps, self._exact, self._ways, self._slope, at, large)
        self._at, self._large = at[:n], large[:n]

    def fill(
        self, log_mean: _Table, log_prob: _Table, by_mean: _Table, by_dispersion: _Table
    ) -> None:
        """Write log NB and its derivatives by both logarithms, each (b, g)."""
        own = self._plain, self._ways, self._slope
        _density(self._x, log_mean, self._log, *own, log_prob, by_mean, by_dispersion)
        _exactly(self._x, log_mean, self._log, self._exact, self._at, self._large, log_prob)

    def fill_cells(
        self,
        scores: _Table,
        highest: _Table,
        log_library: _Table,
        log_prob: _Table,
        by_score: _Table,
        by_dispersion: _Table,
        by_library: _Table,
    ) -> None:
        """Write each cell's log NB (b,), and its derivatives by scores, dispersions and library.

        The logarithm of a mean is that of the scores' softmax over genes, plus the library's (b,).
        ``highest`` are the scores' maxima (b,), which torch finds in vectors.
        """
        each, part, log_mean = np.empty((3, *scores.shape), np.float32)
        _softmax(scores, highest, log_library, part, log_mean)
        self.fill(log_mean, each, by_score, by_dispersion)
        _sums(each, part, by_score, log_prob, by_library)
