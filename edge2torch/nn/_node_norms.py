"""Normalisation of each node over its own channels, or over the batch: exact gradients.

Every module maps (b, n, c) to (b, n, c), computes in the feature-major layout (n, c, b), has one
scale and one shift per node, and keeps epsilon inside the root, so that a node without variance
has a finite gradient. Mean and deviation are part of the function that is differentiated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

EPSILON = 1e-5
_MOMENTUM = 0.1


def node_rows(x: Tensor) -> Tensor:
    """Return (b, n, ...) as (n, ..., b): free for values of this library's models."""
    return x.movedim(0, -1)


def _wide(rows: Tensor) -> Tensor:
    """Return float16 as float32: squares above 65,504, and slopes below epsilon, do not fit it."""
    return rows.float() if rows.dtype == torch.float16 else rows


def _inverse_root(variance: Tensor, epsilon: float) -> Tensor:
    """Return 1 / sqrt(variance + epsilon); NaN, and not 0, where squares have overflowed."""
    return (variance + epsilon).rsqrt().add(variance, alpha=0)  # 0 times infinity is NaN


class NodeNorm(nn.Module, ABC):
    """What the norms share: a scale and a shift per node.

    Parameters
    ----------
    n_nodes : int
        Nodes in the layer.
    epsilon : float
        Added to the variance.
    bias : bool
        Whether to shift.

    Examples
    --------
    >>> import torch
    >>> NodeRMSNorm(1)(torch.tensor([[[3.0, 4.0]]])).detach().norm().round().item() ** 2
    1.0
    """

    bias: nn.Parameter | None

    def __init__(self, n_nodes: int, epsilon: float = EPSILON, *, bias: bool = True) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(n_nodes))
        self.register_parameter("bias", nn.Parameter(torch.zeros(n_nodes)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, n, c) to (b, n, c)."""
        return self.normalize(node_rows(x)).movedim(-1, 0)

    @abstractmethod
    def normalize(self, rows: Tensor) -> Tensor:
        """Map rows (n, c, b) to (n, c, b)."""

    def _affine(self, centred: Tensor, scale: Tensor) -> Tensor:
        """Return centred (n, c, b) times scale, times weight, plus bias."""
        factor = scale * self.weight[:, None, None]
        if self.bias is None:
            return centred * factor
        return torch.addcmul(self.bias[:, None, None], centred, factor)

    def extra_repr(self) -> str:
        """Say for how many nodes."""
        return f"{len(self.weight)}, epsilon={self.epsilon}"


class NodeLayerNorm(NodeNorm):
    """Subtract the mean of a node's channels, divide by their deviation.

    Examples
    --------
    >>> import torch
    >>> NodeLayerNorm(1)(torch.tensor([[[1.0, 3.0]]])).detach().round().tolist()
    [[[-1.0, 1.0]]]
    """

    def normalize(self, rows: Tensor) -> Tensor:
        """Map rows (n, c, b) to (n, c, b)."""
        wide = _wide(rows)
        centred = wide - wide.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        return self._affine(centred, _inverse_root(variance, self.epsilon)).to(rows.dtype)


class NodeRMSNorm(NodeNorm):
    """Divide a node's channels by their root mean square.

    Examples
    --------
    >>> import torch
    >>> NodeRMSNorm(1)(torch.tensor([[[2.0, -2.0]]])).detach().round().tolist()
    [[[1.0, -1.0]]]
    """

    def normalize(self, rows: Tensor) -> Tensor:
        """Map rows (n, c, b) to (n, c, b)."""
        wide = _wide(rows)
        square = wide.square().mean(1, keepdim=True)
        return self._affine(wide, _inverse_root(square, self.epsilon)).to(rows.dtype)


class NodeSoftmax(NodeNorm):
    """Turn a node's channels into shares.

    Examples
    --------
    >>> import torch
    >>> NodeSoftmax(1)(torch.zeros(1, 1, 4)).tolist()
    [[[0.25, 0.25, 0.25, 0.25]]]
    """

    def normalize(self, rows: Tensor) -> Tensor:
        """Map rows (n, c, b) to (n, c, b)."""
        return self._affine(rows.softmax(1), torch.ones_like(rows[:1, :1, :1]))


class NodeChannelBatchNorm(NodeNorm):
    """Normalise each channel of a node over the batch; at rest, by running statistics.

    Parameters
    ----------
    n_nodes, channels : int
        Nodes in the layer, numbers per node.
    epsilon : float
        Added to the variance.
    bias : bool
        Whether to shift.

    Examples
    --------
    >>> import torch
    >>> NodeChannelBatchNorm(1, 1)(torch.tensor([[[1.0]], [[3.0]]])).detach().round().tolist()
    [[[-1.0]], [[1.0]]]
    """

    running_mean: Tensor
    running_var: Tensor
    is_repeating = False  # while checkpointing computes a layer again

    def __init__(
        self, n_nodes: int, channels: int, epsilon: float = EPSILON, *, bias: bool = True
    ) -> None:
        super().__init__(n_nodes, epsilon, bias=bias)
        self.register_buffer("running_mean", torch.zeros(n_nodes, channels))
        self.register_buffer("running_var", torch.ones(n_nodes, channels))

    def normalize(self, rows: Tensor) -> Tensor:
        """Map rows (n, c, b) to (n, c, b)."""
        mean, variance = self.running_mean[..., None], self.running_var[..., None]
        if self.training:
            mean, variance = self._learn(rows)
        return self._affine(rows - mean, _inverse_root(variance, self.epsilon)).to(rows.dtype)

    def _learn(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch's mean and variance (n, c, 1), and remember them."""
        wide = _wide(rows)
        mean = wide.mean(-1, keepdim=True)
        variance = (wide - mean).square().mean(-1, keepdim=True)
        if not self.is_repeating:
            self._remember(mean, variance)
        return mean, variance

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.lerp_(mean.squeeze(-1).to(self.running_mean), _MOMENTUM)
        self.running_var.lerp_(variance.squeeze(-1).to(self.running_var), _MOMENTUM)


class NodeEmaNorm(NodeChannelBatchNorm):
    """Normalise by running statistics in training too, the present batch included.

    The gradient goes through the present batch's share of the statistics; what came before is
    a constant.

    Examples
    --------
    >>> import torch
    >>> NodeEmaNorm(1, 1).eval()(torch.tensor([[[3.0]]])).detach().round().tolist()
    [[[3.0]]]
    """

    def _learn(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        wide = _wide(rows)
        mean = wide.mean(-1, keepdim=True)
        variance = (wide - mean).square().mean(-1, keepdim=True)
        joined = (
            self.running_mean[..., None].lerp(mean, _MOMENTUM),
            self.running_var[..., None].lerp(variance, _MOMENTUM),
        )
        self._remember(mean, variance)
        return joined


NODE_NORMS: dict[str, Callable[..., NodeNorm | None]] = {
    "layer": lambda nodes, channels, bias=True: NodeLayerNorm(nodes, bias=bias),
    "rms": lambda nodes, channels, bias=True: NodeRMSNorm(nodes, bias=bias),
    "batch": NodeChannelBatchNorm,
    "ema": NodeEmaNorm,
    "softmax": lambda nodes, channels, bias=True: NodeSoftmax(nodes, bias=bias),
    "none": lambda nodes, channels, bias=True: None,
}
"""Norms of a node's channels by name; made with the numbers of nodes and channels, and ``bias``."""


@contextmanager
def repeating(model: nn.Module) -> Iterator[None]:
    """Let running statistics rest while a layer is computed for the second time."""
    norms = [m for m in model.modules() if isinstance(m, NodeChannelBatchNorm)]
    for norm in norms:
        norm.is_repeating = True
    try:
        yield
    finally:
        for norm in norms:
            norm.is_repeating = False
