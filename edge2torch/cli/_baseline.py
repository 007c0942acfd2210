"""The linear model that a network has to stand beside."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.cli._split import Scaler, Split, fit_scaler
from edge2torch.cli._task import Task
from edge2torch.errors import require

_CS = (0.001, 0.01, 0.1, 1.0)  # from strong to weak penalty
_ITERATIONS = 500


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model."""

    model: Any
    scaler: Scaler
    penalty: float

    def predict(self, table: pd.DataFrame, task: Task) -> NDArray[np.float64]:
        """Class probabilities (b, classes), or values (b, 1)."""
        x = self.scaler(table)
        if task.kind == "regression":
            return np.asarray(self.model.predict(x), np.float64).reshape(-1, 1)
        found = np.zeros((len(x), len(task.classes)))
        found[:, self.model.classes_] = self.model.predict_proba(x)
        return found


def baseline_name(task: Task) -> str:
    """What the linear model of a task is called."""
    return "logistic regression" if task.kind == "classification" else "ridge regression"


def fit_baseline(table: pd.DataFrame, task: Task, split: Split, seed: int) -> Baseline:
    """Choose the penalty on the validation part, then fit all but the test part.

    That is what the network does with its number of epochs.
    """
    linear = require("sklearn.linear_model", extra="cli")
    scaler = fit_scaler(table, split.train)
    x = scaler(table)
    best, penalty = -np.inf, _CS[0]
    for candidate in _CS:
        model = _fit(linear, x, task, split.train, candidate, seed)
        quality = float(model.score(x.iloc[split.validation], task.values[split.validation]))
        if quality > best:
            best, penalty = quality, candidate
    scaler = fit_scaler(table, split.fit)
    return Baseline(_fit(linear, scaler(table), task, split.fit, penalty, seed), scaler, penalty)


def _fit(
    linear: Any, x: pd.DataFrame, task: Task, rows: NDArray[np.int64], c: float, seed: int
) -> Any:
    if task.kind == "regression":
        model = linear.Ridge(alpha=1 / c)
    else:
        model = linear.LogisticRegression(C=c, max_iter=_ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        # A fit that stops early is scored like any other; the validation part decides.
        warnings.filterwarnings("ignore", message="lbfgs failed to converge")
        return model.fit(x.iloc[rows], task.values[rows])
