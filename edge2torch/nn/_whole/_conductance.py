"""What flows through every node along paths of samples, where a graph is computed in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from edge2torch.nn._whole._run import Run
from edge2torch.nn._whole._tensors import CPU, WIDTH
from edge2torch.nn._whole._threads import share_out

BLOCK = WIDTH  # samples that are computed side by side


@dataclass(frozen=True)
class Passed:
    """A call of a graph that was computed in one pass.

    ``y`` (b, o) is what the graph put out: a leaf of what is computed from it.
    """

    run: Run
    x: Tensor
    y: Tensor

    def conductance(self, gradient: Tensor, shares: Tensor) -> list[Tensor]:
        """Return the sum over a path of each node's gradient times its way to the next point.

        Samples are points of paths, from the last to the first, in blocks of ``BLOCK``.

        Parameters
        ----------
        gradient : Tensor, shape (b, o)
            By the graph's outputs.
        shares : Tensor, shape (paths, BLOCK)
            1 for the samples of a path in a block, but for the path's last point; else 0.

        Returns
        -------
        list of Tensor, shape (blocks, paths, n)
            For each layer, in its columns' order.
        """
        run, plan, room = self.run, self.run.plan, self.run.room
        assert room is not None  # noqa: S101 - forward took it
        room.open_behind(plan, wants_x=False)
        gradient, shares = gradient.contiguous() + 0, shares.to(self.x).contiguous()
        blocks, n_paths, n_nodes = len(self.x) // plan.width, len(shares), run.layout.n_nodes
        scores = self.x.new_zeros(blocks, n_paths, n_nodes)
        d = torch.empty(plan.threads, plan.lengths[0], dtype=plan.dtype, device=CPU)
        share_out(
            run.walk.conduct,
            [
                (plan.rows, plan.graph, here, gradient.data_ptr(), self.x.data_ptr(),
                 own.data_ptr(), shares.data_ptr(), n_paths, scores.data_ptr(), len(self.x), *part)
                for here, own, part in zip(room.at, d, plan.parts, strict=True)
            ],
        )  # fmt: skip
        return [scores[..., torch.from_numpy(rows)] for rows in run.layout.row_of]


SEEN: ContextVar[tuple[object, list[Passed]]] = ContextVar("seen in one pass", default=(None, []))


@contextmanager
def seen_in_one_pass(model: object) -> Iterator[list[Passed]]:
    """Collect the calls of a model that are computed in one pass, for what flows through its nodes.

    Their outputs are leaves: gradients go from what is computed of them to them, and on by
    :meth:`Passed.conductance`. A call that has to be computed layer by layer is not in the list.
    """
    seen: list[Passed] = []
    token = SEEN.set((model, seen))
    try:
        yield seen
    finally:
        SEEN.reset(token)


def pass_by(run: Run, x: Tensor, seen: list[Passed]) -> Tensor | None:
    """Compute the output (b, o), and say so; None for what is not whole blocks of paths' points."""
    if len(x) % BLOCK or x.requires_grad or run.tables.learns or run.tables.draws:
        return None
    x = x.contiguous()
    y = run.forward(x, keeps=False).requires_grad_()
    seen.append(Passed(run, x, y))
    return y.clone()  # a leaf may not be changed in place
