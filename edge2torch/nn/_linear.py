"""A linear layer along edges, with constraints on its weights."""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.constraints import FIXED, is_signed
from edge2torch.nn._kernels import EdgePattern, KernelChoice
from edge2torch.nn._one_sided import one_sided


class MaskedLinear(EdgePattern):
    """``y = x W.T + b`` where W has one trainable value per edge and nothing else.

    A weight constrained to one sign is stored as theta and used as ``sign * max(theta, 0)``,
    with a gradient that never pushes theta further below zero: the sign holds under any
    optimizer, weight decay draws the weight itself to zero, and a small weight learns as fast as
    a large one. Fixed weights are buffers, not parameters.

    Parameters
    ----------
    rows, columns : ndarray of int, shape (e,)
        Target and source positions, sorted by row, then column, each pair once.
    shape : tuple of int
        (o, i).
    bias : bool
        Whether every target has a trainable bias.
    constraint : ndarray of int8, shape (e,), optional
        0 unconstrained, 1 positive, -1 negative, 2 fixed.
    choice : KernelChoice
        What computes the products, and why.

    Attributes
    ----------
    weight : Parameter, shape (trainable edges,)
        One value per edge that is not fixed, in edge order.
    bias : Parameter of shape (o,) or None
    edge_dropout : float
        Probability with which an edge is left out of a training step, for the whole batch.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from edge2torch.nn import KernelChoice
    >>> layer = MaskedLinear(np.array([0, 0]), np.array([0, 2]), (1, 3), bias=False,
    ...                      choice=KernelChoice(0, "an example"))
    >>> layer.set_weights(torch.tensor([1.0, 10.0]))
    >>> layer(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[31.0]]
    """

    edge_dropout: float = 0.0
    sign: Tensor | None
    trainable: Tensor | None
    fixed: Tensor | None
    bias: nn.Parameter | None

    def __init__(
        self,
        rows: NDArray[np.integer],
        columns: NDArray[np.integer],
        shape: tuple[int, int],
        *,
        bias: bool = True,
        constraint: NDArray[np.int8] | None = None,
        choice: KernelChoice,
    ) -> None:
        super().__init__(rows, columns, shape, dense_from=choice.dense_from)
        self.choice = choice
        codes = np.zeros(self.n_edges, np.int8) if constraint is None else np.asarray(constraint)
        is_free = codes != FIXED
        self.weight = nn.Parameter(torch.zeros(int(is_free.sum())))
        self.register_parameter("bias", nn.Parameter(torch.zeros(shape[0])) if bias else None)
        all_free = bool(is_free.all())
        self._buffer("trainable", None if all_free else np.flatnonzero(is_free))
        self.register_buffer("fixed", None if all_free else torch.zeros(self.n_edges))
        signs = codes[is_free].astype(np.int8)
        self._buffer("sign", signs if signs.any() else None)
        self.is_unconstrained = not codes.any()  # a weight is what is stored

    def _buffer(self, name: str, values: NDArray[np.integer] | None) -> None:
        tensor = None if values is None else torch.tensor(values)
        self.register_buffer(name, tensor, persistent=False)

    def with_edge_dropout(self, probability: float) -> MaskedLinear:
        """Return a layer that shares all tensors with this one, and drops edges in training."""
        layer = copy.copy(self)
        for held in ("_parameters", "_buffers"):
            layer.__dict__[held] = dict(self.__dict__[held])
        layer.edge_dropout = probability
        return layer

    def extra_repr(self) -> str:
        """Say what is out of the ordinary; alike layers print as one line, "3 x ..."."""
        return f"edge_dropout={self.edge_dropout}" if self.edge_dropout else ""

    def edge_weights(self) -> Tensor:
        """Return the effective weight of every edge, shape (e,), differentiable, in O(e)."""
        return self.effective(self.weight, self.fixed)

    def effective(self, weight: Tensor, fixed: Tensor | None) -> Tensor:
        """Return what parameters and fixed weights come to, (e,)."""
        if self.sign is not None:
            weight = one_sided(weight, self.sign)
        if self.trainable is None or fixed is None:
            return weight
        return fixed.index_copy(0, self.trainable, weight)

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Store effective weights (e,); constrained ones must have their sign already."""
        weights = weights.to(self.weight)
        if self.trainable is not None and self.fixed is not None:
            self.fixed.copy_(weights).index_fill_(0, self.trainable, 0)
            weights = weights.index_select(0, self.trainable)
        self.weight.copy_(weights if self.sign is None else self._unsigned(weights))

    def _unsigned(self, weights: Tensor) -> Tensor:
        return torch.where(self.sign == 0, weights, weights.abs())  # type: ignore[arg-type]

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Map x (..., i) to (..., o), by ``edge_weights()`` that may be at hand."""
        if weight is None:
            weight = self.weight if self.is_unconstrained else self.edge_weights()
        if self.edge_dropout:
            weight = F.dropout(weight, self.edge_dropout, self.training)
        if x.dim() == 2:
            return self.product(weight, x, self.bias)
        y = self.product(weight, x.reshape(-1, self.in_features), self.bias)
        return y.reshape(*x.shape[:-1], self.out_features)


# Magnitudes keep clear of zero so that a path of single edges neither dies nor explodes:
# the mean square is 1, and the mean logarithm is -0.08 instead of -0.45 for U(-sqrt 3, sqrt 3).
_CLEAR_OF_ZERO = (0.5, 1.43)
_FROM_ZERO = (0.0, 1.0)


def draw_weights(
    scale: NDArray[np.float64],
    constraint: NDArray[np.int8],
    given: NDArray[np.float64] | None,
    *,
    clear_of_zero: bool,
) -> Tensor:
    """Draw initial weights from torch's generator, and keep those that are given.

    Parameters
    ----------
    scale : ndarray of float64, shape (e,)
        Root mean square wanted of each weight.
    constraint : ndarray of int8, shape (e,)
        Codes as in :class:`MaskedLinear`; a constrained weight gets its sign.
    given : ndarray of float64, shape (e,), optional
        Weights that are known already, NaN elsewhere.
    clear_of_zero : bool
        Whether magnitudes are ``scale * U(0.5, 1.43)`` or ``scale * U(0, 1)``.

    Returns
    -------
    Tensor, shape (e,)

    Examples
    --------
    >>> import numpy as np
    >>> draw_weights(np.ones(2), np.array([0, 1], np.int8), np.array([3.0, np.nan]),
    ...              clear_of_zero=True)[0]
    tensor(3.)
    """
    magnitude = torch.empty(len(scale)).uniform_(*(_CLEAR_OF_ZERO if clear_of_zero else _FROM_ZERO))
    side = torch.where(torch.rand(len(scale)) < 0.5, -1.0, 1.0)
    if constraint.any():
        codes = torch.from_numpy(constraint)
        side = torch.where(is_signed(codes), codes.to(side), side)
    drawn = magnitude.mul_(side).mul_(torch.from_numpy(scale).to(magnitude))
    if given is None:
        return drawn
    known = torch.from_numpy(given).to(magnitude)
    return torch.where(known.isnan(), drawn, known)
