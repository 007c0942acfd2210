"""Communities that hold several modules fall apart.

Modularity cannot see modules that are small beside the whole graph (its resolution limit,
doi:10.1073/pnas.0605965104). So each community is divided once more as a graph of its own, and the
parts are kept where their eigengenes say different things.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.netmodules._communities import communities, named_by_size
from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._gene_graph import Pairs
from edge2torch.netmodules._merge import members_of, merge_alike

Ints = NDArray[np.int64]


def split(
    labels: Ints,
    edges: pd.DataFrame,
    pairs: Pairs,
    features: Features,
    config: ModulesConfig,
    seed: int,
) -> Ints:
    """Divide until nothing falls apart; genes of small parts go nowhere."""
    index = pd.Index(features.gene_ids)
    ends = [index.get_indexer(pd.Index(edges[side])) for side in ("source", "target")]
    waiting = [np.flatnonzero(labels == k) for k in range(int(labels.max(initial=-1)) + 1)]
    done: list[Ints] = []
    while waiting:
        genes = waiting.pop()
        parts = _parts(genes, ends, edges, pairs, features, config, seed)
        if len(parts) < 2:
            done.append(genes)
        else:
            waiting.extend(parts)
    final = np.full(len(labels), -1)
    for k, genes in enumerate(done):
        final[genes] = k
    return named_by_size(final, config.min_module_size)[0]


def _parts(
    genes: Ints,
    ends: list[Ints],
    edges: pd.DataFrame,
    pairs: Pairs,
    features: Features,
    config: ModulesConfig,
    seed: int,
) -> list[Ints]:
    if len(genes) < 2 * config.min_module_size:
        return []
    inside = np.zeros(len(features.gene_ids), dtype=bool)
    inside[genes] = True
    own = edges[inside[ends[0]] & inside[ends[1]]]
    found = np.full(len(inside), -1)
    found[genes] = communities(own, features.gene_ids[genes], config, seed)
    found, _ = named_by_size(found, config.min_module_size)
    members = members_of(found, pairs, features, int(found.max(initial=-1)) + 1)
    found = merge_alike(found, members, features, config.merge)
    return [np.flatnonzero(found == k) for k in range(int(found.max(initial=-1)) + 1)]
