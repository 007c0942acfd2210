"""Which nodes score more than the graph's shape explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from scipy import special

from edge2torch._core.messages import listing, warn
from edge2torch._core.names import nearest
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._connectivity import node_connectivity
from edge2torch.interpret._trust._replicate import Replicates

Values = NDArray[np.float64]
_FLOOR = 0.2  # of a mean node's share, added before the logarithm: next to nothing is nothing
_MOST_PRIOR = 200.0  # degrees of freedom that all nodes together may lend to one
_FEWEST_NODES = 12  # a trend over connectivity has five coefficients
_SHAPE = ("degree", "subgraph")


def node_significance(
    scores: Replicates | pd.DataFrame,
    control_scores: Replicates | pd.DataFrame | Sequence[Replicates | pd.DataFrame],
    *,
    artifact: CompileArtifact | None = None,
    alternative: Literal["two-sided", "greater", "less"] = "two-sided",
) -> pd.DataFrame:
    """Compare node scores with those of control networks, and correct them for connectivity.

    A small q says that the node's share of the score is not what it is in the controls. With
    :func:`control_inputs` that is true of most nodes of any graph, for no real data have features that
    all tell equally much: networks over *random* gene sets have about as many. Whether a node matters
    is what :func:`node_use` and :func:`node_specific` ask, or :func:`find_nodes` both.

    Parameters
    ----------
    scores : Replicates or DataFrame
        Replicates × nodes, magnitudes: of networks trained on the data.
    control_scores : Replicates or DataFrame, or a list of them
        The same of control networks, each trained on inputs of its own
        (:func:`control_inputs`, a rewired graph, permuted inputs or shuffled labels). A list
        holds one table per control data set, whose networks differ in their start only; these
        are averaged first.
    artifact : CompileArtifact, optional
        Where to look the nodes' connectivity up; a :class:`Replicates` brings its own. Without
        one, or with fewer than twelve nodes, the effect stays as it is.
    alternative : {"two-sided", "greater", "less"}
        Of the p-value: ``"greater"`` asks for nodes that matter more than the shape explains.

    Returns
    -------
    DataFrame
        By node, the largest ``corrected`` first. ``score``, ``control``: mean share of a
        network's total score, 1 for an average node. ``effect``: log2 of their ratio, from means
        of logarithms. ``expected``: what nodes so well connected have; ``corrected``: effect
        minus expected. ``statistic``, ``pvalue``, ``qvalue``: t, p, and p after Benjamini and
        Hochberg, of ``corrected``. ``degree``, ``subgraph``: as in :func:`node_connectivity`.

    Raises
    ------
    Edge2TorchError
        For control scores of other nodes, fewer than two rows, values that are not numbers or
        negative, and networks that score nothing at all.

    Warns
    -----
    Edge2TorchWarning
        Where the controls scatter less than the replicates, so that p-values are too small.

    Notes
    -----
    *Test.* A t-test whether the node's mean could be one more draw from the controls. The n
    replicates share one data set, so they scatter by their starts alone; each of the m controls
    has a data set of its own, so these scatter by start and data. The difference of the two
    variances, at least its median over nodes, is that of the data, and the variance of the
    difference of means is ``data + var(replicates) / n + var(control) / m``. A plain two-sample
    test would leave ``data`` out and call nearly every node significant: more replicates of the
    same data bring no new data. Variances of single nodes are drawn towards their common level,
    as limma does (Smyth 2004); degrees of freedom are the smaller of the two sets'. Replicates and
    controls of one ``seed`` have starts in common: then the scatter is that of differences by start.
    On scores drawn from this very model 4 to 5 % of p-values are below 0.05 where nothing is to be
    found; on networks .02 to .09. Where the controls scatter *less* than the replicates the model is
    wrong, and a warning says so.

    *Assumptions.* Shares are log-normal; the controls scatter over data sets as the data would;
    controls are independent of each other; the trend over connectivity is known exactly. Nodes
    share inputs, so their tests are positively dependent, which Benjamini and Hochberg allow. The
    p-value says that the network relies on a node more than its position explains, not that the
    node is a cause.

    *Correction.* The expected effect is a quadratic in the logarithms of degree and sub-graph
    size, fitted over all nodes by least squares with Huber's loss, so that the few nodes that
    stand out do not bend it.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> nodes = [f"tf_{k}" for k in range(8)]
    >>> shape = np.arange(1, 9)  # some nodes score high in any network
    >>> controls = pd.DataFrame(shape * np.exp(0.2 * rng.normal(size=(10, 8))), columns=nodes)
    >>> scores = pd.DataFrame(shape * np.exp(0.1 * rng.normal(size=(10, 8))), columns=nodes)
    >>> scores["tf_2"] *= 4
    >>> scores.mean().idxmax()
    'tf_2'
    >>> table = node_significance(scores, controls)
    >>> table.index[table["qvalue"] < 0.05].tolist()
    ['tf_2']

    References
    ----------
    Fortelny & Bock 2020, doi:10.1186/s13059-020-02100-5. Esser-Skala & Fortelny 2023,
    doi:10.1038/s41540-023-00310-8. Benjamini & Hochberg 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x. Smyth 2004, doi:10.2202/1544-6115.1027.
    """
    if alternative not in ("two-sided", "greater", "less"):
        raise Edge2TorchError(
            f"alternative must be 'two-sided', 'greater' or 'less', found {alternative!r}."
        )
    shares = _shares(scores, "scores")
    control = _same_nodes(_control_shares(control_scores), shares)
    if artifact is None and isinstance(scores, Replicates):
        artifact = scores.artifact
    logs, control_logs = (np.log2(part.to_numpy() + _FLOOR) for part in (shares, control))
    effect = logs.mean(axis=0) - control_logs.mean(axis=0)
    shape = _shape(artifact, shares.columns)
    expected = _expected(effect, shape)
    pairs = _pairs(scores, control_scores)
    several = control_scores if isinstance(control_scores, list | tuple) else []
    each = np.mean([len(_table(one)) for one in several]) if several else 1.0
    statistic, freedom = _t(
        logs,
        control_logs,
        expected,
        None if pairs is None else logs - control_logs[pairs],
        float(each),
    )
    tail = {
        "greater": scipy.stats.t.sf(statistic, freedom),
        "less": scipy.stats.t.cdf(statistic, freedom),
        "two-sided": 2 * scipy.stats.t.sf(np.abs(statistic), freedom),
    }
    table = pd.DataFrame(
        {
            "score": shares.mean(),
            "control": control.mean(),
            "effect": effect,
            "expected": expected,
            "corrected": effect - expected,
            "statistic": statistic,
            "pvalue": tail[alternative],
            "qvalue": scipy.stats.false_discovery_control(tail[alternative]),
        },
        index=pd.Index(shares.columns, name="node"),
    )
    return table.join(shape).sort_values("corrected", ascending=False, kind="stable")


def _table(scores: Any) -> Any:
    return scores.scores if isinstance(scores, Replicates) else scores


def _shares(scores: Any, argument: str, *, fewest: int = 2) -> pd.DataFrame:
    """Return each network's scores as multiples of its mean node's."""
    table = _table(scores)
    if not isinstance(table, pd.DataFrame):
        raise Edge2TorchError(
            f"{argument} must be what replicate() returned, or a DataFrame of replicates × nodes; "
            f"found {type(table).__name__}."
        )
    if {"sign_consistency", "sd"} <= set(map(str, table.columns)):
        raise Edge2TorchError(
            f"{argument} is a summary over replicates. Give what replicate() returned: a test needs "
            "each network's scores."
        )
    if len(table) < fewest or table.shape[1] < 2:
        raise Edge2TorchError(
            f"{argument} has {len(table)} network(s) and {table.shape[1]} node(s); a spread needs "
            "two of each. Raise n, or lower min_quality."
        )
    table = table.set_axis(table.columns.astype(str), axis=1)
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise Edge2TorchError(f"{argument} has several columns of the name(s) {listing(twice)}.")
    table = table[sorted(table.columns)]  # sums in one order, whatever that of the columns
    try:
        values = table.to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(f"{argument} holds values that are not numbers: {error}.") from error
    wrong = ~(np.isfinite(values) & (values >= 0)).all(axis=0)
    if wrong.any():
        raise Edge2TorchError(
            f"{argument} is negative, missing or infinite for {listing(table.columns[wrong])}. Give "
            "magnitudes, such as the mean over samples of interpret_model(...).abs()."
        )
    mean = values.mean(axis=1, keepdims=True)
    if idle := table.index[mean[:, 0] == 0].tolist():
        raise Edge2TorchError(
            f"{argument}: network(s) {listing(idle)} score every node zero: their output depends "
            "on no node. Train longer, or drop them with min_quality."
        )
    return pd.DataFrame(values / mean, table.index, table.columns)


def _control_shares(scores: Any) -> pd.DataFrame:
    """Return a row per control network, or per control data set where they come in a list."""
    if not isinstance(scores, list | tuple):
        return _shares(scores, "control_scores")
    tables = [_shares(one, "control_scores", fewest=1) for one in scores]
    if len(tables) < 2:
        raise Edge2TorchError(f"control_scores lists {len(tables)} data set(s); two are needed.")
    for table in tables[1:]:
        _same_nodes(table, tables[0])
    return pd.DataFrame([np.exp2(np.log2(table + _FLOOR).mean()) - _FLOOR for table in tables])


def _same_nodes(control: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    missing = found.columns.difference(control.columns)
    unknown = control.columns.difference(found.columns)
    if len(missing) or len(unknown):
        raise Edge2TorchError(
            f"control_scores are of other nodes than scores: {len(missing)} missing "
            f"({listing(missing) or 'none'}), {len(unknown)} unknown ({listing(unknown) or 'none'}). "
            "Score control networks of the same graph, with the same nodes= option."
        )
    return control[found.columns]


def _shape(artifact: CompileArtifact | None, nodes: pd.Index) -> pd.DataFrame:
    if artifact is None:
        return pd.DataFrame(index=nodes)
    table = node_connectivity(artifact)[list(_SHAPE)]
    if unknown := nodes.difference(table.index).tolist():
        raise Edge2TorchError(
            f"scores names nodes that artifact does not have: {listing(unknown)}."
            f"{nearest(str(unknown[0]), table.index)}"
        )
    return table.loc[nodes]


def _expected(effect: Values, shape: pd.DataFrame) -> Values:
    """Return the effect that a node's connectivity lets one expect."""
    if shape.empty or len(effect) < _FEWEST_NODES:
        return np.zeros_like(effect)
    columns = [np.ones(len(effect))]
    for name in shape:
        logs = np.log(shape[name].to_numpy(np.float64))
        if logs.std() > 0:
            standard = (logs - logs.mean()) / logs.std()
            columns += [standard, standard**2]
    design = np.stack(columns, axis=1)
    start = np.linalg.lstsq(design, effect, rcond=None)[0]
    scale = scipy.stats.median_abs_deviation(effect - design @ start, scale="normal")
    if not scale > 0:
        return np.asarray(design @ start)
    fit = scipy.optimize.least_squares(
        lambda slope: (effect - design @ slope) / (1.345 * scale), start, loss="huber"
    )
    return np.asarray(design @ fit.x)


