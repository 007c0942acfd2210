"""Random edge tables for tests, benchmarks and simulations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]

_PATIENCE = 50  # rounds of heavy-tailed draws; once the hubs are full the rest is drawn evenly


def random_dag(
    n_nodes: int,
    n_edges: int,
    seed: int = 0,
    *,
    n_inputs: int | None = None,
    weighted: float = 0.0,
    constrained: float = 0.0,
) -> pd.DataFrame:
    """Draw a random acyclic edge table, with skip edges and outputs at any depth.

    Parameters
    ----------
    n_nodes : int
        Number of nodes, at least 2; all of them appear in the table.
    n_edges : int
        Number of edges; no edge appears twice.
    seed : int, default 0
        Same seed, same table.
    n_inputs : int, optional
        Nodes without incoming edges. Left out: a quarter of the nodes, at least one.
    weighted : float, default 0.0
        Fraction of edges that get an ``initial_weight``; with 0 the column is absent.
    constrained : float, default 0.0
        Fraction of edges that get a ``constraint``: ``positive``, ``negative`` or ``fixed``. A
        fixed edge also gets an ``initial_weight``, and every weight agrees with its constraint.
        With 0 the column is absent.

    Returns
    -------
    pandas.DataFrame
        Columns ``source``, ``target`` and, when asked for, ``initial_weight``, ``constraint``;
        rows in random order.

    Raises
    ------
    Edge2TorchError
        When the number of edges is too small to connect all nodes, or too large to fit.

    Examples
    --------
    >>> from edge2torch.simulate import random_dag
    >>> edges = random_dag(20, 50, seed=1, n_inputs=6)
    >>> len(edges), len(set(edges["source"]) | set(edges["target"]))
    (50, 20)
    >>> len(set(edges["source"]) - set(edges["target"]))
    6
    """
    first = max(1, n_nodes // 4) if n_inputs is None else n_inputs
    if n_nodes < 2 or not 1 <= first < n_nodes:
        raise Edge2TorchError(
            f"n_inputs: {first} of n_nodes={n_nodes}. At least one node must be an input and one not."
        )
    rng = np.random.default_rng(seed)
    later = np.arange(first, n_nodes)
    parent = (rng.random(later.size) * later).astype(np.int64)  # one earlier node for each
    idle = np.setdiff1d(np.arange(first), parent)
    needed = np.concatenate(
        [parent * n_nodes + later, idle * n_nodes + rng.choice(later, idle.size)]
    )
    room = int(later.sum())
    if not needed.size <= n_edges <= room:
        raise Edge2TorchError(
            f"n_edges: {n_edges} edges for {n_nodes} nodes of which {first} are inputs. "
            f"This draw needs at least {needed.size} and has room for {room}."
        )

    upto = np.cumsum(later)  # pairs are numbered target by target: node t has t possible sources
    pair = rng.choice(room, n_edges, replace=False)
    column = np.searchsorted(upto, pair, side="right")
    codes = (pair - (upto - later)[column]) * n_nodes + later[column]
    codes = _first_unique(needed, codes, n_edges)
    codes = rng.permutation(codes)
    names = _names("n", n_nodes)[rng.permutation(n_nodes)]  # sorted names are not in graph order
    table = pd.DataFrame({"source": names[codes // n_nodes], "target": names[codes % n_nodes]})
    return _decorate(table, rng, weighted, constrained)


def layered_graph(
    sizes: Sequence[int],
    edges_per_hop: int | Sequence[int],
    seed: int = 0,
    *,
    skip_edges: int = 0,
    heavy_tailed: bool = False,
) -> pd.DataFrame:
    """Draw a hierarchy such as gene, pathway, cell type: each layer feeds the next.

    Vectorised: a million edges take about a second.

    Parameters
    ----------
    sizes : sequence of int
        Number of nodes per layer, inputs first. Node ``3`` of layer ``1`` is called ``L1_3``,
        with zeros in front so that names sort by number.
    edges_per_hop : int or sequence of int
        Edges between each layer and the next. Every node is connected: all but the last layer
        have a child, all but the first a parent, so a hop needs at least as many edges as its
        larger side has nodes.
    seed : int, default 0
        Same seed, same table.
    skip_edges : int, default 0
        Further edges from a layer to one at least two further on.
    heavy_tailed : bool, default False
        Draw the nodes of a hop in proportion to Pareto weights, so that a few have very many
        edges, as the hubs of real pathway graphs do.

    Returns
    -------
    pandas.DataFrame
        Columns ``source``, ``target``; hop by hop, then the skip edges; no edge twice.

    Raises
    ------
    Edge2TorchError
        When a hop has too few edges to connect its nodes or more than it has pairs.

    Examples
    --------
    >>> from edge2torch.simulate import layered_graph
    >>> edges = layered_graph([100, 20, 3], [300, 60], seed=0, skip_edges=10)
    >>> len(edges), edges["source"].nunique(), edges["target"].nunique()
    (370, 120, 23)
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise Edge2TorchError(
            f"sizes: {list(sizes)}. Give at least two layers of at least one node."
        )
    hops = len(sizes) - 1
    counts = [edges_per_hop] * hops if isinstance(edges_per_hop, int) else list(edges_per_hop)
    if len(counts) != hops:
        raise Edge2TorchError(
            f"edges_per_hop: {len(counts)} numbers for {len(sizes)} layers. Give {hops}, or one int."
        )
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    total = int(starts[-1])
    parts = []
    for hop, count in enumerate(counts):
        codes = _bipartite(
            rng, sizes[hop], sizes[hop + 1], count, heavy_tailed=heavy_tailed, hop=hop
        )
        source, target = np.divmod(codes, sizes[hop + 1])
        parts.append((source + starts[hop]) * total + target + starts[hop + 1])
    parts.append(_skips(rng, sizes, starts, skip_edges))
    source, target = np.divmod(np.concatenate(parts), total)
    names = np.concatenate([_names(f"L{layer}_", size) for layer, size in enumerate(sizes)])
    return pd.DataFrame({"source": names[source], "target": names[target]})


