"""Decoys: columns that are related to nothing, sent through the same fit as the features.

A threshold is set so that a given share of unrelated genes reaches it, whatever the backend
makes of the data: no constant, and nothing to tune per data set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge2torch.netmodules._similarity import Similarity, blocks

_FEWEST = 50


@dataclass(frozen=True, eq=False)
class Padded:
    """Features with decoys behind them.

    ``values`` (samples, p + m); ``is_switch`` (p + m,); ``origin`` (m,) the feature that each
    decoy is a shuffled copy of.
    """

    values: NDArray[np.float32]
    is_switch: NDArray[np.bool_]
    origin: NDArray[np.int64]

    @property
    def n_features(self) -> int:
        """Number of features, decoys not counted."""
        return int(self.values.shape[1] - len(self.origin))


def add_decoys(
    values: NDArray[np.float32], is_switch: NDArray[np.bool_], most: int, seed: int
) -> Padded:
    """Shuffle copies of some features of each channel over the samples."""
    rng = np.random.default_rng([seed, 1])
    chosen = []
    for channel in (True, False):
        own = np.flatnonzero(is_switch == channel)
        if len(own):
            count = min(most, max(_FEWEST, len(own) // 4))
            chosen.append(rng.choice(own, count, replace=count > len(own)))
    origin = np.concatenate(chosen)
    decoys = rng.permuted(values[:, origin], axis=0)
    return Padded(
        values=np.concatenate([values, decoys], axis=1),
        is_switch=np.concatenate([is_switch, is_switch[origin]]),
        origin=origin,
    )


@dataclass(frozen=True)
class Thresholds:
    """Least similarity of two switches, two abundances, one of each; least explained variance."""

    switch: float
    abundance: float
    cross: float
    explained_switch: float = 0.0
    explained_abundance: float = 0.0


def explained_thresholds(found: Similarity, padded: Padded, rate: float) -> tuple[float, float]:
    """Explained variance that decoys of either channel hardly reach."""
    if found.explained is None:
        return 0.0, 0.0
    decoy = np.arange(len(padded.is_switch)) >= padded.n_features
    levels = []
    for channel in (True, False):
        own = found.explained[decoy & (padded.is_switch == channel)]
        levels.append(_level(own, rate) if len(own) else 0.0)
    return levels[0], levels[1]


def decoy_thresholds(found: Similarity, padded: Padded, rate: float) -> Thresholds:
    """The similarity that the closest feature of a decoy hardly reaches.

    A gene has two features at most, each of which may reach two kinds of features: each gets its
    part of the rate.
    """
    explained = explained_thresholds(found, padded, rate)
    p = padded.n_features
    kinds = padded.is_switch
    vectors = found.vectors
    best = np.zeros((len(padded.origin), 2))  # closest switch, closest abundance
    takes_part = np.ones(p, dtype=bool)
    if found.explained is not None:
        takes_part = found.explained[:p] > np.where(kinds[:p], *explained)
    for column, channel in enumerate((True, False)):
        own = np.flatnonzero((kinds[:p] == channel) & takes_part)
        if len(own):
            for rows, products in blocks(vectors[p:], vectors[own]):
                s = np.abs(products)
                s[padded.origin[rows, None] == own] = 0
                best[rows, column] = s.max(axis=1)
    is_switch = kinds[p:]
    each = rate / 2
    return Thresholds(
        switch=_level(best[is_switch, 0], each),
        abundance=_level(best[~is_switch, 1], each),
        cross=_level(np.concatenate([best[is_switch, 1], best[~is_switch, 0]]), each),
        explained_switch=explained[0],
        explained_abundance=explained[1],
    )


def _level(values: NDArray[np.float64], rate: float) -> float:
    return float(np.quantile(values, 1 - rate)) if len(values) else 1.0
