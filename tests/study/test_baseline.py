"""The linear baseline and the number of epochs: choices that few samples must not spoil."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from edge2torch._core.console import Console
from edge2torch.study import _baseline
from edge2torch.study._baseline import _weakest_of_the_best, fit_baseline
from edge2torch.study._network import fit_network
from edge2torch.study._outcomes import outcome_of
from edge2torch.study._progress import Progress
from edge2torch.study._settings import StudySettings
from edge2torch.study._task import choose_task
from edge2torch.study._train import train
from edge2torch.study._verdict import _contradiction
from edge2torch.train import Split, repeated_folds, score_predictions, split_samples

_QUIET = {"console": Console(quiet=True), "progress": Progress()}


def _separable(n: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Two classes of equal size that one direction of three features tells apart, with a margin."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4 * n, 6))
    side = x[:, 0] - x[:, 1] + x[:, 2]
    rows = np.concatenate(
        [np.flatnonzero(side > 0.3)[: n // 2], np.flatnonzero(side < -0.3)[: n // 2]]
    )
    table = pd.DataFrame(x[rows], columns=[f"g{k}" for k in range(6)]).astype(np.float32)
    return table, pd.Series(np.repeat(["b", "a"], n // 2), name="y")


@pytest.mark.parametrize("seed", range(4))
def test_a_baseline_that_ranks_rightly_names_rightly(seed):
    table, label = _separable(60, seed)
    task = choose_task(label, "auto", 8)
    split = split_samples(task.values, seed=seed)
    found = fit_baseline(table, task, split, seed)
    scores = score_predictions(task.values[split.test], found.predict(table.iloc[split.test]))
    assert scores["roc_auc"] > 0.98
    assert scores["accuracy"] > 0.9
    assert scores["log_loss"] < 0.3


@pytest.mark.parametrize("n_others", [1, 3])
def test_a_class_of_one_group_does_not_end_the_choice_of_a_penalty(n_others):
    table, label = _separable(40, 0)
    task = choose_task(label, "auto", 8)
    groups = np.where(label == "a", "only", [f"d{k % n_others}" for k in range(40)])
    rows = np.arange(40)
    found = fit_baseline(table, task, Split(rows, rows, rows), 0, groups=groups)
    assert found.penalty in _baseline._PENALTIES
    right = found.predict(table).argmax(axis=1) == task.values
    assert right.mean() > 0.9


def test_loose_fits_choose_what_exact_ones_choose(monkeypatch):
    table, label = _separable(120, 0)
    task = choose_task(label, "auto", 8)
    split = split_samples(task.values)
    steps = []
    fit = LogisticRegression.fit
    monkeypatch.setattr(
        LogisticRegression, "fit", lambda *a: (m := fit(*a), steps.append(int(m.n_iter_[0])))[0]
    )
    loose, fewer = fit_baseline(table, task, split, 0), sum(steps)
    monkeypatch.setattr(_baseline, "_LOOSE", (1e-7, 1e-7))
    exact = fit_baseline(table, task, split, 0)
    assert fewer < 0.6 * (sum(steps) - fewer)
    assert loose.penalty == exact.penalty
    np.testing.assert_array_equal(loose.predict(table), exact.predict(table))


def test_a_fit_begins_where_those_before_lead():
    table, label = _separable(200, 0)
    task = choose_task(label, "auto", 8)
    x, rows = table.to_numpy(), np.arange(200)
    led = [int(model.n_iter_[0]) for model in _baseline._path(x, task, rows)]
    model, warm = task.outcome.linear_model(), []
    for penalty in _baseline._PENALTIES:
        tolerance = float(np.clip(penalty / 100, *_baseline._LOOSE))
        task.outcome.fit_linear(model, x, task, rows, penalty, tolerance)
        warm.append(int(model.n_iter_[0]))
    assert led[:2] == warm[:2]
    assert sum(led[2:]) < 0.9 * sum(warm[2:])


def test_ridge_of_a_clear_line_is_close_to_least_squares():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(40, 3)), columns=list("abc")).astype(np.float32)
    label = pd.Series(table.to_numpy() @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=40), name="y")
    task = choose_task(label, "auto", 8)
    split = split_samples(task.values)
    found = fit_baseline(table, task, split, 0)
    assert (
        score_predictions(task.values[split.test], found.predict(table.iloc[split.test]))["r2"]
        > 0.95
    )


def test_the_weakest_of_penalties_as_good_is_taken():
    rng = np.random.default_rng(0)
    level = rng.exponential(size=200)  # of each sample, the same under every penalty
    noise = 0.01 * rng.normal(size=(4, 200))
    assert _weakest_of_the_best(level + noise) == 3
    clear = level + np.array([[0.5], [0.0], [0.0], [0.5]]) + noise
    assert _weakest_of_the_best(clear) == 2


def test_noise_takes_the_strongest_penalty_or_one_as_good():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(60, 30))).rename(columns=str).astype(np.float32)
    task = choose_task(pd.Series(["a", "b"] * 30, name="y"), "auto", 8)
    split = split_samples(task.values)
    found = fit_baseline(table, task, split, 0)
    assert (
        score_predictions(task.values[split.test], found.predict(table.iloc[split.test]))[
            "log_loss"
        ]
        < 0.8
    )


# --------------------------------------------------------------------------------- folds


def test_few_samples_take_turns_and_many_do_not():
    few = choose_task(pd.Series(["a", "b", "b"] * 20, name="y"), "auto", 8)
    split = split_samples(few.values)
    assert len(split.folds) == 5
    turns = np.concatenate([rows for _, rows in split.folds])
    assert sorted(turns) == sorted(split.fit)
    for fitted, judged in split.folds:
        assert sorted([*fitted, *judged]) == sorted(split.fit)
        assert abs((few.values[judged] == 0).mean() - 1 / 3) < 0.1
    assert not set(split.fit) & set(split.test)
    many = choose_task(pd.Series(["a", "b"] * 500, name="y"), "auto", 8)
    ((_, judged),) = split_samples(many.values).folds
    assert len(judged) == 150


def test_folds_of_a_class_smaller_than_their_number():
    task = choose_task(pd.Series(["a"] * 20 + ["b"] * 3, name="y"), "auto", 2)
    folds = repeated_folds(task.values, n_folds=5, repeats=2)
    assert len(folds) == 6
    assert all((task.values[fitted] == 1).any() for fitted, _ in folds)


def test_the_curve_of_folds_is_that_of_each_of_them_alone(edges):
    """In one batch and without dropout the order of rows is of no account."""
    rng = np.random.default_rng(0)
    task = choose_task(pd.Series(["T", "B"] * 20, name="kind"), "auto", 8)
    table = pd.DataFrame(rng.normal(size=(40, 12)), columns=[f"g{k}" for k in range(12)])
    table.loc[::2, ["g0", "g1"]] += 1
    network = fit_network(edges, table.columns, task)
    settings = StudySettings(max_epochs=6, batch_size=100, input_dropout=0.0, node_dropout=0.0)
    fit, test = np.arange(32), np.arange(32, 40)
    folds = repeated_folds(task.values, fit, 4)

    def curve(*chosen) -> np.ndarray:
        split = Split(fit, test, chosen)
        found = train(network, table, task, split, settings, 0, name="x", **_QUIET)
        return np.array(found.losses)

    apart = [curve(fold) for fold in folds]
    # not to the last digit: a bias before batch normalisation has a gradient of rounding errors,
    # and Adam's first steps are as long for these as for any other
    assert np.allclose(curve(*folds), np.mean(apart, axis=0), atol=3e-4)
    assert np.ptp(apart, axis=0).min() > 0.01


def test_few_steps_in_an_epoch_are_waited_for(edges):
    """Patience of one epoch, of three steps, ended the search at once."""
    rng = np.random.default_rng(3)
    task = choose_task(pd.Series(["T", "B"] * 30, name="kind"), "auto", 8)
    table = pd.DataFrame(rng.normal(size=(60, 12)), columns=[f"g{k}" for k in range(12)])
    table.loc[::2, ["g0", "g1", "g2", "g3"]] += 1.5
    network = fit_network(edges, table.columns, task)
    split = split_samples(task.values)
    found = train(network, table, task, split, StudySettings(patience=1), 0, name="x", **_QUIET)
    assert found.epochs > 60
    assert min(found.losses) < 0.6


# --------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("accuracy", "area", "contradicts"),
    [
        ((1.0, 0.467), (1.0, 1.0), True),  # the line between classes is in the wrong place
        ((0.9, 0.7), (0.8, 0.9), True),
        ((0.9, 0.7), (0.95, 0.8), False),
        ((0.9, 0.89), (0.8, 0.9), False),  # too close for a word on either
    ],
)
def test_accuracy_does_not_decide_against_the_ranking(accuracy, area, contradicts):
    rows = [
        {"model": name, "features": 6, "seed": 0, "accuracy": hit, "roc_auc": curve}
        for name, hit, curve in zip(("KPNN", "linear"), accuracy, area, strict=True)
    ]
    results = SimpleNamespace(outcome=outcome_of("classification"), scores=pd.DataFrame(rows))
    gap = accuracy[0] - accuracy[1]
    found = _contradiction(results, ("KPNN", 6), ("linear", 6), gap)
    assert (found is not None) == contradicts
