"""A number: squared error, R², and nodes that tell its upper half from its lower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edge2torch._core.messages import listing, plural, require
from edge2torch._core.statistics import varying
from edge2torch.errors import Edge2TorchError
from edge2torch.study._outcomes._metric import Metric
from edge2torch.study._outcomes._outcome import Features, Goal, Label, Numbers, Outcome, Rows, Task
from edge2torch.study._words import Words
from edge2torch.train import sample_losses, score_predictions


@dataclass(frozen=True)
class _Goal(Goal):
    loss_is_mean = True
    y: Tensor
    center: float
    scale: float

    def loss(self, predicted: Tensor, rows: Tensor) -> Tensor:
        return F.mse_loss(predicted[:, 0], self.y[rows])

    def answer(self, predicted: Tensor) -> Numbers:
        return np.asarray(predicted.double()) * self.scale + self.center


class Number(Outcome):
    """One number."""

    name = "regression"
    metrics = (
        Metric("r2", "R²", bounds=(-np.inf, 1)),
        Metric("pearson_r", "Pearson r", bounds=(-1, 1)),
        Metric("rmse", "RMSE", bounds=(0, np.inf), higher_is_better=False),
    )
    loss = "mean squared error"
    linear = "ridge regression"
    guess = "the mean"
    guessing = "guessing the mean"
    ahead = "R²"

    def suits(self, label: Label) -> str:
        return "holds numbers" if pd.api.types.is_numeric_dtype(label.dtype) else ""

    def read(
        self, label: Label, name: str, notes: Sequence[str], options: Mapping[str, Any],
        min_class_size: int,
    ) -> Task:  # fmt: skip
        try:
            values = label.astype(np.float64).to_numpy()
        except (TypeError, ValueError) as error:
            raise Edge2TorchError(
                f"task='regression': {name!r} holds values that are not numbers ({error})."
            ) from error
        if not np.isfinite(values).all():
            bad = label.index[~np.isfinite(values)]
            raise Edge2TorchError(
                f"label: infinite values of {name!r}, in {plural('sample', len(bad))}: {listing(bad)}. "
                "Leave them out."
            )
        if np.ptp(values) == 0:
            raise Edge2TorchError(
                f"label: {name!r} is {values[0]:g} for all {len(values)} samples, so there is nothing to "
                "tell apart. Choose another label."
            )
        return Task(self.name, name, (), values, np.ones(len(values), bool), tuple(notes), options)

    def of_cohort(
        self, label: Label, task: Task
    ) -> tuple[NDArray[Any], NDArray[np.bool_], list[str]]:
        return label.astype(np.float64).to_numpy(), np.ones(len(label), bool), []

    def goal(self, task: Task, rows: Rows, *, balanced: bool) -> Goal:
        center, scale = float(task.values[rows].mean()), float(task.values[rows].std()) or 1.0
        y = torch.as_tensor((task.values - center) / scale, dtype=torch.float32)
        return _Goal(y, center, scale)

    def linear_model(self) -> Any:
        return require("sklearn.linear_model", extra="cli").Ridge()

    def fit_linear(
        self, model: Any, x: Features, task: Task, rows: Rows, penalty: float, tolerance: float
    ) -> None:
        model.set_params(alpha=penalty * len(rows)).fit(x[rows], task.values[rows])

    def predict_linear(self, model: Any, x: Features, task: Task) -> Numbers:
        return np.asarray(model.predict(x), np.float64).reshape(-1, 1)

    def sample_losses(self, truth: NDArray[Any], predicted: Numbers) -> Numbers:
        return sample_losses(truth, predicted)

    def scores(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers
    ) -> dict[str, float]:
        return score_predictions(task.values[held_out], predicted)

    def resampled(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers, counts: Rows
    ) -> dict[str, Numbers]:
        weight = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        truth, value = task.values[held_out], predicted[:, 0]
        error = weight @ (truth - value) ** 2
        # about the middle of all, so that squares of large numbers lose no digits
        y, p = truth - truth.mean(), value - value.mean()
        mean_y, mean_p = weight @ y, weight @ p
        spread, spread_p = _spread(weight, y, mean_y), _spread(weight, p, mean_p)
        shared = weight @ (y * p) - mean_y * mean_p
        with np.errstate(divide="ignore", invalid="ignore"):
            r2, r = 1 - error / spread, shared / np.sqrt(spread * spread_p)
        return {"r2": r2, "pearson_r": r, "rmse": np.sqrt(error)}

    def leads(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers, *, balanced: bool,
        guess: Numbers | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """As a share of the guess's squared error, so that their mean is R² against it."""
        truth = task.values[held_out]
        mean = np.full((len(truth), 1), task.values[fitted].mean())
        guessed = sample_losses(truth, mean if guess is None else guess)
        own = sample_losses(truth, predicted)
        return pd.DataFrame({"loss": (guessed - own) / guessed.mean()}, index=held_out)

    def predicts(self, task: Task, words: Words) -> str:
        return f"{task.label} (a number)"


def _spread(weight: Numbers, y: Numbers, mean: Numbers) -> Numbers:
    """Variance by draw; NaN where all that were drawn are alike, of which rounding leaves 1e-17 or so."""
    square = weight @ y**2
    spread = square - mean**2
    return np.where(varying(spread, square), spread, np.nan)


OUTCOME = Number()
