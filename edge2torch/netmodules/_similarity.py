"""What a backend is given, and what it returns: how similar two features are.

Similarities are inner products of short vectors, so that no p × p array is ever needed; or, where
a backend computes a list of pairs, that list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._decoys import Padded, Thresholds, explained_limits, thresholds_from
from edge2torch.netmodules._edges import Pairs, least_similarity, select_pairs, union
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._folder import Checkpoint

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_BLOCK = 4_000_000  # similarities held at once


@dataclass(frozen=True, eq=False)
class Request:
    """Standardised columns, decoys among them, and how to treat them.

    ``values`` (samples, p + m) float32; ``is_switch`` and ``gene`` (p + m,): a decoy has a gene
    of its own; ``names`` (p + m,) of the columns; ``n_features`` is p. ``progress`` prints a line,
    ``track`` counts steps under a name.
    """

    values: Floats
    is_switch: NDArray[np.bool_]
    gene: Ints
    names: list[str]
    n_features: int
    config: ModulesConfig
    seed: int
    progress: Callable[[str], None]
    track: Callable[[range, str], Iterable[int]]


@dataclass(frozen=True, eq=False)
class Similarity:
    """What a backend returns: s_ij = vectors_i · vectors_j for any two columns i and j.

    ``vectors`` (p + m, d) float32. ``explained`` (p + m,), if given, is the share of each column's
    variance that the backend's model carries: columns that carry no more than decoys do take no
    part. ``calibration`` is JSON.
    """

    vectors: Floats
    calibration: dict[str, Any]
    explained: NDArray[np.float64] | None = None
    checkpoint: Checkpoint | None = None

    def takes_part(
        self, is_switch: NDArray[np.bool_], limits: tuple[float, float]
    ) -> NDArray[np.bool_]:
        """Features (p,) that carry more than the decoys of their channel, switches first."""
        if self.explained is None:
            return np.ones(len(is_switch), dtype=bool)
        return np.asarray(self.explained[: len(is_switch)] > np.where(is_switch, *limits))

    def thresholds(self, padded: Padded, rate: float) -> Thresholds:
        """Similarities that the closest feature of a decoy hardly reaches."""
        p = padded.n_features
        is_switch = padded.is_switch[:p]
        explained = explained_limits(self.explained, padded, rate)
        takes_part = self.takes_part(is_switch, explained)
        closest = np.zeros((len(padded.origin), 2))  # switch, abundance
        for column, channel in enumerate((True, False)):
            candidates = np.flatnonzero((is_switch == channel) & takes_part)
            if len(candidates):
                for rows, products in blocks(self.vectors[p:], self.vectors[candidates]):
                    s = np.abs(products)
                    # a permutation may leave a copy much of the feature that it was made from
                    s[padded.origin[rows, None] == candidates] = 0
                    closest[rows, column] = s.max(axis=1)
        return thresholds_from(closest, padded, rate, explained)

    def pairs(self, features: Features, limits: Thresholds, config: ModulesConfig) -> Pairs:
        """All pairs of features above the threshold of their kind, each feature's strongest only."""
        p = len(features.gene)
        # the product of two vectors is weighted by the root of both reliabilities
        vectors = self.vectors[:p] * features.reliability.astype(np.float32)[:, None] ** 0.5
        vectors[~self.takes_part(features.is_switch, limits.explained)] = 0
        # above zero, so that unrelated features are no pairs where a threshold is 0
        lowest = max(least_similarity(limits, config).min(), np.finfo(np.float32).tiny)
        parts = []
        for rows, s in blocks(vectors, vectors):
            np.abs(s, out=s)
            at, second = np.nonzero(s >= lowest)
            found = at + rows.start, second, s[at, second]
            parts.append(select_pairs(found, features, limits, config))
        return union(parts, p)


@dataclass(frozen=True, eq=False, kw_only=True)
class Overlaps(Similarity):
    """Pairs of a column, decoys among them, with a feature; all other pairs count as unrelated."""

    first: Ints
    second: Ints
    weight: Floats

    def thresholds(self, padded: Padded, rate: float) -> Thresholds:
        """Overlaps that the closest feature of a decoy hardly reaches."""
        decoy = self.first - padded.n_features
        # negative rows are features; the maximum keeps the look-up within bounds until they go
        chosen = (decoy >= 0) & (padded.origin[np.maximum(decoy, 0)] != self.second)
        column = 1 - padded.is_switch[self.second[chosen]].astype(np.int64)  # switch, abundance
        closest = np.zeros((len(padded.origin), 2))
        np.maximum.at(closest, (decoy[chosen], column), self.weight[chosen])
        return thresholds_from(closest, padded, rate)

    def pairs(self, features: Features, limits: Thresholds, config: ModulesConfig) -> Pairs:
        """All pairs of features above the threshold of their kind, each feature's strongest only."""
        p = len(features.gene)
        listed = self.first < p  # decoys come behind the features
        first, second, weight = self.first[listed], self.second[listed], self.weight[listed]
        trust = features.reliability.astype(np.float32) ** 0.5
        found = first, second, weight * trust[first] * trust[second]
        return union([select_pairs(found, features, limits, config)], p)


def blocks(vectors: Floats, against: Floats) -> Iterator[tuple[slice, Floats]]:
    """Similarities of a few rows at a time with all of ``against``."""
    step = max(1, _BLOCK // max(len(against), 1))
    for first in range(0, len(vectors), step):
        rows = slice(first, min(first + step, len(vectors)))
        yield rows, vectors[rows] @ against.T


def standardised(values: NDArray[Any]) -> Floats:
    """Columns (samples, p) as vectors (p, samples) of unit length; constant ones become zero."""
    vectors = np.array(values.T, dtype=np.float32, order="C")
    vectors -= values.mean(axis=0)[:, None]
    size = np.sqrt(np.einsum("ps,ps->p", vectors, vectors, dtype=np.float64))
    # what rounding leaves of a constant column is no direction
    vectors /= np.where(size > 1e-9, size, np.inf)[:, None].astype(np.float32)
    return vectors
