"""What is left of a node's gain when its strongest inputs are held: a pathway is more than one gene."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from edge2torch.compile import CompileArtifact
from edge2torch.interpret._trust._cross_fit import CrossFitted
from edge2torch.interpret._trust._held import Ints
from edge2torch.interpret._trust._target import Target
from edge2torch.interpret._trust._use import loss_changes, sample_test

Values = NDArray[np.float64]
SHARE = 3  # at most one in so many of a node's inputs is held


def coherent_test(
    fitted: CrossFitted,
    data: Any,
    target: Target,
    groups: Any,
    nodes: Ints,
    n_held: int,
    *,
    of_class: int | None = None,
) -> pd.DataFrame:
    """Test what each node adds to its network while its strongest inputs are held; by node."""
    below = inputs_below(fitted.artifact, nodes)
    inputs, tables = fitted.artifact.graph.inputs, list(fitted.inputs(data))
    most = np.minimum(n_held, np.diff(below.indptr) // SHARE)

    @cache  # asked for twice: with the node, and without
    def strongest(fold: int) -> list[Ints]:
        rows = fitted.folds[fold][0]
        tell = association(tables[fold].numpy()[rows], target, rows, of_class)
        held = []
        for k, count in enumerate(most):
            own = below.indices[below.indptr[k] : below.indptr[k + 1]]
            held.append(inputs[own[np.argsort(-tell[own], kind="stable")[:count]]])
        return held

    def with_node(fold: int) -> list[Ints]:
        return [np.append(own, node) for own, node in zip(strongest(fold), nodes, strict=True)]

    change = loss_changes(
        fitted, data, target, with_node, against=strongest,
        classes=[of_class],
    )  # fmt: skip
    table = sample_test(change[0], groups)
    return table.assign(n_held=most, n_inputs=np.diff(below.indptr))


def inputs_below(artifact: CompileArtifact, nodes: Ints) -> sparse.csr_array:
    """Return which inputs lead to each node, along whatever paths: (nodes, i)."""
    graph = artifact.graph
    rows = graph.active_rows
    ones = np.ones(len(rows), np.int8)
    step = sparse.csr_array(
        (ones, (graph.target[rows], graph.source[rows])), shape=(graph.n_nodes,) * 2
    ).astype(bool)
    start = sparse.csr_array(
        (np.ones(len(graph.inputs), bool), (graph.inputs, np.arange(len(graph.inputs)))),
        shape=(graph.n_nodes, len(graph.inputs)),
    )
    reached, before = start, -1
    while reached.nnz > before:
        before = reached.nnz
        reached = ((step @ reached) + start + reached).astype(bool)
    found = reached.tocsr()[nodes]
    found.sort_indices()
    return found


def association(
    values: NDArray[Any], target: Target, rows: Ints, of_class: int | None = None
) -> Values:
    """Return how much of each feature's variance the target tells, over rows (b, g) of the data."""
    values = values.astype(np.float64) - values.mean(axis=0)
    total = np.maximum((values**2).sum(axis=0), 1e-12)
    own = target.strength_of[rows]
    if own.dtype.kind == "f":
        own = own - own.mean()
        return np.asarray((own @ values) ** 2 / (max(float(own @ own), 1e-12) * total))
    if of_class is not None:
        own = (own == of_class).astype(np.int64)
    sizes = np.bincount(own)
    member = sparse.csr_array((np.ones(len(own)), (own, np.arange(len(own)))))
    sums = member @ values
    return np.asarray((sums**2 / np.maximum(sizes, 1)[:, None]).sum(axis=0) / total)
