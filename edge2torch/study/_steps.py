"""Steps of training past autograd, where a network is computed in one pass and nothing stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from edge2torch.interpret import Apart, ReplicateStack
from edge2torch.nn import CustomizedEdgeModel, EdgeModel, Passes, gradients_to_parameters
from edge2torch.study._outcomes._outcome import Goal


@dataclass(frozen=True, eq=False)
class Step:
    """A loss of which only the way back is asked for, as ``fit`` does."""

    passes: Passes
    gradient: Tensor  # of the loss with respect to the outputs (b, o)

    def backward(self) -> None:
        """Fill the gradients of parameters."""
        self.passes.backward(self.gradient)


class Steps:
    """Losses of a network per fold, side by side; of small ones a step takes half as long as by autograd.

    Parameters
    ----------
    model : Apart or ReplicateStack
        Maps x (k, b, i) to (k, b, o).
    base : EdgeModel
        The graph, or all of them side by side, after which nothing comes.
    goals : sequence of Goal
        One for each network.
    """

    def __init__(
        self, model: Apart | ReplicateStack, base: EdgeModel, goals: Sequence[Goal]
    ) -> None:
        self._model, self._base, self._goals = model, base, goals
        self._opened: dict[int, Passes | None] = {}  # by how many samples a batch has

    @classmethod
    def of(cls, model: Apart | ReplicateStack, goals: Sequence[Goal]) -> Steps | None:
        """Return steps of networks that are a graph and nothing else."""
        base: nn.Module | None = None
        if isinstance(model, ReplicateStack):
            base = None if model.has_heads else model.base
        elif len(model.networks) == 1:
            one = cast(CustomizedEdgeModel, model.networks[0])
            base = one.base_model if one.heads is None and not one.after else None
        return cls(model, base, goals) if type(base) is EdgeModel else None

    def begin_epoch(self) -> None:
        """Look at the network anew: it was in evaluation mode in between."""
        self._opened.clear()

    def loss(self, x: Tensor, rows: Tensor) -> Tensor | Step:
        """Sum the mean losses of x (k, b, i), of samples ``rows`` (k, b)."""
        k, goal = len(rows), self._goals[0]
        passes = self._passes(x)
        if passes is None:
            with gradients_to_parameters():
                y = self._model(x)
            return goal.sum_losses(self._goals, y, rows)
        y = passes.forward(_wide(x)).unflatten(1, (k, -1)).transpose(0, 1)
        return Step(passes, _wide(goal.gradient(self._goals, y, rows)))

    def _passes(self, x: Tensor) -> Passes | None:
        b = x.shape[1]
        if b not in self._opened:
            self._opened[b] = self._base.passes(_wide(x))
        return self._opened[b]


def _wide(x: Tensor) -> Tensor:
    """Return what networks (k, b, i) read or put out side by side, (b, k * i)."""
    return x.transpose(0, 1).flatten(1)
