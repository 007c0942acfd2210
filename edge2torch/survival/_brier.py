"""How far predicted probabilities are from what happened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from edge2torch._core.checks import check_count, check_number
from edge2torch._core.messages import kind_of, listing
from edge2torch.errors import Edge2TorchError
from edge2torch.survival._curves import censoring_curve, kaplan_meier
from edge2torch.survival._outcome import Outcome, in_order


def brier_at(
    time: Any, event: Any, survival: pd.DataFrame, *, train: Outcome | None = None
) -> pd.Series:
    """Return the mean squared error of predicted survival at some times, whatever the censoring.

    Parameters
    ----------
    time, event
        As of :class:`Outcome`, of n patients.
    survival : DataFrame, shape (n, t)
        Probability of no event up to each time; the columns are the times, as
        :meth:`BaselineHazard.survival_curves` returns them.
    train : Outcome, optional
        Patients that the censoring is estimated from; those that are judged by default.

    Returns
    -------
    Series, shape (t,)
        The lower, the better; 0.25 for saying one half of everybody.

    Raises
    ------
    Edge2TorchError
        For probabilities out of range, and times beyond the follow-up of ``train``.

    References
    ----------
    Graf et al. 1999, doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.

    Examples
    --------
    >>> half = pd.DataFrame({1.5: [0.5, 0.5, 0.5]})
    >>> brier_at([1.0, 2.0, 3.0], [1, 1, 0], half).tolist()
    [0.25]
    """
    outcome = Outcome(time, event)
    terms = brier_terms(outcome, survival, outcome if train is None else train)
    return pd.Series(terms.mean(axis=0), index=survival.columns, name="brier").rename_axis("time")


def integrated_brier(
    time: Any, event: Any, survival: pd.DataFrame, *, train: Outcome | None = None
) -> float:
    """Return the mean over a range of times of :func:`brier_at`, by trapezoids.

    Parameters
    ----------
    time, event, train
        As of :func:`brier_at`.
    survival : DataFrame, shape (n, t)
        At two or more times in ascending order; the range is from the first to the last.

    Returns
    -------
    float

    Raises
    ------
    Edge2TorchError
        As :func:`brier_at`, and for a single time.

    Examples
    --------
    >>> half = pd.DataFrame({1.5: [0.5, 0.5, 0.5], 2.5: [0.5, 0.5, 0.5]})
    >>> integrated_brier([1.0, 2.0, 3.0], [1, 1, 0], half)
    0.25
    """
    found = brier_at(time, event, survival, train=train)
    when = found.index.to_numpy(np.float64)
    if len(when) < 2 or (np.diff(when) <= 0).any():
        raise Edge2TorchError(
            f"survival must have two or more times in ascending order, found {listing(when.tolist())}."
        )
    return float(trapezoid(found.to_numpy(), when) / (when[-1] - when[0]))


def brier_terms(outcome: Outcome, survival: pd.DataFrame, train: Outcome) -> NDArray[np.float64]:
    """Weighted squared error of each patient at each time."""
    predicted, when = _probabilities(survival, outcome), survival.columns.to_numpy(np.float64)
    left = censoring_curve(train)
    before, until = left(outcome.time, True)[:, None], left(when, False)
    happened = outcome.event[:, None] & (outcome.time[:, None] <= when)
    watched = outcome.time[:, None] > when
    if ((until == 0) & watched.any(axis=0)).any() or (happened & (before == 0)).any():
        raise Edge2TorchError(
            f"survival: its last time, {when.max():g}, is beyond the follow-up of train, where "
            "everybody is censored by then."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(happened, predicted**2 / before, 0.0)
        terms += np.where(watched, (1 - predicted) ** 2 / until, 0.0)
    return terms


def calibration_at(
    time: Any, event: Any, survival: pd.Series, at: float, *, groups: int = 5
) -> pd.DataFrame:
    """Compare predicted with seen events up to a time, in groups of predicted risk.

    Parameters
    ----------
    time, event
        As of :class:`Outcome`, of n patients who had no part in the fit.
    survival : Series or array, shape (n,)
        Predicted probability of no event up to ``at``.
    at : float
        The time, within the follow-up.
    groups : int
        Of about equal size, in the order of predicted risk.

    Returns
    -------
    DataFrame, one row per group
        ``patients``; ``predicted``, the mean predicted probability of an event; ``observed``, 1 less
        the Kaplan-Meier estimate, with ``low`` and ``high`` of its 95 % interval.

    Raises
    ------
    Edge2TorchError
        For a time beyond the follow-up, and fewer patients than groups.

    Examples
    --------
    >>> table = calibration_at([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 0], [0.1, 0.2, 0.8, 0.9], 2.5, groups=2)
    >>> table[["predicted", "observed"]].round(2).to_numpy().tolist()
    [[0.15, 0.0], [0.85, 1.0]]
    """
    outcome = Outcome(time, event)
    check_number("at", at, above=0)
    check_count("groups", groups, 2)
    predicted = (
        1
        - _probabilities(
            pd.DataFrame({at: in_order("survival", survival, outcome.names)}), outcome
        )[:, 0]
    )
    if len(outcome) < groups:
        raise Edge2TorchError(f"groups={groups} of {len(outcome)} patients are too many.")
    if at > outcome.time.max():
        raise Edge2TorchError(
            f"at={at:g} is beyond the follow-up, which ends at {outcome.time.max():g}."
        )
    rows = []
    for part in np.array_split(np.argsort(predicted, kind="stable"), groups):
        one = outcome.take(part)
        curve = kaplan_meier(one.time, one.event)
        until = curve[curve.index <= at]
        last = (
            until.iloc[-1] if len(until) else pd.Series({"survival": 1.0, "low": 1.0, "high": 1.0})
        )
        rows.append(
            {
                "patients": len(part),
                "predicted": predicted[part].mean(),
                "observed": 1 - last["survival"],
                "low": 1 - last["high"],
                "high": 1 - last["low"],
            }
        )
    return pd.DataFrame(rows, index=pd.RangeIndex(1, groups + 1, name="group"))


def _probabilities(survival: pd.DataFrame, outcome: Outcome) -> NDArray[np.float64]:
    if not isinstance(survival, pd.DataFrame):
        raise Edge2TorchError(
            f"survival must be a DataFrame (patients × times), found {kind_of(survival)}."
        )
    n = len(outcome)
    found: NDArray[np.float64] = in_order("survival", survival, outcome.names).to_numpy(np.float64)
    if found.shape[0] != n or not found.shape[1]:
        raise Edge2TorchError(f"survival must have {n} rows, as time, found shape {found.shape}.")
    if not ((found >= 0) & (found <= 1)).all():
        raise Edge2TorchError("survival must hold probabilities between 0 and 1, and does not.")
    return found
