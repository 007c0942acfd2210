"""Factor analysis of one channel, and how many factors there are."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import require
from edge2torch.netmodules._config import LatentConfig

Floats = NDArray[np.float64]
_CLEARLY = 1.05


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
    size, basis = np.linalg.eigh((train @ train.T).astype(np.float64))
    size, basis = size[::-1][:most], basis[:, ::-1][:, :most]
    variance = np.maximum(size / n, 1e-12)
    total = float((train.astype(np.float64) ** 2).sum()) / n
    along = (test @ (train.T @ basis.astype(np.float32))).astype(np.float64)
    along = along**2 / np.maximum(size, 1e-12)  # squared coordinates on each axis
    k = np.arange(1, most + 1)
    noise = np.maximum(total - np.cumsum(variance), 1e-9) / np.maximum(p - k, 1)
    log_det = np.cumsum(np.log(variance)) + (p - k) * np.log(noise)
    whole = (test.astype(np.float64) ** 2).sum(axis=1)
    inside = np.cumsum(along / variance, axis=1)
    outside = (whole[:, None] - np.cumsum(along, axis=1)) / noise
    found: Floats = -0.5 * (
        len(test) * (p * np.log(2 * np.pi) + log_det) + (inside + outside).sum(axis=0)
    )
    return found


def best_count(values: NDArray[np.float32], config: LatentConfig, seed: int) -> tuple[int, Floats]:
    """How many factors there are, and the held-out likelihood of 1, 2, ... of them.

    The number with the best likelihood, or that of eigenvalues clearly above the largest of
    shuffled data (parallel analysis, doi:10.1007/BF02289447) if it is larger: the likelihood does
    not pay for small modules. 0 where neither finds any.
    """
    n, p = values.shape
    smallest = n - int(np.ceil(n / config.folds)) - 1
    most = max(1, min(config.max_components, smallest, p - 1))
    curve = held_out_likelihood(values, most, min(config.folds, n), seed)
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
    found = (z @ model.components_ + model.mean_).astype(np.float32)
    explained = found.var(axis=0, dtype=np.float64)
    residual = values - found
    return Factors(
        found,
        explained,
        {
            "components": count,
            "held_out_log_likelihood": [float(value) for value in curve],
            "rmse": float(np.sqrt((residual.astype(np.float64) ** 2).mean())),
            "mean_noise_variance": float(model.noise_variance_.mean()),
            "iterations": int(model.n_iter_),
            "converged": not caught,
        },
    )


def _no_factors(values: NDArray[np.float32], curve: Floats) -> Factors:
    """What is left to say where nothing is shared: the mean."""
    found = np.broadcast_to(values.mean(axis=0), values.shape).astype(np.float32)
    calibration = {
        "components": 0,
        "held_out_log_likelihood": [float(value) for value in curve],
        "rmse": float(values.std()),
        "mean_noise_variance": float(values.var(axis=0).mean()),
        "iterations": 0,
        "converged": True,
    }
    return Factors(found, np.zeros(values.shape[1]), calibration)
