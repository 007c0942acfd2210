"""Who belongs to a module: a test of every gene against the eigengenes.

The gene graph proposes modules from pairs. A gene belongs to the module whose eigengene, made
without that gene's feature, it correlates with most: more than chance allows, and half as well as
the module's genes typically do. Chance is that of ``false_genes`` over all features of a gene and
all modules, so that background is not swept in whatever the backend.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edge2torch.netmodules._communities import NOWHERE, named_by_size
from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._eigengenes import eigengenes
from edge2torch.netmodules._features import Features

Ints = NDArray[np.int64]
_ROUNDS = 3
_FAR = 0.5  # of the typical correlation of a module's genes; farther ones are not of it
_CHANNELS = 2


def refine(
    labels: Ints, members: list[Ints], features: Features, config: ModulesConfig, rank: int
) -> tuple[Ints, list[Ints]]:
    """Labels (g,) and the features of each module, after the test; small modules dissolve.

    ``rank`` is the number of columns of the design: correlations have so many degrees less.
    """
    for _ in range(_ROUNDS):
        count = len(members)
        if not count:
            break
        r = np.abs(correlations(features.values, members))
        least = significant_r(len(features.values), rank, config.false_genes / _CHANNELS / count)
        labels = _assign(labels, members, r, features, least)
        module = labels[features.gene]
        passes = [np.flatnonzero((module == k) & (r[:, k] >= least)) for k in range(count)]
        labels, kept = named_by_size(labels, config.min_module_size)
        members = [passes[k] for k in kept]
    return labels, members


def significant_r(n: int, rank: int, rate: float) -> float:
    """Least absolute correlation of n samples with a two-sided p-value of ``rate``."""
    freedom = max(n - rank - 1, 1)
    t = stats.t.isf(rate / 2, freedom)
    return float(t / np.sqrt(freedom + t**2))


def correlations(values: NDArray[np.float32], members: list[Ints]) -> NDArray[np.float64]:
    """Of every feature with every eigengene (p, modules), a feature's own part left out."""
    found = eigengenes(values, members)
    n = len(values)
    r = (values.T @ found.values.T.astype(np.float32)).astype(np.float64) / np.sqrt(n)
    for k, (own, loading) in enumerate(zip(found.members, found.loadings, strict=True)):
        # e - l x, correlated with x: x has length sqrt(n), e has length 1
        along = r[own, k] * np.sqrt(n) - loading * n
        size = np.sqrt(np.maximum(1 - 2 * loading * r[own, k] * np.sqrt(n) + loading**2 * n, 1e-12))
        r[own, k] = along / (np.sqrt(n) * size) if len(own) > 1 else 0
    return np.asarray(r)


def _assign(
    labels: Ints,
    members: list[Ints],
    r: NDArray[np.float64],
    features: Features,
    least: float,
) -> Ints:
    closest = np.zeros((len(features.gene_ids), len(members)))
    np.maximum.at(closest, features.gene, r)
    best = closest.argmax(axis=1)
    strength = closest[np.arange(len(best)), best]
    typical = np.array([np.median(closest[labels == k, k]) for k in range(len(members))])
    return np.where(strength >= np.maximum(least, _FAR * typical[best]), best, NOWHERE)
