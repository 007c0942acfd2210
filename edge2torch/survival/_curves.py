"""Survival without covariates, and the baseline that a log hazard multiplies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from edge2torch._core.checks import check_number, check_numbers
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.survival._outcome import Outcome, in_order, require_outcome


def kaplan_meier(
    time: Any, event: Any, *, entry: Any = None, interval: float = 0.95
) -> pd.DataFrame:
    """Estimate which share of patients has not had the event, with its interval.

    Parameters
    ----------
    time, event, entry
        As of :class:`Outcome`.
    interval : float
        Confidence of the pointwise interval: Greenwood's variance, on the scale of log(-log S).

    Returns
    -------
    DataFrame, one row per distinct time
        ``at_risk``, ``events``, ``censored``, ``survival``, ``low``, ``high``; the index is ``time``.
        Where survival is 0 there is no interval.

    References
    ----------
    Kaplan & Meier 1958, doi:10.1080/01621459.1958.10501452.

    Examples
    --------
    >>> kaplan_meier([1.0, 2.0, 3.0], [1, 0, 1])["survival"].round(3).tolist()
    [0.667, 0.667, 0.0]
    """
    check_number("interval", interval, above=0, below=1)
    table = _life_table(Outcome(time, event, entry))
    with np.errstate(divide="ignore", invalid="ignore"):
        left = table["at_risk"] - table["events"]
        survival = (left / table["at_risk"]).cumprod()
        variance = (table["events"] / (table["at_risk"] * left)).cumsum()
        width = norm.ppf(0.5 + interval / 2) * np.sqrt(variance) / np.log(survival)
        low, high = survival ** np.exp(-width), survival ** np.exp(width)
    none, whole = survival == 0, survival == 1
    low, high = low.mask(none).mask(whole, 1.0), high.mask(none).mask(whole, 1.0)
    return table.assign(survival=survival, low=low, high=high)


def median_time(curve: pd.DataFrame) -> float:
    """Return the time at which a curve of :func:`kaplan_meier` falls to a half; NaN if it does not.

    Parameters
    ----------
    curve : DataFrame
        Of :func:`kaplan_meier`.

    Returns
    -------
    float

    Examples
    --------
    >>> median_time(kaplan_meier([1.0, 2.0, 3.0], [1, 1, 1]))
    2.0
    """
    below = curve.index[curve["survival"].to_numpy() <= 0.5 + 1e-12]
    return float(below[0]) if len(below) else float("nan")


def median_follow_up(outcome: Outcome) -> float:
    """Return the median time for which patients would have been watched, had there been no event.

    Parameters
    ----------
    outcome : Outcome
        Of all patients.

    Returns
    -------
    float
        Median of the Kaplan-Meier curve in which censoring is the event.

    References
    ----------
    Schemper & Smith 1996, doi:10.1016/0197-2456(96)00075-X.

    Examples
    --------
    >>> median_follow_up(Outcome([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 0]))
    4.0
    """
    require_outcome(outcome)
    return median_time(kaplan_meier(outcome.time, ~outcome.event, entry=outcome.entry))


def _life_table(outcome: Outcome) -> pd.DataFrame:
    """At risk, events and censored at every distinct time."""
    times, place = np.unique(outcome.time, return_inverse=True)
    events = np.bincount(place, outcome.event, len(times))
    leaving = np.bincount(place, minlength=len(times))
    at_risk = leaving[::-1].cumsum()[::-1].astype(np.float64)
    if outcome.entry is not None:  # not yet under observation
        at_risk -= len(outcome) - np.searchsorted(np.sort(outcome.entry), times, side="left")
    return pd.DataFrame(
        {
            "at_risk": at_risk.astype(np.int64),
            "events": events.astype(np.int64),
            "censored": (leaving - events).astype(np.int64),
        },
        index=pd.Index(times, name="time"),
    )


def censoring_curve(outcome: Outcome) -> Callable[[ArrayLike, bool], NDArray[np.float64]]:
    """Probability G of not being censored: ``G(t, before=True)`` is that just before t."""
    require_outcome(outcome, "train")
    if outcome.entry is not None:
        raise Edge2TorchError(
            "entry: weights by the probability of being censored are not defined for patients who "
            "come under observation late. Use harrell_c."
        )
    # at equal times events come first, so a patient who dies at t is not at risk of censoring at t
    order = np.lexsort((~outcome.event, outcome.time))
    left = len(outcome) - np.arange(len(outcome))
    steps = np.where(outcome.event[order], 1.0, (left - 1) / left).cumprod()
    values = np.concatenate([[1.0], steps])
    when = outcome.time[order]

    def at(time: ArrayLike, before: bool) -> NDArray[np.float64]:
        return values[np.searchsorted(when, np.asarray(time), side="left" if before else "right")]

    return at


@dataclass(frozen=True, eq=False)
class BaselineHazard:
    """Cumulative hazard of a patient whose log hazard is 0, by stratum.

    Parameters
    ----------
    times : mapping of str to ndarray
        Event times of each stratum; of one without a name, all.
    log_cumulative : mapping of str to ndarray
        Log of the cumulative hazard at these times.
    last : mapping of str to float
        Last time under observation: beyond it nothing is known.

    Examples
    --------
    >>> baseline = baseline_hazard([0.0, 0.0], Outcome([1.0, 2.0], [1, 1]))
    >>> baseline.survival_curves([0.0], at=[1.0]).round(3).iloc[0, 0]
    np.float64(0.607)
    """

    times: Mapping[str, NDArray[np.float64]]
    log_cumulative: Mapping[str, NDArray[np.float64]]
    last: Mapping[str, float]

    def log_hazard_until(
        self, at: ArrayLike, strata: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the log cumulative baseline hazard, of each row at its own time.

        Parameters
        ----------
        at : array, shape (n,)
            Times.
        strata : array, shape (n,), optional
            Of each row, where the baseline has strata.

        Returns
        -------
        ndarray, shape (n,)
            Minus infinity before the first event.
        """
        when = np.asarray(at, np.float64)
        names = np.full(len(when), "") if strata is None else np.asarray(strata).astype(str)
        if unknown := sorted(set(names.tolist()) - set(self.times)):
            wanted = "Name the stratum of each row." if unknown == [""] else "It has no baseline."
            raise Edge2TorchError(f"strata: {listing(unknown)} was not fitted. {wanted}")
        found = np.full(len(when), -np.inf)
        for name in np.unique(names):
            rows = names == name
            steps = np.concatenate([[-np.inf], self.log_cumulative[name]])
            found[rows] = steps[np.searchsorted(self.times[name], when[rows], side="right")]
        return found

    def survival_curves(
        self, log_hazard: Any, at: ArrayLike, *, strata: ArrayLike | None = None
    ) -> pd.DataFrame:
        """Return the probability of no event up to some times, of new patients.

        Parameters
        ----------
        log_hazard : array, shape (n,)
            On the scale of those that the baseline was fitted with.
        at : array, shape (t,)
            Times, within the follow-up of those that were fitted.
        strata : array, shape (n,), optional
            Of each patient, where the baseline has strata.

        Returns
        -------
        DataFrame, shape (n, t)
        """
        theta = np.asarray(log_hazard, np.float64).reshape(-1)
        when = np.asarray(at, np.float64).reshape(-1)
        names = [""] if strata is None else np.unique(np.asarray(strata).astype(str)).tolist()
        last = min(self.last.get(name, np.inf) for name in names)
        if (beyond := when[when > last]).size:
            raise Edge2TorchError(
                f"at: {listing(beyond.tolist())} is beyond the follow-up, which ends at {last:g}."
            )
        columns = {}
        for one in when:
            until = self.log_hazard_until(np.full(len(theta), one), strata)
            with np.errstate(over="ignore"):
                columns[float(one)] = np.exp(-np.exp(until + theta))
        index = log_hazard.index if isinstance(log_hazard, pd.Series) else None
        return pd.DataFrame(columns, index=index).rename_axis(columns="time")


