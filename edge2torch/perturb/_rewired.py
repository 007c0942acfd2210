"""Graphs that look like the network, reach what it reaches, and know nothing."""

from __future__ import annotations

import pandas as pd

from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import rewire
from edge2torch.perturb._design import Design

_DRAWS = 20  # in a row that bring no new graph: then there are hardly more


def rewired_graphs(
    edges: pd.DataFrame, design: Design, n: int, seed: int
) -> tuple[dict[int, pd.DataFrame], str]:
    """Return n different rewired graphs by number, and, where there are fewer, why.

    A graph of few edges can come out of a rewiring as it was, or as another did.
    """
    found: dict[int, pd.DataFrame] = {}
    if not n:
        return found, ""
    own = _key(_kept(edges, design))
    seen, same, k, new = {own}, 0, 0, -1
    while len(found) < n and k - new <= _DRAWS:
        other = rewired_for(edges, design, seed + k)
        key = _key(other)
        same += key == own
        if key not in seen:
            found[k], new = other, k
        seen.add(key)
        k += 1
    if len(found) == n:
        return found, ""
    said = [f"itself {same} time{'s' * (same > 1)}"] * (same > 0)
    said += [f"{len(found)} other graph{'s' * (len(found) > 1)}"] * (len(found) > 0)
    return found, f"rewired {k} times, this small network gave {' and '.join(said)}"


def _key(edges: pd.DataFrame) -> frozenset[tuple[object, ...]]:
    columns = [name for name in ("source", "target", "sign") if name in edges]
    return frozenset(edges[columns].itertuples(index=False, name=None))


def rewired_for(edges: pd.DataFrame, design: Design, seed: int) -> pd.DataFrame:
    """Return a graph with these degrees, in which everything is reached that treatments reach."""
    return rewire(_kept(edges, design), "reachable", seed=seed)


def _kept(edges: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Return the edges that lead on from a stimulus."""
    nodes = {*edges["source"], *edges["target"]}
    kinds = design.treatments["kind"].to_dict()
    fed = {
        node
        for name, own in design.targets.items()
        if kinds[name] == "stimulus"
        for node in own
        if node in nodes
    }
    kept = edges[~edges["target"].isin(fed)]
    reached = set(fed)
    while more := set(kept["target"][kept["source"].isin(reached)]) - reached:
        reached |= more
    kept = kept[kept["source"].isin(reached)].reset_index(drop=True)
    if kept.empty:
        raise Edge2TorchError(
            "edges: no edge leads on from a stimulus, so there is nothing to rewire."
        )
    return kept
