"""What cross-fitted networks predict, and the loss that they are trained and judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edge2torch._core.messages import listing
from edge2torch._core.probabilities import softmax
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError

Rows = NDArray[np.int64]
_LEAST = 1e-12  # probability: a confident mistake has a finite loss


@dataclass(frozen=True, eq=False)
class Target:
    """What is predicted: class numbers or values of each sample, and the loss of a prediction.

    A subclass may train and judge otherwise; what ``goal`` returns is handed back to it.
    """

    values: NDArray[Any]
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: Any, n: int, artifact: CompileArtifact) -> Target:
        """Read labels: floating-point numbers are values, everything else is classes."""
        if isinstance(target, Target):
            return target
        given = np.asarray(target)
        if given.ndim == 2 and given.shape[1] == 1:
            given = given[:, 0]
        if given.shape != (n,):
            raise Edge2TorchError(
                f"target must have shape ({n},), one for each sample, found {given.shape}."
            )
        lost = np.flatnonzero(pd.isna(given)).tolist()
        if lost:
            raise Edge2TorchError(f"target: sample(s) {listing(lost)} have none. Leave them out.")
        if given.dtype.kind == "f":
            if not np.isfinite(given).all():
                raise Edge2TorchError("target holds infinite values. Leave these samples out.")
            if n > 1 and np.ptp(given) == 0:
                raise Edge2TorchError(
                    f"target is {given[0]:g} for all {n} samples: there is nothing to predict."
                )
            return cls(given.astype(np.float64))
        names = given.astype(str)
        classes = sorted(set(names.tolist()))
        if len(classes) < 2:
            raise Edge2TorchError(f"target has one class only: {listing(classes)}. Two are needed.")
        # outputs that are the classes keep their own order
        if set(classes) <= set(artifact.output_names):
            classes = [name for name in artifact.output_names if name in set(classes)]
        codes = pd.Index(classes).get_indexer(pd.Index(names))
        return cls(codes.astype(np.int64), tuple(classes))

    @property
    def strength_of(self) -> NDArray[Any]:
        """Class numbers or values that features are ranked by."""
        return self.values

    @property
    def strata(self) -> NDArray[Any]:
        """What folds have in equal shares."""
        return self.values

    @property
    def n_outputs(self) -> tuple[int, ...]:
        """How many outputs a network may have that predicts this."""
        return {0: (1,), 2: (1, 2)}.get(len(self.classes), (len(self.classes),))

    def goal(self, rows: Rows) -> Any:
        """Return what training on some rows aims at: centre and spread of values, 0 and 1 of classes."""
        if self.classes:
            return 0.0, 1.0
        return float(self.values[rows].mean()), float(self.values[rows].std()) or 1.0

    def training_loss(self, y: Tensor, rows: Tensor, goal: Any) -> Tensor:
        """Mean loss of outputs y (b, o) of some rows."""
        own = torch.as_tensor(self.values)[rows].to(y.device)
        if not self.classes:
            return F.mse_loss(y[:, 0], ((own - goal[0]) / goal[1]).to(y))
        if y.shape[1] == 1:
            return F.binary_cross_entropy_with_logits(y[:, 0], own.to(y))
        return F.cross_entropy(y, own)

    def summed_loss(self, y: Tensor, rows: Tensor, goals: Sequence[Any]) -> Tensor:
        """Sum over networks of the mean losses of their outputs y (k, b, o) for rows (k, b)."""
        if self.alike(goals):  # as one network of k times the samples: k times fewer calls
            return len(y) * self.training_loss(y.flatten(0, 1), rows.flatten(), goals[0])
        each = zip(y, rows, goals, strict=True)
        return torch.stack([self.training_loss(*one) for one in each]).sum()

    def alike(self, goals: Sequence[Any]) -> bool:  # noqa: ARG002 - a subclass's
        """Whether all networks are trained for the same, by a mean over samples."""
        return bool(self.classes)

    def answer(self, y: Tensor, goal: Any, rows: Rows) -> Tensor:  # noqa: ARG002 - a subclass's
        """Class probabilities (..., b, classes), or values (..., b, 1) in units of the target."""
        y = y.double().cpu()
        if not self.classes:
            found: Tensor = y * goal[1] + goal[0]
            return found
        if y.shape[-1] == 1:
            chance = y.sigmoid()
            return torch.cat([1 - chance, chance], -1)
        return softmax(y)

    def losses(
        self,
        y: Tensor,
        rows: Rows,
        goal: Any,
        classes: Sequence[int | None] = (None,),
    ) -> NDArray[np.float64]:
        """Loss of each sample (len(classes), ..., b): of each class against the rest, of all for None."""
        answer = self.answer(y, goal, rows)
        own = torch.as_tensor(self.values[rows])
        if not self.classes:
            return np.asarray((answer[..., 0] - own).square()[None])
        chosen = own.expand(answer.shape[:-1]).unsqueeze(-1)
        each = [
            answer.gather(-1, chosen)[..., 0]
            if k is None
            else torch.where(own == k, answer[..., k], 1 - answer[..., k])
            for k in classes
        ]
        return np.asarray(torch.stack(each).clamp_(_LEAST, 1 - _LEAST).log_().neg_())
