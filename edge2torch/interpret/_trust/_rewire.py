"""Randomised priors: graphs that look like the given one and know nothing."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_choice, check_seed
from edge2torch._core.edges import EdgesLike
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import longest_path_layers, reachable, read_edge_table

Ints = NDArray[np.int64]
How = Literal["degree", "reachable", "permute_inputs", "shuffle_labels"]
_HOW = ("degree", "reachable", "permute_inputs", "shuffle_labels")
Bools = NDArray[np.bool_]
_ROUNDS = 40
_DRAWS = 20  # rewirings, of which one has to keep everything reachable
_TRIES = 200  # exchanges that bring nothing, before a graph is drawn anew
_INPUT, _INNER, _END = range(3)


def rewire(edgelist: EdgesLike, how: How = "degree", *, seed: int = 0) -> pd.DataFrame:
    """Randomise an edge table so that nothing but the knowledge in it is lost.

    Parameters
    ----------
    edgelist : DataFrame or Prior
        Columns ``source`` and ``target``; other columns stay with their row.
    how : {"degree", "reachable", "permute_inputs", "shuffle_labels"}
        ``"degree"``: edges between the same two layers exchange their targets, many times over.
        Every node keeps its number of incoming and of outgoing edges, also by layer, no edge is
        there twice, and no cycle can arise. Where every source meets every target nothing moves.
        A graph with cycles has no layers: there edges exchange targets that join the same kinds of
        node (inputs, inner ones, ends that lead nowhere). Cycles arise and vanish, edges from a
        node to itself stay, and no others come up. What an input reached, some input reaches still,
        and what led to an end leads to one.
        The question: does *this* graph do better than one like it that knows nothing?
        ``"reachable"``: the same without regard to layers, for networks that may have cycles, and
        with the promise that nothing is cut off: a draw that no exchange can mend is drawn anew.
        ``"permute_inputs"``: the graph stays, and inputs exchange their names, so that each data
        feature feeds another input. The question: does it matter *which* features stand under a node?
        ``"shuffle_labels"``: the graph stays, and hidden nodes exchange their names within their
        layer, or all of them where there are cycles. The question: is a node's score more than that of
        a node in its layer drawn at random? (Degrees come along, so there is next to no power.)
    seed : int
        Same seed, same table.

    Returns
    -------
    DataFrame
        As many rows, over the same node names.

    Raises
    ------
    Edge2TorchError
        For an unknown ``how``, a table that is not one of edges, and a graph of which no draw
        of twenty keeps everything reachable.

    Examples
    --------
    >>> from edge2torch.simulate import layered_graph
    >>> edges = layered_graph([30, 10, 3], [60, 15], seed=0)
    >>> other = rewire(edges, seed=1)
    >>> sorted(other["target"]) == sorted(edges["target"])
    True
    >>> len(edges.merge(other)) < 0.6 * len(edges)
    True
    """
    check_choice("how", how, _HOW)
    check_seed("seed", seed)
    table = read_edge_table(edgelist, argument="edgelist")
    source, target, names = table.source, table.target, table.node_names
    rng = np.random.default_rng(seed)
    if how in ("degree", "reachable"):
        n = len(names)
        rank = _ranks(source, target, n) if how == "degree" else _kinds(source, target, n)
        group = rank[source] * (int(rank.max()) + 1) + rank[target]
        new, is_whole = _whole(source, target, group, n, rng)
        if how == "reachable" and not is_whole:
            raise Edge2TorchError(
                f"how='reachable': in {_DRAWS} draws some node was always cut off from the inputs or "
                "from what it leads to. The graph has too few ways to be rewired: give other seeds, "
                "or leave the control out."
            )
        return table.frame.assign(target=names[new])
    if how == "permute_inputs":
        group = np.where(_kinds(source, target, len(names)) == _INPUT, 0, -1)
    else:
        kind = _kinds(source, target, len(names))
        group = np.where(kind == _INNER, _ranks(source, target, len(names)), -1)
    renamed = names[_permute_within(group, rng)]
    return table.frame.assign(source=renamed[source], target=renamed[target])


def _whole(
    source: Ints, target: Ints, group: Ints, n_nodes: int, rng: np.random.Generator
) -> tuple[Ints, bool]:
    """Exchange targets within groups until a draw cuts nothing off, and tell whether one did so."""
    kind = _kinds(source, target, n_nodes)
    ends = np.flatnonzero(kind == _INPUT), np.flatnonzero(kind == _END)
    loops = np.flatnonzero(source == target)
    group[loops] = int(group.max()) + 1 + np.arange(len(loops))  # each alone: they stay
    new = target
    for _ in range(_DRAWS):
        new = exchange_targets(source, target, group, rng)
        new = _reached_again(source, target, new, n_nodes, rng)
        kept = [
            (reachable(a, b, n_nodes, start) <= reachable(c, d, n_nodes, start)).all()
            for a, b, c, d, start in (
                (source, target, source, new, ends[0]),
                (target, source, new, source, ends[1]),
            )
        ]
        if all(kept):
            return new, True
    return new, False


def exchange_targets(
    source: Ints, target: Ints, group: Ints, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Exchange targets within groups of edges, keeping edges unique.

    In a round every edge has one partner, and half of the pairs exchange. If all of them did, two
    edges that have only each other would be back where they were after every other round, and
    small graphs would alternate between a few of the many that have their degrees.
    """
    n_nodes = int(max(source.max(), target.max())) + 1
    target = target.copy()
    for _ in range(_ROUNDS):
        first, second = _pairs(group, rng)
        # An edge is one number, so that a search among those there are finds edges that would be twice.
        present = np.sort(source * n_nodes + target)
        new = np.stack(
            [
                source[first] * n_nodes + target[second],
                source[second] * n_nodes + target[first],
            ]
        )
        place = np.minimum(np.searchsorted(present, new), len(present) - 1)
        # Two pairs of a round may also make the same new edge: both are left as they are.
        _, inverse, count = np.unique(new, return_inverse=True, return_counts=True)
        clash = (present[place] == new) | (count[inverse.reshape(new.shape)] > 1)
        clash |= np.stack([source[first] == target[second], source[second] == target[first]])
        free = ~clash.any(axis=0) & (rng.random(len(first)) < 0.5)
        first, second = first[free], second[free]
        target[first], target[second] = target[second], target[first]
    return target


