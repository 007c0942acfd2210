"""The part of a report that only times to an event have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, norm, t

from edge2torch._core.messages import plural
from edge2torch.errors import Edge2TorchError
from edge2torch.plot import plot_calibration, plot_survival
from edge2torch.study._outcomes._outcome import Drawing, Section, Task
from edge2torch.study._outcomes._survival_goal import is_discrete
from edge2torch.study._words import Words
from edge2torch.survival import (
    LogRank,
    Outcome,
    calibration_at,
    calibration_slope,
    compare_concordance,
    cox_regression,
    harrell_c,
    kaplan_meier,
    logrank,
    median_follow_up,
    median_time,
    survival_folds,
)

_GROUPS = "lower risk", "higher risk"
_INFORMATIVE = 0.6  # concordance with censoring from which on readers are warned
_OF = "log hazard of "
_LEVELS = (
    "Intervals in this part are of 95 %, as clinical journals print them; those of scores and of leads elsewhere are "
    "of 90 %."
)


def survival_sections(
    task: Task, times: Outcome, predictions: pd.DataFrame, words: Words, permuted: pd.DataFrame
) -> list[Section]:
    """Follow-up, models with intervals, curves by risk, calibration, proportionality."""
    if "median when fitted" not in predictions:
        return []
    held_out = _held_out(predictions)
    models = _models(predictions, held_out)
    curves, test = _by_risk(predictions, permuted)
    text = [
        _LEVELS,
        _follow_up(times, words, task.options["time"]),
        _beside(models),
        _of_permuted(predictions, permuted),
        test,
    ]
    figures = {
        "survival": Drawing(
            lambda: plot_survival(curves, title="", xlabel=task.options["time"]).figure,
            "Kaplan–Meier curves of held-out "
            f"{plural(words.sample)}, cut at the median risk of those that were fitted; bands are 95 % "
            "intervals, ticks are censored, numbers are those at risk.",
        )
    }
    samples = plural(words.sample)
    tables = {
        f"Concordance of held-out {samples}, with 95 % intervals over {samples}": _shown(models)
    }
    if held_out.entry is None:
        found = _calibration(task, predictions)
        if found is not None:
            text += [_in_the_large(task, predictions), _calibrated(predictions)]
            figures["calibration"] = Drawing(
                lambda: plot_calibration(found, title="").figure,
                f"Predicted and observed events up to {task.options['horizon']:g}, in fifths of the "
                "predicted risk; bars are 95 % intervals.",
            )
    text.append(_proportional(predictions, held_out))
    return [Section("How long until", tuple(one for one in text if one), tables, figures)]


def _held_out(predictions: pd.DataFrame) -> Outcome:
    return Outcome(
        predictions["time"].to_numpy(),
        predictions["event"].to_numpy(),
        predictions["entry"].to_numpy() if "entry" in predictions else None,
        predictions["stratum"].to_numpy() if "stratum" in predictions else None,
    )


def _runs(predictions: pd.DataFrame) -> pd.Series:
    """Which network a sample was held out from: log hazards of two have no common scale."""
    return predictions["seed"].astype(str)


def _by_run(predictions: pd.DataFrame) -> Outcome:
    """Outcomes with network and stratum as strata: only within them are log hazards compared."""
    times, runs = _held_out(predictions), _runs(predictions)
    strata = runs if times.strata is None else runs + " " + pd.Series(times.strata, runs.index)
    return replace(times, strata=strata.to_numpy(str))


def _p(value: float) -> str:
    """As journals want it: p = 0.032, p < 0.001."""
    if np.isnan(value):
        return "p cannot be computed"
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _models(predictions: pd.DataFrame, held_out: Outcome) -> pd.DataFrame:
    names = predictions.columns.astype(str)
    columns = {c.removeprefix(_OF): c for c in names if c.startswith(_OF)}
    versus = next((name for name in columns if name.startswith("ridge Cox")), None)
    return compare_concordance(
        held_out,
        {name: predictions[column].to_numpy() for name, column in columns.items()},
        versus,
        folds=pd.factorize(_runs(predictions))[0],
        groups=predictions.index.to_numpy(),
    )


def _shown(models: pd.DataFrame) -> pd.DataFrame:
    """The same with each number and its interval in one cell."""
    table = pd.DataFrame(index=pd.Index([str(name) for name in models.index]))
    rows = models.to_dict("records")
    table["Harrell's C"] = [f"{r['c']:.3f} ({r['low']:.3f} to {r['high']:.3f})" for r in rows]
    if "difference" in models:
        table["less that of ridge Cox"] = [
            f"{r['difference']:+.3f} ({r['difference_low']:+.3f} to {r['difference_high']:+.3f})"
            if r["difference_low"] < r["difference_high"]
            else "–"
            for r in rows
        ]
    return table


def _follow_up(times: Outcome, words: Words, unit: str) -> str:
    middle = median_follow_up(times)
    watched = f"median follow-up {middle:.3g}" if np.isfinite(middle) else "no median follow-up"
    curve = kaplan_meier(times.time, times.event, entry=times.entry)
    half, *ends = (
        median_time(curve.assign(survival=curve[name])) for name in ("survival", "low", "high")
    )
    until = "fewer than half have the event (Kaplan–Meier)"
    if np.isfinite(half):
        low, high = (f"{one:.3g}" if np.isfinite(one) else "not reached" for one in ends)
        until = f"half have the event by {half:.3g} (Kaplan–Meier, 95 % interval {low} to {high})"
    said = (
        f"{plural(words.sample, len(times))}, {plural('event', times.n_events)}, {watched} (reverse "
        f"Kaplan–Meier); {until}. Times are as in {unit!r}."
    )
    if times.strata is not None:
        said += f" Baseline hazards of {plural('stratum', len(set(times.strata.tolist())))} of their own."
    return said.replace("stratums", "strata")


def _beside(models: pd.DataFrame) -> str:
    """What the interval of the difference to ridge Cox says."""
    if "difference" not in models:
        return ""
    own = models.iloc[0]
    low, high = own["difference_low"], own["difference_high"]
    said = (
        f"The network's concordance is {own['c']:.3f} (95 % interval {own['low']:.3f} to "
        f"{own['high']:.3f}); that of ridge Cox on the same features is {own['c'] - own['difference']:.3f}. "
        f"The interval of the difference, {low:+.3f} to {high:+.3f}, "
    )
    if low > 0:
        return said + "is above 0: the network predicts better."
    if high < 0:
        return said + "is below 0: use ridge Cox for prediction."
    return said + "holds 0: neither is shown to be better, and ridge Cox is the simpler one."


def measured_words(task: Task, words: Words) -> str:
    """How predictions were judged, for a methods section."""
    horizon, samples = task.options["horizon"], plural(words.sample)
    said = (
        f"Discrimination was measured by Harrell's C, with percentile intervals over 999 draws of {samples}, stratified "
        "by event"
    )
    if not task.options["has_entry"]:
        said += (
            f", and up to {horizon:g} (as in {task.options['time']!r}) by Uno's C (doi:10.1002/sim.4154); accuracy by the "
            "Brier score integrated to the same time. Both were weighted by the inverse probability of censoring in "
            f"the training part. Survival at a time was predicted with {_curves_of(task)}; its calibration was judged "
            "in fifths of the predicted risk, and by the coefficient of the log hazard in a Cox model of held-out "
            f"{samples}"
        )
    said += (
        ". Groups were cut at the median risk of the training part and compared by Kaplan–Meier curves (log-log "
        "intervals), a two-sided log-rank test and the ratio of their hazards. "
        f"Ties were counted by {task.options['ties'].capitalize()}'s method"
    )
    if n := task.options.get("permutations", 0):
        said += f"; P values of groups and concordance are of {n} permutations of the outcomes, all else done anew"
    return f"{said}."


def _curves_of(task: Task) -> str:
    if is_discrete(task):
        return "the network's own hazards, and of the linear models with Breslow's baseline hazard"
    return "Breslow's baseline hazard of the training part"


def risk_statistics(predictions: pd.DataFrame) -> dict[str, float]:
    """Mean concordance over the networks, and chi-squared between groups of risk; what is high is good."""
    each = []
    for _, own in predictions.groupby(_runs(predictions).to_numpy()):
        times = _held_out(own)
        known = (times.event & (times.time < times.time.max())).any()
        if known:
            c = harrell_c(
                times.time, times.event, own["log hazard"].to_numpy(),
                entry=times.entry, strata=times.strata,
            )  # fmt: skip
            each.append(c)
    once, high = _halves(predictions)
    apart = 0.0 if high.all() or not high.any() else _test_of(once, high).statistic
    return {"harrell_c": float(np.mean(each)) if each else np.nan, "chi_squared": float(apart)}


def _pvalue(observed: float, permuted: pd.Series) -> float:
    """Share of permutations that do as well, the data themselves counted as one; NaN where nothing is known."""
    permuted = permuted.dropna()
    if (
        np.isnan(observed) or permuted.empty
    ):  # NaN is above nothing, and would look like the least p
        return np.nan
    return float(((permuted >= observed).sum() + 1) / (len(permuted) + 1))


def _of_permuted(predictions: pd.DataFrame, permuted: pd.DataFrame) -> str:
    if permuted.empty:
        return ""
    c = permuted["harrell_c"].dropna()
    own = risk_statistics(predictions)["harrell_c"]
    if np.isnan(own) or c.empty:
        where = "as they are" if np.isnan(own) else "exchanged"
        return (
            f"With outcomes {where} no two held-out samples can be compared, so there is no concordance, and of the "
            f"{plural('permutation', len(permuted))} no p-value of it."
        )
    return (
        f"With outcomes exchanged among samples and all else done alike, {plural('time', len(permuted))}, "
        f"the network's concordance is {c.mean():.3f} ± {c.std():.3f} (standard deviation; the largest "
        f"{c.max():.3f}), and {own:.3f} with outcomes as they are: "
        f"{_p(_pvalue(own, c))}."
    )


def _halves(predictions: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The first time that each sample was held out, and whether its risk is above the training median."""
    once = predictions[~predictions.index.duplicated()]
    return once, (once["log hazard"] > once["median when fitted"]).to_numpy()


