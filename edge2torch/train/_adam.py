"""Adam with decoupled weight decay, through torch's function in place of its optimizer class.

The first ``torch.optim.Optimizer`` of a process loads torch's compiler: about a second, which is
longer than the fit of a small table.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam

_STATE = ("exp_avg", "exp_avg_sq", "step")  # names as in the state of torch.optim.AdamW


class Adam:
    """Steps of ``torch.optim.AdamW(parameters, lr, weight_decay=..., fused=...)``, bit for bit."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, weight_decay: float, *, fused: bool
    ) -> None:
        self.lr, self.weight_decay, self.fused = lr, weight_decay, fused
        self.parameters = [one for one in parameters if one.requires_grad]
        self.state: list[dict[str, Tensor]] = [{} for _ in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient, and forget the gradients."""
        moved = [k for k, one in enumerate(self.parameters) if one.grad is not None]
        for k in moved:
            if not self.state[k]:
                like = self.parameters[k]
                # a fused step counts where the parameter is; the other one counts on the CPU
                step = torch.zeros((), device=like.device if self.fused else "cpu")
                zeros = torch.zeros_like(like), torch.zeros_like(like)
                self.state[k] = dict(zip(_STATE, (*zeros, step), strict=True))
        means, squares, steps = ([self.state[k][name] for k in moved] for name in _STATE)
        parameters = [self.parameters[k] for k in moved]
        gradients = [one.grad for one in parameters if one.grad is not None]
        adam(
            parameters, gradients, means, squares, [], steps,
            foreach=False, fused=self.fused, decoupled_weight_decay=True, amsgrad=False,
            beta1=0.9, beta2=0.999, lr=self.lr, weight_decay=self.weight_decay, eps=1e-8,
            maximize=False,
        )  # fmt: skip
        for one in parameters:
            one.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """Return the state by ``"parameter number.name"``, for a checkpoint."""
        return {
            f"{k}.{name}": value for k, own in enumerate(self.state) for name, value in own.items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take back what :meth:`tensors` returned."""
        self.state = [{} for _ in self.parameters]
        for key, value in tensors.items():
            number, _, name = key.partition(".")
            is_count = name == "step" and not self.fused
            device = "cpu" if is_count else self.parameters[int(number)].device
            self.state[int(number)][name] = value.to(device)
