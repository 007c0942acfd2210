"""A small output of its own at every node, read from the node's units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge2torch._core.checks import check_choice, check_number, check_type
from edge2torch.errors import Edge2TorchError
from edge2torch.nn._activations import ACTIVATIONS
from edge2torch.nn._kernels import choose_kernel
from edge2torch.nn._linear import MaskedLinear

REDUCE = ("mean", "sum")


class HeadBank(nn.Module):
    """Heads of many nodes as one block product: ``A · activation(W · units + b) + c`` at each.

    Parameters
    ----------
    sites : sequence of str
        The layer at which each node is computed.
    columns : sequence of int
        The first of its columns there.
    units : sequence of int
        How many columns it has.
    outputs : int
        Numbers that each head gives.
    activation : str, optional
        By name; without one a head is ``W · units + b``.

    Examples
    --------
    >>> import torch
    >>> bank = HeadBank(["layer_1", "layer_1"], [0, 3], [3, 2], outputs=4)
    >>> bank(torch.zeros(7, 5)).shape
    torch.Size([7, 2, 4])
    """

    def __init__(
        self,
        sites: Sequence[str],
        columns: Sequence[int],
        units: Sequence[int],
        outputs: int = 1,
        activation: str | None = "tanh",
    ) -> None:
        super().__init__()
        self.sites, self.columns, self.units = list(sites), list(columns), list(units)
        self.outputs, self.activation = outputs, activation
        n, counts = len(self.units), np.array(self.units, np.int64)
        first = np.cumsum(counts) - counts
        node = np.repeat(np.arange(n), counts * outputs)  # row by row: node, output, unit
        place = np.arange(len(node)) - np.repeat(first * outputs, counts * outputs)
        output, unit = np.divmod(place, counts[node])
        shape = (n * outputs, int(counts.sum()))
        choice = choose_kernel(len(node), shape[1], shape[0])
        self.linear = MaskedLinear(
            node * outputs + output, first[node] + unit, shape, choice=choice
        )
        if activation is not None:
            self.act = ACTIVATIONS[activation]()
            self.scale = nn.Parameter(torch.empty(n, outputs, outputs))
            self.shift = nn.Parameter(torch.empty(n, outputs))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew, as torch's linear layers do; the scale behind the activation starts at 1."""
        bound = torch.tensor(self.units).to(self.linear.weight).rsqrt()
        by_row = bound.repeat_interleave(self.outputs)
        self.linear.weight.uniform_(-1, 1).mul_(by_row[self.linear.row.long()])
        if self.linear.bias is not None:
            self.linear.bias.uniform_(-1, 1).mul_(by_row)
        if self.activation is not None:
            # a scale drawn near 0 would keep all before it from learning
            self.scale.copy_(torch.eye(self.outputs).expand_as(self.scale))
            self.shift.zero_()

    def places(self) -> list[tuple[str, int]]:
        """Return layer and column of every unit that is read, in the order of ``forward``."""
        return [
            (site, column + k)
            for site, column, count in zip(self.sites, self.columns, self.units, strict=True)
            for k in range(count)
        ]

    def forward(self, units: Tensor) -> Tensor:
        """Map the units of all nodes (b, u) to the heads (b, n, outputs)."""
        y: Tensor = self.linear(units).unflatten(1, (-1, self.outputs))
        if self.activation is None:
            return y
        y = self.act(y)
        if self.outputs == 1:
            return y * self.scale[:, 0] + self.shift
        return torch.einsum("bnk,njk->bnj", y, self.scale) + self.shift


Loss = Callable[[Tensor, Tensor], Tensor]

# Means over samples, of whatever rows they are given: the heads of all nodes are more samples.
_BY_SAMPLE = (
    *(nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss),
    *(nn.CrossEntropyLoss, nn.BCEWithLogitsLoss, nn.BCELoss, nn.PoissonNLLLoss),
)
_FUNCTIONS = (
    *(F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss),
    *(F.cross_entropy, F.binary_cross_entropy_with_logits, F.poisson_nll_loss),
)
_OF_CLASSES = (nn.CrossEntropyLoss, F.cross_entropy)  # all others here are element by element


