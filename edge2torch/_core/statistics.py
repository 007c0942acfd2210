"""Statistics that several rooms report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control


def benjamini_hochberg(pvalues: NDArray[np.float64]) -> NDArray[np.float64]:
    """q-values (doi:10.1111/j.2517-6161.1995.tb02031.x) of p-values of any shape.

    A missing p-value is a test that was not made: it stays missing and does not count.
    """
    known = np.isfinite(pvalues)
    qvalues = np.full(pvalues.shape, np.nan)
    if known.any():
        qvalues[known] = false_discovery_control(pvalues[known])
    return qvalues
