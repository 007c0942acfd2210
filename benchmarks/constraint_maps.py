"""Which map from a free parameter to a positive weight?

Run: python benchmarks/constraint_maps.py

Each map is asked four things, with each optimizer:
  grow    start at 0.001, the data want 1: error after 300 steps
  shrink  start at 1, the data want -1, so the best positive weight is 0: weight after 300 steps
  decay   start at 1, gradient of the data 0, decoupled weight decay 0.1 x lr 0.1 over 1,000 steps:
          weight left (exact shrinking towards 0 leaves 0.99 ** 1000 = 0.00004)
  back    the data want -1 for 300 steps, then 1: error after 30 more (a theta that ran away
          below zero takes as long to come back)
  sign    smallest weight ever seen
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from edge2torch.nn import one_sided


def absolute(theta: Tensor) -> Tensor:
    return theta * torch.where(theta < 0, -1.0, 1.0)


def ours(theta: Tensor) -> Tensor:
    return one_sided(theta, torch.ones_like(theta))


class _Project(torch.autograd.Function):
    """max(theta, 0) with the gradient of the identity."""

    @staticmethod
    def forward(ctx: object, theta: Tensor) -> Tensor:
        return theta.clamp_min(0)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient


# name: (map, its inverse on positive weights)
MAPS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "softplus": (F.softplus, lambda w: w + torch.log(-torch.expm1(-w))),
    "exp": (torch.exp, torch.log),
    "square": (torch.square, torch.sqrt),
    "clamp, straight-through": (_Project.apply, lambda w: w),
    "|theta|": (absolute, lambda w: w),
    "clamp, one-sided (ours)": (ours, lambda w: w),
}
OPTIMIZERS: dict[str, Callable[[list[Tensor], float], torch.optim.Optimizer]] = {
    "SGD": lambda p, decay: torch.optim.SGD(p, lr=0.1, weight_decay=decay),
    "SGD momentum": lambda p, decay: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=decay),
    "AdamW": lambda p, decay: torch.optim.AdamW(p, lr=0.1, weight_decay=decay),
    "RMSprop": lambda p, decay: torch.optim.RMSprop(p, lr=0.01, weight_decay=decay),
}


def run(
    map_name: str, optimizer: str, start: float, schedule: list[tuple[float | None, int]], decay=0.0
) -> tuple[float, float]:
    """Fit y = w x to y = wanted x for the scheduled steps: the final and the smallest weight."""
    to_weight, to_theta = MAPS[map_name]
    theta = to_theta(torch.tensor([start], dtype=torch.float64)).requires_grad_()
    stepper = OPTIMIZERS[optimizer]([theta], decay)
    smallest = start
    for wanted, steps in schedule:
        for _ in range(steps):
            stepper.zero_grad()
            weight = to_weight(theta)
            smallest = min(smallest, weight.item())
            loss = 0 * weight.sum() if wanted is None else 0.5 * (weight - wanted).square().sum()
            loss.backward()
            stepper.step()
    return to_weight(theta).item(), smallest


def main() -> None:
    header = f"{'map':26}{'optimizer':14}{'grow':>9}{'shrink':>9}{'back':>9}{'decay':>9}"
    print(header + f"{'sign kept':>11}")
    for name in MAPS:
        for optimizer in OPTIMIZERS:
            grow = run(name, optimizer, 0.001, [(1.0, 300)])
            shrink = run(name, optimizer, 1.0, [(-1.0, 300)])
            back = run(name, optimizer, 1.0, [(-1.0, 300), (1.0, 30)])
            decay = run(name, optimizer, 1.0, [(None, 1000)], decay=0.1)
            kept = min(grow[1], shrink[1], back[1], decay[1]) >= 0
            print(
                f"{name:26}{optimizer:14}{abs(1 - grow[0]):9.4f}{shrink[0]:9.4f}"
                f"{abs(1 - back[0]):9.4f}{decay[0]:9.5f}{'yes' if kept else 'no':>11}"
            )


if __name__ == "__main__":
    main()
