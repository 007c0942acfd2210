"""An ordinary PyTorch training loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from edge2torch.cli._console import Console
from edge2torch.cli._network import Network
from edge2torch.cli._progress import Progress
from edge2torch.cli._settings import Settings
from edge2torch.cli._split import Scaler, Split, fit_scaler
from edge2torch.cli._task import Task
from edge2torch.customize import CustomizedEdgeModel
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError

_BETTER = 1e-4  # an improvement smaller than this is none


@dataclass(frozen=True)
class Trained:
    """A trained network, and how to bring data to it."""

    network: Network
    model: CustomizedEdgeModel
    scaler: Scaler
    center: float
    scale: float
    epochs: int
    losses: tuple[float, ...]

    def predict(self, table: pd.DataFrame, task: Task) -> NDArray[np.float64]:
        """Class probabilities (b, classes), or values (b, 1) in the units of the label."""
        x = align_features_to_input_nodes(self.scaler(table), self.network.artifact)
        with torch.no_grad():
            y = self.model(x).double()
        if task.kind == "classification":
            return np.asarray(y.softmax(dim=1))
        return np.asarray(y) * self.scale + self.center


@dataclass(frozen=True)
class _Goal:
    """What the loss compares with: class numbers, or standardised values."""

    y: Tensor
    weight: Tensor | None
    center: float
    scale: float

    def loss(self, predicted: Tensor, rows: Tensor) -> Tensor:
        """Mean loss over some rows."""
        if self.y.is_floating_point():
            return F.mse_loss(predicted[:, 0], self.y[rows])
        return F.cross_entropy(predicted, self.y[rows], weight=self.weight)


def train(
    network: Network,
    table: pd.DataFrame,
    task: Task,
    split: Split,
    settings: Settings,
    seed: int,
    *,
    console: Console,
    progress: Progress,
    name: str,
) -> Trained:
    """Find the number of epochs on the validation part, then train anew on all but the test part.

    The second training sees the samples that the first one only validated on, as the baseline's
    last fit does; neither ever sees the test part.
    """
    table = table[network.features]
    how = (settings, seed, console, progress)
    search = _fit(network, table, task, split.train, split.validation, *how, name)
    epochs = int(np.argmin(search.validation)) + 1
    settled = _fit(network, table, task, split.fit, None, *how, f"{name}, all", epochs)
    goal = settled.goal
    return Trained(
        network, settled.model, settled.scaler, goal.center, goal.scale, epochs, search.validation
    )


@dataclass(frozen=True)
class _Fitted:
    model: CustomizedEdgeModel
    scaler: Scaler
    goal: _Goal
    validation: tuple[float, ...]


def _fit(
    network: Network,
    table: pd.DataFrame,
    task: Task,
    rows: NDArray[np.int64],
    validation: NDArray[np.int64] | None,
    settings: Settings,
    seed: int,
    console: Console,
    progress: Progress,
    name: str,
    epochs: int | None = None,
) -> _Fitted:
    scaler = fit_scaler(table, rows)
    x = align_features_to_input_nodes(scaler(table), network.artifact)
    goal = goal_of(task, rows, settings)
    model = network.build(settings, seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    generator = torch.Generator().manual_seed(seed)
    size = settings.batch_of(len(rows))
    most = epochs or settings.epochs
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        torch.manual_seed(seed)
        training = progress.training(name, model, optimizer, generator)
        history = training.history
        first = most if training.done else training.epoch
        for epoch, show in console.count(most, name, "epochs", first=first):
            _epoch(model, x, goal, batches(rows, size, generator), optimizer, settings)
            if validation is not None:
                history.append(_evaluate(model, x, goal, validation))
                show(f"validation loss {history[-1]:.3f}")
                if not np.isfinite(history[-1]):
                    raise Edge2TorchError("Training diverged: choose a smaller --learning-rate.")
            training.keep(done=epoch + 1 == most or _stalled(history, settings.patience))
            if training.done:
                break
    return _Fitted(model.eval(), scaler, goal, tuple(history))


def goal_of(task: Task, rows: NDArray[np.int64], settings: Settings) -> _Goal:
    if task.kind == "regression":
        center, scale = float(task.values[rows].mean()), float(task.values[rows].std()) or 1.0
        y = torch.as_tensor((task.values - center) / scale, dtype=torch.float32)
        return _Goal(y, None, center, scale)
    weight = None
    if settings.class_weights:
        count = np.bincount(task.values[rows], minlength=len(task.classes))
        weight = torch.as_tensor(len(rows) / len(count) / count, dtype=torch.float32)
    return _Goal(torch.from_numpy(task.values), weight, 0.0, 1.0)


def batches(rows: NDArray[np.int64], size: int, generator: torch.Generator) -> list[Tensor]:
    order = torch.from_numpy(rows)[torch.randperm(len(rows), generator=generator)]
    # Equal parts: batch normalisation needs more than one sample in the last one, too.
    return list(order.tensor_split(max(len(rows) // size, 1)))


def _epoch(
    model: nn.Module,
    x: Tensor,
    goal: _Goal,
    batches: list[Tensor],
    optimizer: torch.optim.Optimizer,
    settings: Settings,
) -> None:
    model.train()
    for rows in batches:
        optimizer.zero_grad()
        seen = F.dropout(x[rows], settings.input_dropout)
        goal.loss(model(seen), rows).backward()
        optimizer.step()


def _evaluate(model: nn.Module, x: Tensor, goal: _Goal, rows: NDArray[np.int64]) -> float:
    model.eval()
    chosen = torch.from_numpy(rows)
    with torch.no_grad():
        return float(goal.loss(model(x[chosen]), chosen))


def _stalled(history: list[float], patience: int) -> bool:
    """Whether the last epochs brought nothing."""
    if len(history) <= patience:
        return False
    return min(history[-patience:]) > min(history[:-patience]) - _BETTER
