"""One definition of an eigengene, used everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

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


def leave_one_out(values: NDArray[np.float64], gene: Ints, n_genes: int) -> NDArray[np.float64]:
    """The eigengene of a module's features without those of each gene, (genes, samples).

    ``values`` (samples, m) are the module's standardised features, ``gene`` (m,) says whose each is.
    The sign is that of the whole module's eigengene; a gene that is the whole module has none.
    """
    whole = eigengenes(values.astype(np.float32), [np.arange(values.shape[1])]).values[0]
    samples, m = values.shape
    product = values.T @ values if m <= samples else values @ values.T  # the smaller of the two
    found = np.full((n_genes, samples), np.nan)
    for k in range(n_genes):
        own, kept = np.flatnonzero(gene == k), np.flatnonzero(gene != k)
        if not len(kept):
            continue
        if m <= samples:
            left = values[:, kept] @ _first(product[np.ix_(kept, kept)])
            found[k] = left / np.linalg.norm(left)
        else:
            found[k] = _first(product - values[:, own] @ values[:, own].T)
    turned = np.where(found @ whole < 0, -1.0, 1.0)
    return np.asarray(found * turned[:, None])


def _first(product: NDArray[np.float64]) -> NDArray[np.float64]:
    """The eigenvector of the largest eigenvalue; no iteration that close ones could hold up."""
    last = len(product) - 1
    return np.asarray(eigh(product, subset_by_index=(last, last))[1][:, 0])