def baseline_hazard(log_hazard: Any, outcome: Outcome) -> BaselineHazard:
    """Estimate the hazard that log hazards multiply, by Breslow's estimator.

    Parameters
    ----------
    log_hazard : array, shape (n,)
        Of the patients of the outcome.
    outcome : Outcome
        That they were fitted to.

    Returns
    -------
    BaselineHazard
        At log hazard 0 (some packages give that of the mean patient).

    References
    ----------
    Breslow 1974, doi:10.2307/2529620.

    Examples
    --------
    >>> baseline = baseline_hazard([0.0, 0.0], Outcome([1.0, 2.0], [1, 1]))
    >>> np.exp(baseline.log_cumulative[""]).tolist()
    [0.5, 1.5]
    """
    theta = _log_hazards(log_hazard, outcome)
    times, log_cumulative, last = {}, {}, {}
    for name, rows in outcome.by_stratum():
        one, own = outcome.take(rows), theta[rows]
        center = own.max()  # so that the largest hazard is 1
        when, deaths = np.unique(one.time[one.event], return_counts=True)
        at_risk = np.array(_sums_at_risk(one, np.exp(own - center), when))
        times[name], last[name] = when, float(one.time.max())
        with np.errstate(divide="ignore"):
            log_cumulative[name] = np.log((deaths / at_risk).cumsum()) - center
    return BaselineHazard(times, log_cumulative, last)