def _test_of(once: pd.DataFrame, high: NDArray[np.bool_]) -> LogRank:
    """Log-rank test of the groups, by fold and stratum."""
    times = _by_run(once)
    return logrank(
        np.where(high, *reversed(_GROUPS)),
        times.time,
        times.event,
        entry=times.entry,
        strata=times.strata,
    )


def _by_risk(
    predictions: pd.DataFrame, permuted: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], str]:
    """Curves of the first time that each sample was held out; and whether they differ."""
    once, high = _halves(predictions)
    times, runs = _held_out(once), _runs(once)
    curves = {}
    for name, rows in zip(_GROUPS, (~high, high), strict=True):
        if rows.any():
            part = times.take(rows)
            curves[name] = kaplan_meier(part.time, part.event, entry=part.entry)
    if len(curves) < 2:
        return curves, "All held-out samples are on one side of the median risk of those fitted."
    test = _test_of(once, high)
    # Networks share training samples: what the groups of one fold owe to those of another counts twice,
    # once from either side, so that chi-squared is up to twice as large as it would be by chance.
    several = runs.nunique() > 1
    pvalue = float(chi2.sf(test.statistic / 2, test.degrees)) if several else test.pvalue
    said = (
        f"Above and below the median risk of those fitted: {int(high.sum())} and "
        f"{int((~high).sum())} held-out samples{_ratio(once, high, several=several)}, log-rank "
    )
    if len(permuted):
        pvalue = _pvalue(test.statistic, permuted["chi_squared"])
        said += f"{_p(pvalue)}, by {plural('permutation', len(permuted))} of the outcomes"
    else:
        said += _p(pvalue)
    if several:
        halved = "" if len(permuted) else ", chi-squared halved"
        said += (
            f" (stratified by fold{halved}, for groups of cross-validation depend on each "
            "other, doi:10.1093/bib/bbr001)"
        )
    return curves, f"{said}. The cut was not chosen by looking at the times."


