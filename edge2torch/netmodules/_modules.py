"""Modules of the gene graph: Leiden or connected components, then core and size."""

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
from edge2torch.netmodules._edges import Pairs
from edge2torch.netmodules._features import Features

Ints = NDArray[np.int64]
NOWHERE = -1

_ROUNDS = 3
_FAR = 0.5  # of the typical correlation of a module's genes; farther ones are not of it
_CHANNELS = 2


def communities(edges: pd.DataFrame, gene_ids: NDArray[np.object_], config: ModulesConfig,
                seed: int) -> Ints:  # fmt: skip
    """Community of every gene (g,); a gene without an edge is alone in its own."""
    index = pd.Index(gene_ids)
    source, target = (
        index.get_indexer(pd.Index(edges["source"])),
        index.get_indexer(pd.Index(edges["target"])),
    )
    weight = edges["weight"].to_numpy() ** config.power
    if config.community == "components":
        graph = sparse.coo_matrix((weight, (source, target)), shape=(len(index), len(index)))
        return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
    igraph = require("igraph", extra="modules")
    leiden = require("leidenalg", extra="modules")
    graph = igraph.Graph(n=len(index), edges=np.column_stack([source, target]))
    found = leiden.find_partition(
        graph,
        leiden.RBConfigurationVertexPartition,
        weights=weight,
        resolution_parameter=config.resolution,
        seed=seed,
        n_iterations=-1,
    )
    return np.asarray(found.membership, dtype=np.int64)


def core_of(labels: Ints, edges: pd.DataFrame, gene_ids: NDArray[np.object_], k: int) -> Ints:
    """Labels of the genes that lie in the k-core of their own module; the rest nowhere."""
    if k < 1:
        return labels
    igraph = require("igraph", extra="modules")
    index = pd.Index(gene_ids)
    source, target = (
        index.get_indexer(pd.Index(edges["source"])),
        index.get_indexer(pd.Index(edges["target"])),
    )
    inside = labels[source] == labels[target]
    graph = igraph.Graph(n=len(index), edges=np.column_stack([source[inside], target[inside]]))
    return np.where(np.asarray(graph.coreness()) >= k, labels, NOWHERE)


def named_by_size(labels: Ints, smallest: int) -> tuple[Ints, Ints]:
    """Number modules from the largest, ties by their first gene, and the old label of each.

    Genes of modules that are too small are nowhere.
    """
    inside = np.flatnonzero(labels != NOWHERE)
    found, first, size = np.unique(labels[inside], return_index=True, return_counts=True)
    kept = size >= smallest
    found, first, size = found[kept], first[kept], size[kept]
    found = found[np.lexsort((first, -size))]
    number = np.full(int(labels.max(initial=0)) + 1, NOWHERE)
    number[found] = np.arange(len(found))
    named = np.where(labels != NOWHERE, number[np.maximum(labels, 0)], NOWHERE)
    return named.astype(np.int64), found.astype(np.int64)


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
    for own in members:
        x = values[:, own].astype(np.float64)
        left, size, right = np.linalg.svd(x, full_matrices=False)
        loading = right[0] / size[0]
        eigengene = left[:, 0]
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
    found = np.full((n_genes, samples), np.nan)
    for k in range(n_genes):
        own, kept = np.flatnonzero(gene == k), np.flatnonzero(gene != k)
        if not len(kept):
            continue
        if m <= samples:
            left = values[:, kept] @ _first(product[np.ix_(kept, kept)])
            found[k] = left / np.linalg.norm(left)
        else:
            found[k] = _first(product - values[:, own] @ values[:, own].T)
    turned = np.where(found @ whole < 0, -1.0, 1.0)
    return np.asarray(found * turned[:, None])


def _first(product: NDArray[np.float64]) -> NDArray[np.float64]:
    """The eigenvector of the largest eigenvalue; no iteration that close ones could hold up."""
    last = len(product) - 1
    return np.asarray(eigh(product, subset_by_index=(last, last))[1][:, 0])


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
