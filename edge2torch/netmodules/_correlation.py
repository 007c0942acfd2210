"""Correlations of what is computed at once: baseline, latent and graph."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from edge2torch._core.messages import require
from edge2torch.netmodules._config import LatentConfig
from edge2torch.netmodules._similarity import Request, Similarity, blocks, standardised

Floats = NDArray[np.float64]

# An eigenvalue has to be so much above the largest of shuffled data: with the many that there are,
# one of noise alone is often a little above it.
_CLEARLY = 1.05


def baseline(request: Request) -> Similarity:
    """Partial correlations of all features at once."""
    vectors, shrinkage = partial_correlations(request.values)
    return Similarity(vectors, {"shrinkage": shrinkage})


def latent(request: Request) -> Similarity:
    """Partial correlations of what the factors of each channel explain."""
    return latent_similarity(request, request.values)


def latent_similarity(request: Request, values: NDArray[np.float32]) -> Similarity:
    """The same for values that were changed on the way."""
    reconstruction = np.empty_like(values)
    explained = np.empty(values.shape[1])
    calibration: dict[str, Any] = {}
    for name, chosen in (("switch", request.is_switch), ("abundance", ~request.is_switch)):
        if chosen.any():
            factors = factor_analysis(
                np.ascontiguousarray(values[:, chosen]), request.config.latent, request.seed
            )
            reconstruction[:, chosen] = factors.reconstruction
            explained[chosen] = factors.explained
            calibration[name] = factors.calibration
    vectors, calibration["shrinkage"] = partial_correlations(reconstruction)
    return Similarity(vectors, calibration, explained=explained)


def partial_correlations(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Vectors whose products are Ledoit–Wolf partial correlations, and the shrinkage.

    The shrunk covariance is a multiple of the identity plus a matrix of rank n, so its inverse
    needs one n × n inverse only (Woodbury); nothing of size p × p appears.
    """
    n, p = values.shape
    x = values - values.mean(axis=0)
    gram = (x @ x.T).astype(np.float64)
    mean_variance = float(np.trace(gram)) / (n * p)
    delta = ledoit_wolf_shrinkage(x, gram)
    noise = max(delta * mean_variance, 1e-12)
    signal = max((1 - delta) / n, 1e-12)
    eigenvalues, basis = np.linalg.eigh(gram)
    # eigenvalues of the Gram matrix that are zero come out slightly negative
    root = basis / np.sqrt(noise / signal + np.maximum(eigenvalues, 0))
    vectors = (x.T @ root.astype(np.float32)).astype(np.float32)
    # diagonal of the inverse covariance, but for a factor: it turns products into correlations
    rest = 1 - (vectors.astype(np.float64) ** 2).sum(axis=1)
    vectors /= np.sqrt(np.maximum(rest, 1e-9))[:, None].astype(np.float32)
    return vectors, delta


def ledoit_wolf_shrinkage(x: NDArray[np.float32], gram: Floats) -> float:
    """Shrinkage towards the scaled identity, from the Gram matrix of centred x (n, p)."""
    n, p = x.shape
    size = float((gram**2).sum()) / n**2  # squared entries of the covariance
    mean_variance = float(np.trace(gram)) / (n * p)
    spread = size - p * mean_variance**2
    fourth = float((np.diag(gram) ** 2).sum())
    noise = (fourth / n - size) / n
    return float(np.clip(min(noise, spread) / spread, 0, 1)) if spread > 0 else 1.0


@dataclass(frozen=True, eq=False)
class Factors:
    """Reconstruction (samples, p), share of variance explained (p,), and the calibration."""

    reconstruction: NDArray[np.float32]
    explained: Floats
    calibration: dict[str, Any]


def held_out_likelihood(values: NDArray[np.float32], most: int, folds: int, seed: int) -> Floats:
    """Mean held-out log-likelihood per sample of 1 .. most factors, (most,).

    Every number of factors comes from one decomposition per fold: that of probabilistic principal
    components (doi:10.1111/1467-9868.00196), whose likelihood has a closed form.
    """
    n = len(values)
    part = np.random.default_rng([seed, 2]).permutation(n) % folds
    total = np.zeros(most)
    for fold in range(folds):
        train, test = values[part != fold], values[part == fold]
        centre = train.mean(axis=0)
        total += _likelihood(train - centre, test - centre, most)
    return total / n


