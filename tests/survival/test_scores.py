"""Concordance, Brier scores and calibration beside loops over pairs and patients."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from edge2torch import Edge2TorchError
from edge2torch.survival import (
    Outcome,
    auc_at,
    baseline_hazard,
    brier_at,
    calibration_at,
    compare_concordance,
    harrell_c,
    integrated_brier,
    simulate,
    uno_c,
)
from tests.survival.cohort import AGE, ENTRY, EVENT, SITE, TIME


def pairs_by_hand(
    outcome: Outcome, risk: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    won = total = 0.0
    for i in range(len(outcome)):
        for j in range(len(outcome)):
            later = outcome.time[j] > outcome.time[i]
            later |= outcome.time[j] == outcome.time[i] and not outcome.event[j]
            there = outcome.entry is None or outcome.entry[j] < outcome.time[i]
            alike = outcome.strata is None or outcome.strata[i] == outcome.strata[j]
            if outcome.event[i] and later and there and alike:
                total += weight[i]
                won += weight[i] * ((risk[i] > risk[j]) + (risk[i] == risk[j]) / 2)
    return won / total


def left_by_hand(train: Outcome, t: float, *, before: bool) -> float:
    """Kaplan-Meier of censoring; a patient with an event at u is not at risk of censoring at u."""
    found = 1.0
    for u in np.unique(train.time[~train.event]):
        if u < t or (u == t and not before):
            gone = ((train.time == u) & ~train.event).sum()
            risk = ((train.time > u) | ((train.time == u) & ~train.event)).sum()
            found *= 1 - gone / risk
    return found


def cohorts(n: int) -> list[tuple[Outcome, NDArray[np.float64]]]:
    rng, found = np.random.default_rng(1), []
    for k in range(n):
        size = int(rng.integers(6, 30))
        outcome = simulate(rng.normal(size=size), ties=None if k % 3 == 0 else 8, seed=k)
        entry = outcome.time * rng.random(size) * 0.8 - 1e-3 if k % 4 == 0 else None
        strata = rng.integers(0, 2, size) if k % 5 == 0 else None
        outcome = Outcome(outcome.time, outcome.event, entry, strata)
        found.append((outcome, np.round(rng.normal(size=size), k % 2)))
    return found


def test_harrell_as_by_hand() -> None:
    compared = 0
    for outcome, risk in cohorts(100):
        with np.errstate(invalid="ignore"):
            try:
                expected = pairs_by_hand(outcome, risk, np.ones(len(risk)))
            except ZeroDivisionError:
                continue
        found = harrell_c(
            outcome.time, outcome.event, risk, entry=outcome.entry, strata=outcome.strata
        )
        assert found == pytest.approx(expected, abs=1e-12)
        compared += 1
    assert compared > 90


def test_harrell_as_scikit_survival() -> None:
    """scikit-survival 0.28.0 and lifelines 0.30.3: 178 of 194 pairs, twelve tied in time."""
    assert harrell_c(TIME, EVENT, AGE) == pytest.approx(0.9175257731958762, rel=1e-14)


def test_uno_as_by_hand() -> None:
    for outcome, risk in cohorts(60):
        plain, train = Outcome(outcome.time, outcome.event), Outcome(TIME / 2, EVENT)
        tau = 2.2
        weight = np.array(
            [left_by_hand(train, t, before=True) ** -2 if t < tau else 0.0 for t in plain.time]
        )
        if not ((weight > 0) & plain.event).any():
            continue
        expected = pairs_by_hand(plain, risk, weight)
        found = uno_c(plain.time, plain.event, risk, tau, train=train)
        assert found == pytest.approx(expected, abs=1e-12)


def test_uno_does_not_depend_on_the_censoring_as_harrell_does() -> None:
    """The hazards cross: who is watched for long decides which pairs Harrell's C sees."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    time = rng.weibull(np.where(x > 0, 3.0, 0.7))
    full, ones = uno_c(time, np.ones(4000), x, 1.5), np.ones(4000)
    last = rng.uniform(0, 3, 4000)
    seen, event = np.minimum(time, last), time <= last
    assert uno_c(seen, event, x, 1.5) == pytest.approx(full, abs=0.02)
    assert abs(harrell_c(seen, event, x) - harrell_c(time, ones, x)) > 0.02


