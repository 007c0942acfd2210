"""``graph``: smoothing over the graph of correlated features, then as ``latent``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from edge2torch.netmodules._backends._correlation import latent_similarity
from edge2torch.netmodules._similarity import Request, Similarity, blocks, standardised

_UNRELATED = 0.01  # share of decoys that may get an edge
_EXACT = 1e-7  # of the largest value: what float32 holds
_MAX_STEPS = 1000


def graph(request: Request) -> Similarity:
    """X ← (I + γ L_sym)⁻¹ X, then the partial correlations of its factors."""
    config = request.config.graph
    if config.gamma == 0:
        return latent_similarity(request, request.values)
    vectors = standardised(request.values)
    threshold = config.threshold
    if threshold is None:
        threshold = _closest(vectors, request.n_features)
    adjacency = correlation_graph(vectors, request.gene, threshold, request.config.max_neighbors)
    smooth, steps = smoothed(request.values, adjacency, config.gamma)
    similarity = latent_similarity(request, smooth)
    kept = smooth.var(axis=0, dtype=np.float64)
    diagnostics = {
        "gamma": config.gamma,
        "threshold": threshold,
        "edges": int(adjacency.nnz // 2),
        "isolated": int((np.diff(adjacency.indptr) == 0).sum()),
        "steps": steps,
        "variance_kept": float(kept.mean()),
    }
    return replace(similarity, calibration={**similarity.calibration, "graph": diagnostics})


def _closest(vectors: NDArray[np.float32], p: int) -> float:
    """The correlation that the feature closest to a decoy hardly reaches."""
    best = np.zeros(len(vectors) - p)
    for rows, r in blocks(vectors[p:], vectors):
        size = np.abs(r)
        size[size > 1 - 1e-6] = 0  # itself, and the copies of constant columns
        best[rows] = size.max(axis=1)
    return float(np.quantile(best, 1 - _UNRELATED))


def correlation_graph(
    vectors: NDArray[np.float32], gene: NDArray[np.int64], threshold: float, most: int
) -> sparse.csr_matrix:
    """Signed correlations of at least the threshold, and of the two features of each gene."""
    rows, columns, weights = [], [], []
    for block, r in blocks(vectors, vectors):
        size = np.abs(r)
        keep = (size >= threshold) | (gene[block, None] == gene)
        # not itself
        keep[np.arange(len(r)), np.arange(block.start, block.stop)] = False
        crowded = np.flatnonzero(keep.sum(axis=1) > most)
        if len(crowded):
            limit = np.partition(np.where(keep[crowded], size[crowded], -1), -most)[:, -most]
            keep[crowded] &= size[crowded] >= limit[:, None]
        i, j = np.nonzero(keep)
        rows.append(i + block.start)
        columns.append(j)
        weights.append(r[i, j])
    # A pair is kept when either end keeps it. The smaller index first, so that both are one.
    first, second, weight = (np.concatenate(part) for part in (rows, columns, weights))
    low, high = np.minimum(first, second), np.maximum(first, second)
    _, at = np.unique(low.astype(np.int64) * len(vectors) + high, return_index=True)
    half = sparse.csr_matrix((weight[at], (low[at], high[at])), shape=(len(vectors),) * 2)
    return (half + half.T).tocsr()


def smoothed(
    values: NDArray[np.float32], adjacency: sparse.csr_matrix, gamma: float
) -> tuple[NDArray[np.float32], int]:
    """Solve (I + γ L_sym) Y = X for all samples, L_sym = I − D^-½ A D^-½ on connected features.

    A negative correlation pulls a feature towards its neighbour's negative. The iteration shrinks
    the error by γ / (1 + γ) or more per step.
    """
    degree = np.asarray(abs(adjacency).sum(axis=1)).ravel()
    root = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1e-12)), 0)
    scaled = (sparse.diags(root) @ adjacency @ sparse.diags(root)).tocsr().astype(np.float32)
    x = np.ascontiguousarray(values.T)
    weight = np.where(degree > 0, 1 + gamma, 1.0).astype(np.float32)[:, None]
    y, steps, change = x, 0, np.inf
    while steps < _MAX_STEPS and change >= _EXACT * max(float(np.abs(y).max()), 1.0):
        new = (x + np.float32(gamma) * (scaled @ y)) / weight
        change = float(np.abs(new - y).max())
        y, steps = new, steps + 1
    return np.ascontiguousarray(y.T), steps
