"""The part of a report that only times to an event have."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from edge2torch._core.messages import plural
from edge2torch.plot import plot_calibration, plot_survival
from edge2torch.study._outcomes._outcome import Drawing, Section, Task
from edge2torch.study._outcomes._survival_checks import (
    by_run,
    calibrated_words,
    calibration,
    held_out_of,
    large_words,
    p_words,
    proportional_words,
    runs_of,
)
from edge2torch.study._outcomes._survival_goal import is_discrete
from edge2torch.study._words import Words
from edge2torch.survival import (
    LogRank,
    Outcome,
    compare_concordance,
    cox_regression,
    harrell_c,
    kaplan_meier,
    logrank,
    median_follow_up,
    median_time,
)

_GROUPS = "lower risk", "higher risk"
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
    held_out = held_out_of(predictions)
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
        found = calibration(task, predictions)
        if found is not None:
            text += [large_words(task, predictions), calibrated_words(predictions)]
            figures["calibration"] = Drawing(
                lambda: plot_calibration(found, title="").figure,
                f"Predicted and observed events up to {task.options['horizon']:g}, in fifths of the "
                "predicted risk; bars are 95 % intervals.",
            )
    text.append(proportional_words(predictions, held_out))
    return [Section("How long until", tuple(one for one in text if one), tables, figures)]


def _models(predictions: pd.DataFrame, held_out: Outcome) -> pd.DataFrame:
    names = predictions.columns.astype(str)
    columns = {c.removeprefix(_OF): c for c in names if c.startswith(_OF)}
    versus = next((name for name in columns if name.startswith("ridge Cox")), None)
    return compare_concordance(
        held_out,
        {name: predictions[column].to_numpy() for name, column in columns.items()},
        versus,
        folds=pd.factorize(runs_of(predictions))[0],
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
    for _, own in predictions.groupby(runs_of(predictions).to_numpy()):
        times = held_out_of(own)
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
        f"{p_words(_pvalue(own, c))}."
    )


def _halves(predictions: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The first time that each sample was held out, and whether its risk is above the training median."""
    once = predictions[~predictions.index.duplicated()]
    return once, (once["log hazard"] > once["median when fitted"]).to_numpy()


def _test_of(once: pd.DataFrame, high: NDArray[np.bool_]) -> LogRank:
    """Log-rank test of the groups, by fold and stratum."""
    times = by_run(once)
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
    times, runs = held_out_of(once), runs_of(once)
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
        said += f"{p_words(pvalue)}, by {plural('permutation', len(permuted))} of the outcomes"
    else:
        said += p_words(pvalue)
    if several:
        halved = "" if len(permuted) else ", chi-squared halved"
        said += (
            f" (stratified by fold{halved}, for groups of cross-validation depend on each "
            "other, doi:10.1093/bib/bbr001)"
        )
    return curves, f"{said}. The cut was not chosen by looking at the times."


def _ratio(once: pd.DataFrame, high: NDArray[np.bool_], *, several: bool) -> str:
    """Ratio of the groups' hazards with its interval; nothing where a group has no event."""
    times = by_run(once)
    if not times.event[high].any() or not times.event[~high].any():
        return ""
    fitted = cox_regression(pd.DataFrame({"higher": high.astype(np.float64)}), times, penalty=0)
    log, error = float(fitted.coefficients.iloc[0]), float(fitted.errors.iloc[0])
    if not np.isfinite(error):
        return ""
    wide = float(norm.ppf(0.975)) * error * (2**0.5 if several else 1.0)  # as chi-squared is halved
    low, high_end = np.exp(log - wide), np.exp(log + wide)
    return f", hazard ratio {np.exp(log):.2f} (95 % interval {low:.2f} to {high_end:.2f})"
