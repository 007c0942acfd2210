"""The negative binomial and its derivatives in one pass over the counts, compiled by numba.

Imported by :mod:`edge2torch.vae._negative_binomial` alone, for batches that are worth it.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Table = NDArray[np.float32]


def _fill(
    counts: _Table,
    log_mean: _Table,
    log_dispersion: _Table,
    dispersion: _Table,
    decay: _Table,
    rest: _Table,
    ways: _Table,
    slope: _Table,
    large_log_prob: NDArray[np.float64],
    large_slope: NDArray[np.float64],
    few: int,
    log_prob: _Table,
    by_mean: _Table,
    by_dispersion: _Table,
) -> None:
    """Write log NB and its derivatives by both logarithms, each (b, g).

    ``decay`` is exp(-|odds|) and ``rest`` log(1 + decay), which torch computes in vectors;
    ``ways`` and ``slope`` hold counts up to ``few``, gene by gene. What is above has its values in
    ``large_log_prob`` and ``large_slope``, in the order of the counts.
    """
    n_genes = counts.shape[1]
    k = 0
    for i in range(counts.shape[0]):
        for j in range(n_genes):
            x = counts[i, j]
            odds = log_mean[i, j] - log_dispersion[j]
            small = np.float32(1) / (np.float32(1) + decay[i, j])
            share = small if odds > 0 else decay[i, j] * small  # sigmoid of the odds
            zero = dispersion[j] * ((odds if odds > 0 else np.float32(0)) + rest[i, j])
            towards = x * (np.float32(1) - share) - share * dispersion[j]
            place = int(min(x, np.float32(few))) * n_genes + j
            least = log_mean[i, j] if odds < 0 else log_dispersion[j]
            log_prob[i, j] = ways[place] + x * (least - rest[i, j]) - zero
            by_mean[i, j] = towards
            by_dispersion[i, j] = slope[place] - zero - towards
        for j in range(n_genes):  # apart, so that the loop above runs in vectors
            if counts[i, j] > few:
                log_prob[i, j] = large_log_prob[k]
                by_dispersion[i, j] += np.float32(large_slope[k]) - slope[few * n_genes + j]
                k += 1


def _compiled(function: Any) -> Any:
    """Compile with a cache on disk where a folder for one can be written to."""
    numba = importlib.import_module("numba")
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


fill = _compiled(_fill)
