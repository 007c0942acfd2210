"""Adam with decoupled weight decay, through torch's functions in place of its optimizer class.

The first ``torch.optim.Optimizer`` of a process loads torch's compiler: about a second, which is
longer than the fit of a small table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

_STATE = ("exp_avg", "exp_avg_sq", "step")  # names as in the state of torch.optim.AdamW
_BETAS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False, "maximize": False}


class Adam:
    """Steps of ``torch.optim.AdamW(parameters, lr, weight_decay=..., fused=...)``, bit for bit."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, weight_decay: float, *, fused: bool
    ) -> None:
        self.lr, self.weight_decay, self.fused = lr, weight_decay, fused
        self.parameters = [one for one in parameters if one.requires_grad]
        self.means: list[Tensor] = [torch.zeros_like(one) for one in self.parameters]
        self.squares: list[Tensor] = [torch.zeros_like(one) for one in self.parameters]
        self.steps = [0] * len(self.parameters)  # of each, for not every step moves all
        # Devices are those of the beginning: to ask each parameter in each step takes as long as to move it.
        self._counts = {one.device: torch.zeros((), device=one.device) for one in self.parameters}
        self._devices = [one.device for one in self.parameters]

    def step(self) -> None:
        """Move every parameter that has a gradient, and forget the gradients."""
        alike: dict[tuple[int, torch.device], list[int]] = defaultdict(list)
        gradients: list[Any] = [one.grad for one in self.parameters]
        for k, (gradient, device) in enumerate(zip(gradients, self._devices, strict=True)):
            if gradient is not None:
                self.steps[k] += 1
                alike[self.steps[k], device].append(k)
        with torch.no_grad():  # as a decorator it takes three times as long
            for (count, device), numbers in alike.items():
                self._move(count, device, numbers, [gradients[k] for k in numbers])

    def _move(
        self, count: int, device: torch.device, numbers: list[int], gradients: list[Any]
    ) -> None:
        parameters = [self.parameters[k] for k in numbers]
        means, squares = [self.means[k] for k in numbers], [self.squares[k] for k in numbers]
        options: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay, **_BETAS}
        if self.fused:
            # What `adam` comes to. It takes a count of its own for each parameter and sorts them all by
            # device and type, which costs four times as much as to move twenty small ones.
            counts = [self._counts[device].fill_(count)] * len(numbers)
            torch._fused_adamw_(parameters, gradients, means, squares, [], counts, **options)
        else:
            counts = [torch.tensor(count - 1.0) for _ in numbers]  # `adam` counts on by itself
            adam(
                parameters, gradients, means, squares, [], counts,
                foreach=False, fused=False, decoupled_weight_decay=True, **options,
            )  # fmt: skip
        for one in parameters:
            one.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """Return the state by ``"parameter number.name"``, for a checkpoint."""
        parts = zip(self.means, self.squares, self.steps, strict=True)
        return {
            f"{k}.{name}": value
            for k, (*moments, count) in enumerate(parts)
            if count
            for name, value in zip(_STATE, (*moments, torch.tensor(float(count))), strict=True)
        }

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`tensors` returned."""
        for key, value in tensors.items():
            number, _, name = key.partition(".")
            if name == "step":
                self.steps[int(number)] = int(value)
            else:
                {"exp_avg": self.means, "exp_avg_sq": self.squares}[name][int(number)].copy_(value)
