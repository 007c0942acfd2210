"""Graphs of the same shape that know nothing: which features a node reads is drawn anew."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.interpret import rewire

Floats = NDArray[np.float64]
Make = Callable[[pd.DataFrame, pd.DataFrame, int], pd.DataFrame]

_BINS, _SMALLEST_BIN = 20, 5


def rewired(edges: pd.DataFrame, _data: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Edges exchange their targets; every node keeps its number of edges."""
    return rewire(edges, "degree", seed=seed)


def permuted_genes(edges: pd.DataFrame, data: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Features exchange their names with others of about the same mean."""
    rng = np.random.default_rng(seed)
    names = _features(edges)
    mean = data[names].mean().to_numpy(np.float64)
    order = np.lexsort((rng.random(len(names)), mean))
    n_bins = max(min(_BINS, len(names) // _SMALLEST_BIN), 1)
    other = np.arange(len(names))
    for part in np.array_split(order, n_bins):
        other[part] = rng.permutation(part)
    new = dict(zip(names, names[other], strict=True))
    return edges.assign(source=edges["source"].map(lambda name: new.get(name, name)))


def random_sets(edges: pd.DataFrame, _data: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Every node reads as many features as before, any of those that the graph knows."""
    rng = np.random.default_rng(seed)
    names = _features(edges)
    return _replaced(edges, names, lambda size: rng.choice(len(names), size, replace=False))


def co_expression(edges: pd.DataFrame, data: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Every node reads as many features as before: a random one, and those that go with it most."""
    rng = np.random.default_rng(seed)
    names = _features(edges)
    values = data[names].to_numpy(np.float64)
    values = np.where(np.isnan(values), np.nanmean(values, axis=0), values)
    values -= values.mean(axis=0)
    values /= np.maximum(np.sqrt((values**2).sum(axis=0)), 1e-12)

    def module(size: int) -> NDArray[np.int64]:
        first = rng.integers(len(names))
        near = np.abs(values.T @ values[:, first])
        near[first] = np.inf
        return np.argsort(-near, kind="stable")[:size]

    return _replaced(edges, names, module)


# By the name of the control: what has to be beaten for knowledge to be worth something.
IGNORANT: dict[str, Make] = {
    "rewired": rewired,
    "permuted genes": permuted_genes,
    "random sets": random_sets,
    "co-expression modules": co_expression,
}


def _features(edges: pd.DataFrame) -> NDArray[np.object_]:
    return np.array(sorted(set(edges["source"]) - set(edges["target"])), object)


def _replaced(
    edges: pd.DataFrame, names: NDArray[np.object_], draw: Callable[[int], NDArray[np.int64]]
) -> pd.DataFrame:
    """Let every node read other features, as many as it read."""
    source = edges["source"].to_numpy(object).copy()
    read = np.flatnonzero(edges["source"].isin(names))
    for rows in edges.iloc[read].groupby("target", sort=True).indices.values():
        source[read[rows]] = names[draw(len(rows))]
    return edges.assign(source=source)