def test_auc_as_by_hand() -> None:
    outcome, risk = (
        simulate(np.linspace(-1, 1, 60), ties=12, seed=0),
        np.round(np.linspace(0, 5, 60)),
    )
    for t in np.quantile(outcome.time, [0.3, 0.6]):
        won = total = 0.0
        for i in np.flatnonzero(outcome.event & (outcome.time <= t)):
            weight = 1 / left_by_hand(outcome, outcome.time[i], before=True)
            for j in np.flatnonzero(outcome.time > t):
                total += weight
                won += weight * ((risk[i] > risk[j]) + (risk[i] == risk[j]) / 2)
        found = auc_at(outcome.time, outcome.event, risk, [t])
        assert found.iloc[0] == pytest.approx(won / total, rel=1e-12)


def test_brier_as_by_hand() -> None:
    rng = np.random.default_rng(0)
    outcome, train = (
        simulate(rng.normal(size=50), ties=15, seed=1),
        simulate(rng.normal(size=80), seed=2),
    )
    at = [0.2, 0.5, 0.8]
    survival = pd.DataFrame(rng.random((50, 3)), columns=at)
    expected = []
    for t in at:
        total = 0.0
        for k in range(50):
            s = survival.loc[k, t]
            if outcome.event[k] and outcome.time[k] <= t:
                total += s**2 / left_by_hand(train, outcome.time[k], before=True)
            elif outcome.time[k] > t:
                total += (1 - s) ** 2 / left_by_hand(train, t, before=False)
        expected.append(total / 50)
    found = brier_at(outcome.time, outcome.event, survival, train=train)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    area = sum(0.3 * (a + b) / 2 for a, b in pairwise(expected)) / 0.6
    assert integrated_brier(outcome.time, outcome.event, survival, train=train) == pytest.approx(
        area
    )


def test_true_hazards_score_better_than_none_and_are_calibrated() -> None:
    theta = np.random.default_rng(0).normal(size=3000)
    outcome, at = simulate(theta, seed=0), [0.25, 0.5, 1.0]
    true = pd.DataFrame({t: np.exp(-t * np.exp(theta)) for t in at})
    nothing = baseline_hazard(theta * 0, outcome).survival_curves(theta * 0, at)
    assert integrated_brier(outcome.time, outcome.event, true) < 0.9 * integrated_brier(
        outcome.time, outcome.event, nothing
    )
    table = calibration_at(outcome.time, outcome.event, true[0.5], 0.5)
    assert table["patients"].tolist() == [600] * 5
    np.testing.assert_allclose(table["predicted"], table["observed"], atol=0.05)
    assert ((table["low"] <= table["predicted"]) & (table["predicted"] <= table["high"])).sum() >= 4


def test_intervals_hold_what_they_are_of_and_models_meet_on_the_same_draws() -> None:
    theta = np.random.default_rng(0).normal(size=150)
    outcome = simulate(theta, seed=0)
    risks = pd.DataFrame({"true": theta, "same": theta * 2, "none": np.cos(np.arange(150.0))})
    found = compare_concordance(outcome, risks, "true", draws=400, seed=1)
    assert (found["low"] < found["c"]).all()
    assert (found["c"] < found["high"]).all()
    assert found.loc["same", ["difference", "difference_low", "difference_high"]].tolist() == [
        0,
        0,
        0,
    ]
    assert found.loc["none", "difference_high"] < 0
    assert found["c"].tolist() == pytest.approx(
        [harrell_c(outcome.time, outcome.event, risks[name]) for name in risks]
    )


def test_draws_in_a_matrix_and_one_by_one_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, risk = Outcome(TIME, EVENT, strata=SITE), {"age": AGE}
    folds = np.arange(24) % 2
    here = compare_concordance(outcome, risk, folds=folds, draws=50)
    monkeypatch.setattr("edge2torch.survival._intervals._MATRIX", 0)
    pd.testing.assert_frame_equal(here, compare_concordance(outcome, risk, folds=folds, draws=50))


