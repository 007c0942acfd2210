"""Modules of the gene graph: proposed by communities, decided by eigengenes.

Modularity cannot see modules that are small beside the whole graph (its resolution limit,
doi:10.1073/pnas.0605965104). So each community is divided once more as a graph of its own, and the
parts are kept where their eigengenes differ; modules whose eigengenes agree are merged.

The gene graph proposes modules from pairs. A gene belongs to the module whose eigengene, made
without that gene's feature, it correlates with most: more than chance allows, and half as well as
the module's genes typically do. Chance is that of ``false_genes`` over all features of a gene and
all modules, so that background is not swept in whatever the backend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components

from edge2torch._core.messages import require
from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._similarity import Pairs

Ints = NDArray[np.int64]
NOWHERE = -1

_ROUNDS = 3  # of the test against eigengenes, which change with their members
_FAR = 0.5  # of the typical correlation of a module's genes; farther ones are not of it
_CHANNELS = 2  # features that a gene may be tested by


def find_modules(
    edges: pd.DataFrame, pairs: Pairs, features: Features, config: ModulesConfig, seed: int
) -> tuple[Ints, Ints, list[Ints]]:
    """Module of every gene (g,), the same before small ones dissolve, and features of each module."""
    smallest = config.min_module_size
    community = communities(edges, features.gene_ids, config, seed)
    labels, _ = named_by_size(community, smallest)
    if config.community == "leiden":
        labels = split(labels, edges, pairs, features, config, seed)
    labels = merge_alike(labels, members_of(labels, pairs, features), features, config.merge)
    labels, _ = named_by_size(labels, smallest)
    # Genes of no module keep their community, under numbers that no module has: whether they lie
    # in its core tells those outside a core from those of a module that is too small.
    every = np.where(labels >= 0, labels, community.max() + 1 + community)
    cored = core_of(every, edges, features.gene_ids, config.core)
    labels, _ = named_by_size(np.where(cored == labels, labels, NOWHERE), smallest)
    members = members_of(labels, pairs, features)
    if config.refine:
        labels, members = refine(labels, members, features, config)
    return labels, cored, members


def communities(
    edges: pd.DataFrame, gene_ids: NDArray[np.object_], config: ModulesConfig, seed: int
) -> Ints:
    """Community of every gene (g,); a gene without an edge is alone in its own."""
    n, (source, target) = len(gene_ids), _ends(edges, gene_ids)
    weight = edges["weight"].to_numpy() ** config.power
    if config.community == "components":
        graph = sparse.coo_matrix((weight, (source, target)), shape=(n, n))
        return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
    igraph = require("igraph", extra="modules")
    leiden = require("leidenalg", extra="modules")
    partition = leiden.find_partition(
        igraph.Graph(n=n, edges=np.column_stack([source, target])),
        leiden.RBConfigurationVertexPartition,
        weights=weight,
        resolution_parameter=config.resolution,
        seed=seed,
        n_iterations=-1,  # until nothing improves
    )
    return np.asarray(partition.membership, dtype=np.int64)


def _ends(edges: pd.DataFrame, gene_ids: NDArray[np.object_]) -> list[Ints]:
    """Positions of both ends of every edge."""
    index = pd.Index(gene_ids)
    return [index.get_indexer(pd.Index(edges[side])) for side in ("source", "target")]


def core_of(labels: Ints, edges: pd.DataFrame, gene_ids: NDArray[np.object_], k: int) -> Ints:
    """Labels of the genes that lie in the k-core of their own module; the rest nowhere."""
    if k < 1:
        return labels
    igraph = require("igraph", extra="modules")
    source, target = _ends(edges, gene_ids)
    inside = labels[source] == labels[target]
    graph = igraph.Graph(n=len(labels), edges=np.column_stack([source[inside], target[inside]]))
    return np.where(np.asarray(graph.coreness()) >= k, labels, NOWHERE)


def named_by_size(labels: Ints, smallest: int) -> tuple[Ints, Ints]:
    """Number modules from the largest, ties by their first gene, and the old label of each.

    Genes of modules that are too small are nowhere.
    """
    inside = np.flatnonzero(labels != NOWHERE)
    old, first, size = np.unique(labels[inside], return_index=True, return_counts=True)
    kept = size >= smallest
    old, first, size = old[kept], first[kept], size[kept]
    old = old[np.lexsort((first, -size))]
    number = np.full(int(labels.max(initial=0)) + 1, NOWHERE)
    number[old] = np.arange(len(old))
    # nowhere is -1, which would look up the last module
    named = np.where(labels != NOWHERE, number[np.maximum(labels, 0)], NOWHERE)
    return named.astype(np.int64), old.astype(np.int64)


def module_name(number: int) -> str:
    """``M000``, ``M001``, ..."""
    return f"M{number:03d}"


@dataclass(frozen=True, eq=False)
class Eigengenes:
    """``values`` (modules, samples); of each module its ``members`` and their ``loadings``."""

    values: NDArray[np.float64]
    members: list[Ints]
    loadings: list[NDArray[np.float64]]


def eigengenes(values: NDArray[np.float32], members: list[Ints]) -> Eigengenes:
    """First right singular vector of each module's standardised features.

    ``values`` (samples, p) are standardised. The sign makes it correlate with the features' mean;
    loading × feature, summed, gives the eigengene.
    """
    rows, loadings = [], []
    for features in members:
        x = values[:, features].astype(np.float64)
        # x is samples × features here, so that its left vectors run over samples
        left, size, right = np.linalg.svd(x, full_matrices=False)
        eigengene, loading = left[:, 0], right[0] / size[0]
        along = float(eigengene @ x.mean(axis=1))
        if along < 0 or (along == 0 and loading[np.abs(loading).argmax()] < 0):
            loading, eigengene = -loading, -eigengene
        rows.append(eigengene)
        loadings.append(loading)
    stacked = np.array(rows) if rows else np.empty((0, len(values)))
    return Eigengenes(stacked, members, loadings)


def leave_one_out(values: NDArray[np.float64], gene: Ints, n_genes: int) -> NDArray[np.float64]:
    """The eigengene of a module's features without those of each gene, (genes, samples).

    ``values`` (samples, m) are the module's standardised features, ``gene`` (m,) says whose each is.
    The sign is that of the whole module's eigengene; a gene that is the whole module has none.
    """
    whole = eigengenes(values.astype(np.float32), [np.arange(values.shape[1])]).values[0]
    samples, m = values.shape
    product = values.T @ values if m <= samples else values @ values.T  # the smaller of the two
    without = np.full((n_genes, samples), np.nan)
    for k in range(n_genes):
        removed, kept = np.flatnonzero(gene == k), np.flatnonzero(gene != k)
        if not len(kept):
            continue
        if m <= samples:
            left = values[:, kept] @ _first(product[np.ix_(kept, kept)])
            without[k] = left / np.linalg.norm(left)
        else:
            without[k] = _first(product - values[:, removed] @ values[:, removed].T)
    turned = np.where(without @ whole < 0, -1.0, 1.0)
    return np.asarray(without * turned[:, None])


def _first(product: NDArray[np.float64]) -> NDArray[np.float64]:
    """The eigenvector of the largest eigenvalue; no iteration that close ones could hold up."""
    last = len(product) - 1
    return np.asarray(eigh(product, subset_by_index=(last, last))[1][:, 0])


def members_of(labels: Ints, pairs: Pairs, features: Features) -> list[Ints]:
    """Features through which genes take part in each module: ends of its own pairs."""
    first, second = labels[features.gene[pairs.first]], labels[features.gene[pairs.second]]
    inside = (first == second) & (first >= 0)
    module = np.concatenate([first[inside]] * 2)
    feature = np.concatenate([pairs.first[inside], pairs.second[inside]])
    # each (module, feature) once, as one number
    both = np.unique(module * len(features.gene) + feature)
    module, feature = np.divmod(both, len(features.gene))
    count = int(labels.max(initial=-1)) + 1
    cuts = np.searchsorted(module, np.arange(1, count))
    return [part.astype(np.int64) for part in np.split(feature, cuts)] if count else []


def merge_alike(labels: Ints, members: list[Ints], features: Features, least: float) -> Ints:
    """Join modules whose eigengenes correlate, on average, by ``least`` or more."""
    if least >= 1 or len(members) < 2:
        return labels
    values = eigengenes(features.values, members).values
    # the sign of an eigengene says nothing: opposite ones are one module
    distance = 1 - np.abs(np.corrcoef(values))
    upper = distance[np.triu_indices(len(members), 1)].clip(0)
    group = fcluster(linkage(upper, "average"), 1 - least, "distance")
    # fcluster counts from 1
    return np.where(labels >= 0, group[labels] - 1, labels).astype(np.int64)


def split(
    labels: Ints,
    edges: pd.DataFrame,
    pairs: Pairs,
    features: Features,
    config: ModulesConfig,
    seed: int,
) -> Ints:
    """Divide until nothing falls apart; genes of small parts go nowhere."""
    ends = _ends(edges, features.gene_ids)
    waiting = [np.flatnonzero(labels == k) for k in range(int(labels.max(initial=-1)) + 1)]
    done: list[Ints] = []
    while waiting:
        genes = waiting.pop()
        parts = _parts(genes, ends, edges, pairs, features, config, seed)
        if len(parts) < 2:
            done.append(genes)
        else:
            waiting.extend(parts)
    final = np.full(len(labels), NOWHERE)
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
    within = edges[inside[ends[0]] & inside[ends[1]]]
    labels = np.full(len(inside), NOWHERE)
    labels[genes] = communities(within, features.gene_ids[genes], config, seed)
    labels, _ = named_by_size(labels, config.min_module_size)
    labels = merge_alike(labels, members_of(labels, pairs, features), features, config.merge)
    return [np.flatnonzero(labels == k) for k in range(int(labels.max(initial=-1)) + 1)]


def refine(
    labels: Ints, members: list[Ints], features: Features, config: ModulesConfig
) -> tuple[Ints, list[Ints]]:
    """Labels (g,) and the features of each module, after the test; small modules dissolve."""
    n, rank = len(features.values), features.design.rank
    for _ in range(_ROUNDS):
        count = len(members)
        if not count:
            break
        r = np.abs(correlations(features.values, members))
        least = significant_r(n, rank, config.false_genes / _CHANNELS / count)
        labels = _assign(labels, members, r, features, least)
        module = labels[features.gene]
        passes = [np.flatnonzero((module == k) & (r[:, k] >= least)) for k in range(count)]
        labels, kept = named_by_size(labels, config.min_module_size)
        members = [passes[k] for k in kept]
    return labels, members


def significant_r(n: int, rank: int, rate: float) -> float:
    """Least absolute correlation of n samples with a two-sided p-value of ``rate``.

    ``rank`` is the number of columns of the design, the intercept among them: each takes a degree
    of freedom.
    """
    freedom = max(n - rank - 1, 1)
    t = stats.t.isf(rate / 2, freedom)
    return float(t / np.sqrt(freedom + t**2))


def correlations(values: NDArray[np.float32], members: list[Ints]) -> NDArray[np.float64]:
    """Of every feature with every eigengene (p, modules), a feature's own part left out."""
    modules = eigengenes(values, members)
    n = len(values)
    r = (values.T @ modules.values.T.astype(np.float32)).astype(np.float64) / np.sqrt(n)
    for k, (chosen, loading) in enumerate(zip(modules.members, modules.loadings, strict=True)):
        # e - l x, correlated with x: x has length sqrt(n), e has length 1
        along = r[chosen, k] * np.sqrt(n) - loading * n
        size = np.sqrt(
            np.maximum(1 - 2 * loading * r[chosen, k] * np.sqrt(n) + loading**2 * n, 1e-12)
        )
        r[chosen, k] = along / (np.sqrt(n) * size) if len(chosen) > 1 else 0
    return np.asarray(r)


