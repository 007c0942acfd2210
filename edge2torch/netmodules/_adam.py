"""Adam as a function and a rate that falls: torch's own, without its optimizer class.

The first ``torch.optim.Optimizer`` of a process loads torch's compiler, which takes longer than
the fit of a small table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

_BETTER = 1e-4  # the share by which a loss has to fall
_LEAST = 1e-8  # a smaller change of the rate is not worth it


class Adam:
    """Steps of ``torch.optim.Adam(parameters, lr=rate, fused=True)``, bit for bit."""

    def __init__(self, parameters: Iterable[Tensor], rate: float) -> None:
        self.rate = rate
        self.parameters: list[Tensor] = list(parameters)
        self._means = [torch.zeros_like(one) for one in self.parameters]
        self._squares = [torch.zeros_like(one) for one in self.parameters]
        self._steps = [torch.zeros(()) for _ in self.parameters]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for one in self.parameters:
            one.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter by its gradient."""
        gradients = [one.grad for one in self.parameters if one.grad is not None]
        adam(
            self.parameters, gradients, self._means, self._squares,
            [], self._steps, fused=True, amsgrad=False, beta1=0.9, beta2=0.999, lr=self.rate,
            weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip


@dataclass
class Plateau:
    """Multiplies the rate by ``factor`` when the loss has not fallen for more than ``patience``."""

    optimizer: Adam
    factor: float
    patience: int
    best: float = float("inf")
    stale: int = 0

    def step(self, loss: float) -> None:
        """Take note of one epoch."""
        if loss < self.best * (1 - _BETTER):
            self.best, self.stale = loss, 0
        else:
            self.stale += 1
        if self.stale > self.patience:
            lower = self.optimizer.rate * self.factor
            if self.optimizer.rate - lower > _LEAST:
                self.optimizer.rate = lower
            self.stale = 0
