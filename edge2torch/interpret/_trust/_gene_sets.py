"""Gene-set test without a network: whether the features under a node tell more than the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_type
from edge2torch._core.samples import by_sample
from edge2torch.compile import CompileArtifact
from edge2torch.interpret._trust._coherent import association, inputs_below
from edge2torch.interpret._trust._cross_fit import features_of
from edge2torch.interpret._trust._target import Target
from edge2torch.interpret._trust._use import chosen_nodes

Values = NDArray[np.float64]


def set_test(
    artifact: CompileArtifact,
    data: Any,
    target: ArrayLike | pd.Series,
    *,
    nodes: Sequence[str] | None = None,
    impute: bool = False,
) -> pd.DataFrame:
    """Ask without any network whether the features under a node tell more of the target than others.

    Wilcoxon's rank-sum test of how much of each feature's variance the target tells (the ranks of
    absolute t, for two classes), one-sided, with a variance that allows for correlation among the features of
    a set, as CAMERA does. What a network finds beyond this it owes to its weights.

    Parameters
    ----------
    artifact : CompileArtifact
        What ``compile_graph`` returned: the inputs below a node are its set.
    data : DataFrame or AnnData, shape (b, columns)
        Samples.
    target : array_like, shape (b,)
        Classes; floating-point numbers are values.
    nodes : sequence of str, optional
        As in :func:`node_use`.
    impute : bool
        Put each feature's median where it is missing; without it missing values are refused.

    Returns
    -------
    DataFrame
        By node: ``n_inputs``; ``correlation``, mean over pairs of features of their squared
        correlation within the classes; ``p_set``; ``q_set``, Benjamini and Hochberg's over all rows.
        A set that holds all inputs, or none, has p 1.

    Raises
    ------
    Edge2TorchError
        For unknown nodes, data without the inputs, and a target that does not fit.

    References
    ----------
    Wu & Smyth 2012, doi:10.1093/nar/gks461. Barry, Nobel & Wright 2008, doi:10.1214/07-AOAS146.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> from edge2torch.simulate import layered_graph, planted_nodes
    >>> edges = layered_graph([60, 12, 1], [120, 12], seed=0)
    >>> problem = planted_nodes(edges, effect=2.0, seed=0)
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> table = set_test(artifact, problem.x_train, problem.y_train)
    >>> table["p_set"].idxmin() == problem.causal[0]
    True
    """
    check_type(
        "artifact", artifact, CompileArtifact, "what compile_graph returned beside the model"
    )
    table = features_of(data, artifact, (), impute=impute)
    table = table.fillna(table.median()).fillna(0.0)
    own = Target.of(by_sample("target", target, table.index), len(table), artifact)
    numbers = chosen_nodes(artifact, nodes)
    below = inputs_below(artifact, numbers)
    x = table.to_numpy(np.float64)
    rank = scipy.stats.rankdata(association(x, own, np.arange(len(x))))
    left = _within(x, own)
    rows = []
    for k in range(len(numbers)):
        members = below.indices[below.indptr[k] : below.indptr[k + 1]]
        rho = _mean_square(left[:, members])
        rows.append((len(members), rho, _rank_sum(rank, members, rho)))
    index = pd.Index(artifact.graph.names(numbers), name="node")
    found = pd.DataFrame(rows, index, columns=["n_inputs", "correlation", "p_set"])
    return found.assign(q_set=scipy.stats.false_discovery_control(found["p_set"]))


def _within(x: Values, target: Target) -> Values:
    """Return what the target leaves of each feature, of length 1."""
    own = target.strength_of
    if own.dtype.kind != "f":
        left = x - pd.DataFrame(x).groupby(own).transform("mean").to_numpy()
    else:
        own = own - own.mean()
        left = x - x.mean(axis=0)
        left = left - np.outer(own, own @ left) / max(float(own @ own), 1e-12)
    size = np.sqrt((left**2).sum(axis=0))
    return np.asarray(left / np.where(size > 0, size, 1.0))


def _mean_square(left: Values) -> float:
    """Return the mean squared correlation of pairs: how squared statistics go together."""
    m = left.shape[1]
    if m < 2:
        return 0.0
    # of as many products as are fewer: between features, or between samples
    gram = left.T @ left if m <= len(left) else left @ left.T
    diagonal = ((left**2).sum(axis=0) ** 2).sum()
    return float(np.clip(((gram**2).sum() - diagonal) / (m * (m - 1)), 0.0, 1.0))


def _rank_sum(rank: Values, members: NDArray[Any], rho: float) -> float:
    """Return the one-sided p of a set's ranks, normal, with correlation within the set."""
    m, rest = len(members), len(rank) - len(members)
    if m == 0 or rest == 0:
        return 1.0
    statistic = m * rest + m * (m + 1) / 2 - float(rank[members].sum())
    # Barry et al. 2008: variance of the rank sum where members correlate by rho
    arcs = np.arcsin(1.0) + (rest - 1) * np.arcsin(0.5)
    arcs += (m - 1) * (np.arcsin((rho + 1) / 2) + (rest - 1) * np.arcsin(rho / 2))
    variance = m * rest / (2 * np.pi) * arcs
    _, ties = np.unique(rank, return_counts=True)
    n = len(rank)
    variance *= 1 - float((ties * (ties + 1) * (ties - 1)).sum()) / (n * (n + 1) * (n - 1))
    if variance <= 0:
        return 1.0
    return float(scipy.stats.norm.sf((m * rest / 2 - statistic - 0.5) / np.sqrt(variance)))
