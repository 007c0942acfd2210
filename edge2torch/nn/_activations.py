"""Activations: by name, and that of signalling networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class MML(nn.Module):
    """The saturating activation of signalling models, after Michaelis and Menten.

    A leak below 0, the identity up to one half, and ``1 - 1 / (4 x)`` above, which nears 1: a
    node can be fully active but no more. Value and slope are continuous at one half.

    Parameters
    ----------
    leak : float
        Slope below 0.

    References
    ----------
    Nilsson et al. 2022, Nature Communications 13:3069, doi:10.1038/s41467-022-30684-y.

    Examples
    --------
    >>> import torch
    >>> MML()(torch.tensor([-1.0, 0.25, 0.5, 1.0, 25.0]))
    tensor([-0.0100,  0.2500,  0.5000,  0.7500,  0.9900])
    """

    def __init__(self, leak: float = 0.01) -> None:
        super().__init__()
        self.leak = leak

    def extra_repr(self) -> str:
        """Say how steep the leak is."""
        return f"leak={self.leak}"

    def forward(self, x: Tensor) -> Tensor:
        """Map x of any shape, value by value."""
        bounded = 1 - 0.25 / x.clamp_min(0.5)  # the clamp keeps the other branch's slope finite
        return torch.where(x > 0.5, bounded, torch.where(x < 0, self.leak * x, x))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "mml": MML,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}
"""Activations by the names that ``node_activation=`` takes."""