def head_loss(
    loss: Loss,
    output: Tensor,
    heads: Tensor,
    y: Tensor,
    *,
    alpha: float = 0.2,
    reduce: str = "mean",
) -> Tensor:
    """Return the loss of a network's output, plus ``alpha`` times that of the heads at its nodes.

    Parameters
    ----------
    loss : callable
        Maps predictions (b, outputs) and ``y`` to a scalar, such as ``nn.MSELoss()``,
        ``nn.CrossEntropyLoss()`` or ``lambda risk, y: cox_loss(risk[:, 0], *y.T)``.
    output : Tensor, shape (b, o)
        Of the network.
    heads : Tensor, shape (b, n, outputs)
        Of its nodes: ``output, heads = model.with_heads(x)``.
    y : Tensor, shape (b, ...)
        What is to be predicted, by the heads too: of the output's shape, or class numbers (b,) for
        cross entropy.
    alpha : float
        Weight of the heads.
    reduce : {"mean", "sum"}
        The mean over nodes; or their sum, as DrugCell has it: with 2,086 terms and ``alpha=0.2`` the
        heads then weigh 417 times as much as the output.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    Edge2TorchError
        For heads or ``y`` of another shape: torch would spread (b,) over (b, 1) to (b, b) numbers, and
        train for nothing.

    Notes
    -----
    torch's losses that are means over samples are computed for all nodes at once; any other callable
    node by node.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> y = torch.ones(4, 1)
    >>> head_loss(nn.MSELoss(), y, torch.zeros(4, 3, 1), y).item()
    0.20000000298023224

    References
    ----------
    DCell: Ma et al. 2018, doi:10.1038/nmeth.4627. DrugCell: Kuenzi et al. 2020,
    doi:10.1016/j.ccell.2020.09.014.
    """
    check_choice("reduce", reduce, REDUCE)
    check_number("alpha", alpha, least=0)
    for argument, value in (("output", output), ("heads", heads), ("y", y)):
        check_type(argument, value, Tensor, "a Tensor: torch.as_tensor makes one of an array")
    if heads.dim() != 3 or len(heads) != len(output):
        raise Edge2TorchError(
            f"heads must have shape ({len(output)}, nodes, outputs), as model.with_heads(x) returns "
            f"them; found {tuple(heads.shape)}."
        )
    _check_shapes(loss, output, heads, y)
    n = heads.shape[1]
    whole = loss(output, y)
    if not n:
        return whole
    if loss in _FUNCTIONS or (
        type(loss) in _BY_SAMPLE and getattr(loss, "reduction", "") == "mean"
    ):
        repeated = y.unsqueeze(0).expand(n, *y.shape).flatten(0, 1)
        mean = loss(heads.transpose(0, 1).flatten(0, 1), repeated)
    else:
        mean = torch.stack([loss(heads[:, k], y) for k in range(n)]).mean()
    return whole + alpha * (mean if reduce == "mean" else n * mean)


def _check_shapes(loss: Loss, output: Tensor, heads: Tensor, y: Tensor) -> None:
    """Refuse what torch would spread over another shape; of a loss of the user's, samples only."""
    shapes = f"found y {tuple(y.shape)}, output {tuple(output.shape)}, heads {tuple(heads.shape)}"
    if not y.dim() or len(y) != len(output):
        raise Edge2TorchError(f"y must have a row for each of {len(output)} samples; {shapes}.")
    of_classes = loss in _OF_CLASSES or isinstance(loss, nn.CrossEntropyLoss)
    if not of_classes and loss not in _FUNCTIONS and type(loss) not in _BY_SAMPLE:
        return
    if output.dim() != 2 or heads.shape[2] != output.shape[1]:
        raise Edge2TorchError(
            f"output must be (b, o), and each head give as many numbers; {shapes}. Give NodeHeads "
            "outputs=."
        )
    numbers = of_classes and y.dim() == 1 and not y.is_floating_point()
    if not numbers and y.shape != output.shape:
        ways = "class numbers of shape (b,), or probabilities of" if of_classes else "of"
        raise Edge2TorchError(
            f"y must be {ways} the output's shape; {shapes}. y[:, None] makes (b, 1) of (b,)."
        )
