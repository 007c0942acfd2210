"""Hazards by interval: the loss of a loop over patients, its gradient, curves, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edge2torch import Edge2TorchError
from edge2torch.survival import DiscreteTime, Outcome, TimeToEvent, kaplan_meier, simulate
from tests.survival.cohort import ENTRY, EVENT, TIME


def by_hand(logits: np.ndarray, cuts: list[float], outcome: Outcome) -> list[float]:
    """Minus the log of how likely each patient's course is, from hazards, one interval after another."""
    found = []
    for i, row in enumerate(logits):
        chance, start = 1.0, 0.0
        for theta, end in zip(row, cuts, strict=True):
            hazard, middle = 1 / (1 + math.exp(-theta)), (start + end) / 2
            here = start < outcome.time[i] <= end or outcome.time[i] == start == 0
            begun = outcome.entry is None or outcome.entry[i] <= middle
            if here and outcome.event[i]:
                chance *= hazard
                break
            through = outcome.time[i] > end if outcome.event[i] else outcome.time[i] >= middle
            if begun and through:
                chance *= 1 - hazard
            start = end
        found.append(-math.log(chance))
    return found


@pytest.mark.parametrize("entry", [None, ENTRY])
@pytest.mark.parametrize("bins", [1, 3, 5])
def test_the_loss_is_that_of_a_loop_over_patients(entry: np.ndarray | None, bins: int) -> None:
    outcome = Outcome(TIME, EVENT, entry)
    times = DiscreteTime.of(outcome, bins)
    logits = 3 * torch.randn(
        24, bins, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    expected = by_hand(logits.numpy(), times.cuts.tolist(), outcome)
    np.testing.assert_allclose(times.terms(logits, outcome), expected, rtol=1e-10)
    assert float(times.loss(logits, outcome)) == pytest.approx(np.mean(expected), rel=1e-12)
    # of a batch it is that of its patients: nothing depends on who else is there
    rows = np.array([3, 17, 8])
    few = times.terms(logits[rows], outcome.take(rows))
    np.testing.assert_allclose(few, np.array(expected)[rows], rtol=1e-10)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda y: times.terms(y, outcome), logits)


def test_the_loss_is_least_at_the_life_table() -> None:
    """Without covariates the best hazards are shares of those at risk, an estimate of its own."""
    outcome = Outcome([1.0, 1, 2, 2, 2, 3, 4, 4, 5, 5], [1, 0, 1, 1, 0, 0, 1, 1, 0, 1])
    times = DiscreteTime(np.array([2.0, 5.0]), 5.0)
    logits = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = times.loss(logits.expand(10, 2), outcome)
        loss.backward()
        return loss

    for _ in range(20):
        optimiser.step(closure)
    # three of ten have it by 2 (who is censored at 1 was there from its middle); then three of four, for
    # who is censored at 3 has not lived through half of (2, 5]
    np.testing.assert_allclose(logits[0].sigmoid().tolist(), [3 / 10, 3 / 4], rtol=1e-5)
    curves = times.survival_curves(logits.detach(), [1.0, 2.0, 3.5, 5.0])
    expected = [0.7**0.5, 0.7, 0.7 * 0.25**0.5, 0.7 * 0.25]
    np.testing.assert_allclose(curves.to_numpy()[0], expected, rtol=1e-5)
    assert curves.columns.tolist() == [1.0, 2.0, 3.5, 5.0]


def test_what_kills_early_may_save_late() -> None:
    """A hazard of exp(z) up to .5 and exp(-z) from then on: no one log hazard says so."""
    rng = np.random.default_rng(0)
    z, spent = rng.normal(size=1000), rng.exponential(size=1000)
    left = spent - 0.5 * np.exp(z)
    outcome = Outcome(np.where(left < 0, spent * np.exp(-z), 0.5 + left * np.exp(z)), np.ones(1000))
    times = DiscreteTime.of(outcome, 6)
    x = torch.from_numpy(z)[:, None]
    weight = torch.zeros(2, 6, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = times.loss(x * weight[0] + weight[1], outcome)
        loss.backward()
        return loss

    optimiser.step(closure)
    slope, early = weight[0].tolist(), int((times.cuts < 0.5).sum())
    assert 2 <= early <= 3
    assert all(0.7 < one < 1.4 for one in slope[:early])
    # the interval of the cut is both; in the last one all who are left have the event
    assert all(-1.8 < one < -0.6 for one in slope[early + 1 : -1]), slope


def test_intervals_hold_equal_falls_of_the_curve() -> None:
    outcome = simulate(np.zeros(4000), censored=0.3, seed=0)
    times = DiscreteTime.of(outcome, 8)
    curve = kaplan_meier(outcome.time, outcome.event)["survival"]
    at = curve.loc[times.cuts].to_numpy()
    np.testing.assert_allclose(-np.diff(at, prepend=1.0), (1 - at[-1]) / 8, atol=0.002)
    assert times.cuts[-1] == outcome.time[outcome.event].max()
    # most events at one time: the others have an interval each, and none is empty
    tied = DiscreteTime.of(Outcome([1.0] * 20 + [2.0, 3.0, 4.0], np.ones(23)), 4)
    assert tied.cuts.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_risk_until_a_time_is_that_of_the_curves() -> None:
    times = DiscreteTime(np.array([1.0, 3.0, 4.0]), 4.0)
    logits = torch.tensor([[0.0, 1.0, -2.0], [-40.0, -50.0, -60.0], [40.0, 0.0, 0.0]]).double()
    for at in (0.5, 1.0, 2.5, 4.0):
        expected = np.log(-np.log(times.survival_curves(logits[:1], [at]).to_numpy()[:, 0]))
        found = times.log_cumulative_hazard(logits, at)
        assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-12)
        assert torch.isfinite(found).all()
        low = times.log_cumulative_hazard(logits.float(), at)
        torch.testing.assert_close(low.double(), found, rtol=1e-5, atol=1e-5)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda y: times.log_cumulative_hazard(y, 2.5), logits[:1])


def test_no_outcome_makes_the_loss_infinite() -> None:
    outcome = Outcome(TIME, EVENT)
    times = DiscreteTime.of(outcome, 4)
    logits = torch.full((24, 4), 1e4, requires_grad=True)
    loss = times.loss(logits, outcome) + times.loss(-logits, outcome)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: DiscreteTime.of(Outcome(TIME, EVENT), 20),
            "bins=20 are more intervals than the 10",
        ),
        (
            lambda: DiscreteTime(np.array([2.0, 1.0]), 3.0),
            "each later than the one before, found 2.0",
        ),
        (
            lambda: DiscreteTime.of(Outcome(TIME, EVENT), 3).terms(
                torch.zeros(24, 2), Outcome(TIME, EVENT)
            ),
            r"logits must have shape \(24, 3\), patients × intervals, found \(24, 2\)",
        ),
        (
            lambda: DiscreteTime.of(Outcome(TIME, EVENT), 3).survival_curves(
                torch.zeros(1, 3), [99]
            ),
            "at: 99.0 is beyond the follow-up, which ends at 10",
        ),
        (lambda: TimeToEvent("t", "e", bins=5), "bins=5 are intervals of survival='discrete'"),
        (
            lambda: TimeToEvent("t", "e", survival="weibull"),
            "survival must be one of 'cox', 'discrete', found 'weibull'",
        ),
        (
            lambda: TimeToEvent("t", "e", survival="discrete", strata="site"),
            "Give the column to covariates=",
        ),
    ],
)
def test_what_is_wrong_is_named(call, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Edge2TorchError, match=message):
        call()
