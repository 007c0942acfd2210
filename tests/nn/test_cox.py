"""The partial likelihood beside a loop over event times, and beside published packages."""

from __future__ import annotations

import time as clock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge2torch import Edge2TorchError, cox_loss
from edge2torch.nn import CoxLoss
from tests.survival.cohort import AGE, DOSE, ENTRY, EVENT, SITE, TIME


def by_hand(
    theta: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    entry: NDArray[np.float64] | None,
    strata: NDArray[np.int64] | None,
    ties: str,
) -> float:
    """Sum over strata, event times and tied events, one at a time."""
    since = np.full(len(time), -np.inf) if entry is None else entry
    stratum = np.zeros(len(time)) if strata is None else strata
    total = 0.0
    for one in np.unique(stratum):
        for t in np.unique(time[event & (stratum == one)]):
            risk = (stratum == one) & (since < t) & (time >= t)
            dead = (stratum == one) & (time == t) & event
            for k in range(dead.sum()):
                share = k / dead.sum() if ties == "efron" else 0.0
                total += np.log(np.exp(theta[risk]).sum() - share * np.exp(theta[dead]).sum())
            total -= theta[dead].sum()
    return float(total / event.sum())


def cohorts(n: int) -> list[tuple[NDArray[np.float64], ...]]:
    rng, found = np.random.default_rng(0), []
    for k in range(n):
        size = int(rng.integers(3, 50))
        time = np.round(rng.exponential(5, size), int(rng.integers(0, 2))) + 1
        event = rng.random(size) < 0.6
        event[0] = True
        entry = np.floor(time * rng.random(size)) - 0.5 if k % 3 == 0 else None
        strata = rng.integers(0, 4, size) if k % 4 < 2 else None
        found.append((rng.normal(size=size) * 3, time, event, entry, strata))
    return found


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_ties_entries_and_strata_as_by_hand(ties: str) -> None:
    for theta, time, event, entry, strata in cohorts(200):
        found = cox_loss(torch.tensor(theta), time, event, entry=entry, strata=strata, ties=ties)
        expected = by_hand(theta, time, event, entry, strata, ties)
        np.testing.assert_allclose(found.item(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_gradient_is_that_of_the_value(ties: str) -> None:
    for theta, *rest in cohorts(8):
        time, event, entry, strata = rest
        loss = CoxLoss(time, event, entry=entry, strata=strata, ties=ties)
        assert torch.autograd.gradcheck(loss, torch.tensor(theta, requires_grad=True))


def test_as_lifelines_at_its_maximum() -> None:
    """lifelines 0.30.3, CoxPHFitter with precision 1e-12: log likelihoods at its coefficients."""
    x = torch.tensor(np.column_stack([AGE, DOSE]))
    for options, beta, expected in [
        ({}, [0.30042484909185213, 0.4279096685134477], -23.280534779530896),
        ({"strata": SITE}, [0.2878322428422252, 0.41996419165246585], -16.24491686940457),
        ({"entry": ENTRY}, [0.29463470597222063, 0.410182610749512], -23.1859344309164),
    ]:
        loss = CoxLoss(TIME, EVENT, **options)
        weight = torch.tensor(beta, dtype=torch.float64, requires_grad=True)
        value = loss(x @ weight)
        value.backward()
        assert -value.item() * loss.n_events == pytest.approx(expected, rel=1e-12)
        assert weight.grad is not None
        assert weight.grad.abs().max() < 1e-6


def test_log_hazards_of_any_size_stay_finite() -> None:
    theta = torch.tensor(np.where(np.arange(24) % 2, 1e4, -1e4), dtype=torch.float32)
    for options in ({}, {"strata": SITE}, {"entry": ENTRY}, {"ties": "breslow"}):
        at = theta.clone().requires_grad_()
        loss = cox_loss(at, TIME, EVENT, **options)
        loss.backward()
        assert loss.isfinite()
        assert at.grad is not None
        assert at.grad.isfinite().all()
        shifted = cox_loss(theta + 4096.0, TIME, EVENT, **options)
        torch.testing.assert_close(loss.detach(), shifted, rtol=1e-5, atol=0)


def test_a_cohort_without_events_has_no_loss_and_no_slope() -> None:
    theta = torch.randn(24, requires_grad=True)
    loss = cox_loss(theta, TIME, EVENT * 0)
    loss.backward()
    assert loss.item() == 0
    assert theta.grad is not None
    assert not theta.grad.any()


def test_the_terms_of_patients_add_up_to_the_loss() -> None:
    loss, theta = CoxLoss(TIME, EVENT, strata=SITE), torch.randn(24, dtype=torch.float64)
    terms = loss.terms(theta)
    assert not terms[torch.from_numpy(EVENT == 0)].any()
    torch.testing.assert_close(terms.sum() / loss.n_events, loss(theta))


def test_a_cohort_in_chunks_has_the_gradient_of_the_whole() -> None:
    torch.manual_seed(0)
    x, loss = torch.randn(24, 5), CoxLoss(TIME, EVENT)
    model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    loss(model(x)).backward()
    whole = [one.grad.clone() for one in model.parameters() if one.grad is not None]
    model.zero_grad()
    value = loss.backward(lambda rows: model(x[rows]), chunk_size=7)
    torch.testing.assert_close(value, loss(model(x)).detach())
    for one, expected in zip(model.parameters(), whole, strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, expected, rtol=1e-6, atol=1e-6)


def test_chunks_drop_the_same_units_both_times() -> None:
    torch.manual_seed(0)
    x, loss = torch.randn(24, 5), CoxLoss(TIME, EVENT)
    drop, seen = torch.nn.Dropout(0.5), []

    def forward(rows: torch.Tensor) -> torch.Tensor:
        dropped = drop(x[rows])
        seen.append(dropped.detach())
        return dropped.sum(dim=1).requires_grad_()

    loss.backward(forward, chunk_size=12)
    assert len(seen) == 4
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0] == 0, seen[1] == 0)


def test_a_hundred_thousand_patients_take_a_fraction_of_a_second() -> None:
    rng = np.random.default_rng(0)
    time, event = rng.exponential(5, 100_000), rng.random(100_000) < 0.5
    theta = torch.randn(100_000, requires_grad=True)
    begin = clock.thread_time()
    cox_loss(theta, time, event).backward()
    assert (
        clock.thread_time() - begin < 2
    )  # 0.1 on an idle machine; a loop over times takes minutes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"time": [1.0, np.nan, 2.0]}, r"time is missing in row\(s\) 1"),
        ({"time": [1.0, -1.0, np.inf]}, r"time must be finite and at least 0, .* row\(s\) 1, 2"),
        ({"event": [0, 1, 2]}, r"event must hold 0 \(censored\) and 1 \(event\), found 2"),
        ({"event": [0, 1]}, r"event must have shape \(3,\), as time, found \(2,\)"),
        ({"entry": [0.0, 2.0, 5.0]}, r"entry must be before time, and is not in row\(s\) 1, 2"),
        ({"ties": "exact"}, "ties must be one of 'efron', 'breslow', found 'exact'"),
        ({"log_hazard": torch.zeros(2)}, r"log_hazard must have shape \(3,\)"),
        ({"log_hazard": torch.zeros(3, dtype=torch.long)}, "log_hazard must be of floating point"),
        ({"time": ["a", "b", "c"]}, "time must hold numbers"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, object], message: str) -> None:
    given = {"log_hazard": torch.zeros(3), "time": [1.0, 2.0, 3.0], "event": [1, 0, 1], **changed}
    with pytest.raises(Edge2TorchError, match=message):
        cox_loss(**given)
