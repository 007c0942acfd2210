"""Genes and transcripts that are counted too little to say anything.

Of a gene with no reads in most samples, one read in one of them is all that varies: once
standardised, every such gene is that sample, and together they look like a module.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_FEWEST = 3  # samples, however few there are: one or two odd ones are no pattern


def well_counted(counts: NDArray[np.float32], least: float, share: float) -> NDArray[np.bool_]:
    """Which rows of counts (rows, samples) reach ``least`` in enough samples."""
    return np.asarray((counts >= least).sum(axis=1) >= samples_needed(counts.shape[1], share))


def samples_needed(n: int, share: float) -> int:
    """So many of n samples are that share, rounded up; three at least."""
    return min(n, max(_FEWEST, math.ceil(round(share * n, 6))))
