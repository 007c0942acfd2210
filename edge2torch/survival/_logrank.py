"""Whether groups of patients differ in how long it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import chi2

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.survival._curves import _sums_at_risk
from edge2torch.survival._outcome import Outcome, in_order


@dataclass(frozen=True)
class LogRank:
    """A test of whether groups differ.

    Parameters
    ----------
    statistic, pvalue : float
        Chi-squared, and its p-value.
    degrees : int
        Groups less one.
    groups : DataFrame, one row per group
        ``patients``, ``events`` and ``expected`` events, if the groups did not differ.

    Examples
    --------
    >>> logrank(["a", "a", "b", "b"], [1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1]).degrees
    1
    """

    statistic: float
    pvalue: float
    degrees: int
    groups: pd.DataFrame = field(repr=False)


def logrank(
    groups: ArrayLike, time: Any, event: Any, *, entry: Any = None, strata: Any = None
) -> LogRank:
    """Test whether groups of patients differ, within strata if there are any.

    Parameters
    ----------
    groups : array, shape (n,)
        Name of each patient's group, not chosen by looking at the times.
    time, event, entry, strata
        As of :class:`Outcome`.

    Returns
    -------
    LogRank

    Raises
    ------
    Edge2TorchError
        For fewer than two groups.

    References
    ----------
    Mantel 1966; Peto & Peto 1972, doi:10.2307/2344317.

    Examples
    --------
    >>> test = logrank(["a"] * 3 + ["b"] * 3, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1] * 6)
    >>> round(test.pvalue, 3)
    0.025
    """
    outcome = Outcome(time, event, entry, strata)
    groups = in_order("groups", groups, outcome.names)
    labels = pd.Series(np.asarray(groups, object) if np.ndim(groups) == 1 else [], dtype=object)
    if labels.shape != (len(outcome),) or labels.isna().any():
        raise Edge2TorchError(
            f"groups must name the group of each of {len(outcome)} patients, found shape "
            f"{np.shape(groups)}, {int(labels.isna().sum())} missing."
        )
    codes, names = pd.factorize(labels, sort=False)
    if len(names) < 2:
        raise Edge2TorchError(f"groups: two are needed, found {listing(names)} only.")
    member = np.eye(len(names))[codes]
    expected, covariance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for _, rows in outcome.by_stratum():
        one, own = outcome.take(rows), member[rows]
        times, deaths = np.unique(one.time[one.event], return_counts=True)
        if not len(times):
            continue
        at_risk = _sums_at_risk(one, own, times)
        total = at_risk.sum(axis=1)
        share = at_risk / total[:, None]
        expected += deaths @ share
        # hypergeometric: of the patients at risk, as many as there were deaths, without return
        spread = deaths * (total - deaths) / np.maximum(total - 1, 1)
        covariance += np.diag(spread @ share) - (share * spread[:, None]).T @ share
    seen = outcome.event @ member
    gap = (seen - expected)[:-1]  # the last follows from the others
    statistic = float(gap @ np.linalg.pinv(covariance[:-1, :-1]) @ gap)
    degrees = len(names) - 1
    table = pd.DataFrame(
        {
            "patients": member.sum(axis=0).astype(int),
            "events": seen.astype(int),
            "expected": expected,
        },
        index=pd.Index(names, name="group"),
    )
    return LogRank(statistic, float(chi2.sf(statistic, degrees)), degrees, table)
