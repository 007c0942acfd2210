"""Cox's model: coefficients of published packages, a penalty that is chosen, and what it recovers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.survival import (
    Outcome,
    calibration_slope,
    cox_regression,
    harrell_c,
    simulate,
)
from tests.survival.cohort import AGE, DOSE, ENTRY, EVENT, SITE, TIME

X = pd.DataFrame({"age": AGE, "dose": DOSE})


def test_coefficients_as_lifelines() -> None:
    """lifelines 0.30.3, CoxPHFitter with precision 1e-12."""
    for outcome, expected in [
        (Outcome(TIME, EVENT), [0.30042484909185213, 0.4279096685134477]),
        (Outcome(TIME, EVENT, strata=SITE), [0.2878322428422252, 0.41996419165246585]),
        (Outcome(TIME, EVENT, ENTRY), [0.29463470597222063, 0.410182610749512]),
    ]:
        found = cox_regression(X, outcome, penalty=0)
        np.testing.assert_allclose(found.coefficients, expected, rtol=1e-6)
    errors = cox_regression(X, Outcome(TIME, EVENT), penalty=0).errors
    np.testing.assert_allclose(errors, [0.0745479886672641, 0.44934789272361186], rtol=1e-6)


def test_in_the_span_of_the_patients_the_same_comes_out() -> None:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(24, 40))).add_prefix("g")
    outcome = Outcome(TIME, EVENT)
    free = cox_regression(
        wide.iloc[:, :30].assign(age=AGE), outcome, penalty=0.1, unpenalized=["age"]
    )
    # a copy of each column at a fortieth of its size after scaling is the same problem, written long
    again = pd.concat([wide.iloc[:, :10], wide.iloc[:, :10].add_suffix(" twice")], axis=1)
    half = cox_regression(again, outcome, penalty=0.2)
    one = cox_regression(wide.iloc[:, :10], outcome, penalty=0.1)
    np.testing.assert_allclose(
        half.log_hazard(again), one.log_hazard(wide.iloc[:, :10]), rtol=1e-5, atol=1e-7
    )
    assert np.isfinite(free.coefficients).all()
    assert free.errors.isna().all()


def test_the_chosen_penalty_serves_new_patients() -> None:
    rng = np.random.default_rng(1)
    x = pd.DataFrame(rng.normal(size=(700, 120))).add_prefix("g")
    theta = 0.5 * x["g0"] + 0.4 * x["g1"] - 0.4 * x["g2"]
    outcome = simulate(theta, seed=0)
    rows, rest = np.arange(200), np.arange(200, 700)
    chosen = cox_regression(x.iloc[rows], outcome.take(rows))
    weak = cox_regression(x.iloc[rows], outcome.take(rows), penalty=1e-3)

    def judged(risk: pd.Series) -> float:
        return harrell_c(outcome.time[rest], outcome.event[rest], risk)

    found = judged(chosen.log_hazard(x.iloc[rest]))
    assert found > judged(weak.log_hazard(x.iloc[rest])) + 0.03
    assert 0.01 <= chosen.penalty <= 3
    slope, low, high = calibration_slope(outcome.take(rest), chosen.log_hazard(x.iloc[rest]))
    assert low < 1 < high
    assert calibration_slope(outcome.take(rest), weak.log_hazard(x.iloc[rest]))[2] < 0.7
    assert low < slope < high


def test_what_is_not_penalized_keeps_its_size() -> None:
    found = cox_regression(X, Outcome(TIME, EVENT), penalty=1e4, unpenalized=["age"])
    alone = cox_regression(X[["age"]], Outcome(TIME, EVENT), penalty=0)
    assert found.coefficients["age"] == pytest.approx(alone.coefficients["age"], rel=1e-3)
    assert abs(found.coefficients["dose"]) < 1e-3


def test_the_fit_is_the_same_for_other_units() -> None:
    here = cox_regression(X, Outcome(TIME, EVENT), penalty=0.1)
    there = cox_regression(X * [365.25, 1.0], Outcome(TIME * 12, EVENT), penalty=0.1)
    np.testing.assert_allclose(here.coefficients, there.coefficients * [365.25, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("features", "outcome", "options", "message"),
    [
        (
            X.assign(age=np.nan),
            Outcome(TIME, EVENT),
            {},
            "features: missing or infinite values in 'age'",
        ),
        (
            X.assign(age="old"),
            Outcome(TIME, EVENT),
            {},
            "features hold values that are not numbers",
        ),
        (X.iloc[:5], Outcome(TIME, EVENT), {}, "features must have a row for each of 24 patients"),
        (X, Outcome(TIME, EVENT * 0), {}, "all patients are censored"),
        (X, Outcome(TIME, EVENT), {"penalty": -1}, "penalty must be a number >= 0"),
        (
            X,
            Outcome(TIME, EVENT),
            {"unpenalized": ["sex"]},
            "unpenalized: there is no column 'sex'",
        ),
    ],
)
def test_what_is_wrong_is_named(
    features: pd.DataFrame, outcome: Outcome, options: dict[str, object], message: str
) -> None:
    with pytest.raises(Edge2TorchError, match=message):
        cox_regression(features, outcome, **options)
