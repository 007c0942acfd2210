"""Curves and baselines beside loops and published packages."""

from __future__ import annotations

import numpy as np
import pytest

from edge2torch import Edge2TorchError
from edge2torch.survival import (
    Outcome,
    baseline_hazard,
    kaplan_meier,
    logrank,
    martingale_residuals,
    median_follow_up,
    median_time,
    simulate,
)
from tests.survival.cohort import AGE, DOSE, ENTRY, EVENT, SITE, TIME


def test_kaplan_meier_as_lifelines() -> None:
    """lifelines 0.30.3, KaplanMeierFitter and its log-log intervals."""
    found = kaplan_meier(TIME, EVENT)
    survival = [0.9583333333333331, 0.9166666666666667, 0.8293650793650793, 0.7372134038800705]
    low = [0.7392061511468965, 0.7060552678440145, 0.6066078277493178, 0.5050724209941069]
    high = [0.9940237201956952, 0.9784830365742961, 0.9323688575800091, 0.8727720379106398]
    for name, values in {"survival": survival, "low": low, "high": high}.items():
        np.testing.assert_allclose(found[name].to_numpy()[:4], values, rtol=1e-12)
    late = kaplan_meier(TIME, EVENT, entry=ENTRY)["survival"].to_numpy()
    np.testing.assert_allclose(late[[0, 4, 9]], [0.9, 0.5095588235294117, 0.10449936810661765])


def test_the_numbers_at_risk_are_counts() -> None:
    found = kaplan_meier(TIME, EVENT, entry=ENTRY)
    for t, row in found.iterrows():
        assert row["at_risk"] == ((t > ENTRY) & (t <= TIME)).sum()
        assert row["events"] == ((t == TIME) & (EVENT == 1)).sum()
        assert row["censored"] == ((t == TIME) & (EVENT == 0)).sum()


def test_there_is_no_interval_where_nobody_is_left_and_none_is_needed_before_the_first() -> None:
    found = kaplan_meier([1.0, 2.0, 3.0], [0, 1, 1])
    assert found["survival"].tolist() == [1, 0.5, 0]
    assert found[["low", "high"]].iloc[0].tolist() == [1, 1]
    assert found[["low", "high"]].iloc[2].isna().all()


def test_medians() -> None:
    assert median_time(kaplan_meier(TIME, EVENT)) == 6
    assert np.isnan(median_time(kaplan_meier([1.0, 2.0, 3.0], [1, 0, 0])))
    # patients 1 to 4 censored at 1, 2, 3, 4: half of them are watched for 2 at least
    assert median_follow_up(Outcome([1.0, 2.0, 3.0, 4.0], [0] * 4)) == 2


def test_the_baseline_as_by_hand() -> None:
    theta = (AGE - 55) / 10
    for strata, entry in [(None, None), (SITE, None), (None, ENTRY), (SITE, ENTRY)]:
        outcome = Outcome(TIME, EVENT, entry, strata)
        baseline = baseline_hazard(theta, outcome)
        at = np.full(24, 6.0)
        found = np.exp(baseline.log_hazard_until(at, strata))
        for k in range(24):
            own = np.ones(24, bool) if strata is None else strata == strata[k]
            since = np.full(24, -1.0) if entry is None else entry
            expected = sum(
                (own & (t == TIME) & (EVENT == 1)).sum()
                / np.exp(theta[own & (since < t) & (t <= TIME)]).sum()
                for t in np.unique(TIME[own & (EVENT == 1) & (TIME <= 6)])
            )
            assert found[k] == pytest.approx(expected, rel=1e-12)


def test_a_constant_is_taken_up_by_the_baseline() -> None:
    theta, outcome = (AGE - 55) / 10, Outcome(TIME, EVENT)
    here = baseline_hazard(theta, outcome).survival_curves(theta, at=[2.0, 5.0])
    there = baseline_hazard(theta + 900, outcome).survival_curves(theta + 900, at=[2.0, 5.0])
    np.testing.assert_allclose(here, there, rtol=1e-9)
    assert (np.diff(here.to_numpy()) < 0).all()


def test_curves_do_not_go_beyond_the_follow_up() -> None:
    baseline = baseline_hazard(np.zeros(24), Outcome(TIME, EVENT))
    with pytest.raises(
        Edge2TorchError, match=r"at: 11\.0 is beyond the follow-up, which ends at 10"
    ):
        baseline.survival_curves([0.0], at=[5.0, 11.0])
    strata = baseline_hazard(np.zeros(24), Outcome(TIME, EVENT, strata=SITE))
    with pytest.raises(Edge2TorchError, match="strata: 'c' was not fitted"):
        strata.survival_curves([0.0], at=[5.0], strata=["c"])


def test_residuals_add_up_to_nothing() -> None:
    for strata, entry in [(None, None), (SITE, ENTRY)]:
        found = martingale_residuals(Outcome(TIME, EVENT, entry, strata), (AGE - 55) / 10)
        assert found.sum() == pytest.approx(0, abs=1e-10)
        assert found.max() <= 1


def test_logrank_as_lifelines() -> None:
    """lifelines 0.30.3, multivariate_logrank_test."""
    found = logrank(DOSE, TIME, EVENT)
    assert found.statistic == pytest.approx(4.488696079969409, rel=1e-10)
    assert found.pvalue == pytest.approx(0.10599662341162984, rel=1e-10)
    assert found.degrees == 2
    assert found.groups["expected"].sum() == pytest.approx(EVENT.sum())


def test_strata_of_logrank_add_up() -> None:
    """Two copies of a cohort as two strata: twice the gap and twice the variance."""
    twice = [np.concatenate([part, part]) for part in (DOSE, TIME, EVENT)]
    found = logrank(*twice, strata=np.repeat(["a", "b"], 24))
    assert found.statistic == pytest.approx(2 * logrank(DOSE, TIME, EVENT).statistic)


def test_logrank_holds_its_level() -> None:
    rng, wrong = np.random.default_rng(0), 0
    for seed in range(200):
        outcome = simulate(np.zeros(60), ties=20, seed=seed)
        wrong += logrank(rng.integers(0, 2, 60), outcome.time, outcome.event).pvalue < 0.05
    assert 2 <= wrong <= 20


def test_one_group_cannot_be_compared() -> None:
    with pytest.raises(Edge2TorchError, match="groups: two are needed, found 'a' only"):
        logrank(["a"] * 24, TIME, EVENT)


def test_simulated_times_have_the_hazard_and_the_censoring_asked_for() -> None:
    theta = np.repeat([0.0, 1.0], 20_000)
    outcome = simulate(theta, censored=0.4, seed=0)
    assert outcome.event.mean() == pytest.approx(0.6, abs=0.01)
    rates = [
        outcome.event[part].sum() / outcome.time[part].sum() for part in (theta == 0, theta == 1)
    ]
    assert rates == pytest.approx([1, np.e], rel=0.03)
    assert len(np.unique(simulate(theta, ties=30, seed=0).time)) <= 30
    assert simulate(theta[:5], seed=1).time.tolist() == simulate(theta[:5], seed=1).time.tolist()


def test_the_median_does_not_wait_for_another_death_where_a_half_is_rounded_up():
    for n in range(2, 200, 2):  # 44 of these curves are above .5 by rounding where half have died
        curve = kaplan_meier(np.arange(1.0, n + 1), np.ones(n))
        assert median_time(curve) == n / 2