def _likelihood(train: NDArray[np.float32], test: NDArray[np.float32], most: int) -> Floats:
    n, p = train.shape
    # of the n × n Gram matrix: p is thousands, and no axis lies outside the span of the samples
    size, basis = np.linalg.eigh((train @ train.T).astype(np.float64))
    size, basis = size[::-1][:most], basis[:, ::-1][:, :most]
    variance = np.maximum(size / n, 1e-12)
    total = float((train.astype(np.float64) ** 2).sum()) / n
    along = (test @ (train.T @ basis.astype(np.float32))).astype(np.float64)
    along = along**2 / np.maximum(size, 1e-12)  # squared coordinates on each axis
    k = np.arange(1, most + 1)
    noise = np.maximum(total - np.cumsum(variance), 1e-9) / np.maximum(p - k, 1)
    log_det = np.cumsum(np.log(variance)) + (p - k) * np.log(noise)
    # what lies beyond the first k axes is noise of one variance
    whole = (test.astype(np.float64) ** 2).sum(axis=1)
    inside = np.cumsum(along / variance, axis=1)
    outside = (whole[:, None] - np.cumsum(along, axis=1)) / noise
    likelihood: Floats = -0.5 * (
        len(test) * (p * np.log(2 * np.pi) + log_det) + (inside + outside).sum(axis=0)
    )
    return likelihood


def best_count(values: NDArray[np.float32], config: LatentConfig, seed: int) -> tuple[int, Floats]:
    """How many factors there are, and the held-out likelihood of 1, 2, ... of them.

    The number with the best likelihood, or that of eigenvalues clearly above the largest of
    shuffled data (parallel analysis, doi:10.1007/BF02289447) if it is larger: the likelihood does
    not pay for small modules. 0 where neither finds any.
    """
    n, p = values.shape
    rank = n - int(np.ceil(n / config.folds)) - 1  # of the smallest training part, centred
    most = max(1, min(config.max_components, rank, p - 1))
    curve = held_out_likelihood(values, most, min(config.folds, n), seed)
    # the curve has no value for 0 factors: a best of 1 may be noise, which parallel analysis sees
    above = _above_noise(values, seed)
    best = int(np.argmax(curve)) + 1 if above or np.argmax(curve) > 0 else 0
    return min(max(best, above), most), curve


def _above_noise(values: NDArray[np.float32], seed: int) -> int:
    shuffled = np.random.default_rng([seed, 3]).permuted(values, axis=0)
    sizes = [np.linalg.eigvalsh((x @ x.T).astype(np.float64)) for x in (values, shuffled)]
    return int((sizes[0] > _CLEARLY * sizes[1].max()).sum())


def factor_analysis(values: NDArray[np.float32], config: LatentConfig, seed: int) -> Factors:
    """Fit factors and reconstruct: X̂ = Z W + μ."""
    decomposition = require("sklearn.decomposition", extra="modules")
    curve = np.empty(0)
    count = config.components
    if count is None:
        count, curve = best_count(values, config, seed)
    if count == 0:
        return _no_factors(values, curve)
    count = max(1, min(count, min(values.shape) - 1))
    model = decomposition.FactorAnalysis(
        count, tol=1e-2, max_iter=200, svd_method="randomized", random_state=seed
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        z = model.fit_transform(values)
    reconstruction = (z @ model.components_ + model.mean_).astype(np.float32)
    residual = values - reconstruction
    return Factors(
        reconstruction,
        reconstruction.var(axis=0, dtype=np.float64),
        {
            "components": count,
            "held_out_log_likelihood": curve.tolist(),
            "rmse": float(np.sqrt((residual.astype(np.float64) ** 2).mean())),
            "mean_noise_variance": float(model.noise_variance_.mean()),
            "iterations": int(model.n_iter_),
            "converged": not caught,  # scikit-learn warns where it did not
        },
    )


def _no_factors(values: NDArray[np.float32], curve: Floats) -> Factors:
    """Where nothing is shared, the reconstruction is the mean."""
    mean = np.broadcast_to(values.mean(axis=0), values.shape).astype(np.float32)
    calibration = {
        "components": 0,
        "held_out_log_likelihood": curve.tolist(),
        "rmse": float(values.std()),
        "mean_noise_variance": float(values.var(axis=0).mean()),
        "iterations": 0,
        "converged": True,
    }
    return Factors(mean, np.zeros(values.shape[1]), calibration)


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
