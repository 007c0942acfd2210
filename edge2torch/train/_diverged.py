"""What diverges, by name: nodes, the loops that they are on, and samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import nn

from edge2torch._core.diverged import DivergedError
from edge2torch._core.messages import listing
from edge2torch.compile import find_artifact
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import RecurrentEdgeModel


@contextmanager
def naming_what_diverges(
    model: nn.Module, samples: Sequence[object] | None = None
) -> Iterator[None]:
    """Say which nodes, loops and samples left the finite numbers, where numbers are raised.

    One around another knows more of the samples, and says so.
    """
    try:
        yield
    except Edge2TorchError as error:
        found = error if isinstance(error, DivergedError) else error.__cause__
        if not isinstance(found, DivergedError):
            raise
        words = diverged(model, found.nodes, found.samples, f"update {found.update}", samples)
        raise Edge2TorchError(words) from found


def diverged(
    model: nn.Module,
    nodes: Sequence[int],
    of_batch: Sequence[int],
    when: str,
    samples: Sequence[object] | None = None,
) -> str:
    """Return the sentence for nodes by number, among those that are computed, and samples."""
    artifact = find_artifact(model)
    names = artifact.column_names(artifact.node_names_by_layer["state"])
    culprits = list(dict.fromkeys(names[k] for k in nodes))
    base = next(part for part in model.modules() if isinstance(part, RecurrentEdgeModel))
    loop = _loop(base, names, nodes)
    words = f" They are on the loop {' -> '.join(loop)}." if loop else ""
    which = list(dict.fromkeys(of_batch if samples is None else [samples[k] for k in of_batch]))
    of = "sample(s) number" if samples is None else "condition(s)"
    return (
        f"The state left the finite numbers in {when}, at {len(culprits)} node(s): {listing(culprits)}; "
        f"in {len(which)} {of} {listing(which)}.{words} Give these nodes a bounded activation "
        "(node_activation='tanh'), lower learning_rate, or check that inputs are finite."
    )


def _loop(base: RecurrentEdgeModel, names: list[str], nodes: Sequence[int]) -> list[str]:
    """Return the shortest loop through the first of these nodes that is on one."""
    layer, n = base.edge_layers()[0], len(names)
    source, target = layer.col.cpu().numpy() - base.in_features, layer.row.cpu().numpy()
    inner = (source >= 0) & (target < n)  # gates come behind the nodes
    graph = csr_array((np.ones(inner.sum(), np.int8), (source[inner], target[inner])), (n, n))
    for node in nodes:
        far, before = dijkstra(graph, indices=node, unweighted=True, return_predecessors=True)
        back = graph[:, [node]].nonzero()[0]
        back = back[np.isfinite(far[back])]
        if len(back):
            way = [node, int(back[far[back].argmin()])]
            while way[-1] != node:
                way.append(int(before[way[-1]]))
            return [names[k] for k in reversed(way)]
    return []
