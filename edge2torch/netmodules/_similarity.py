"""What a backend says of pairs of features: decoys, thresholds, and the graph of genes that follows.

Decoys are columns that are related to nothing, sent through the same fit as the features. A
threshold is set so that a given share of unrelated genes reaches it, whatever the backend makes of
the data: no constant, and nothing to tune per data set. Similarities are inner products of short
vectors, so that no p × p array is ever needed; or, where a backend computes a list of pairs, that list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from torch import nn

from edge2torch.compile import CompileArtifact
from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._features import ABUNDANCE, SWITCH, Features

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


Floats = NDArray[np.float32]

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
class Checkpoint:
    """A fitted encoder and decoder; both are compiled graphs with node names.

    Parameters
    ----------
    encoder, decoder : Module
        The encoder takes standardised feature scores (b, features) and returns (b, 2k): means of
        the latents, then what the softplus makes their standard deviations
        of. The decoder takes latents (b, k) and returns standardised scores (b, features).
    encoder_artifact, decoder_artifact : CompileArtifact
        Names of their inputs and outputs. Latents are ``z0``, ``z1``, ...; the encoder's outputs
        are the latents' names followed by ``z0 (spread)``, ...
    """

    encoder: nn.Module
    decoder: nn.Module
    encoder_artifact: CompileArtifact
    decoder_artifact: CompileArtifact


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