def _bipartite(
    rng: np.random.Generator, left: int, right: int, count: int, *, heavy_tailed: bool, hop: int
) -> Ints:
    """Codes ``source * right + target`` of unique pairs that leave no node of either side out."""
    if not max(left, right) <= count <= left * right:
        raise Edge2TorchError(
            f"edges_per_hop: {count} edges between layers {hop} and {hop + 1} of {left} and {right} "
            f"nodes. Give {max(left, right)} (to connect every node) to {left * right} (every pair)."
        )
    size = max(left, right)
    codes = np.resize(rng.permutation(left), size) * right + np.resize(rng.permutation(right), size)
    if heavy_tailed:
        mass = rng.pareto(1.5, left) + 1.0, rng.pareto(1.5, right) + 1.0
        for _ in range(_PATIENCE):
            draws = count - codes.size
            drawn = _pick(rng, mass[0], draws) * right + _pick(rng, mass[1], draws)
            codes = _first_unique(codes, drawn, count)
            if codes.size == count:
                return codes
    return _first_unique(codes, rng.choice(left * right, count, replace=False), count)


def _skips(rng: np.random.Generator, sizes: Sequence[int], starts: Ints, count: int) -> Ints:
    """Codes ``source * nodes + target`` of unique pairs at least two layers apart."""
    total = int(starts[-1])
    layers = np.repeat(np.arange(len(sizes)), sizes)
    later = np.array([sum(sizes[k + 2 :]) for k in range(len(sizes))], dtype=np.int64)
    room = int(later @ np.asarray(sizes, dtype=np.int64))
    if not 0 <= count <= room:
        raise Edge2TorchError(f"skip_edges: {count}. These layers have room for 0 to {room}.")

    open_to = later[layers]  # pairs are numbered source by source: the last nodes are its targets
    upto = np.cumsum(open_to)
    pair = rng.choice(room, count, replace=False) if count else np.empty(0, np.int64)
    source = np.searchsorted(upto, pair, side="right")
    target = total - 1 - (pair - (upto - open_to)[source])
    return np.asarray(source * total + target, dtype=np.int64)


def _first_unique(start: Ints, more: Ints, count: int) -> Ints:
    """Keep the first ``count`` different codes, in the order in which they were drawn."""
    codes = np.concatenate([start, more])
    _, first = np.unique(codes, return_index=True)
    return codes[np.sort(first)[:count]]


def _pick(rng: np.random.Generator, mass: NDArray[np.float64], size: int) -> Ints:
    """Draw indices in proportion to their mass."""
    upto = np.cumsum(mass)
    last = np.int64(mass.size - 1)
    drawn: Ints = np.minimum(np.searchsorted(upto, rng.random(size) * upto[-1], side="right"), last)
    return drawn


def _names(prefix: str, count: int) -> NDArray[np.object_]:
    width = len(str(count - 1))
    return np.array([f"{prefix}{k:0{width}d}" for k in range(count)], dtype=object)


def _decorate(
    table: pd.DataFrame, rng: np.random.Generator, weighted: float, constrained: float
) -> pd.DataFrame:
    """Add initial weights and constraints that agree with each other to a part of the edges."""
    count = len(table)
    size = np.abs(rng.normal(size=count)) + 0.1
    weight = np.where(rng.random(count) < weighted, size * rng.choice([-1, 1], count), np.nan)
    if constrained > 0:
        kind = rng.choice(["positive", "negative", "fixed"], count).astype(object)
        kind[rng.random(count) >= constrained] = None
        given = ~np.isnan(weight)
        weight = np.where((kind == "fixed") & ~given, size, weight)
        weight = np.where((kind == "positive") & given, size, weight)
        weight = np.where((kind == "negative") & given, -size, weight)
        table = table.assign(constraint=kind)
    if weighted > 0 or constrained > 0:
        table = table.assign(initial_weight=weight)
    return table