def _ratio(once: pd.DataFrame, high: NDArray[np.bool_], *, several: bool) -> str:
    """Ratio of the groups' hazards with its interval; nothing where a group has no event."""
    times = _by_run(once)
    if not times.event[high].any() or not times.event[~high].any():
        return ""
    fitted = cox_regression(pd.DataFrame({"higher": high.astype(np.float64)}), times, penalty=0)
    log, error = float(fitted.coefficients.iloc[0]), float(fitted.errors.iloc[0])
    if not np.isfinite(error):
        return ""
    wide = float(norm.ppf(0.975)) * error * (2**0.5 if several else 1.0)  # as chi-squared is halved
    low, high_end = np.exp(log - wide), np.exp(log + wide)
    return f", hazard ratio {np.exp(log):.2f} (95 % interval {low:.2f} to {high_end:.2f})"


def _calibration(task: Task, predictions: pd.DataFrame) -> pd.DataFrame | None:
    once = predictions[~predictions.index.duplicated()]
    horizon = task.options["horizon"]
    survival = once[f"survival at {horizon:g}"]
    if survival.isna().any() or horizon > once["time"].max():
        return None
    try:
        return calibration_at(once["time"].to_numpy(), once["event"].to_numpy(), survival, horizon)
    except Edge2TorchError:  # fewer samples than groups
        return None


