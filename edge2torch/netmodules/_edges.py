"""From pairs of similar features to a graph of genes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._decoys import Thresholds
from edge2torch.netmodules._features import ABUNDANCE, SWITCH, Features

_GRID = np.round(np.arange(0.2, 0.96, 0.05), 2)
_GIANT = 0.3  # share of the connected genes that makes a component of switches a hairball

Ints = NDArray[np.int64]
Part = tuple[Ints, Ints, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of features of two genes, ``first`` < ``second``, with a similarity each."""

    first: Ints
    second: Ints
    weight: NDArray[np.float32]

    def where(self, kept: NDArray[np.bool_]) -> Pairs:
        """Return the pairs that are kept."""
        return Pairs(self.first[kept], self.second[kept], self.weight[kept])


def least_similarity(limits: Thresholds, config: ModulesConfig) -> NDArray[np.float32]:
    """Threshold by the kinds of both features, 0 for an abundance and 1 for a switch."""
    both = limits.abundance if config.allow_abundance_abundance else np.inf
    return np.array([[both, limits.cross], [limits.cross, limits.switch]], np.float32)


def select_pairs(
    pairs: Part, features: Features, limits: Thresholds, config: ModulesConfig
) -> Part:
    """Pairs above the threshold of their kind, of each first feature its strongest only."""
    first, second, weight = pairs
    kind = features.is_switch.astype(np.int64)
    kept = _may_join(first, second, features)
    kept &= weight >= least_similarity(limits, config)[kind[first], kind[second]]
    return _strongest(first[kept], second[kept], weight[kept], config.max_neighbors)


def _may_join(first: Ints, second: Ints, features: Features) -> NDArray[np.bool_]:
    """Pairs of two genes; of two kinds only where not both genes have a switch."""
    kind, gene = features.is_switch, features.gene
    has_switch = np.zeros(len(features.gene_ids), dtype=bool)
    has_switch[gene[kind]] = True
    both = has_switch[gene[first]] & has_switch[gene[second]]
    crossed = (kind[first] != kind[second]) & both
    return np.asarray((gene[first] != gene[second]) & ~crossed)


def _strongest(first: Ints, second: Ints, weight: NDArray[np.float32], most: int) -> Part:
    """Of each first its ``most`` largest weights, all of those that are as large as the last."""
    order = np.lexsort((-weight, first))  # the last key sorts first: by row, heaviest ahead
    first, second, weight = first[order], second[order], weight[order]
    # ties stay together: which of them came first depends on the order of the genes
    start, end = np.searchsorted(first, first), np.searchsorted(first, first, side="right")
    last = weight[np.minimum(start + most, end) - 1]
    kept = weight >= last
    return first[kept], second[kept], weight[kept]


def union(parts: list[Part], p: int) -> Pairs:
    """Pairs that come from either end or from both, each once."""
    rows, columns, weight = (np.concatenate([part[k] for part in parts]) for k in range(3))
    low, high = np.minimum(rows, columns), np.maximum(rows, columns)
    _, at = np.unique(low * p + high, return_index=True)  # int64: p * p is below 2 ** 63
    return Pairs(low[at].astype(np.int64), high[at].astype(np.int64), weight[at])


def gene_edges(pairs: Pairs, features: Features) -> pd.DataFrame:
    """One edge per pair of genes; the strongest pair of features speaks for it."""
    a, b = features.gene[pairs.first], features.gene[pairs.second]
    flip = a > b
    source, target = np.where(flip, b, a), np.where(flip, a, b)
    mine = np.where(flip, pairs.second, pairs.first)
    other = np.where(flip, pairs.first, pairs.second)
    # by edge, the heaviest pair ahead; features decide ties, so that the result has one order
    order = np.lexsort((other, mine, -pairs.weight, target, source))
    source, target, mine, other = source[order], target[order], mine[order], other[order]
    weight = pairs.weight[order]
    first = np.ones(len(source), dtype=bool)
    first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    ids = features.table["feature_id"].to_numpy()
    kinds = np.where(features.is_switch, SWITCH, ABUNDANCE).astype(object)
    return pd.DataFrame(
        {
            "source": features.gene_ids[source[first]],
            "target": features.gene_ids[target[first]],
            # rounding takes products of unit vectors a little above 1
            "weight": np.minimum(weight[first], 1.0).astype(np.float64),
            "source_feature": ids[mine[first]],
            "target_feature": ids[other[first]],
            "source_type": kinds[mine[first]],
            "target_type": kinds[other[first]],
        }
    )


def grid_threshold_abundance(pairs: Pairs, features: Features) -> float:
    """Smallest value at which abundances join no two multi-gene components of the rest."""
    kinds = features.is_switch
    both = ~kinds[pairs.first] & ~kinds[pairs.second]
    rest, added = pairs.where(~both), pairs.where(both)
    label, size = _components(rest, features)
    a, b = label[features.gene[added.first]], label[features.gene[added.second]]
    joins = (a != b) & (size[a] > 1) & (size[b] > 1)
    for value in _GRID:
        if not (joins & (added.weight >= value)).any():
            return float(value)
    return float(np.nextafter(1.0, 0))  # only identical profiles are joined


def grid_threshold_switch(pairs: Pairs, features: Features) -> float:
    """Smallest value at which the largest component holds less than 30 % of connected genes."""
    kinds = features.is_switch
    both = pairs.where(kinds[pairs.first] & kinds[pairs.second])
    for value in _GRID:
        _, size = _components(both.where(both.weight >= value), features)
        connected = size[size > 1].sum()
        if connected == 0 or size.max() < _GIANT * connected:
            return float(value)
    return float(_GRID[-1])


def _components(pairs: Pairs, features: Features) -> tuple[Ints, Ints]:
    """Component of every gene, and the size of every component."""
    n = len(features.gene_ids)
    ends = (features.gene[pairs.first], features.gene[pairs.second])
    graph = sparse.coo_matrix((np.ones(len(pairs.first)), ends), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    return label.astype(np.int64), np.bincount(label, minlength=count).astype(np.int64)