def martingale_residuals(outcome: Outcome, log_hazard: Any = None) -> NDArray[np.float64]:
    """Return events seen less events expected, of each patient.

    Parameters
    ----------
    outcome : Outcome
        Of n patients.
    log_hazard : array, shape (n,), optional
        Of a fitted model; none at all by default.

    Returns
    -------
    ndarray, shape (n,)
        At most 1; the mean is 0.

    References
    ----------
    Therneau, Grambsch & Fleming 1990, doi:10.1093/biomet/77.1.147.

    Examples
    --------
    >>> martingale_residuals(Outcome([1.0, 2.0], [1, 1])).tolist()
    [0.5, -0.5]
    """
    require_outcome(outcome)
    theta = np.zeros(len(outcome)) if log_hazard is None else _log_hazards(log_hazard, outcome)
    baseline = baseline_hazard(theta, outcome)
    expected = np.exp(baseline.log_hazard_until(outcome.time, outcome.strata) + theta)
    if outcome.entry is not None:
        expected -= np.exp(baseline.log_hazard_until(outcome.entry, outcome.strata) + theta)
    residuals: NDArray[np.float64] = outcome.event - expected
    return residuals


def _log_hazards(log_hazard: Any, outcome: Outcome) -> NDArray[np.float64]:
    require_outcome(outcome)
    log_hazard = in_order("log_hazard", log_hazard, outcome.names)
    theta = check_numbers("log_hazard", log_hazard).astype(np.float64).reshape(-1)
    if len(theta) != len(outcome) or not np.isfinite(theta).all():
        raise Edge2TorchError(
            f"log_hazard must hold a finite number for each of {len(outcome)} patients, found shape "
            f"{np.shape(log_hazard)} with {int((~np.isfinite(theta)).sum())} that are not finite."
        )
    return theta


def _sums_at_risk(
    outcome: Outcome, values: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of values (n, ...) over the patients at risk at each time."""
    order = np.argsort(outcome.time, kind="stable")
    after = np.concatenate([values[order][::-1].cumsum(axis=0)[::-1], values[:1] * 0.0])
    found = after[np.searchsorted(outcome.time[order], times, side="left")]
    if outcome.entry is not None:
        order = np.argsort(outcome.entry, kind="stable")
        late = np.concatenate([values[order][::-1].cumsum(axis=0)[::-1], values[:1] * 0.0])
        found = found - late[np.searchsorted(outcome.entry[order], times, side="left")]
    return np.asarray(found, np.float64)
