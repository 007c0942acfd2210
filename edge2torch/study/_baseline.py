"""The linear model that a network has to stand beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.study._covariates import fit_encoding
from edge2torch.study._outcomes._outcome import Task
from edge2torch.train import Scaler, Split, fit_scaler, repeated_folds

# Weight of half the squared norm of the coefficients beside the *mean* loss of a sample, from
# strong to weak. scikit-learn weighs it beside the sum, so that the same number means less where
# there are more samples, and what was chosen on a part would not be what the whole is fitted with.
_PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_FOLDS, _MOST_REPEATS = 5, 5
_ENOUGH = 500  # samples that are judged, over all repeats
# Largest entry of the gradient at which a fit ends; scikit-learn's own. To choose by, a hundredth of
# the penalty is enough, which moves no coefficient by more than about 0.01: a third of the time.
_CONVERGED = 1e-4
_LOOSE = 2e-4, 1e-2


Predict = Callable[[NDArray[np.int64]], NDArray[np.float64]]  # of samples by number


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model."""

    model: Any
    scaler: Scaler
    penalty: float
    task: Task

    def predict(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Class probabilities (b, classes), values (b, 1), or what the outcome has."""
        x = self.scaler(table).to_numpy()
        return self.task.outcome.predict_linear(self.model, x, self.task)


def fit_baseline(
    table: pd.DataFrame, task: Task, split: Split, seed: int, groups: NDArray[np.str_] | None = None
) -> Baseline:
    """Choose the penalty in folds of all but the test part, then fit all of that.

    Judged is the loss of every sample (of classes the log loss, of numbers the squared error), in folds that it had no
    part in; with few samples the folds are drawn again and again. Of penalties that are as good,
    within one standard error of the difference to the best, the weakest is taken: a strong one
    leaves a model that says nothing but how common the classes are, and that is no baseline.
    """
    outcome = task.outcome
    scaler = fit_scaler(table, split.fit)
    x = scaler(table).to_numpy()
    penalty = outcome.linear_penalty(x, task, split.fit, groups, seed)
    if penalty is None:
        penalty = _chosen(table, task, split, seed, groups)
    model = outcome.linear_model()
    outcome.fit_linear(model, x, task, split.fit, penalty, _CONVERGED)
    return Baseline(model, scaler, penalty, task)


def _chosen(
    table: pd.DataFrame, task: Task, split: Split, seed: int, groups: NDArray[np.str_] | None
) -> float:
    """The weakest of the penalties that are as good as the best, by the loss of each sample."""
    outcome = task.outcome
    repeats = min(max(_ENOUGH // len(split.fit), 1), _MOST_REPEATS)
    total, times = np.zeros((len(_PENALTIES), len(task.values))), np.zeros(len(task.values))
    strata, n_classes = outcome.strata(task), len(np.unique(task.values[split.fit]))
    folds = repeated_folds(strata, split.fit, _FOLDS, repeats=repeats, groups=groups, seed=seed)
    for train, judged in folds:
        # the only group of a class is judged: the rest has no such class to learn
        if outcome.by_class and len(np.unique(task.values[train])) < n_classes:
            continue
        times[judged] += 1
        x = fit_scaler(table, train)(table).to_numpy()
        for found, model in zip(total, _path(x, task, train), strict=True):
            predicted = outcome.predict_linear(model, x[judged], task)
            found[judged] += outcome.sample_losses(task.values[judged], predicted)
    rows = split.fit[times[split.fit] > 0]
    if not len(rows):
        return _PENALTIES[0]  # nothing says how much the data bear
    return _PENALTIES[_weakest_of_the_best(total[:, rows] / times[rows])]


def _weakest_of_the_best(loss: NDArray[np.float64]) -> int:
    """Choose among penalties × samples, from strong to weak."""
    worse = loss - loss[loss.mean(axis=1).argmin()]  # of each sample, so its own level drops out
    error = worse.std(axis=1, ddof=1) / loss.shape[1] ** 0.5
    return int(np.flatnonzero(worse.mean(axis=1) <= error).max())


def _path(x: NDArray[np.float32], task: Task, rows: NDArray[np.int64]) -> Iterator[Any]:
    """Give the model at each penalty, fitted from where those before lead; the same object."""
    outcome = task.outcome
    model, before = outcome.linear_model(), None
    for penalty in _PENALTIES:
        tolerance = float(np.clip(penalty / 100, *_LOOSE))
        outcome.fit_linear(model, x, task, rows, penalty, tolerance)
        yield model
        if hasattr(model, "coef_"):
            # As far again as from the last penalty but one: a third fewer passes over the samples. Not
            # from another fold's, nearer still: that has seen the samples that are judged here.
            now = model.coef_, model.intercept_
            if before is not None:
                model.coef_, model.intercept_ = (
                    2 * a - b for a, b in zip(now, before, strict=True)
                )
            before = now


class LinearModels:
    """Linear models of one split; they see the covariates as well, where there are any."""

    def __init__(
        self,
        table: pd.DataFrame,
        task: Task,
        groups: NDArray[np.str_] | None,
        split: Split,
        seed: int,
    ) -> None:
        self.table, self.task, self.groups, self.split, self.seed = table, task, groups, split, seed
        samples = task.covariates
        self.covariates = None
        if samples is not None:
            self.covariates = fit_encoding(samples, split.fit)(samples).set_axis(table.index)

    def fit(self, features: list[str]) -> Predict:
        """Fit one of some features; return what it predicts of any samples."""
        table = self.table[features]
        if self.covariates is not None:
            table = pd.concat([table, self.covariates.add_prefix("covariate ")], axis=1)
        model = fit_baseline(table, self.task, self.split, self.seed, self.groups)
        return lambda rows: model.predict(table.iloc[rows])
