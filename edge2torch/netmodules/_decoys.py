"""Decoys: columns that are related to nothing, sent through the same fit as the features.

A threshold is set so that a given share of unrelated genes reaches it, whatever the backend
makes of the data: no constant, and nothing to tune per data set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MIN_DECOYS = 50  # of a channel, however small: a quantile of .99 needs some


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
    # The second number keeps this stream apart from those of folds (2), parallel analysis (3) and
    # subsamples (7), which start from the same seed.
    rng = np.random.default_rng([seed, 1])
    chosen = []
    for channel in (True, False):
        candidates = np.flatnonzero(is_switch == channel)
        if len(candidates):
            # a quarter: each decoy also takes part in the fit and makes it slower
            count = min(most, max(_MIN_DECOYS, len(candidates) // 4))
            chosen.append(rng.choice(candidates, count, replace=count > len(candidates)))
    origin = np.concatenate(chosen)
    # Each column on its own: a common permutation would keep the correlations between decoys.
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

    @property
    def explained(self) -> tuple[float, float]:
        """Least explained variance of a switch, and of an abundance."""
        return self.explained_switch, self.explained_abundance


def explained_limits(
    explained: NDArray[np.float64] | None, padded: Padded, rate: float
) -> tuple[float, float]:
    """Explained variance (p + m,) that hardly a decoy reaches, of switches and of abundances."""
    if explained is None:
        return 0.0, 0.0
    decoys, is_switch = explained[padded.n_features :], padded.is_switch[padded.n_features :]
    # without a decoy of the channel there is no feature of it either
    switch, abundance = (
        _level(part, rate) if len(part) else 0.0 for part in (decoys[is_switch], decoys[~is_switch])
    )
    return switch, abundance


def thresholds_from(
    closest: NDArray[np.float64],
    padded: Padded,
    rate: float,
    explained: tuple[float, float] = (0.0, 0.0),
) -> Thresholds:
    """Thresholds from each decoy's similarity to its closest switch and abundance, (m, 2)."""
    is_switch = padded.is_switch[padded.n_features :]
    # A gene has two features at most, each of which may reach two kinds of features: each kind
    # gets half of the rate.
    each = rate / 2
    return Thresholds(
        switch=_level(closest[is_switch, 0], each),
        abundance=_level(closest[~is_switch, 1], each),
        cross=_level(np.concatenate([closest[is_switch, 1], closest[~is_switch, 0]]), each),
        explained_switch=explained[0],
        explained_abundance=explained[1],
    )


def _level(values: NDArray[np.float64], rate: float) -> float:
    return float(np.quantile(values, 1 - rate)) if len(values) else 1.0
