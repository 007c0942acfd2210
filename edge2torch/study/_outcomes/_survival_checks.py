"""What may be wrong with predicted hazards: calibration, proportionality, censoring that features tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from edge2torch.errors import Edge2TorchError
from edge2torch.study._outcomes._outcome import Task
from edge2torch.survival import (
    Outcome,
    calibration_at,
    calibration_slope,
    compare_concordance,
    cox_regression,
    kaplan_meier,
    survival_folds,
)

_INFORMATIVE = 0.6  # concordance with censoring from which on readers are warned


def held_out_of(predictions: pd.DataFrame) -> Outcome:
    return Outcome(
        predictions["time"].to_numpy(),
        predictions["event"].to_numpy(),
        predictions["entry"].to_numpy() if "entry" in predictions else None,
        predictions["stratum"].to_numpy() if "stratum" in predictions else None,
    )


def runs_of(predictions: pd.DataFrame) -> pd.Series:
    """Which network a sample was held out from: log hazards of two have no common scale."""
    return predictions["seed"].astype(str)


def by_run(predictions: pd.DataFrame) -> Outcome:
    """Outcomes with network and stratum as strata: only within them are log hazards compared."""
    times, runs = held_out_of(predictions), runs_of(predictions)
    strata = runs if times.strata is None else runs + " " + pd.Series(times.strata, runs.index)
    return replace(times, strata=strata.to_numpy(str))


def p_words(value: float) -> str:
    """As journals want it: p = 0.032, p < 0.001."""
    if np.isnan(value):
        return "p cannot be computed"
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def calibration(task: Task, predictions: pd.DataFrame) -> pd.DataFrame | None:
    once = predictions[~predictions.index.duplicated()]
    horizon = task.options["horizon"]
    survival = once[f"survival at {horizon:g}"]
    if survival.isna().any() or horizon > once["time"].max():
        return None
    try:
        return calibration_at(once["time"].to_numpy(), once["event"].to_numpy(), survival, horizon)
    except Edge2TorchError:  # fewer samples than groups
        return None


def calibrated_words(predictions: pd.DataFrame) -> str:
    slope, low, high = calibration_slope(by_run(predictions), predictions["log hazard"].to_numpy())
    if not np.isfinite(slope):
        return "All predicted log hazards are the same: there is nothing to calibrate."
    seen = predictions.index.duplicated().any()
    said = f"Calibration slope of the held-out log hazards {slope:.2f}"
    said += "" if seen else f" (95 % interval {low:.2f} to {high:.2f})"
    if not seen and low <= 1 <= high:
        return f"{said}: the interval holds 1, as it should."
    if slope < 0.8:
        return f"{said}: below 1, predictions are too far apart (overfitted)."
    return f"{said}: {'above 1, predictions are too close together' if slope > 1.25 else 'about 1, as it should be'}."


def large_words(task: Task, predictions: pd.DataFrame) -> str:
    """Mean predicted risk at the horizon beside what was seen."""
    once, horizon = predictions[~predictions.index.duplicated()], task.options["horizon"]
    predicted = 1 - float(once[f"survival at {horizon:g}"].mean())
    curve = kaplan_meier(once["time"].to_numpy(), once["event"].to_numpy())
    until = curve[curve.index <= horizon]
    if until.empty:
        return ""
    seen, high, low = (1 - float(until[name].iloc[-1]) for name in ("survival", "low", "high"))
    said = (
        f"By {horizon:g} an event was predicted for {100 * predicted:.0f} % of the held-out samples, and seen in "
        f"{100 * seen:.0f} %"
    )
    if not np.isfinite(low) or not np.isfinite(high):
        return f"{said} (1 − Kaplan–Meier)."
    return f"{said} (1 − Kaplan–Meier, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)."


def proportional_words(predictions: pd.DataFrame, held_out: Outcome) -> str:
    """Whether the effect of the log hazard changes with time: its interaction with early and late."""
    cases = held_out.event
    if cases.sum() < 10:
        return ""
    residual = _risk_residuals(held_out, predictions["log hazard"].to_numpy(), runs_of(predictions))
    rank = pd.Series(held_out.time[cases]).rank().to_numpy()
    own = residual[cases]
    n = int(len(own) / max(predictions.index.value_counts().mean(), 1))  # samples, not appearances
    r = float(np.corrcoef(rank, own)[0, 1])
    if not np.isfinite(r) or n < 4:
        return ""
    p = 2 * float(t.sf(abs(r) * np.sqrt((n - 2) / max(1 - r**2, 1e-12)), n - 2))
    said = f"Proportional hazards: correlation of the risk's residuals with time {r:+.2f}, {p_words(p)}"
    if p >= 0.05:
        return f"{said}; no sign that the risk says more of early than of late events."
    return f"{said}: the risk says {'less' if r < 0 else 'more'} of late events than of early ones."


def _risk_residuals(outcome: Outcome, risk: Any, runs: pd.Series) -> Any:
    """Schoenfeld's: risk of a case less the mean of those at risk, weighed by their hazards."""
    found = np.zeros(len(outcome))
    for run in runs.unique():
        for _, own in outcome.take(runs.to_numpy() == run).by_stratum():
            rows = np.flatnonzero(runs.to_numpy() == run)[own]
            part, theta = outcome.take(rows), risk[rows]
            weight = np.exp(theta - theta.max())
            at_risk = part.time[None, :] >= part.time[:, None]
            if part.entry is not None:
                at_risk &= part.entry[None, :] < part.time[:, None]
            found[rows] = theta - (at_risk * weight) @ theta / (at_risk @ weight)
    return found


def censoring_words(features: pd.DataFrame, times: Outcome) -> str:
    """Warn where who is censored can be told from the features, out of fold."""
    flipped = Outcome(times.time, ~times.event, times.entry, times.strata)
    try:
        folds = survival_folds(flipped, 5)
    except Edge2TorchError:  # hardly anybody is censored
        return ""
    risk, fold = np.zeros(len(times)), np.zeros(len(times), int)
    for k, (train, judged) in enumerate(folds):
        fitted = cox_regression(features.iloc[train], flipped.take(train))
        risk[judged], fold[judged] = fitted.log_hazard(features.iloc[judged]), k
    found = compare_concordance(flipped, {"c": risk}, folds=fold).iloc[0]
    if found["c"] <= _INFORMATIVE or found["low"] <= 0.5:
        return ""
    return (
        f"WARNING: who is censored when can be told from the features (concordance {found['c']:.2f}, 95 % "
        f"interval {found['low']:.2f} to {found['high']:.2f}, out of fold): curves and scores that take "
        "censoring for independent may be biased."
    )
