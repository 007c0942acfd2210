"""Graphs that look like the network, reach what it reaches, and know nothing."""

from __future__ import annotations

import pandas as pd

from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import rewire
from edge2torch.perturb._design import Design


def rewired_for(edges: pd.DataFrame, design: Design, seed: int) -> pd.DataFrame:
    """Return a graph with these degrees, in which everything is reached that treatments reach."""
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
    return rewire(kept, "reachable", seed=seed)
