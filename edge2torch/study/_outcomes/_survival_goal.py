"""The partial likelihood of samples in any order, as a network is trained for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from edge2torch.nn import CoxLoss
from edge2torch.study._outcomes._outcome import (
    Goal,
    Numbers,
    Rows,
    Task,
)
from edge2torch.survival import Outcome as Times


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