def _calibrated(predictions: pd.DataFrame) -> str:
    slope, low, high = calibration_slope(_by_run(predictions), predictions["log hazard"].to_numpy())
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


def _in_the_large(task: Task, predictions: pd.DataFrame) -> str:
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


def _proportional(predictions: pd.DataFrame, held_out: Outcome) -> str:
    """Whether the effect of the log hazard changes with time: its interaction with early and late."""
    cases = held_out.event
    if cases.sum() < 10:
        return ""
    residual = _risk_residuals(held_out, predictions["log hazard"].to_numpy(), _runs(predictions))
    rank = pd.Series(held_out.time[cases]).rank().to_numpy()
    own = residual[cases]
    n = int(len(own) / max(predictions.index.value_counts().mean(), 1))  # samples, not appearances
    r = float(np.corrcoef(rank, own)[0, 1])
    if not np.isfinite(r) or n < 4:
        return ""
    p = 2 * float(t.sf(abs(r) * np.sqrt((n - 2) / max(1 - r**2, 1e-12)), n - 2))
    said = f"Proportional hazards: correlation of the risk's residuals with time {r:+.2f}, {_p(p)}"
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


def censoring_words(features: pd.DataFrame, times: Outcome, seed: int = 0) -> str:
    """Warn where who is censored can be told from the features, out of fold."""
    flipped = Outcome(times.time, ~times.event, times.entry, times.strata)
    try:
        folds = survival_folds(flipped, 5, seed=seed)
    except Edge2TorchError:  # hardly anybody is censored
        return ""
    risk, fold = np.zeros(len(times)), np.zeros(len(times), int)
    for k, (train, judged) in enumerate(folds):
        fitted = cox_regression(features.iloc[train], flipped.take(train), seed=seed)
        risk[judged], fold[judged] = fitted.log_hazard(features.iloc[judged]), k
    found = compare_concordance(flipped, {"c": risk}, folds=fold).iloc[0]
    if found["c"] <= _INFORMATIVE or found["low"] <= 0.5:
        return ""
    return (
        f"WARNING: who is censored when can be told from the features (concordance {found['c']:.2f}, 95 % "
        f"interval {found['low']:.2f} to {found['high']:.2f}, out of fold): curves and scores that take "
        "censoring for independent may be biased."
    )
