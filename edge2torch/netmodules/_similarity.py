"""Similarity as inner products of short vectors, so that no p × p array is ever needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch.netmodules._checkpoint import Checkpoint

Floats = NDArray[np.float32]

_BLOCK = 4_000_000  # similarities held at once


@dataclass(frozen=True, eq=False)
class Similarity:
    """What a backend returns: s_ij = vectors_i · vectors_j for any two columns i and j.

    ``vectors`` (p, d) float32. ``explained`` (p,), if given, is the share of each column's
    variance that the backend's model carries: columns that carry no more than decoys do take no
    part. ``calibration`` is JSON.
    """

    vectors: Floats
    calibration: dict[str, Any]
    explained: NDArray[np.float64] | None = None
    checkpoint: Checkpoint | None = field(default=None)


def blocks(vectors: Floats, against: Floats) -> Iterator[tuple[slice, Floats]]:
    """Similarities of a few rows at a time with all of ``against``."""
    step = max(1, _BLOCK // max(len(against), 1))
    for first in range(0, len(vectors), step):
        rows = slice(first, min(first + step, len(vectors)))
        yield rows, vectors[rows] @ against.T


def standardised(values: NDArray[Any]) -> Floats:
    """Columns (samples, p) as vectors (p, samples) of unit length; still columns become zero."""
    vectors = np.array(values.T, dtype=np.float32, order="C")
    vectors -= values.mean(axis=0)[:, None]
    size = np.sqrt(np.einsum("ps,ps->p", vectors, vectors, dtype=np.float64))
    vectors /= np.where(size > 1e-9, size, np.inf)[:, None].astype(np.float32)
    return vectors


def partial_correlations(values: NDArray[Any]) -> tuple[Floats, float]:
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
    root = basis / np.sqrt(noise / signal + np.maximum(eigenvalues, 0))
    vectors = (x.T @ root.astype(np.float32)).astype(np.float32)
    rest = 1 - (vectors.astype(np.float64) ** 2).sum(axis=1)
    vectors /= np.sqrt(np.maximum(rest, 1e-9))[:, None].astype(np.float32)
    return vectors, delta


def ledoit_wolf_shrinkage(x: NDArray[Any], gram: NDArray[np.float64]) -> float:
    """Shrinkage towards the scaled identity, from the Gram matrix of centred x (n, p)."""
    n, p = x.shape
    size = float((gram**2).sum()) / n**2  # squared entries of the covariance
    mean_variance = float(np.trace(gram)) / (n * p)
    spread = size - p * mean_variance**2
    fourth = float((np.diag(gram) ** 2).sum())
    noise = (fourth / n - size) / n
    return float(np.clip(min(noise, spread) / spread, 0, 1)) if spread > 0 else 1.0
