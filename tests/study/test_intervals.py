"""Intervals of scores and differences hold what they say, and verdicts follow from them."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.study._intervals import Between, HeldOut, _interval, intervals
from edge2torch.study._outcomes import outcome_of
from edge2torch.study._outcomes._outcome import Outcome
from edge2torch.study._task import choose_task
from edge2torch.study._verdict import _of_gain
from edge2torch.survival import TimeToEvent, harrell_c
from tests.study.test_study import BARE

A, B = ("A", 1), ("B", 1)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_weighed_scores_are_those_of_samples_drawn_again(kind):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 60) if kind == "classification" else 1e4 + rng.normal(size=60)
    task = choose_task(pd.Series(label, name="y"), kind, 1)
    predicted = rng.multinomial(10, rng.dirichlet(np.ones(3), 40)) / 10  # with ties
    predicted = (
        predicted if kind == "classification" else label[20:, None] + rng.normal(size=(40, 1))
    )
    fitted, rows = np.arange(20), np.arange(20, 60)
    counts = np.stack([np.bincount(rng.integers(40, size=40), minlength=40) for _ in range(20)])
    if kind == "classification":
        counts[0, task.values[rows] == 0] = 0  # a class that is not drawn
        counts[1, task.values[rows] != 0] = 0  # and one that alone is
    else:
        counts[0], counts[0, 7] = 0, 40  # one sample alone, which has no variance
    quick = task.outcome.resampled(task, fitted, rows, predicted, counts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scores of one sample
        slow = Outcome.resampled(task.outcome, task, fitted, rows, predicted, counts)
    assert list(quick) == [metric.name for metric in task.outcome.metrics]
    for name, values in slow.items():
        np.testing.assert_allclose(quick[name], values, rtol=1e-9, err_msg=name)


def test_pairs_of_survival_count_as_often_as_both_are_drawn():
    rng = np.random.default_rng(0)
    times = pd.DataFrame({"time": rng.integers(1, 9, 60), "event": rng.integers(0, 2, 60)})
    label = TimeToEvent("time", "event")
    task = choose_task(times, "survival", 1, label)
    theta, rows = rng.normal(size=(40, 1)).round(1), np.arange(20, 60)
    counts = np.stack([np.bincount(rng.integers(40, size=40), minlength=40) for _ in range(9)])
    found = task.outcome.resampled(task, np.arange(20), rows, theta, counts)["harrell_c"]
    drawn = [np.repeat(np.arange(40), count) for count in counts]
    slow = [harrell_c(*times.iloc[rows[d]].to_numpy().T, theta[d, 0]) for d in drawn]
    np.testing.assert_allclose(found, slow, rtol=1e-6)


def _row(table: pd.DataFrame, model, against="", metric="accuracy") -> pd.Series:
    chosen = table[(table["model"] == model[0]) & (table["against"] == against)]
    return chosen[chosen["metric"] == metric].iloc[0]


def _simulated(rng, n: int, hit: float, donors: int = 0):
    """Predictions of two models that name a sample rightly with about the same chance."""
    ease = rng.normal(size=n) if not donors else np.repeat(rng.normal(size=donors), n // donors)
    chance = 1 / (1 + np.exp(-(np.log(hit / (1 - hit)) + ease)))
    truth = np.tile([0, 1], n // 2)
    task = choose_task(pd.Series(truth, name="y"), "classification", 1)
    right = [rng.uniform(size=n) < chance for _ in range(2)]
    return task, [np.eye(2)[np.where(one, truth, 1 - truth)] for one in right]


def test_intervals_hold_the_truth_nine_times_in_ten():
    rng = np.random.default_rng(0)
    expected = float(np.mean(1 / (1 + np.exp(-(np.log(0.7 / 0.3) + rng.normal(size=100_000))))))
    held = {"score": 0, "lead": 0, "donors": 0}
    for _ in range(200):
        task, (a, b) = _simulated(rng, 120, 0.7)
        rows = np.arange(120)
        parts = [HeldOut(rows, rows, {A: a, B: b})]
        table = intervals(task, parts, [(A, B)], None)
        one, lead = _row(table, A), _row(table, A, "B")
        held["score"] += one["low"] <= expected <= one["high"]
        held["lead"] += lead["low"] <= 0 <= lead["high"]
        task, (a, _) = _simulated(rng, 120, 0.7, donors=12)
        groups = np.repeat([f"d{k}" for k in range(12)], 10)
        one = _row(intervals(task, [HeldOut(rows, rows, {A: a})], [], groups), A)
        held["donors"] += one["low"] <= expected <= one["high"]
    assert all(0.85 <= count / 200 <= 0.95 for count in held.values()), held


def test_seeds_that_disagree_widen_an_interval_and_equal_ones_do_not():
    rng = np.random.default_rng(0)
    drawn = 0.7 + 0.02 * rng.normal(size=400)
    low, high = _interval(np.full(3, 0.7), np.stack([drawn] * 3), 200)
    again = _interval(np.array([0.7]), drawn[None], 200)
    assert (low, high) == pytest.approx(again)
    apart = _interval(np.array([0.5, 0.7, 0.9]), np.stack([drawn - 0.2, drawn, drawn + 0.2]), 200)
    assert apart[1] - apart[0] > 3 * (high - low)


@pytest.mark.parametrize("kind", ["classification", "regression", "survival"])
def test_no_interval_goes_beyond_what_a_score_can_be(kind):
    rng = np.random.default_rng(0)
    label = np.tile([0, 1], 12) if kind == "classification" else rng.normal(size=24)
    said = pd.Series(label, name="y")
    option = None
    if kind == "survival":
        said = pd.DataFrame({"time": np.exp(label), "event": 1})
        option = TimeToEvent("time", "event")
    task = choose_task(said, kind, 1, option)
    good = np.array(label)
    good[[2, 3]] = good[[3, 2]]  # all but one pair
    near = {"classification": np.eye(2)[good.astype(int)] * 0.8 + 0.1, "survival": -good[:, None]}
    a = near.get(kind, good[:, None])
    b = a[::-1].copy()
    rows = np.arange(24)
    table = intervals(task, [HeldOut(rows, rows, {A: a, B: b})], [(A, B), (B, A)], None)
    bounds = {metric.name: metric.bounds for metric in task.outcome.metrics}
    cut = 0
    for row in table.dropna().to_dict("records"):
        least, most = bounds[row["metric"]]
        if row["against"]:
            least, most = least - most, most - least
        assert least <= row["low"] <= row["value"] <= row["high"] <= most
        cut += row["low"] == least or row["high"] == most
    assert cut


@pytest.mark.parametrize("values", [(0.3, 1.0), (37.1, 100.0), (0.25, 1.5)])
def test_draws_of_one_value_alone_do_not_make_an_interval_of_r2(values):
    """Rounding leaves them a variance of 1e-17, and an R² of -1e15: the mean of all draws was there."""
    rng = np.random.default_rng(0)
    low_one, high_one = values
    truth = np.where(np.arange(12) < 3, low_one, high_one)
    task = choose_task(pd.Series(truth, name="y"), "regression", 1)
    a, b = (truth[:, None] + rng.normal(size=(12, 1)) * (high_one - low_one) / 3 for _ in range(2))
    rows = np.arange(12)
    table = intervals(task, [HeldOut(rows, rows, {A: a, B: b})], [(A, B)], None)
    for row in table.to_dict("records"):
        assert row["low"] <= row["value"] <= row["high"]
        if row["metric"] == "r2":
            assert row["high"] - row["low"] < 3


@pytest.mark.parametrize(
    ("gain", "low", "high", "good", "said"),
    [
        (0.05, 0.01, 0.09, True, "True edges beat shuffled ones"),
        (0.05, -0.01, 0.11, False, "The interval holds 0"),
        (-0.05, -0.09, -0.01, False, "shuffled edges are 5.0 points"),
        (0.0, -0.02, 0.02, False, "neither is shown to be better"),
        (0.05, float("nan"), float("nan"), None, "how much of that is chance is not known"),
    ],
)
def test_the_edges_are_judged_by_the_interval_alone(gain, low, high, good, said):
    metric = outcome_of("classification").metric
    verdict = _of_gain(
        SimpleNamespace(metric=metric, changed_edges=0.5), gain, Between(gain, low, high)
    )
    assert verdict.good is good
    assert said in verdict.text


def test_a_study_says_how_sure_its_scores_are(tmp_path, edges, cells):
    study = e2t.run_study(edges, cells, "kind", **(BARE | {"seeds": 2}))
    table = study.results.intervals
    n = len(study.results.study.network.features)
    own = study.results.interval(("KPNN", n))
    assert own.value == pytest.approx(study.scores.query("model == 'KPNN'")["accuracy"].mean())
    assert own.low < own.value <= own.high <= 1
    assert set(table["against"]) == {"", "KPNN, shuffled edges", "logistic regression"}
    said = f"(mean over 2 seeds; 90 % interval {100 * own.low:.1f} to {100 * own.high:.1f})"
    assert any(said in verdict.text for verdict in study.verdicts)
    assert e2t.load_study(study.save(tmp_path)).verdicts == study.verdicts
