"""Topological overlaps: similarities that come as a list of pairs, thresholds and rules included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._decoys import Padded, Thresholds
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._gene_graph import (
    Pairs,
    least_similarity,
    may_join,
    strongest,
    union,
)
from edge2torch.netmodules._similarity import Similarity

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Overlaps(Similarity):
    """Pairs of a column, decoys among them, with a feature; all other pairs count as unrelated."""

    first: Ints
    second: Ints
    weight: NDArray[np.float32]


def overlap_thresholds(found: Overlaps, padded: Padded, rate: float) -> Thresholds:
    """The overlap that the closest feature of a decoy hardly reaches, as for other similarities."""
    p, kinds = padded.n_features, padded.is_switch
    decoy = found.first - p
    own = (decoy >= 0) & (padded.origin[np.maximum(decoy, 0)] != found.second)
    best = np.zeros((len(padded.origin), 2))  # closest switch, closest abundance
    np.maximum.at(
        best, (decoy[own], 1 - kinds[found.second[own]].astype(np.int64)), found.weight[own]
    )
    is_switch = kinds[p:]

    def level(values: NDArray[np.float64]) -> float:
        return float(np.quantile(values, 1 - rate / 2)) if len(values) else 1.0

    return Thresholds(
        switch=level(best[is_switch, 0]),
        abundance=level(best[~is_switch, 1]),
        cross=level(np.concatenate([best[is_switch, 1], best[~is_switch, 0]])),
    )


def overlapping_pairs(
    found: Overlaps, features: Features, limits: Thresholds, config: ModulesConfig
) -> Pairs:
    """All pairs of features above the threshold of their kind, each feature's strongest only."""
    p, kind = len(features.gene), features.is_switch.astype(np.int64)
    own = found.first < p
    first, second, weight = found.first[own], found.second[own], found.weight[own]
    trust = features.reliability.astype(np.float32) ** 0.5
    weight = weight * trust[first] * trust[second]
    kept = may_join(first, second, features)
    kept &= weight >= least_similarity(limits, config)[kind[first], kind[second]]
    part = strongest(first[kept], second[kept], weight[kept], config.max_neighbors)
    return union([part], p)