def test_pairs_are_of_one_fold() -> None:
    folds = np.arange(24) % 2
    found = compare_concordance(
        Outcome(TIME, EVENT), {"age": AGE + 1000 * folds}, folds=folds, draws=9
    )
    assert found.loc["age", "c"] == pytest.approx(harrell_c(TIME, EVENT, AGE, strata=folds))


def test_repeats_are_averaged() -> None:
    outcome, noise = Outcome(TIME, EVENT), np.cos(np.arange(24.0))
    found = compare_concordance(outcome, {"m": np.stack([AGE, noise])}, draws=9)
    assert found.loc["m", "c"] == pytest.approx(
        (harrell_c(TIME, EVENT, AGE) + harrell_c(TIME, EVENT, noise)) / 2
    )


def test_donors_are_drawn_as_a_whole() -> None:
    """Every patient six times over is as many patients, and no more donors."""
    theta = np.random.default_rng(0).normal(size=60)
    one = simulate(theta, seed=0)
    many = one.take(np.repeat(np.arange(60), 6))
    risk, donors = {"m": np.repeat(theta, 6)}, np.repeat(np.arange(60), 6)
    apart = compare_concordance(many, risk, draws=200)
    together = compare_concordance(many, risk, groups=donors, draws=200)
    width = [float((found["high"] - found["low"]).iloc[0]) for found in (apart, together)]
    assert width[1] > 1.6 * width[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: harrell_c([1.0, 1.0], [1, 1], [0, 1]), "no two patients can be compared"),
        (lambda: harrell_c([1.0, 2.0], [0, 0], [0, 1]), "no two patients can be compared"),
        (lambda: harrell_c([1.0, 2.0], [1, 0], [0.0]), r"risk must have shape \(2,\)"),
        (lambda: harrell_c([1.0, 2.0], [1, 0], [0.0, np.nan]), r"risk is missing in row\(s\) 1"),
        (lambda: uno_c([1.0, 2.0], [1, 0], [0, 1], -1.0), "tau must be a number > 0"),
        (
            lambda: uno_c(TIME, EVENT, AGE, 9.5, train=Outcome([1.0, 2.0], [1, 0])),
            "tau=9.5 is beyond the follow-up of train",
        ),
        (lambda: auc_at(TIME, EVENT, AGE, [0.5]), "at=0.5: 0 events up to it and 24 patients"),
        (
            lambda: uno_c(TIME, EVENT, AGE, train=Outcome(TIME, EVENT, ENTRY)),
            "entry: weights by the probability of being censored",
        ),
        (
            lambda: brier_at(TIME, EVENT, pd.DataFrame({5.0: np.full(24, 1.5)})),
            "survival must hold probabilities",
        ),
        (
            lambda: integrated_brier(TIME, EVENT, pd.DataFrame({5.0: np.full(24, 0.5)})),
            "survival must have two or more times",
        ),
        (
            lambda: calibration_at(TIME, EVENT, pd.Series(np.full(24, 0.5)), 12.0),
            "at=12 is beyond the follow-up, which ends at 10",
        ),
        (
            lambda: compare_concordance(Outcome(TIME, EVENT), {"a": AGE}, "b"),
            "versus: there is no model 'b'",
        ),
    ],
)
def test_what_is_wrong_is_named(call: object, message: str) -> None:
    with pytest.raises(Edge2TorchError, match=message):
        call()  # type: ignore[operator]


def test_times_in_whole_years_change_no_brier_score():
    rng = np.random.default_rng(0)
    hazard = np.where(np.arange(4000) % 2, 0.3, 0.1)
    death, leaving = rng.geometric(hazard), rng.geometric(0.3, 4000)
    time, event = np.minimum(death, leaving).astype(float), death <= leaving
    half = pd.DataFrame({4.0: np.full(4000, 0.5)})
    assert brier_at(time, event, half).item() == pytest.approx(0.25, abs=1e-12)
    true = (1 - hazard) ** 4
    scores = {
        shift: brier_at(time, event, pd.DataFrame({4.0: np.clip(true + shift, 0, 1)})).item()
        for shift in (-0.1, -0.05, 0.0, 0.05, 0.1)
    }
    assert min(scores, key=scores.get) == 0.0
    known = np.mean((true - (death > 4)) ** 2)  # as if nobody had been censored
    assert scores[0.0] == pytest.approx(known, abs=0.01)