def _reached_again(
    source: Ints, before: Ints, target: Ints, n_nodes: int, rng: np.random.Generator
) -> Ints:
    """Exchange a few more targets, so that what was reached is reached, and what led on leads on.

    Where a node is cut off, the edges into it come from cycles that nothing enters. One of them and an
    edge from elsewhere exchange targets, kinds of node kept, if fewer nodes are cut off then.
    """
    kind = _kinds(source, before, n_nodes)
    ends = np.flatnonzero(kind == _INPUT), np.flatnonzero(kind == _END)

    def seen(target: Ints) -> tuple[Bools, Bools]:
        return (
            reachable(source, target, n_nodes, ends[0]),
            reachable(target, source, n_nodes, ends[1]),
        )

    below, above = seen(before)

    def lost(target: Ints) -> tuple[Bools, Bools]:
        now = seen(target)
        return below & ~now[0], above & ~now[1]

    missing = lost(target)
    tries = 0
    while (count := int(missing[0].sum() + missing[1].sum())) and tries < _TRIES:
        tries += 1
        exchanged = _exchange_one(source, target, kind, missing, rng)
        found = lost(exchanged)
        if int(found[0].sum() + found[1].sum()) < count:
            target, missing, tries = exchanged, found, 0
    return target


def _exchange_one(
    source: Ints, target: Ints, kind: Ints, missing: tuple[Bools, Bools], rng: np.random.Generator
) -> Ints:
    """Exchange the target of an edge into what is cut off (or out of it) with another edge's."""
    is_loop = source == target
    one = rng.choice(np.flatnonzero((missing[0][target] | missing[1][source]) & ~is_loop))
    u, v = source[one], target[one]
    free = ~is_loop & (source != v) & (target != u) & ~(missing[0][source] | missing[1][target])
    free &= kind[target] == kind[v]
    present = np.sort(source * len(kind) + target)
    for pair in (u * len(kind) + target, source * len(kind) + v):
        place = np.minimum(np.searchsorted(present, pair), len(present) - 1)
        free &= present[place] != pair
    if not free.any():
        return target
    other = rng.choice(np.flatnonzero(free))
    exchanged = target.copy()
    exchanged[one], exchanged[other] = target[other], v
    return exchanged


def _pairs(group: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Pair every edge with a random one of its group; one is left over where a group is odd."""
    order = np.lexsort((rng.random(len(group)), group))  # by group, at random within it
    ordered = group[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    first = np.flatnonzero((rank[:-1] % 2 == 0) & (ordered[:-1] == ordered[1:]))
    return order[first], order[first + 1]


def _permute_within(group: Ints, rng: np.random.Generator) -> Ints:
    """Return a permutation that moves nodes within their group; group -1 stays."""
    moved = np.arange(len(group))
    ordered = np.lexsort((np.arange(len(group)), group))
    shuffled = np.lexsort((rng.random(len(group)), group))
    free = group[ordered] >= 0
    moved[ordered[free]] = shuffled[free]
    return moved


def _kinds(source: Ints, target: Ints, n_nodes: int) -> Ints:
    leads = np.bincount(source, minlength=n_nodes) > 0
    is_led = np.bincount(target, minlength=n_nodes) > 0
    return np.where(leads & ~is_led, _INPUT, np.where(leads, _INNER, _END)).astype(np.int64)


def _ranks(source: Ints, target: Ints, n_nodes: int) -> Ints:
    """Return the layers of nodes, or their kinds where cycles leave no layers."""
    kind = _kinds(source, target, n_nodes)
    layer = longest_path_layers(source, target, kind == _INPUT)
    return kind if (layer < 0).any() else layer