def _pairs(scores: Any, control: Any) -> NDArray[np.int64] | None:
    """Return the control of the same start for every replicate, if each has one; None otherwise."""
    if not isinstance(scores, Replicates) or not isinstance(control, Replicates):
        return None
    own, other = scores.starts, control.starts
    if len(own) < 2 or sorted(own) != sorted(other) or len(set(own)) < len(own):
        return None
    return np.array([other.index(seed) for seed in own])


def _t(
    logs: Values, control: Values, expected: Values, paired: Values | None, each: float
) -> tuple[Values, float]:
    """Return t of every node, and its degrees of freedom.

    ``paired`` are differences by start; ``each`` control is the mean of so many networks.
    """
    n, m = len(logs), len(control)
    start, start_freedom = _squeezed(logs)
    total, total_freedom = _squeezed(control)
    excess = total - start / each  # what the controls' own data sets add to their starts
    below = float((excess <= 0).mean())
    if below > 0.5 + 1 / np.sqrt(len(excess)):  # two standard errors above an even chance
        warn(
            f"control_scores scatter less than scores in {below:.0%} of nodes, though each control "
            "has data of its own: they are not draws of such data, and p-values are too small. They "
            "say that features are not all equally predictive, whatever the graph. Ask node_use and "
            "node_specific (or find_nodes) instead."
        )
    data = np.maximum(np.maximum(excess, np.median(excess)), 0.0)
    variance = data + start / n + total / m
    freedom = min(start_freedom, total_freedom)
    if paired is not None:  # what a start gives both is in neither
        between, freedom = _squeezed(paired)
        variance = data + between / n
    difference = logs.mean(axis=0) - control.mean(axis=0) - expected
    return difference / np.sqrt(variance), freedom


def _squeezed(values: Values) -> tuple[Values, float]:
    """Return each node's variance, drawn towards that of all nodes, and its degrees of freedom.

    The empirical Bayes of Smyth 2004: variances are draws of a scaled inverse chi-squared.
    """
    freedom = len(values) - 1
    variance = np.maximum(values.var(axis=0, ddof=1), np.finfo(np.float64).eps)
    level = np.log(variance) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(level.var(ddof=1) - special.polygamma(1, freedom / 2))
    if excess <= _trigamma(_MOST_PRIOR / 2):
        prior = _MOST_PRIOR
    else:
        prior = 2 * scipy.optimize.brentq(
            lambda half: _trigamma(half) - excess, 1e-3, _MOST_PRIOR / 2
        )
    common = np.exp(level.mean() + special.digamma(prior / 2) - np.log(prior / 2))
    return (prior * common + freedom * variance) / (prior + freedom), prior + freedom


def _trigamma(value: float) -> float:
    return float(special.polygamma(1, value))
