"""Cox's model with a ridge penalty: what a network has to stand beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm

from edge2torch._core.checks import check_count, check_number, check_numbers, check_type
from edge2torch._core.messages import listing
from edge2torch._core.statistics import unit_of
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CoxLoss, Ties
from edge2torch.survival._curves import BaselineHazard, baseline_hazard
from edge2torch.survival._folds import survival_folds
from edge2torch.survival._outcome import Outcome, check_outcome, in_order, require_outcome

# Weight of half the squared norm of the coefficients of standardised features, beside the partial
# likelihood of an event; from strong to weak.
PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_WORSE = (
    2  # penalties in a row that are no better than the best, after which weaker ones are not tried
)
_SLIGHT = 1e-6  # of what is not to be penalised: keeps a separating column finite


@dataclass(frozen=True, eq=False)
class CoxRegression:
    """A fitted linear model of the log hazard.

    Parameters
    ----------
    coefficients : Series
        By feature, per unit of the feature: logs of hazard ratios.
    means : Series
        Of the features; the log hazard is 0 there.
    baseline : BaselineHazard
        Of a patient at the means.
    penalty : float
        That was chosen, or given.
    errors : Series
        Standard errors of the coefficients; NaN with a penalty, under which they mean little.

    Examples
    --------
    >>> outcome = Outcome([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1])
    >>> fitted = cox_regression(pd.DataFrame({"age": [7.0, 3.0, 5.0, 2.0]}), outcome, penalty=0)
    >>> bool(fitted.coefficients["age"] > 0)
    True
    """

    coefficients: pd.Series
    means: pd.Series
    baseline: BaselineHazard = field(repr=False)
    penalty: float
    errors: pd.Series = field(repr=False)

    def log_hazard(self, features: pd.DataFrame) -> pd.Series:
        """Return the log hazard of patients, relative to one at the means.

        Parameters
        ----------
        features : DataFrame
            A row per patient, with the columns that were fitted.

        Returns
        -------
        Series
        """
        lacking = [name for name in self.coefficients.index if name not in features]
        if lacking:
            raise Edge2TorchError(f"features: there is no column {listing(lacking)}.")
        own = features[list(self.coefficients.index)]
        values = (own.to_numpy(np.float64) - self.means.to_numpy()) @ self.coefficients.to_numpy()
        return pd.Series(values, index=features.index, name="log_hazard")


def cox_regression(
    features: pd.DataFrame,
    outcome: Outcome,
    *,
    penalty: float | None = None,
    unpenalized: Sequence[str] = (),
    ties: Ties = "efron",
    n_folds: int = 5,
    groups: Any = None,
    seed: int = 0,
) -> CoxRegression:
    """Fit Cox's model with a ridge penalty, chosen by held-out partial likelihood.

    Features are standardised. Of the penalties of a grid the best is taken by the partial
    likelihood of all patients less that of those who were fitted, over folds.

    Parameters
    ----------
    features : DataFrame, shape (n, p)
        Numbers, none missing; more features than patients are no trouble.
    outcome : Outcome
        Of the same patients.
    penalty : float, optional
        Weight of half the squared norm beside the loss per event; 0 for none.
    unpenalized : sequence of str
        Columns that the penalty leaves alone, such as age and stage.
    ties : {"efron", "breslow"}
        How events at the same time are counted.
    n_folds : int
        To choose the penalty with.
    groups : array, shape (n,), optional
        What patients share; all of one are in the same fold.
    seed : int
        Fixes the folds.

    Returns
    -------
    CoxRegression

    Raises
    ------
    Edge2TorchError
        For features that are missing or no numbers, and outcomes without events.

    References
    ----------
    Verweij & van Houwelingen 1993, doi:10.1002/sim.4780122407; 1994, doi:10.1002/sim.4780132307.

    Examples
    --------
    >>> import numpy as np
    >>> from edge2torch.survival import simulate
    >>> x = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=["a", "b", "c"])
    >>> fitted = cox_regression(x, simulate(x["a"], seed=0))
    >>> fitted.coefficients.abs().idxmax()
    'a'
    """
    require_outcome(outcome)
    check_type("features", features, pd.DataFrame, "a DataFrame with a row per patient")
    names = list(features.columns)
    values = _values(features, outcome)
    if odd := [name for name in unpenalized if name not in names]:
        raise Edge2TorchError(f"unpenalized: there is no column {listing(odd)} in features.")
    check_outcome(outcome)
    free = np.array([name in set(unpenalized) for name in names])
    if penalty is None:
        penalty = _best_penalty(values, outcome, free, ties, n_folds, groups, seed)
    check_number("penalty", penalty, least=0)
    mean, scale = _moments(values)
    beta = _Ridge((values - mean) / scale, outcome.loss(ties), free).fit(penalty, 1e-9)
    coefficients = pd.Series(beta / scale, index=names, name="coefficient")
    theta = (values - mean) @ coefficients.to_numpy()
    errors = np.full(len(names), np.nan)
    if penalty == 0:
        errors = _errors(values - mean, outcome.loss(ties), np.asarray(beta / scale, np.float64))
    return CoxRegression(
        coefficients=coefficients,
        means=pd.Series(mean, index=names),
        baseline=baseline_hazard(theta, outcome),
        penalty=float(penalty),
        errors=pd.Series(errors, index=names),
    )


def calibration_slope(outcome: Outcome, log_hazard: Any) -> tuple[float, float, float]:
    """Return the coefficient of a predicted log hazard among new patients, and its interval.

    Parameters
    ----------
    outcome : Outcome
        Of patients who had no part in the fit; folds as strata, where they are of several.
    log_hazard : array, shape (n,)
        That was predicted.

    Returns
    -------
    tuple of float
        Slope, low and high of its 95 % interval. 1 is right; far below 1 the predictions are too
        far apart, as those of an overfitted model are.

    Examples
    --------
    >>> import numpy as np
    >>> theta = np.random.default_rng(0).normal(size=2000)
    >>> from edge2torch.survival import simulate
    >>> slope, low, high = calibration_slope(simulate(theta, seed=0), 2 * theta)
    >>> low < 0.5 < high
    True
    """
    require_outcome(outcome)
    theta = check_numbers("log_hazard", log_hazard).astype(np.float64).reshape(-1)
    if len(theta) and np.ptp(theta) == 0:
        return float("nan"), float("nan"), float("nan")
    fitted = cox_regression(pd.DataFrame({"theta": theta}), outcome, penalty=0)
    slope, error = float(fitted.coefficients.iloc[0]), float(fitted.errors.iloc[0])
    width = float(norm.ppf(0.975)) * error
    return slope, slope - width, slope + width


def _values(features: pd.DataFrame, outcome: Outcome) -> NDArray[np.float64]:
    features = in_order("features", features, outcome.names)
    try:
        values = features.to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(f"features hold values that are not numbers ({error}).") from error
    if values.ndim != 2 or len(values) != len(outcome) or not values.shape[1]:
        raise Edge2TorchError(
            f"features must have a row for each of {len(outcome)} patients and one column or more, "
            f"found shape {values.shape}."
        )
    if (bad := ~np.isfinite(values).all(axis=0)).any():
        raise Edge2TorchError(
            f"features: missing or infinite values in {listing(features.columns[bad].tolist())}."
        )
    return values


def _moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return values.mean(axis=0), unit_of(values)


def _best_penalty(
    values: NDArray[np.float64],
    outcome: Outcome,
    free: NDArray[np.bool_],
    ties: Ties,
    n_folds: int,
    groups: Any,
    seed: int,
) -> float:
    if free.all():
        return 0.0
    folds = survival_folds(outcome, check_count("n_folds", n_folds, 2), groups=groups, seed=seed)
    everyone, parts = outcome.loss(ties), []
    for train, _ in folds:
        mean, scale = _moments(values[train])
        x, some = (values - mean) / scale, outcome.take(train).loss(ties)
        parts.append((x, train, some, _Ridge(x[train], some, free)))
    found: list[float] = []
    for penalty in PENALTIES:
        total = 0.0
        for x, train, some, ridge in parts:
            theta = torch.from_numpy(x @ ridge.fit(penalty, 1e-4))
            total += everyone(theta).item() * everyone.n_events
            total -= some(theta[train]).item() * some.n_events
        found.append(total)
        if len(found) - int(np.argmin(found)) > _WORSE:
            break
    return PENALTIES[int(np.argmin(found))]


class _Ridge:
    """Fits of one table, each from the solution of the one before.

    A penalised solution lies in the span of the patients: it is looked for there, along the
    principal axes, of which there are no more than patients, and the same comes out.
    """

    def __init__(self, x: NDArray[np.float64], loss: CoxLoss, free: NDArray[np.bool_]) -> None:
        u, s, self.axes = np.linalg.svd(x[:, ~free], full_matrices=False)
        self.z, self.loss, self.free = np.hstack([x[:, free], u * s]), loss, free
        self.beta = np.zeros(self.z.shape[1])

    def fit(self, penalty: float, precision: float) -> NDArray[np.float64]:
        """Return the coefficients."""
        loose = int(self.free.sum())
        weight = np.full(len(self.beta), float(penalty))
        weight[:loose] = _SLIGHT if penalty else 0.0
        # about the curvature along each axis, which then looks the same to the optimiser on all
        unit = 1 / np.sqrt(np.maximum(self.z.var(axis=0) + weight, 1e-12))
        z, weight = self.z * unit, weight * unit**2

        def value(gamma: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            theta = torch.from_numpy(z @ gamma).requires_grad_()
            lost = self.loss(theta)
            (slope,) = torch.autograd.grad(lost, theta)
            penalised = lost.item() + float((weight * gamma**2).sum()) / 2
            return penalised, z.T @ slope.numpy() + weight * gamma

        options = {"maxiter": 500, "ftol": 1e-15, "gtol": precision, "maxcor": 20}
        start = self.beta / unit
        self.beta = unit * minimize(value, start, jac=True, method="L-BFGS-B", options=options).x
        whole = np.empty(len(self.free))
        whole[self.free], whole[~self.free] = self.beta[:loose], self.beta[loose:] @ self.axes
        return whole


def _errors(
    x: NDArray[np.float64], loss: CoxLoss, beta: NDArray[np.float64]
) -> NDArray[np.float64]:
    """From the curvature of the partial likelihood at its maximum, as differences of its slope."""
    step = 1e-4 / np.maximum(x.std(axis=0), 1e-12)  # of a standardised feature

    def slope(point: NDArray[np.float64]) -> NDArray[np.float64]:
        theta = torch.from_numpy(x @ point).requires_grad_()
        (found,) = torch.autograd.grad(loss(theta) * loss.n_events, theta)
        return np.asarray(x.T @ found.numpy())

    sides = [(beta + shift, beta - shift) for shift in np.diag(step)]
    curvature = np.array([slope(up) - slope(down) for up, down in sides]) / (2 * step[:, None])
    inverse = np.linalg.pinv((curvature + curvature.T) / 2)
    return np.asarray(np.sqrt(np.maximum(np.diag(inverse), 0.0)))
