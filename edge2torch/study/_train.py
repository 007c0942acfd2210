"""Train a network: how many epochs, told in folds, then on all but the test part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.console import Console
from edge2torch.data import align_features_to_input_nodes
from edge2torch.interpret import Apart, ReplicateStack, side_by_side
from edge2torch.nn import CustomizedEdgeModel, drop_in_rows, gradients_to_parameters
from edge2torch.study._covariates import Beside, BesideStack, covariates_alone, fit_encoding
from edge2torch.study._network import Network
from edge2torch.study._outcomes._outcome import Goal, Task
from edge2torch.study._progress import Progress
from edge2torch.study._settings import StudySettings
from edge2torch.study._steps import Step, Steps
from edge2torch.train import CHUNK, Fit, Scaler, Split, fit, fit_scaler, in_chunks

_VISIBLE = 0.02  # of the whole fall; plateaus reached by this loop brought 0.6 % at most
# Patience counts in epochs, but a network learns by steps, and an epoch of few samples has two or
# three: it is waited for so many steps at least, twice what AdamW's second moment averages over.
_STEPS = 200


Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows to fit, rows to judge the fit by


def still_falling(losses: tuple[float, ...], best: int) -> bool:
    """Tell whether validation losses were falling at the last epoch; ``best`` counts from one."""
    window = max(len(losses) // 10, 1)
    if best <= len(losses) - window or len(losses) < 2:
        return False
    # a plateau creeps down as well: the last tenth has to bring a visible part of the whole
    before, last = (float(np.mean(losses[-k:][:window])) for k in (2 * window, window))
    return before - last > _VISIBLE * (max(losses) - min(losses))


@dataclass(frozen=True)
class Trained:
    """A trained network, and how to bring data to it."""

    network: Network
    model: CustomizedEdgeModel
    scaler: Scaler
    goal: Goal
    epochs: int
    losses: tuple[float, ...]
    stalled: bool = True  # whether the search for the number of epochs ended by itself
    beside: Beside | None = None  # the linear part of the covariates

    @property
    def cut_off(self) -> bool:
        """Whether the limit of epochs ended the search while the validation loss was falling."""
        return not self.stalled and still_falling(self.losses, self.epochs)

    @property
    def explained(self) -> CustomizedEdgeModel:
        """The model as it is attributed: with outputs of its own, or with what is read out of them."""
        if (last := self.goal.read_out()) is None:
            return self.model
        after = self.model.after
        after["head"] = nn.Sequential(after["head"], last) if "head" in after else last
        return CustomizedEdgeModel(self.model.base_model, **cast(Any, after)).eval()

    def predict(
        self, table: pd.DataFrame, covariates: pd.DataFrame | None = None
    ) -> NDArray[np.float64]:
        """What the outcome predicts (b, k): class probabilities, or values in the label's units."""
        x = align_features_to_input_nodes(self.scaler(table), self.network.artifact)
        with torch.no_grad():
            y = self.model(x)
        return self.goal.answer(y if self.beside is None else y + self.beside(covariates))

    def predict_rows(
        self, table: pd.DataFrame, task: Task, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The same of some samples of the study."""
        return self.predict(table.iloc[rows], task.covariates_of(rows))


def train(
    network: Network,
    table: pd.DataFrame,
    task: Task,
    split: Split,
    settings: StudySettings,
    seed: int,
    *,
    console: Console,
    progress: Progress,
    name: str,
) -> Trained:
    """Find the number of epochs on the validation parts, then train anew on all but the test part.

    The second training sees the samples that the first one only validated on, as the baseline's
    last fit does; neither ever sees the test part.
    """
    table = table[network.features]
    how = (settings, seed, console, progress)
    *_, search = _fit(network, table, task, split.folds, *how, name)
    epochs = cast(int, search.best_epoch) + 1
    whole = ((split.fit, split.fit[:0]),)
    found = _fit(network, table, task, whole, *how, f"{name}, all", epochs)
    model, beside, scaler, goal, _ = found
    losses = tuple(search.history["held_out_loss"])
    stalled = search.stopped_by != "max_epochs"
    chosen = cast(CustomizedEdgeModel, model.unstack()[0])
    return Trained(network, chosen, scaler, goal, epochs, losses, stalled, beside)


def _fit(
    network: Network,
    table: pd.DataFrame,
    task: Task,
    folds: tuple[Fold, ...],
    settings: StudySettings,
    seed: int,
    console: Console,
    progress: Progress,
    name: str,
    epochs: int | None = None,
) -> tuple[Apart | ReplicateStack, Beside | None, Scaler, Goal, Fit]:
    """Train a network per fold, all in step, so that one curve of losses is that of all of them.

    With ``epochs`` so many are trained, and nothing is validated. What is returned beside the
    networks is the first fold's.
    """
    scalers = [fit_scaler(table, rows) for rows, _ in folds]
    x = torch.stack([align_features_to_input_nodes(s(table), network.artifact) for s in scalers])
    goals = [goal_of(task, rows, settings) for rows, _ in folds]
    # Every fold starts from the same weights. Their losses are summed and AdamW treats each
    # parameter on its own, so none of the networks notices the others.
    model = side_by_side([network.build(settings, seed) for _ in folds], network.artifact)
    linear = beside_of(task, goals, folds, network)
    # Folds differ by a row or two; an epoch takes as many of each, others every time.
    size = min(len(rows) for rows, _ in folds)
    steps = steps_of(task, size, settings)
    which, hidden = torch.arange(len(folds)), settings.input_dropout_of(task.outcome)

    past = Steps.of(model, goals) if linear is None else None

    def batches(generator: torch.Generator) -> Sequence[Tensor]:
        if past is not None:
            past.begin_epoch()
        drawn = torch.stack([shuffled(rows, generator)[:size] for rows, _ in folds])
        return parts_of(task, drawn, steps)

    def read(rows: Tensor) -> Tensor:
        return drop_in_rows(x, which, rows, hidden)

    def outputs(rows: Tensor) -> tuple[Tensor, ...]:
        seen = read(rows)
        with gradients_to_parameters():
            y, heads = with_heads(model, seen)
        y = y if linear is None else y + linear(rows)
        return y, *(own[None] for own in heads)  # samples come second, as in y

    def loss(rows: Tensor) -> Tensor | Step:
        if past is not None and rows.shape[-1] <= CHUNK:
            return past.loss(read(rows), rows)
        # more only where each step takes all samples
        y, *heads = in_chunks(outputs, rows)
        total = goals[0].sum_losses(goals, y, rows)
        if heads:  # else the rows would be taken apart for nothing
            for goal, own, part in zip(goals, heads, rows, strict=True):
                total = total + settings.head_weight * mean_of_heads(goal, own[0], part)
        return total

    fitted = fit(
        trained_with(model, linear),
        loss,
        batches,
        held_out=None if epochs else _evaluation(model, linear, x, goals, folds),
        max_epochs=epochs or settings.max_epochs,
        patience=max(settings.patience, -(-_STEPS // steps)),
        learning_rate=settings.learning_rate_of(),
        weight_decay=settings.weight_decay,
        keep_best=False,  # the number of epochs is what is looked for
        seed=seed,
        checkpoint=progress.file(name),
        on_checkpoint=progress.note_time,
        progress=lambda to_come: console.count(to_come.stop, name, "epochs", first=to_come.start),
    )
    return model, None if linear is None else linear.first(), scalers[0], goals[0], fitted


def with_heads(model: Apart | ReplicateStack, x: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
    """Map x (k, b, i) to outputs (k, b, o), and heads (b, n, o) of each network that has any."""
    own = model.networks if isinstance(model, Apart) else ()
    if not own or cast(CustomizedEdgeModel, own[0]).heads is None:
        return model(x), []
    pairs = [
        cast(CustomizedEdgeModel, one).with_heads(part) for one, part in zip(own, x, strict=True)
    ]
    return torch.stack([y for y, _ in pairs]), [heads for _, heads in pairs]


def mean_of_heads(goal: Goal, heads: Tensor, rows: Tensor) -> Tensor:
    """Return the mean over nodes of the loss of heads (b, n, outputs)."""
    return goal.summed_loss(heads.transpose(0, 1), rows) / heads.shape[1]


def beside_of(
    task: Task, goals: Sequence[Goal], folds: Sequence[Fold], network: Network
) -> BesideStack | None:
    """Linear parts of covariates beside a network per fold, where there are covariates."""
    if task.covariates is None:
        return None
    # categories of all folds, or weights could not stand side by side; no test sample is among them
    rows = np.unique(np.concatenate([part for fold in folds for part in fold]))
    encoding = fit_encoding(task.covariates, rows)
    z = torch.from_numpy(encoding(task.covariates).to_numpy())
    outputs = network.head or len(network.outputs)
    parts = zip(goals, [fitted for fitted, _ in folds], strict=True)
    return BesideStack(encoding, z, [covariates_alone(z, *one, outputs) for one in parts])


def trained_with(model: nn.Module, linear: BesideStack | None) -> nn.Module:
    """What is trained: the network, and the linear part where there is one."""
    return model if linear is None else nn.ModuleDict({"network": model, "covariates": linear})


def goal_of(task: Task, rows: NDArray[np.int64], settings: StudySettings) -> Goal:
    """What a network is trained for on some rows."""
    return task.outcome.goal(task, rows, balanced=settings.class_weights)


def steps_of(task: Task, n: int, settings: StudySettings) -> int:
    """How many batches an epoch over ``n`` training samples has."""
    if whole := task.outcome.whole_steps:
        return whole
    return max(n // task.outcome.batch_size(n, settings.batch_of(n)), 1)


def parts_of(task: Task, drawn: Tensor, steps: int) -> Sequence[Tensor]:
    """Samples (..., n) of each step: in equal parts, for batch normalisation, or all of them."""
    return [drawn] * steps if task.outcome.whole_steps else drawn.tensor_split(steps, dim=-1)


def shuffled(rows: NDArray[np.int64], generator: torch.Generator) -> Tensor:
    """Rows in random order."""
    return torch.from_numpy(rows)[torch.randperm(len(rows), generator=generator)]


def _evaluation(
    model: Apart | ReplicateStack,
    linear: BesideStack | None,
    x: Tensor,
    goals: list[Goal],
    folds: tuple[Fold, ...],
) -> Callable[[], float]:
    """Return a function that gives the mean loss over the validation rows of all folds."""
    # of one fold only its rows; of several all, which are few and of which each is wanted
    beside = [fitted for fitted, _ in folds if goals[0].judged_with_fitted]
    held_out = torch.from_numpy(np.unique(np.concatenate([*beside, *(rows for _, rows in folds)])))
    seen, n = x[:, held_out], x.shape[1]
    parts = [(torch.from_numpy(rows), torch.from_numpy(fitted)) for fitted, rows in folds]

    def _evaluate() -> float:
        outputs = model(seen) if linear is None else model(seen) + linear(held_out)
        total = 0.0
        for y, goal, own in zip(outputs, goals, parts, strict=True):
            predicted = y.new_full((n, y.shape[1]), torch.nan)
            predicted[held_out] = y
            total += goal.held_out_loss(predicted, *own)
        return total / sum(len(rows) for rows, _ in parts)

    return _evaluate
