"""The linear model that a network has to stand beside."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import require
from edge2torch.study._task import Task
from edge2torch.train import Scaler, Split, fit_scaler, repeated_folds, sample_losses

# Weight of half the squared norm of the coefficients beside the *mean* loss of a sample, from
# strong to weak. scikit-learn weighs it beside the sum, so that the same number means less where
# there are more samples, and what was chosen on a part would not be what the whole is fitted with.
_PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_FOLDS, _MOST_REPEATS = 5, 5
_ENOUGH = 500  # samples that are judged, over all repeats
_ITERATIONS = 500
# Largest entry of the gradient at which a fit ends; scikit-learn's own. To choose by, a hundredth of
# the penalty is enough, which moves no coefficient by more than about 0.01: a third of the time.
_CONVERGED = 1e-4
_LOOSE = 2e-4, 1e-2


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model."""

    model: Any
    scaler: Scaler
    penalty: float
    task: Task

    def predict(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Class probabilities (b, classes), or values (b, 1)."""
        return _predict(self.model, self.scaler(table).to_numpy(), self.task)


def baseline_name(task: Task) -> str:
    """What the linear model of a task is called."""
    return "logistic regression" if task.kind == "classification" else "ridge regression"


def fit_baseline(
    table: pd.DataFrame,
    task: Task,
    split: Split,
    seed: int,
    groups: NDArray[np.str_] | None = None,
) -> Baseline:
    """Choose the penalty in folds of all but the test part, then fit all of that.

    Judged is the log loss (of numbers, the squared error) of every sample, in folds that it had no
    part in; with few samples the folds are drawn again and again. Of penalties that are as good,
    within one standard error of the difference to the best, the weakest is taken: a strong one
    leaves a model that says nothing but how common the classes are, and that is no baseline.
    """
    repeats = min(max(_ENOUGH // len(split.fit), 1), _MOST_REPEATS)
    total = np.zeros((len(_PENALTIES), len(task.values)))
    folds = repeated_folds(
        task.values, split.fit, _FOLDS, repeats=repeats, groups=groups, seed=seed
    )
    for train, judged in folds:
        x = fit_scaler(table, train)(table).to_numpy()
        for found, model in zip(total, _path(x, task, train), strict=True):
            found[judged] += sample_losses(task.values[judged], _predict(model, x[judged], task))
    penalty = _PENALTIES[_weakest_of_the_best(total[:, split.fit] / repeats)]
    scaler = fit_scaler(table, split.fit)
    x = scaler(table).to_numpy()
    model = _fit(_linear(task), x, task, split.fit, penalty, _CONVERGED)
    return Baseline(model, scaler, penalty, task)


def _weakest_of_the_best(loss: NDArray[np.float64]) -> int:
    """Choose among penalties × samples, from strong to weak."""
    worse = loss - loss[loss.mean(axis=1).argmin()]  # of each sample, so its own level drops out
    error = worse.std(axis=1, ddof=1) / loss.shape[1] ** 0.5
    return int(np.flatnonzero(worse.mean(axis=1) <= error).max())


def _path(x: NDArray[np.float32], task: Task, rows: NDArray[np.int64]) -> Iterator[Any]:
    """Give the model at each penalty, fitted from where the one before ended; the same object."""
    model = _linear(task)
    for penalty in _PENALTIES:
        yield _fit(model, x, task, rows, penalty, float(np.clip(penalty / 100, *_LOOSE)))


def _linear(task: Task) -> Any:
    linear = require("sklearn.linear_model", extra="cli")
    if task.kind == "regression":
        return linear.Ridge()
    return linear.LogisticRegression(max_iter=_ITERATIONS, warm_start=True)


def _fit(
    model: Any,
    x: NDArray[np.float32],
    task: Task,
    rows: NDArray[np.int64],
    penalty: float,
    tolerance: float,
) -> Any:
    strength = penalty * len(rows)
    if task.kind == "regression":
        model.set_params(alpha=strength)
    else:
        model.set_params(C=1 / strength, tol=tolerance)
    with warnings.catch_warnings():
        # A fit that stops early is judged like any other, by samples it has not seen.
        warnings.filterwarnings("ignore", message="lbfgs failed to converge")
        return model.fit(x[rows], task.values[rows])


def _predict(model: Any, x: NDArray[np.float32], task: Task) -> NDArray[np.float64]:
    if task.kind == "regression":
        return np.asarray(model.predict(x), np.float64).reshape(-1, 1)
    found = np.zeros((len(x), len(task.classes)))
    found[:, model.classes_] = model.predict_proba(x)
    return found
