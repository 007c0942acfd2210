"""What a network is trained for: the partial likelihood of samples in any order, or hazards by interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch.nn import CoxLoss
from edge2torch.study._outcomes._outcome import Goal, Numbers, Rows, Task
from edge2torch.survival import DiscreteTime
from edge2torch.survival import Outcome as Times

GRID = 20  # times at which survival is predicted, for the Brier score


def times_of(task: Task, rows: Rows | None = None) -> Times:
    """Outcome of the samples, or of some of them, from a task's columns of numbers."""
    time, event, entry, stratum = task.values.T if rows is None else task.values[rows].T
    return Times(
        time,
        event,
        entry if task.options["has_entry"] else None,
        stratum.astype(int).astype(str) if task.options["has_strata"] else None,
    )


@dataclass(frozen=True)
class SurvivalGoal(Goal):
    task: Task
    losses: dict[bytes, CoxLoss] = field(default_factory=dict)  # of each set of samples met

    judged_with_fitted: ClassVar[bool] = True

    def _sum(self, predicted: Tensor, rows: Tensor) -> Tensor:
        """Sum of the terms, of samples in any order."""
        ordered, order = rows.sort()
        key = ordered.cpu().numpy().tobytes()
        if key not in self.losses:
            times = times_of(self.task, ordered.cpu().numpy())
            self.losses[key] = times.loss(self.task.options["ties"])
        return self.losses[key].terms(predicted[order]).sum()

    def loss(self, predicted: Tensor, rows: Tensor) -> Tensor:
        events = self.task.values[rows.cpu().numpy(), 1].sum()
        return self._sum(predicted, rows) / max(float(events), 1.0)

    def held_out_loss(self, predicted: Tensor, rows: Tensor, fitted: Tensor) -> float:
        """What the held-out samples add to the likelihood of those fitted, over common risk sets."""
        both = torch.cat([fitted, rows])
        return self._sum(predicted[both], both).item() - self._sum(predicted[fitted], fitted).item()

    def answer(self, predicted: Tensor) -> Numbers:
        return np.asarray(predicted.double())


class DiscreteGoal(Goal):
    """Cross entropy of the intervals that were lived through, cut by the samples that are fitted."""

    loss_is_mean: ClassVar[bool] = True

    def __init__(self, task: Task, rows: Rows) -> None:
        fitted = times_of(task, rows)
        self.times = DiscreteTime.of(fitted, int(task.options["bins"]))
        self.horizon = float(task.options["horizon"])
        self.grid = grid_of(task, fitted)
        lived, died = self.times.intervals(times_of(task))
        self._lived, self._died = torch.from_numpy(lived), torch.from_numpy(died)

    def loss(self, predicted: Tensor, rows: Tensor) -> Tensor:
        lived, died = (x[rows.cpu()].to(predicted) for x in (self._lived, self._died))
        return (lived * nn.functional.softplus(predicted) - died * predicted).sum(1).mean()

    def read_out(self) -> nn.Module:
        return _UntilHorizon(self.times, self.horizon)

    def answer(self, predicted: Tensor) -> Numbers:
        """Log cumulative hazard at the horizon, and survival at the times of the grid."""
        y = predicted.detach().cpu().double()
        risk = self.times.log_cumulative_hazard(y, self.horizon)
        return np.column_stack([risk.numpy(), self.times.survival_curves(y, self.grid)])


class _UntilHorizon(nn.Module):
    """Hazards by interval to one number, for what it rests on."""

    def __init__(self, times: DiscreteTime, horizon: float) -> None:
        super().__init__()
        self.times, self.horizon = times, horizon

    def forward(self, y: Tensor) -> Tensor:
        """Map logits (b, k) to the log cumulative hazard at the horizon (b, 1)."""
        return self.times.log_cumulative_hazard(y, self.horizon)[:, None]


def grid_of(task: Task, times: Times) -> NDArray[np.float64]:
    """Times up to the horizon, or to the end of the follow-up of these samples."""
    end = min(task.options["horizon"], float(times.time.max()))
    return np.linspace(end / 10, end, GRID)


def is_discrete(task: Task) -> bool:
    """Whether the network has a hazard for each interval; earlier versions knew Cox's model only."""
    return bool(task.options.get("survival", "cox") == "discrete")


def numbers_of(times: Times, strata: Sequence[str]) -> NDArray[np.float64]:
    """Time, event, entry and the number of the stratum; entries before all times where there are none."""
    n = len(times)
    entry = np.full(n, -1.0) if times.entry is None else times.entry
    codes = np.zeros(n)
    if times.strata is not None:
        codes = pd.Index(list(strata)).get_indexer(pd.Index(times.strata)).astype(np.float64)
    return np.column_stack([times.time, times.event, entry, codes])
