"""Whether a node says more than as many other features would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_count, check_flag
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._coherent import coherent_test
from edge2torch.interpret._trust._connectivity import node_connectivity
from edge2torch.interpret._trust._cross_fit import CrossFitted
from edge2torch.interpret._trust._held import Ints
from edge2torch.interpret._trust._target import Target
from edge2torch.interpret._trust._use import chosen_nodes, rows_of, with_target

Values = NDArray[np.float64]
N_HELD = 3  # chosen on interferon-stimulated cells, which no benchmark of ours uses
_FEWEST = 30  # values of a null to which a trend over connectivity is fitted
_LEAST_FREEDOM, _NORMAL = 3.0, 200.0  # degrees of freedom of the tail: heaviest; no tail at all
_TAIL = 0.9  # quantile beyond which an exponential tail takes over where Student's does not fit
_MISFIT = 0.05


def node_specific(
    networks: CrossFitted,
    controls: Sequence[CrossFitted],
    data: Any,
    target: ArrayLike | pd.Series,
    *,
    groups: ArrayLike | None = None,
    nodes: Sequence[str] | None = None,
    n_held: int = N_HELD,
    by_class: bool = False,
) -> pd.DataFrame:
    """Ask of every node whether it says more than as many other features under it would.

    The statistic is the gain that is left to a node while its few strongest inputs are held at their
    means: a pathway is more than one gene, and a random set that holds one strong gene is not one. The
    null are the same networks over exchanged features, whose strengths and correlations stay.

    Parameters
    ----------
    networks : CrossFitted
        What :func:`cross_fit` returned.
    controls : sequence of CrossFitted
        The same over exchanged features: ``cross_fit(..., exchange_features=k)`` for k = 0, 1, ...
        Four or more; their nodes make up the null together, so a small graph needs more.
    data, target, groups, nodes
        As in :func:`node_use`.
    n_held : int
        Inputs that are held at most, those that tell most of the target in a fold's training samples;
        never more than a third of the inputs below a node.
    by_class : bool
        One row for every class and node, with the loss of this class against the rest over all
        samples, and with inputs held that tell most of this class.

    Returns
    -------
    DataFrame
        By node (or class and node). ``coherent_gain``: mean rise of the held-out loss when the node
        is held as well. ``coherent_t``: its ratio to its standard error. ``n_held``, ``n_inputs``:
        inputs that were held, and that there are below the node. ``p_specific``: one-sided, against
        the null; ``q_specific``: Benjamini and Hochberg's, over all rows of this table.

    Raises
    ------
    Edge2TorchError
        For controls that are too few, or of another graph, and for arguments as in
        :func:`node_use`.

    Notes
    -----
    *Null.* ``coherent_t`` of all nodes of all controls, less its trend over the number of inputs and of
    edges (quadratic in logarithms), divided by a spread that follows the number of inputs. Its tail
    is Student's t, by maximum likelihood, so far as it fits: where the largest value of the null
    would have p below .05 among so many, an exponential tail that begins at the 90th percentile is
    taken if it is heavier. ``find_nodes(...).calibration`` leaves each control out in turn.

    *Where it has no power.* Where the signal is everywhere, every node can stand in for another,
    and holding one costs nothing, whatever it reads: nothing is found, rightly or not.

    References
    ----------
    Venet et al. 2011, doi:10.1371/journal.pcbi.1002240: random gene sets predict, too. Wu & Smyth 2012,
    doi:10.1093/nar/gks461, for correlation among genes in such a test.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> from edge2torch.interpret import cross_fit
    >>> from edge2torch.simulate import layered_graph, planted_nodes
    >>> edges = layered_graph([60, 12, 1], [120, 12], seed=0)
    >>> problem = planted_nodes(edges, effect=2.0, seed=0)
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> start = e2t.customize_model(model, node_activation="tanh"), artifact
    >>> samples = problem.x_test, problem.y_test
    >>> options = {"starts": 2, "learning_rate": 0.02, "max_epochs": 10}
    >>> fitted = cross_fit(start, *samples, **options)
    >>> controls = [cross_fit(start, *samples, exchange_features=k, **options) for k in range(4)]
    >>> table = node_specific(fitted, controls, *samples)
    >>> table["p_specific"].idxmin() == problem.causal[0]
    True
    """
    check_flag("by_class", by_class)
    n_held = check_count("n_held", n_held, least=0)
    controls = check_controls(controls, networks)
    fitted, own, groups = with_target(networks, data, target, None, groups)
    numbers = chosen_nodes(fitted.artifact, nodes, fitted.models[0][0])
    names = fitted.artifact.graph.names(numbers)
    if by_class and not own.classes:
        raise Edge2TorchError("by_class: target holds numbers, which have no classes.")
    found = [
        specific_test(fitted, controls, data, own, groups, numbers, n_held, of_class=k)[0]
        for k in (range(len(own.classes)) if by_class else [None])
    ]
    table = pd.concat(found)
    table.index = rows_of(names, own.classes if by_class else ())
    table["q_specific"] = scipy.stats.false_discovery_control(table["p_specific"])
    return table


def specific_test(
    fitted: CrossFitted,
    controls: Sequence[CrossFitted],
    data: Any,
    target: Target,
    groups: Any,
    nodes: Ints,
    n_held: int,
    *,
    null: NullFit | None = None,
    of_class: int | None = None,
) -> tuple[pd.DataFrame, NullFit]:
    """Return all columns but q, and the null, which is fitted to the controls if it is not given."""
    names = fitted.artifact.graph.names(nodes)

    def test(networks: CrossFitted) -> pd.DataFrame:
        table = coherent_test(networks, data, target, groups, nodes, n_held, of_class=of_class)
        degree = node_connectivity(fitted.artifact)["degree"][names]
        return table.assign(degree=degree.to_numpy()).set_axis(names)

    if null is None:
        of_controls = {k: test(one) for k, one in enumerate(controls)}
        null = NullFit.of(pd.concat(of_controls, names=["control", "node"]))
    table = test(fitted)
    table["p_specific"] = null.pvalue(table)
    table = table.rename(columns={"gain": "coherent_gain", "t": "coherent_t"})
    return table[["coherent_gain", "coherent_t", "n_held", "n_inputs", "p_specific"]], null


def check_controls(controls: Any, networks: CrossFitted) -> list[CrossFitted]:
    """Return controls after checking that they are of the same graph over other features."""
    if not isinstance(networks, CrossFitted):
        raise Edge2TorchError(
            "networks must be what cross_fit() returned, for its controls have to be trained as they "
            f"were; found {type(networks).__name__}."
        )
    given = list(controls) if isinstance(controls, list | tuple) else [controls]
    if len(given) < 2 or not all(isinstance(one, CrossFitted) for one in given):
        raise Edge2TorchError(
            "controls must be two or more of what cross_fit(..., exchange_features=k) returned; "
            f"found {len(given)}."
        )
    for k, one in enumerate(given):
        if one.artifact.fingerprint != networks.artifact.fingerprint:
            raise Edge2TorchError(f"controls: number {k} is of another graph than networks.")
        if one.columns == networks.columns:
            raise Edge2TorchError(
                f"controls: the features of number {k} stand where those of networks do. Train "
                "controls with exchange_features=."
            )
    same = [k for k, one in enumerate(given) if one.columns in [o.columns for o in given[:k]]]
    if same:
        raise Edge2TorchError(
            f"controls: number(s) {listing(same)} repeat the features of an earlier one. Give each "
            "an exchange_features= of its own."
        )
    return given


@dataclass(frozen=True, eq=False)
class NullFit:
    """What nodes without knowledge have: a trend over connectivity, and a tail.

    Parameters
    ----------
    table : DataFrame
        ``t``, ``n_inputs`` and ``degree`` of every node of every control, by (control, node).
    center, spread : ndarray
        Coefficients of the trend, and of the logarithm of the spread.
    freedom, location, scale : float
        Student's t of what is left; infinite freedom is the normal distribution.
    threshold, mean_excess : float
        Where an exponential tail begins, and its mean; infinite where none is needed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.MultiIndex.from_product([range(4), range(50)], names=["control", "node"])
    >>> null = NullFit.of(pd.DataFrame({"t": rng.normal(size=200), "n_inputs": 9, "degree": 10}, rows))
    >>> bool(0.03 < null.pvalue(null.table[:1].assign(t=1.645))[0] < 0.08)
    True
    """

    table: pd.DataFrame
    center: Values
    spread: Values
    freedom: float
    location: float
    scale: float
    threshold: float = np.inf
    mean_excess: float = np.inf

    @classmethod
    def of(cls, table: pd.DataFrame) -> NullFit:
        """Fit the null to the values of the controls."""
        t = table["t"].to_numpy(np.float64)
        design = _design(table, table)
        center = np.linalg.lstsq(design, t, rcond=None)[0]
        left = t - design @ center
        # half a spread for a deviation of 0: its logarithm would rule the fit
        size = np.log(np.abs(left) + 0.5 * left.std() + 1e-9)
        spread = np.linalg.lstsq(design[:, :2], size, rcond=None)[0]
        standard = left / np.exp(design[:, :2] @ spread)
        freedom, location, scale = scipy.stats.t.fit(standard)
        if not np.isfinite(freedom) or freedom > _NORMAL:
            freedom, location, scale = np.inf, float(standard.mean()), float(standard.std(ddof=1))
        elif freedom < _LEAST_FREEDOM:
            freedom = _LEAST_FREEDOM
            _, location, scale = scipy.stats.t.fit(standard, fix_df=freedom)
        found = cls(table, center, spread, float(freedom), float(location), float(scale))
        largest = found._student(standard.max())
        if len(t) * largest >= _MISFIT:
            return found
        threshold = float(np.quantile(standard, _TAIL))
        excess = float((standard[standard > threshold] - threshold).mean())
        return replace(found, threshold=threshold, mean_excess=excess)

    def pvalue(self, table: pd.DataFrame) -> Values:
        """Return the share of nodes without knowledge that reach as much."""
        design = _design(table, self.table)
        left = table["t"].to_numpy(np.float64) - design @ self.center
        standard = left / np.exp(design[:, :2] @ self.spread)
        p = self._student(standard)
        if np.isfinite(self.threshold):
            beyond = (1 - _TAIL) * np.exp(-(standard - self.threshold) / self.mean_excess)
            p = np.where(standard > self.threshold, np.maximum(p, beyond), p)
        return np.asarray(np.clip(p, 0.0, 1.0))

    def _student(self, standard: Any) -> Any:
        z = (standard - self.location) / self.scale
        return (
            scipy.stats.norm.sf(z) if np.isinf(self.freedom) else scipy.stats.t.sf(z, self.freedom)
        )

    def calibration(self) -> pd.DataFrame:
        """Return, for each control against the others, how many nodes the test calls specific.

        ``p<.05`` and ``p<.01`` as shares of nodes, ``q<.05`` as a number of nodes; the first two
        should be about .05 and .01, the last 0.
        """
        rows = {}
        of = self.table.index.get_level_values("control")
        for one in of.unique():
            p = NullFit.of(self.table[of != one]).pvalue(self.table[of == one])
            q = scipy.stats.false_discovery_control(p)
            rows[one] = {
                "p<.05": (p < 0.05).mean(),
                "p<.01": (p < 0.01).mean(),
                "q<.05": (q < 0.05).sum(),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("control")


def _design(table: pd.DataFrame, like: pd.DataFrame) -> Values:
    """Return intercept, log inputs, its square, and the same of degree, in units of the null's."""
    columns = [np.ones(len(table))]
    for name in ("n_inputs", "degree"):
        logs, known = (np.log1p(one[name].to_numpy(np.float64)) for one in (table, like))
        varied = known.std() > 0 and len(like) >= _FEWEST
        standard = (logs - known.mean()) / known.std() if varied else np.zeros(len(logs))
        columns += [standard, standard**2]
    return np.stack(columns, axis=1)
