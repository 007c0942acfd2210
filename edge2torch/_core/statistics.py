"""Statistics that several rooms report."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

_LOG_MEDIAN, _LOG_MOST = 4.0, 25.0  # log2 of 16 and of 33 million
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


def benjamini_hochberg(pvalues: NDArray[np.float64]) -> NDArray[np.float64]:
    """q-values (doi:10.1111/j.2517-6161.1995.tb02031.x) of p-values of any shape.

    A missing p-value is a test that was not made: it stays missing and does not count.
    """
    known = np.isfinite(pvalues)
    qvalues = np.full(pvalues.shape, np.nan)
    if known.any():
        qvalues[known] = scipy.stats.false_discovery_control(pvalues[known])
    return qvalues
