"""One definition of an eigengene, used everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Eigengenes:
    """``values`` (modules, samples); of each module its ``members`` and their ``loadings``."""

    values: NDArray[np.float64]
    members: list[Ints]
    loadings: list[NDArray[np.float64]]


def eigengenes(values: NDArray[np.float32], members: list[Ints]) -> Eigengenes:
    """First right singular vector of each module's standardised features.

    ``values`` (samples, p) are standardised. The sign makes it correlate with the features' mean;
    loading × feature, summed, gives the eigengene.
    """
    rows, loadings = [], []
    for own in members:
        x = values[:, own].astype(np.float64)
        left, size, right = np.linalg.svd(x, full_matrices=False)
        loading = right[0] / size[0]
        eigengene = left[:, 0]
        along = float(eigengene @ x.mean(axis=1))
        if along < 0 or (along == 0 and loading[np.abs(loading).argmax()] < 0):
            loading, eigengene = -loading, -eigengene
        rows.append(eigengene)
        loadings.append(loading)
    stacked = np.array(rows) if rows else np.empty((0, len(values)))
    return Eigengenes(stacked, members, loadings)
