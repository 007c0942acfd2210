"""Statistics that several rooms report."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

_LOG_MEDIAN, _LOG_MOST = 4.0, 25.0  # log2 of 16 and of 33 million
ROUNDING = 1e-12  # of a size: what differs by less has no digit that is not rounding
_LOG_VALUES = 50  # of fewer it cannot be told


def like_rounded_logs(values: NDArray[np.floating]) -> bool:
    """Whether whole numbers look like logarithms without their fractions.

    They do where none is above 25, as one of every 10,000 counts of a deep sample is, and half of
    those above zero are 4 or more, as those of a shallow sample are not.
    """
    above = values[values > 0]
    return bool(
        above.size >= _LOG_VALUES
        and above.max() <= _LOG_MOST
        and float(np.median(above)) >= _LOG_MEDIAN
    )


def unit_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of each column (rows, columns) of what is not NaN, to divide by: 1 where none.

    Of a column that holds .1 alone rounding makes one of 1e-17; what another row has there would be
    divided by it.
    """
    known = ~np.isnan(values)
    filled, n = np.where(known, values, 0.0), np.maximum(known.sum(axis=0), 1)
    off = np.where(known, values - filled.sum(axis=0) / n, 0.0)
    spread = np.sqrt((off**2).sum(axis=0) / n)
    alike = spread <= ROUNDING * np.abs(filled).max(axis=0, initial=0.0)
    return np.where(alike, 1.0, spread)


def varying(variance: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which variances, mean squares less squared means, are more than rounding of these."""
    found: NDArray[np.bool_] = variance > ROUNDING * square
    return found


def benjamini_hochberg(pvalues: NDArray[np.float64]) -> NDArray[np.float64]:
    """q-values (doi:10.1111/j.2517-6161.1995.tb02031.x) of p-values of any shape.

    A missing p-value is a test that was not made: it stays missing and does not count.
    """
    known = np.isfinite(pvalues)
    qvalues = np.full(pvalues.shape, np.nan)
    if known.any():
        qvalues[known] = scipy.stats.false_discovery_control(pvalues[known])
    return qvalues
