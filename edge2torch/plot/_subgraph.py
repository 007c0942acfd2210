"""Choose what of a graph to draw: everything where it fits, otherwise what matters most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError


@dataclass(frozen=True)
class Subgraph:
    """Nodes and edges to draw; ``k`` nodes, ``m`` edges.

    Parameters
    ----------
    names : list of str, length k
        Layer by layer, the most important first.
    layer, is_output, score : ndarray, shape (k,)
        The layer that computes a node; NaN where a node has no score.
    source, target : ndarray, shape (m,)
        Positions in ``names``.
    weight, strength : ndarray, shape (m,)
        NaN where weights are not known; and magnitudes in units of the largest one that leads
        into the same layer, because layers have scales of their own.
    layer_sizes : list of (int, int, int)
        Layer, nodes shown and nodes in it.
    caption : str
        What was left out; empty where nothing was.
    """

    names: list[str]
    layer: NDArray[np.int64]
    is_output: NDArray[np.bool_]
    score: NDArray[np.float64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float64]
    strength: NDArray[np.float64]
    layer_sizes: list[tuple[int, int, int]]
    caption: str

    @property
    def weights_shown(self) -> Literal["signs", "sizes", ""]:
        """What is seen of weights: blocks between several units have a size and no sign."""
        known = self.weight[~np.isnan(self.weight)]
        return "signs" if known.any() else "sizes" if len(known) else ""


@dataclass(frozen=True)
class _Whole:
    """The drawable graph in integers: active edges, and the layer of every node."""

    layer: NDArray[np.int64]  # -1: not in the picture
    is_output: NDArray[np.bool_]
    score: NDArray[np.float64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float64]
    strength: NDArray[np.float64]  # magnitudes, 1 where weights are not known

    @property
    def relative_strength(self) -> NDArray[np.float64]:
        """The same in units of the largest edge into the same layer."""
        layer = self.layer[self.target]
        largest = np.zeros(int(self.layer.max()) + 1)
        np.maximum.at(largest, layer, self.strength)
        scaled: NDArray[np.float64] = self.strength / np.where(largest > 0, largest, 1.0)[layer]
        return scaled


def choose_subgraph(
    artifact: CompileArtifact,
    *,
    scores: pd.Series | None,
    weights: pd.DataFrame | None,
    outputs: Iterable[str] | None,
    max_nodes: int,
    max_edges: int,
) -> Subgraph:
    """Keep the most important nodes of each layer among those that lead to what is kept."""
    whole = _read(artifact, scores, weights, outputs)
    kept = np.flatnonzero(whole.layer >= 0)
    if len(kept) > max_nodes:
        kept = _most_important(whole, max_nodes)
    place = np.full(len(whole.layer), -1, np.int64)
    place[kept] = np.arange(len(kept))
    rows = np.flatnonzero((place[whole.source] >= 0) & (place[whole.target] >= 0))
    strength = whole.relative_strength
    if len(rows) > max_edges:
        rows = _strongest(rows, strength, whole.layer[whole.target], max_edges)
    in_picture = whole.layer[whole.layer >= 0]
    shown = np.bincount(whole.layer[kept], minlength=in_picture.max() + 1)
    sizes = enumerate(np.bincount(in_picture).tolist())
    return Subgraph(
        names=artifact.graph.names(kept),
        layer=whole.layer[kept],
        is_output=whole.is_output[kept],
        score=whole.score[kept],
        source=place[whole.source[rows]],
        target=place[whole.target[rows]],
        weight=whole.weight[rows],
        strength=strength[rows],
        layer_sizes=[(k, int(shown[k]), size) for k, size in sizes if size],
        caption=_caption(whole, len(kept), len(rows)),
    )


def _read(
    artifact: CompileArtifact,
    scores: pd.Series | None,
    weights: pd.DataFrame | None,
    outputs: Iterable[str] | None,
) -> _Whole:
    outputs = None if outputs is None else [outputs] if isinstance(outputs, str) else list(outputs)
    graph, names = artifact.graph, pd.Index(artifact.graph.node_names)
    layer = node_layers(artifact, outputs)
    read = graph.outputs
    if outputs is not None:
        read = graph.numbers(outputs, "outputs")
    is_output = np.zeros(graph.n_nodes, bool)
    is_output[read] = True
    rows = graph.active_rows
    rows = rows[(layer[graph.source[rows]] >= 0) & (layer[graph.target[rows]] >= 0)]
    return _Whole(
        layer,
        is_output,
        _scores_by_number(names, scores),
        graph.source[rows],
        graph.target[rows],
        *(values[rows] for values in _weights_by_row(artifact, weights)),
    )


def node_layers(artifact: CompileArtifact, outputs: list[str] | None) -> NDArray[np.int64]:
    """The column of every node; -1 where it does not lead to the outputs that were asked for."""
    graph, names = artifact.graph, pd.Index(artifact.graph.node_names)
    layer = artifact.node_columns().copy()
    if outputs is not None:
        read = graph.numbers(outputs, "outputs")
        leading = {
            name for out in graph.names(read) for name in [out, *artifact.topology.ancestors(out)]
        }
        layer[~names.isin(leading)] = -1
    return layer


def _scores_by_number(names: pd.Index[Any], scores: pd.Series | None) -> NDArray[np.float64]:
    if scores is None:
        return np.full(len(names), np.nan)
    unknown = scores.index.difference(names)
    if len(unknown):
        raise Edge2TorchError(
            f"scores names {len(unknown)} node(s) that are not in the graph: {listing(unknown)}."
            f"{nearest(str(unknown[0]), names)} "
            "Drop them, or give the artifact that the scores were computed with."
        )
    return scores.reindex(names).to_numpy(np.float64)


def _weights_by_row(
    artifact: CompileArtifact, weights: pd.DataFrame | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights, NaN where unknown, and magnitudes; a block has no sign: weight 0, its norm."""
    edges = artifact.graph.edges
    if weights is None:
        return np.full(len(edges), np.nan), np.ones(len(edges))
    needed = ["source", "target", "weight"]
    if not isinstance(weights, pd.DataFrame) or not set(needed) <= set(weights.columns):
        raise Edge2TorchError(
            "weights must be the DataFrame that edge_weights(model, artifact) returns, with the "
            f"columns {listing(needed)}."
        )
    found, wanted = weights[needed[:2]].to_numpy(str), edges[needed[:2]].to_numpy(str)
    if found.shape != wanted.shape or (found != wanted).any():
        raise Edge2TorchError(
            "weights lists other edges than the artifact. Use edge_weights(model, artifact)."
        )
    weight = weights["weight"].to_numpy(np.float64)
    size = weights.get("norm", weights["weight"].abs()).to_numpy(np.float64)
    is_block = np.isnan(weight) & ~np.isnan(size)
    return np.where(is_block, 0.0, weight), np.where(np.isnan(size), 1.0, size)