def _assign(
    labels: Ints, members: list[Ints], r: NDArray[np.float64], features: Features, least: float
) -> Ints:
    # of the two features of a gene the one that fits better speaks for it
    closest = np.zeros((len(features.gene_ids), len(members)))
    np.maximum.at(closest, features.gene, r)
    best = closest.argmax(axis=1)
    strength = closest[np.arange(len(best)), best]
    typical = np.array([np.median(closest[labels == k, k]) for k in range(len(members))])
    return np.where(strength >= np.maximum(least, _FAR * typical[best]), best, NOWHERE)


def closest_modules(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Of every module of the first: its size, the closest of the second, their Jaccard index."""
    sizes = [table.groupby("module_id").size() for table in (first, second)]
    shared = first.merge(second, on="gene_id").groupby(["module_id_x", "module_id_y"]).size()
    both = shared.rename("both").reset_index()
    either = both["module_id_x"].map(sizes[0]) + both["module_id_y"].map(sizes[1]) - both["both"]
    both["jaccard"] = both["both"] / either
    # stable, so that of equally close modules the first is named
    both = both.sort_values("jaccard", ascending=False, kind="stable")
    best = both.drop_duplicates("module_id_x").set_index("module_id_x").reindex(sizes[0].index)
    return pd.DataFrame(
        {
            "module_id": sizes[0].index,
            "genes": sizes[0].to_numpy(),
            "closest": best["module_id_y"].to_numpy(),
            "jaccard": best["jaccard"].fillna(0.0).to_numpy(),
        }
    )
