"""Modules that say the same become one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from edge2torch.netmodules._eigengenes import eigengenes
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._gene_graph import Pairs

Ints = NDArray[np.int64]


def members_of(labels: Ints, pairs: Pairs, features: Features, count: int) -> list[Ints]:
    """Features through which genes take part in each module: ends of its own pairs."""
    first, second = labels[features.gene[pairs.first]], labels[features.gene[pairs.second]]
    inside = (first == second) & (first >= 0)
    module = np.concatenate([first[inside]] * 2)
    feature = np.concatenate([pairs.first[inside], pairs.second[inside]])
    both = np.unique(module * len(features.gene) + feature)
    module, feature = np.divmod(both, len(features.gene))
    cuts = np.searchsorted(module, np.arange(1, count))
    return [part.astype(np.int64) for part in np.split(feature, cuts)] if count else []


def merge_alike(labels: Ints, members: list[Ints], features: Features, least: float) -> Ints:
    """Join modules whose eigengenes correlate, on average, by ``least`` or more."""
    if least >= 1 or len(members) < 2:
        return labels
    values = eigengenes(features.values, members).values
    distance = 1 - np.abs(np.corrcoef(values))
    upper = distance[np.triu_indices(len(members), 1)].clip(0)
    group = fcluster(linkage(upper, "average"), 1 - least, "distance")
    return np.where(labels >= 0, group[labels] - 1, labels).astype(np.int64)