def _most_important(whole: _Whole, max_nodes: int) -> NDArray[np.int64]:
    importance = _importance(whole)
    depth = int(whole.layer.max()) + 1
    sizes = np.bincount(whole.layer[whole.layer >= 0], minlength=depth)
    budget = _share(sizes, max_nodes)
    kept = np.zeros(len(whole.layer), bool)
    returns = whole.layer[whole.target] <= whole.layer[whole.source]  # feedback, or within a layer
    for k in range(depth - 1, -1, -1):
        leads = np.zeros(len(kept), bool)
        leads[whole.source[kept[whole.target] | returns]] = True
        candidates = np.flatnonzero((whole.layer == k) & (leads | whole.is_output))
        order = np.lexsort((-importance[candidates], ~whole.is_output[candidates]))
        kept[candidates[order[: budget[k]]]] = True
    found = np.flatnonzero(kept)
    return found[np.lexsort((-importance[found], whole.layer[found]))]


def _strongest(
    rows: NDArray[np.int64], strength: NDArray[np.float64], layer: NDArray[np.int64], max_edges: int
) -> NDArray[np.int64]:
    """Keep the strongest edges into each layer, an even share of places for each."""
    budget = _share(np.bincount(layer[rows]), max_edges)
    order = rows[np.lexsort((-strength[rows], layer[rows]))]
    rank = np.arange(len(order)) - np.searchsorted(layer[order], layer[order])
    return np.sort(order[rank < budget[layer[order]]])


def _importance(whole: _Whole) -> NDArray[np.float64]:
    """Magnitude of the score; a node without one gets its share of what its targets have."""
    importance = np.nan_to_num(np.abs(whole.score))
    if np.isnan(whole.score).all():
        importance[whole.is_output] = 1.0
    unscored = np.isnan(whole.score) & ~whole.is_output
    arriving = np.bincount(whole.target, whole.strength, len(importance))
    share = whole.strength / np.where(arriving[whole.target] > 0, arriving[whole.target], 1.0)
    order = whole.layer[whole.source]
    for k in range(int(whole.layer.max()) - 1, -1, -1):
        rows = np.flatnonzero((order == k) & unscored[whole.source])
        np.add.at(importance, whole.source[rows], share[rows] * importance[whole.target[rows]])
    return importance


def _share(sizes: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Divide ``total`` places evenly; what a small layer leaves goes to the larger ones."""
    budget, left = np.zeros_like(sizes), total
    for place, k in enumerate(np.argsort(sizes, kind="stable")):
        budget[k] = min(sizes[k], max(left // (len(sizes) - place), 1))
        left -= int(budget[k])
    return budget


def _caption(whole: _Whole, n_nodes: int, n_edges: int) -> str:
    all_nodes, all_edges = int((whole.layer >= 0).sum()), len(whole.source)
    if n_nodes == all_nodes and n_edges == all_edges:
        return ""
    if n_nodes == all_nodes:
        return f"all {all_nodes:,} nodes; the strongest {n_edges:,} of {all_edges:,} edges"
    by = "of largest magnitude" if not np.isnan(whole.score).all() else "of most influence"
    return (
        f"{n_nodes:,} of {all_nodes:,} nodes, in each layer those {by}; "
        f"{n_edges:,} of {all_edges:,} edges"
    )
